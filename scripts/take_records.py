"""Takes new records over into benchmarks/results: take_records.py FOLDER, where `gpu_records.sh FOLDER` left them.

A record replaces the one of the same name, of whatever GPU either is; what is generated from them (tables of docs,
README) is renewed. A record of a run without a GPU, one that is damaged, and one that no table can be made of are
left out with the reason; nothing else is changed then. The exit status is the number of records left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import result_tables  # noqa: E402 (a script is run from anywhere)


def main(arguments: list[str] | None = None, results: Path = result_tables.RESULTS) -> int:
    """Takes what can be taken, renews the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="as scripts/gpu_records.sh wrote it")
    folder: Path = parser.parse_args(arguments).folder
    left_out = 0
    for new in sorted([*folder.glob("*.json"), *folder.glob("step_times/*.json")]):
        target = results / new.relative_to(folder)
        try:
            print(f"{target.name}: {take(new, target)}")
        except (OSError, ValueError, KeyError, TypeError, IndexError, ZeroDivisionError) as error:
            left_out += 1
            print(f"{target.name}: left out, {type(error).__name__}: {error}")
    for name in result_tables.PAGES if results == result_tables.RESULTS else ():
        (ROOT / name).write_text(result_tables.page(name), encoding="utf-8")
    return left_out


def take(new: Path, target: Path) -> str:
    """Puts a record in the place of an older one and says what became of which.

    Raises:
        ValueError: It is no record of a GPU.
        KeyError: And the like: no table can be made of it; the older one is back in its place.
    """
    after = described(json.loads(new.read_text(encoding="utf-8")))
    before = target.read_bytes() if target.is_file() else None
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(new, target)
    try:
        for name in result_tables.PAGES:
            result_tables.page(name)
    except Exception:
        if before is None:
            target.unlink()
        else:
            target.write_bytes(before)
        raise
    return f"{described(json.loads(before)) if before else 'none'} -> {after}"


def described(found: Any) -> str:
    """What a record is from.

    Raises:
        ValueError: From no GPU.
    """
    gpu = found["device"].get("gpu")
    if not gpu:
        raise ValueError("it is of a run without a GPU")
    return f"{gpu}, {str(found.get('date', 'no date'))[:10]}"


if __name__ == "__main__":
    sys.exit(main())
