import json
from pathlib import Path

import pytest

from benchmarks.lab1_ladder import kernel_times_ms, show
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


def test_profiler_stands_beside_cudnn_only() -> None:
    row = {"median_ms": 1.0, "low_ms": 0.9, "high_ms": 1.1, "gflops": 2000.0, "share_of_cudnn": 1.0}
    shape = {
        "workload": "w",
        "rows": [{"kernel": kernel, **row} for kernel in ("naive", "cudnn")],
        "peers": {"cudnn": {"profiler": {"kernel_ms": 0.98}}},
    }
    naive, cudnn = show([shape]).splitlines()[2:]
    assert "0.980" in cudnn
    assert "0.980" not in naive
    assert "2.00" in naive
