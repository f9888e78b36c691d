"""What the compiled code of a kernel says."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Resources:
    """What the assembler says of one kernel (stage 3).

    Attributes:
        kernel: Key into `PlanSet.kernels`.
        architecture: e.g. `sm_90`.
        registers: Per thread.
        spill_store_bytes: Register spills, stores.
        spill_load_bytes: Register spills, loads.
        shared_bytes: Static shared memory of a block.
        fp64_instructions: Double-precision instructions in the PTX.
        stack_bytes: Local memory of a thread that is no spill: arrays that did not fit into registers.
    """

    kernel: str
    architecture: str
    registers: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int
    fp64_instructions: int
    stack_bytes: int = 0


@dataclass(frozen=True)
class Structure:
    """What a kernel is made of, from its PTX; only what reaches a global store is counted (`autograder.structure`).

    Attributes:
        kernel: Key into `PlanSet.kernels`.
        products: Multiply-adds of two loaded factors, as written, in loops where there are loops.
        products_from_shared: Those with a factor that comes from shared memory.
        main_products: Those of the innermost loop that has the most.
        main_loaded_floats: Floats that this loop loads, from shared and global memory.
        shared_stores: Instructions that store to shared memory, asynchronous copies included.
        shared_floats: Floats that used loads from shared memory bring.
        shared_wide_floats: Those that come 16 bytes a load.
        global_floats: Floats that used loads and asynchronous copies from global memory bring.
        global_wide_floats: Those that come 16 bytes a load.
        barriers: Barriers of the block.
        async_copies: Asynchronous copies.
        tensor_instructions: Matrix multiply-adds on tensor cores.
        lines: Name of a finding -> line of the source, where the compiler wrote lines down.
    """

    kernel: str
    products: int = 0
    products_from_shared: int = 0
    main_products: int = 0
    main_loaded_floats: int = 0
    shared_stores: int = 0
    shared_floats: int = 0
    shared_wide_floats: int = 0
    global_floats: int = 0
    global_wide_floats: int = 0
    barriers: int = 0
    async_copies: int = 0
    tensor_instructions: int = 0
    lines: dict[str, int] = field(default_factory=dict)
