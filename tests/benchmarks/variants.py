"""Every number of a method halved and doubled, every mechanism switched off, one at a time.

Numbers are the fields of classes named ``...Settings``, however deep in a method they are
(`of_method`), and names in capitals bound to numbers in modules (`of_modules`). The latter
are replaced wherever they were imported to; a default of an argument, or what a compiled
function or another name was made from, keeps the old number.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

MACHINE = {float(np.finfo(float).eps), float(np.finfo(float).tiny), np.inf, -np.inf}


@dataclass(frozen=True)
class Variant:
    """One number changed: where it is, from what to what, and how to set it."""

    where: str
    old: Any
    new: Any
    applied: Callable[[Any], AbstractContextManager[Any]]  # method -> the method to run


def is_number(value: Any) -> bool:
    """An int or a float, no bool and none of the machine's constants."""
    return type(value) in (int, float) and value == value and value not in MACHINE


def is_numbers(value: Any) -> bool:
    """A number, or a tuple of numbers."""
    if type(value) is tuple:
        return bool(value) and all(is_number(v) for v in value)
    return is_number(value)


def scaled(value: Any, factor: float) -> Any:
    """A number times a factor; an integer stays one, and at least 1."""
    if type(value) is tuple:
        return tuple(scaled(v, factor) for v in value)
    if type(value) is int and value:
        return max(1, round(value * factor)) if value > 0 else round(value * factor)
    return value * factor


def alternatives(value: Any, optional: bool = False) -> list[Any]:
    """What a value is changed to."""
    if type(value) is bool:
        return [not value]
    new = [scaled(value, 0.5), scaled(value, 2.0)] if is_numbers(value) else []
    if optional:
        new.append(None)
    return [v for v in new if v != value]


def of_method(method: Any) -> list[Variant]:
    """One field changed of the settings of a method, which is a nest of frozen dataclasses."""
    return [
        Variant(".".join(path), old, new, _replacing(path, new))
        for path, old, optional in _fields(method, (), False)
        for new in alternatives(old, optional)
    ]


def _fields(record: Any, path: tuple[str, ...], inside: bool) -> Iterator[tuple[Any, Any, bool]]:
    """Paths and values of the fields below ``record`` that are settings."""
    inside = inside or type(record).__name__.endswith("Settings")
    for field in dataclasses.fields(record):
        value, here = getattr(record, field.name), (*path, field.name)
        optional = inside and "None" in str(field.type) and value is not None
        nested = dataclasses.is_dataclass(value) and not isinstance(value, type)
        if inside and field.init and (optional or not nested):
            yield here, value, optional
        if nested and field.init:
            yield from _fields(value, here, inside)


def replaced(record: Any, path: tuple[str, ...], new: Any) -> Any:
    """A copy of nested dataclasses with one field changed."""
    first, *rest = path
    if rest:
        new = replaced(getattr(record, first), tuple(rest), new)
    return dataclasses.replace(record, **{first: new})


def _replacing(path: tuple[str, ...], new: Any) -> Callable[[Any], AbstractContextManager[Any]]:
    return lambda method: contextlib.nullcontext(replaced(method, path, new))


LEFT_OUT = ("__main__", "smoothmin.optimagic")


def modules_in(name: str) -> list[ModuleType]:
    """A module, or a package's modules at all depths, but those that need another library."""
    top = importlib.import_module(name)
    below = pkgutil.walk_packages(getattr(top, "__path__", []), name + ".")
    names = [m.name for m in below if not m.name.endswith(LEFT_OUT)]
    return [top, *(importlib.import_module(name) for name in names)]


def constants(module: ModuleType) -> dict[str, Any]:
    """Names in capitals that a module binds to numbers."""
    names = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.Assign):
            names += [t.id for t in node.targets if isinstance(t, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    capital = [name for name in names if name.isupper()]
    values = {name: getattr(module, name) for name in capital if hasattr(module, name)}
    return {name: v for name, v in values.items() if type(v) is bool or is_numbers(v)}


def of_modules(names: list[str], root: str = "smoothmin") -> list[Variant]:
    """One constant changed of the modules with these names, packages' included."""
    modules = {m.__name__: m for name in names for m in modules_in(name)}
    modules_in(root)  # whatever imports a constant has to be there to be found
    imported = _importers(root)
    return [
        Variant(f"{home}.{name}".removeprefix(root + "."), old, new, _patching(places, new))
        for home, module in sorted(modules.items())
        for name, old in constants(module).items()
        for places in [[(home, name), *imported.get((home, name), [])]]
        for new in alternatives(old)
    ]


def _importers(root: str) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """For each (module, name) the places (module, name) that import it at their top."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for importer, module in list(sys.modules.items()):
        if importer.split(".")[0] != root or not getattr(module, "__file__", None):
            continue
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    place = (importer, alias.asname or alias.name)
                    found.setdefault((node.module, alias.name), []).append(place)
    return found


def _patching(
    places: list[tuple[str, str]], new: Any
) -> Callable[[Any], AbstractContextManager[Any]]:
    @contextlib.contextmanager
    def applied(method: Any) -> Iterator[Any]:
        kept = [(sys.modules[m], name, getattr(sys.modules[m], name)) for m, name in places]
        try:
            for module, name, _ in kept:
                setattr(module, name, new)
            yield method
        finally:
            for module, name, old in kept:
                setattr(module, name, old)

    return applied
