import json
from pathlib import Path

import pytest

from benchmarks.ladder import kernel_times_ms, show
from benchmarks.record import record, table, write

NCU = """==PROF== Connected to process 7
"ID","Process ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","7","implicit_gemm","gpu__time_duration.sum","us","1,041.5"
"1","7","reduce","gpu__time_duration.sum","ns","500"
"1","7","reduce","something_else","ns","7"
"""


def test_profilers_table_is_read_in_its_own_units() -> None:
    assert kernel_times_ms(NCU) == [("implicit_gemm", pytest.approx(1.0415)), ("reduce", pytest.approx(0.0005))]
    assert kernel_times_ms("==ERROR== no permission") == []


def test_record_holds_what_it_ran_on(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.json"
    write(path, record("b", "python -m b", {"rows": [1]}))
    found = json.loads(path.read_text())
    assert (found["benchmark"], found["command"], found["rows"]) == ("b", "python -m b", [1])
    assert found["device"]["name"]
    assert found["device"]["packages"]["numpy"]
    assert not list(path.parent.glob("*.part"))


def test_table_by_hand() -> None:
    text = table(("kernel", "ms"), [("naive", 1.23456), ("tiled", 12345.6), ("none", None)])
    assert text == "\n".join(
        [
            "| kernel |     ms |",
            "| ------ | -----: |",
            "| naive  |   1.23 |",
            "| tiled  | 12,346 |",
            "| none   |      - |",
        ]
    )


def test_tensor_cores_are_compared_with_cudnn_in_tf32() -> None:
    row = {"low_ms": 0.9, "high_ms": 1.1, "gflops": 2000.0, "error": None, "registers": 0, "spill_bytes": 0}
    times = {"buffered": 2.0, "cudnn": 1.0, "tensor_core": 0.5, "cudnn_tf32": 0.1}
    rows = [{"kernel": kernel, "median_ms": time_ms, **row} for kernel, time_ms in times.items()]
    cells = [line.split("|")[6].strip() for line in show([{"workload": "w", "rows": rows}]).splitlines()[2:]]
    assert cells == ["0.500", "1.00", "0.200", "1.00"]
