"""Writes ``smoothmin/_signatures.pyi``: what type checkers and editors know of `minimize`.

    python tests/types/signatures.py

An overload for each method, with a `TypedDict` of its options, both from the options classes.
"""

from __future__ import annotations

import dataclasses
import pathlib

from smoothmin._registry import COMMON_OPTIONS, METHODS, REFORMULATIONS, method_class, option_names
from smoothmin._scipy_names import NAMES

TARGET = pathlib.Path(__file__).parents[2] / "smoothmin" / "_signatures.pyi"

# of options whose classes say `Any`
TYPES = {
    "axes": "Sequence[int] | int | None",
    "boundary": "str | Sequence[str]",
    "decay": "float | ArrayLike",
    "diffusivity": "str | Callable[..., object] | ArrayLike | None",
    "distribution": "str | Callable[..., object]",
    "hess_inv0": "ArrayLike | None",
    "local": "str | Method | None",
    "lr": "float | ArrayLike | None",
    "preconditioner": "object",
    "restarts": 'int | Literal["budget"]',
    "rng": "Seed",
    "scale": "float | ArrayLike | None",
    "shapes": "Sequence[tuple[int, ...]] | None",
    "sigma": "float | str | ArrayLike | None",
    "sigma_nminus": "float | ArrayLike",
    "sigma_nplus": "float | ArrayLike",
    "spacing": "float | ArrayLike | None",
    "termination": "Criterion | Sequence[Criterion] | None",
    "xatol": "float | ArrayLike | None",
    "xtol": "float | ArrayLike | None",
}

COMMON = {
    "maxiter": "float | None",
    "maxfev": "float | None",
    "maxtime": "float | None",
    "f_target": "float | None",
    "termination": "Criterion | Sequence[Criterion] | None",
    "disp": "bool | int",
    "progress": "bool",
    "return_all": "bool",
    "history": 'bool | Literal["points"]',
    "journal": "str | os.PathLike[str] | Journal | None",
    "asynchronous": "bool | int",
    "on_error": 'Literal["raise", "nan"]',
    "result": 'Literal["best", "last"]',
    "return_on_interrupt": "bool",
    "workers": "object",
    "jac_method": 'Literal["2-point", "3-point", "cs"]',
    "x_scale": "float | ArrayLike | Mapping[str, ArrayLike] | None",
    "warm_start": "Result | History | tuple[ArrayLike, ArrayLike] | None",
    "integrality": "ArrayLike | Mapping[str, ArrayLike] | None",
    "ctol": "float | ArrayLike",
    "rng": "Seed",
    "eps": "float | ArrayLike | None",
    "finite_diff_rel_step": "float | ArrayLike | None",
}

HEAD = '''"""Written by `tests/types/signatures.py` from the options of all methods."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, TypedDict, overload

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._history import History
from smoothmin._method import Method
from smoothmin._result import Result
from smoothmin._stopping import Criterion
from smoothmin.journal.options import Journal

class BoundsLike(Protocol):
    """SciPy's `Bounds`."""

    lb: ArrayLike
    ub: ArrayLike

Fun: TypeAlias = Callable[..., object]
Start: TypeAlias = ArrayLike | Mapping[str, ArrayLike] | Sequence[ArrayLike]
Jac: TypeAlias = Callable[..., object] | bool | Literal["2-point", "3-point", "cs"] | None
Pairs: TypeAlias = Sequence[tuple[float | None, float | None]]
Rows: TypeAlias = Sequence[Sequence[float | None]]
BoundsGiven: TypeAlias = BoundsLike | Pairs | Rows | Mapping[str, object]
Seed: TypeAlias = int | Sequence[int] | np.random.Generator | np.random.BitGenerator | None
'''


def options_of(name: str) -> dict[str, str]:
    """The options of a method and their types."""
    cls = method_class(name)
    annotated = {field.name: str(field.type) for field in dataclasses.fields(cls)}
    return {
        option: TYPES.get(option, "") if "Any" in annotated[option] else annotated[option]
        for option in option_names(cls)
    } | {other: annotated[option] for other, option in cls.synonyms.items()}


def class_name(name: str) -> str:
    """That of the `TypedDict` of a method's options."""
    return method_class(name).__name__ + "Options"


def typed_dict(name: str, base: str, fields: dict[str, str]) -> str:
    """Its text."""
    rows = [f"    {key}: {kind}" for key, kind in fields.items()]
    return "\n".join([f"class {name}({base}, total=False):", *(rows or ["    pass"]), ""])


def overloaded(method: str, options: str) -> str:
    """One signature of `minimize`."""
    return f"""@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: {method} = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: {options} | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ..."""


def render() -> str:
    """The stub."""
    assert COMMON.keys() == COMMON_OPTIONS.keys(), COMMON.keys() ^ COMMON_OPTIONS.keys()
    names = [*METHODS, *REFORMULATIONS]
    parts = [HEAD, typed_dict("CommonOptions", "TypedDict", COMMON)]
    for name in names:
        own = {key: kind for key, kind in options_of(name).items() if key not in COMMON}
        parts.append(typed_dict(class_name(name), "CommonOptions", own))
    for name in names:
        parts.append(overloaded(f'Literal["{name}"]', class_name(name)))
    default = " | ".join(
        class_name(name)
        for name in ("gradient-sampling", "derivative-free", "sqp", "constrained-model")
    )
    parts.append(overloaded("None", default))
    theirs = ", ".join(f'"{entry.name}"' for entry in NAMES.values())
    parts.append(overloaded(f"Literal[{theirs}]", "Mapping[str, object]"))
    anything = "str | Method | type[Method] | Callable[..., object] | None"
    parts.append(overloaded(anything, "Mapping[str, object]"))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render())
