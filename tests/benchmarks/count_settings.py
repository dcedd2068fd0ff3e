"""How many numbers the library is tuned by, in each module and in total.

    python tests/benchmarks/count_settings.py [--inline] [--package DIRECTORY]

Counted are the numeric defaults of classes named ``...Settings``; names in capitals that
modules bind to numbers (each element of a tuple, each name bound in one; the machine's
constants do not count); either of them that is another name for numbers of ``_factors.py`` and
``_machine.py`` alone; and floats inside functions, but for the plain ones below and those that
only keep a denominator from zero. Integers inside functions do not count: most are exponents,
axes and lengths. `--inline` lists the floats with their lines. The demos are left
out of all but the number of lines.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tables import row

HERE = Path(__file__).resolve()
PLAIN = {0.0, 0.5, 1.0, 2.0, 10.0}
GUARD = 1e-200  # smaller floats keep a denominator from zero
MACHINE = {"EPS", "TINY"}
SHARED = ("_factors", "_machine")


@dataclass
class Count:
    """The numbers of a module."""

    lines: int
    settings: list[str]
    names: list[str]
    inline: list[tuple[int, float]]

    @property
    def cells(self) -> list[int]:
        """What a row of the table has."""
        three = [len(self.settings), len(self.names), len(self.inline)]
        return [self.lines, *three, sum(three)]


def numbers(node: ast.expr) -> int:
    """How many numbers a value has."""
    return len(node.elts) if isinstance(node, ast.Tuple) else 1


def _shared(package: Path) -> set[str]:
    """The names of the numbers that all rooms share."""
    bodies = [ast.parse((package / f"{name}.py").read_text()).body for name in SHARED]
    return {name for body in bodies for name, _ in bound(body) if name.isupper()} - MACHINE


def tuned(node: ast.expr, shared: set[str]) -> bool:
    """Numbers, or another name for shared ones."""
    if numeric(node):
        return True
    if isinstance(node, ast.BinOp):
        return tuned(node.left, shared) and tuned(node.right, shared)
    if isinstance(node, ast.UnaryOp):
        return tuned(node.operand, shared)
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(tuned(each, shared) for each in node.elts)
    return isinstance(node, ast.Name) and node.id in shared


def numeric(node: ast.expr | None) -> bool:
    """A number, a tuple of numbers, or arithmetic with numbers and names."""
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(numeric(e) for e in node.elts)
    if isinstance(node, ast.UnaryOp):
        return numeric(node.operand)
    if isinstance(node, ast.BinOp):
        sides = (node.left, node.right)
        return any(map(numeric, sides)) and all(numeric(s) or _symbol(s) for s in sides)
    if isinstance(node, ast.Call):  # field(default=0.1)
        return any(k.arg == "default" and numeric(k.value) for k in node.keywords)
    return False


def _symbol(node: ast.expr) -> bool:
    """A name, or what the machine's constants are made by."""
    return isinstance(node, (ast.Name, ast.Attribute, ast.Call))


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """A name and its value; those of ``A, B = 1, 2`` one by one."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, its in zip(target.elts, value.elts, strict=False):
            yield from _pairs(each, its)


def bound(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Names and what they are bound to, in a module or a class."""
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def plain(value: float) -> bool:
    """Whether nobody would tune this number."""
    return value in PLAIN or 0 < value < GUARD


def inline(tree: ast.AST) -> Iterator[tuple[int, float]]:
    """Lines and values of the floats in functions, defaults of arguments included."""
    seen = set()
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                fresh = isinstance(node, ast.Constant) and id(node) not in seen
                if fresh and type(node.value) is float and not plain(node.value):
                    seen.add(id(node))
                    yield node.lineno, node.value


def counted(path: Path, shared: set[str]) -> Count:
    """The numbers of a file."""
    text = path.read_text()
    tree = ast.parse(text)
    classes = [c for c in ast.walk(tree) if isinstance(c, ast.ClassDef)]
    settings = [
        f"{c.name}.{name}"
        for c in classes
        if c.name.endswith("Settings")
        for name, value in bound(c.body)
        if tuned(value, shared)
        for _ in range(numbers(value))
    ]
    names = [
        name
        for name, value in bound(tree.body)
        if name.isupper() and name not in MACHINE and tuned(value, shared)
        for _ in range(numbers(value))
    ]
    return Count(len(text.splitlines()), settings, names, sorted(inline(tree)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inline", action="store_true", help="list the floats in functions")
    parser.add_argument("--package", type=Path, default=HERE.parents[2] / "smoothmin")
    arguments = parser.parse_args()
    print(f"{'':46s}" + row("", ["lines", "settings", "names", "inline", "numbers"])[26:])
    shared = _shared(arguments.package)
    total = [0] * 5
    for path in sorted(arguments.package.rglob("*.py")):
        count = counted(path, shared)
        if "demo" in path.parts:
            count = Count(count.lines, [], [], [])
        total = [a + b for a, b in zip(total, count.cells, strict=True)]
        module = str(path.relative_to(arguments.package))
        if count.cells[-1]:
            print(f"{module:46s}" + row("", count.cells)[26:])
        if arguments.inline:
            for line, value in count.inline:
                print(f"    {path.name}:{line}: {value:g}")
    print(f"{'total':46s}" + row("", total)[26:])


if __name__ == "__main__":
    main()
