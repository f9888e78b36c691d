"""A GPU in plain Python: memory in a bytearray, kernels by name, faults on demand.

Its "machine code" is the kernel's name. Run as a program it is the launcher's child on this GPU.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.launch.gpu import GpuFault

BASE = 1 << 40


class FakeGpu:
    """Answers the launcher as a GPU would; `times_ms` says how long each kernel takes."""

    name = "fake"
    architecture = "sm_00"
    l2_bytes = 1 << 10

    def __init__(self, device: int = 0, times_ms: dict[str, float] | None = None) -> None:
        self.memory = np.zeros(0, np.uint8)
        self.clock_ms = 0.0
        self.times_ms = times_ms or {}
        self.launched: list[str] = []
        self.dead: str | None = None
        self.calls = 0

    def allocate(self, size: int) -> int:
        if size > 1 << 28:
            raise GpuFault("OUT_OF_MEMORY")
        address = BASE + self.memory.size
        self.memory = np.concatenate([self.memory, np.zeros(-(-size // 256) * 256, np.uint8)])
        return address

    def free(self, address: int) -> None:
        assert address >= BASE

    def upload(self, address: int, data: npt.NDArray[np.uint8]) -> None:
        self.memory[address - BASE : address - BASE + data.size] = data

    def download(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        self.synchronize()
        return self.memory[address - BASE : address - BASE + size].copy()

    def fill(self, address: int, word: int, words: int) -> None:
        self.memory[address - BASE : address - BASE + 4 * words].view(np.uint32)[:] = word

    def load(self, cubin: bytes, entry: str) -> Any:
        return cubin.decode()

    def launch(
        self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], shared_bytes: int, values: Sequence[Any]
    ) -> None:
        self.launched.append(kernel)
        self.clock_ms += self.times_ms.get(kernel, 1.0)
        self.calls += 1
        if kernel == "refused":
            raise GpuFault("INVALID_VALUE")
        if kernel == "wild":
            self.dead = "ILLEGAL_ADDRESS"
        elif kernel == "endless":
            time.sleep(3600)
        elif kernel == "crash":
            sys.exit(3)
        elif kernel != "nothing":
            self._convolve(kernel, values)

    def _convolve(self, kernel: str, values: Sequence[Any]) -> None:
        x, w, y = (self.array(values[i * 13 : i * 13 + 13]) for i in range(3))
        stride, top, left = (int(value) for value in values[39:42])
        if kernel.startswith("endless_after") and self.calls > int(kernel.split("_")[-1]):
            time.sleep(3600)
        for n, i, j in np.ndindex(y.shape[:3]):
            total = np.zeros(y.shape[3])
            for r, s in np.ndindex(w.shape[:2]):
                row, col = i * stride - top + r, j * stride - left + s
                if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
                    total += x[n, row, col] @ w[r, s]
            y[n, i, j] = total
        if kernel == "spills_over":
            end = int(values[26 + 4]) - BASE + y.nbytes
            self.memory[end : end + 4] = 0
        if kernel == "changes_input":
            x[0, 0, 0, 0] += 1
        if kernel == "skips_last":
            y.reshape(-1)[-1:].view(np.uint32)[:] = 0x7FC0BEEF
        if kernel == "wrong_later" and self.calls > 5:
            y[0, 0, 0, 0] += 1

    def array(self, values: Sequence[Any]) -> npt.NDArray[np.float32]:
        """The float32 array of 4 axes behind 13 packed values."""
        items, itemsize, start = (int(value) for value in values[2:5])
        raw = self.memory[start - BASE : start - BASE + items * itemsize]
        return raw.view(np.float32).reshape([int(size) for size in values[5:9]])

    def mark(self) -> Any:
        return self.clock_ms

    def elapsed_ms(self, start: Any, end: Any) -> float:
        return float(end - start)

    def synchronize(self) -> None:
        if self.dead:
            raise GpuFault(self.dead)


if __name__ == "__main__":
    from autograder.launch.__main__ import main

    sys.exit(main(sys.argv[1:], FakeGpu))
