"""The same words in every process for the same value or function, as far as there are any."""

from __future__ import annotations

import dataclasses
import dis
import hashlib
import pickle
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from smoothmin._failures import Guarded
from smoothmin._out import IntoOut
from smoothmin._structure import InBlocks

LONGEST = 60  # characters of a text that is kept as it is


def short(value: Any) -> str:
    """Words for a value, or their beginning and a digest."""
    text = words_for(value)
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}... #{digest_of(text.encode())}"


def words_for(value: Any) -> str:
    """Words for a value."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "O":
            digest = digest_of(np.ascontiguousarray(value).tobytes())
            return f"array{value.shape} #{digest}"
        value = value.tolist()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{words_for(k)}: {words_for(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(words_for, value)) + "]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        inside = ", ".join(f"{name}={words_for(getattr(value, name))}" for name in names)
        return f"{type(value).__name__}({inside})"
    if isinstance(value, np.random.Generator):
        return f"Generator #{digest_of(repr(value.bit_generator.state).encode())}"
    return words_for_function(value) if callable(value) else _words_for_object(value)


def words_for_function(function: Any) -> str:
    """A function's name, and a digest of what it does."""
    while isinstance(function, (InBlocks, IntoOut, Guarded)):  # ours, around the user's
        function = function.fun
    plain = getattr(function, "py_func", function)  # compiled
    plain = getattr(plain, "__func__", plain)  # bound
    name = getattr(plain, "__qualname__", type(plain).__qualname__)
    essence = _essence(function, set())
    return name if essence is None else f"{name} #{digest_of(essence.encode())}"


def digest_of(data: bytes) -> str:
    """A few hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=6).hexdigest()


def _essence(function: Any, seen: set[int]) -> str | None:
    """What a function does, without where it is written; None if that cannot be seen.

    Its code, and what that reads elsewhere: functions, and what is `_constant` but for names
    that it binds itself, as a count of its calls.
    """
    function = getattr(function, "py_func", function)
    if id(function) in seen:
        return ""
    seen.add(id(function))
    if hasattr(function, "func"):  # partial
        given = words_for([getattr(function, "args", ()), getattr(function, "keywords", {})])
        return f"{_essence(function.func, seen)} {given}"
    bound = getattr(function, "__self__", None)
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__"):
        bound, function = function, vars(type(function)).get("__call__")
    if not isinstance(function, FunctionType):
        return None
    code = function.__code__
    parts = [_code(code), words_for([function.__defaults__, function.__kwdefaults__])]
    for name, value in (*_read_elsewhere(function, _bound_names(code)), *_attributes(bound)):
        plain = getattr(value, "py_func", value)
        if isinstance(plain, FunctionType):
            near = _package(plain) == _package(function)
            parts.append(f"{name}: {_essence(plain, seen) if near else _code(plain.__code__)}")
        elif _constant(value):
            parts.append(f"{name}: {words_for(value)}")
    return "\n".join(parts)


def _package(function: FunctionType) -> str:
    return str(function.__module__).partition(".")[0]


def _read_elsewhere(function: FunctionType, bound: set[str]) -> Iterator[tuple[str, Any]]:
    """What a function reads of the functions around it and of its module."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # nothing yet
            continue
        if name not in bound:
            yield name, value
    module = function.__globals__
    for name in sorted(_global_names(function.__code__) - bound):
        if name in module and not name.startswith("__"):
            yield name, module[name]


def _attributes(owner: Any) -> Iterator[tuple[str, Any]]:
    """What an object has, but for what its methods change."""
    changed: set[str] = set()
    methods = [pair for kind in type(owner).__mro__ for pair in vars(kind).items()]
    for name, method in methods:
        if isinstance(method, FunctionType) and name != "__init__":
            changed |= _bound_names(method.__code__)
    for name, value in sorted(getattr(owner, "__dict__", {}).items()):
        if name not in changed:
            yield name, value


def _constant(value: Any) -> bool:
    """Whether a value is a number, a text or an array: other things keep notes, as a list."""
    if isinstance(value, tuple):
        return all(map(_constant, value))
    kinds = (bool, int, float, complex, str, bytes, np.ndarray, np.generic)
    return value is None or isinstance(value, kinds)


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    """Those of the functions in it, too."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


def _bound_names(code: CodeType) -> set[str]:
    """Names of variables elsewhere, and of attributes, that the code binds."""
    kinds = ("STORE_DEREF", "STORE_GLOBAL", "STORE_ATTR")
    return {str(each.argval) for each in _instructions(code) if each.opname in kinds}


def _global_names(code: CodeType) -> set[str]:
    kinds = ("LOAD_GLOBAL", "LOAD_NAME")
    return {str(each.argval) for each in _instructions(code) if each.opname in kinds}


def _code(code: CodeType) -> str:
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_code(constant))
        elif isinstance(constant, frozenset):
            constants.append(repr(sorted(constant, key=repr)))
        else:
            constants.append(repr(constant))
    return "\n".join([code.co_code.hex(), repr(code.co_names), *constants])


def _words_for_object(value: Any) -> str:
    name = type(value).__qualname__
    try:
        return f"{name} #{digest_of(pickle.dumps(value))}"
    except Exception:  # whatever pickling user's objects raises
        return name
