"""Lines of the tables that benchmarks print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def row(label: str, cells: Iterable[Any], form: str = "") -> str:
    """A label, and cells of one width; None, for what was not reached, is a dash."""
    shown = ("-" if cell is None else format(cell, form) for cell in cells)
    return f"{label:26s}" + "".join(f"{cell:>18}" for cell in shown)
