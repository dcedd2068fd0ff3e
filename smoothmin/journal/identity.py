"""What a run is, in words that can be kept and compared.

Points decide whether a journal is of a run; where they differ, these words say why. Limits,
workers, callback and display are no part of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import scipy

import smoothmin
from smoothmin._domain import Domain
from smoothmin._registry import option_names
from smoothmin._source import Objective
from smoothmin.journal.words import digest_of, short

ROOM = 2**11  # characters of all of them
# "problem", "method", ... to words, or to the words of each part
Identity: TypeAlias = Mapping[str, Any]


def identity(objective: Objective, domain: Domain, method: Any, seed: Any, more: Any) -> Identity:
    """The words for a run; ``more`` are settings besides the method's options."""
    options = {name: short(getattr(method, name)) for name in option_names(type(method))}
    return {
        "size": [domain.start.size, domain.size],
        "problem": {
            "x0": short(domain.start.reshape(domain.shape)),
            "bounds": short((domain.box, domain.free)),
            "jac": short(objective.jac),
            "args": short(objective.args),
            "constraints": short(getattr(objective, "items", ())),  # nonlinear ones
        },
        "method": type(method).__name__,
        "options": options | {name: short(value) for name, value in more.items()},
        "seed": short(seed),
        "version": {
            "smoothmin": smoothmin.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "python": sys.version.split()[0],
        },
        "fun": short(objective.fun),
    }


def fitting(words: Identity) -> Identity:
    """The words, with the options as a digest where all is too long."""
    options = words["options"]
    if len(str(words)) <= ROOM:
        return words
    return {**words, "options": {"all": digest_of(str(options).encode())}}


def changed_code(kept: Identity, here: Identity) -> Iterator[str]:
    """What points need not show: another function, gradient or further arguments."""
    if kept["fun"] != here["fun"]:
        yield f"`fun`, {kept['fun']}"
    for name in ("jac", "args"):
        theirs, ours = kept["problem"][name], here["problem"][name]
        if theirs != ours and (name == "args" or ("#" in theirs and "#" in ours)):  # both code
            yield f"`{name}`, {theirs}"


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
