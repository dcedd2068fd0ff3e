"""What a run is, in words that can be kept and compared.

Points decide whether a journal is of a run; where they differ, these words say why. Limits,
workers, callback and display are no part of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import sys
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any, TypeAlias

import numpy as np
import scipy

import smoothmin
from smoothmin._domain import Domain
from smoothmin._failures import Guarded
from smoothmin._out import IntoOut
from smoothmin._registry import option_names
from smoothmin._source import Objective
from smoothmin._structure import InBlocks

LONGEST = 60  # characters of a text that is kept as it is
# "problem", "method", ... to words, or to the words of each part
Identity: TypeAlias = Mapping[str, Any]


def identity(objective: Objective, domain: Domain, method: Any, seed: Any, more: Any) -> Identity:
    """The words for a run; ``more`` are settings besides the method's options."""
    options = {name: _short(getattr(method, name)) for name in option_names(type(method))}
    return {
        "size": [domain.start.size, domain.size],
        "problem": {
            "x0": _short(domain.start.reshape(domain.shape)),
            "bounds": _short((domain.box, domain.free)),
            "jac": _short(objective.jac),
            "args": _short(objective.args),
            "constraints": _short(getattr(objective, "items", ())),  # nonlinear ones
        },
        "method": type(method).__name__,
        "options": options | {name: _short(value) for name, value in more.items()},
        "seed": _short(seed),
        "version": {
            "smoothmin": smoothmin.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "python": sys.version.split()[0],
        },
        "fun": _short(objective.fun),
    }


def fitting(words: Identity, room: int) -> Identity:
    """The words, with options that take more than ``room`` characters together as a digest."""
    options = words["options"]
    if len(str(words)) <= room:
        return words
    return {**words, "options": {"all": _digest(str(options).encode())}}


def differing(kept: Identity, here: Identity) -> str:
    """A sentence on what differs between a journal and a run."""
    found = []
    for name in ("problem", "method", "options", "seed", "version", "fun"):
        for part, theirs, ours in _parts(kept.get(name), here.get(name)):
            if theirs != ours:
                found.append(f"{name}{part}: {theirs} there, {ours} here")
    if found:
        return f"What differs: {'; '.join(found)}."
    return (
        "Problem, method, options, seed, version and `fun` are those of the journal: values may "
        "depend on something else, or processors round too differently; "
        "`smoothmin.Journal(path, check=5)` evaluates some points again."
    )


def _parts(theirs: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    """Both sides, part by part if they have any."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in dict.fromkeys([*theirs, *ours]):
            yield f" ({key})", theirs.get(key, "nothing"), ours.get(key, "nothing")
    else:
        yield "", theirs, ours


def _short(value: Any) -> str:
    text = words_for(value)
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}... #{_digest(text.encode())}"


def words_for(value: Any) -> str:
    """The same words in every process for the same value, as far as there are any."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "O":
            digest = _digest(np.ascontiguousarray(value).tobytes())
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
        return f"Generator #{_digest(repr(value.bit_generator.state).encode())}"
    return _words_for_code(value) if callable(value) else _words_for_object(value)


def _words_for_code(function: Any) -> str:
    """A function's name, and a digest of what it does."""
    while isinstance(function, (InBlocks, IntoOut, Guarded)):  # ours, around the user's
        function = function.fun
    function = getattr(function, "py_func", function)  # compiled
    function = getattr(function, "__func__", function)  # bound
    if hasattr(function, "func"):  # partial
        return f"partial({words_for(function.func)}, {words_for(getattr(function, 'args', ()))})"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(vars(type(function)).get("__call__"), "__code__", None)
    return name if code is None else f"{name} #{_digest(_essence(code))}"


def _essence(code: CodeType) -> bytes:
    """What a function does, without where it is written."""
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_essence(constant))
        elif isinstance(constant, frozenset):
            constants.append(repr(sorted(constant, key=repr)).encode())
        else:
            constants.append(repr(constant).encode())
    return b"\n".join([code.co_code, repr(code.co_names).encode(), *constants])


def _words_for_object(value: Any) -> str:
    name = type(value).__qualname__
    try:
        return f"{name} #{_digest(pickle.dumps(value))}"
    except Exception:  # whatever pickling user's objects raises
        return name


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=6).hexdigest()
