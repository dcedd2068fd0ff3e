"""Lines of the tables that benchmarks print."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def row(label: str, cells: Iterable[Any], form: str = "") -> str:
    """A label, and cells of one width; None, for what was not reached, is a dash."""
    shown = ("-" if cell is None else format(cell, form) for cell in cells)
    return f"{label:26s}" + "".join(f"{cell:>18}" for cell in shown)


def add_store(parser: ArgumentParser) -> None:
    """The option of benchmarks whose results the README has."""
    parser.add_argument("--store", type=Path, metavar="FILE", help="keep the results as CSV")


def store(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Keep results as CSV, for the README's tables and notebook 07; None is left empty."""
    records = list(records)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, records[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
