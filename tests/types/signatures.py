"""Writes what type checkers and editors know of `minimize`, from the options classes.

    python tests/types/signatures.py

``smoothmin/typing.py`` has a `TypedDict` of each method's options, ``smoothmin/_signatures.pyi``
an overload for each method.
"""

from __future__ import annotations

import dataclasses
import pathlib

from smoothmin._registry import COMMON_OPTIONS, METHODS, REFORMULATIONS, method_class, option_names
from smoothmin._scipy_names import NAMES

PACKAGE = pathlib.Path(__file__).parents[2] / "smoothmin"

COMMON = {
    "maxiter": "float | None",
    "maxfev": "float | None",
    "maxtime": "float | None",
    "f_target": "float | None",
    "termination": "Termination | Sequence[Termination] | None",
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

# of options on SciPy's pages that are no numbers
SCIPY = {
    "adaptive": "bool",
    "direc": "ArrayLike | None",
    "factorization_method": "str | None",
    "finite_diff_rel_step": "float | ArrayLike | None",
    "eps": "float | ArrayLike",
    "hess_inv0": "ArrayLike | None",
    "inexact": "bool",
    "initial_simplex": "ArrayLike | None",
    "offset": "ArrayLike | None",
    "scale": "bool | ArrayLike | None",
    "sparse_jacobian": "bool | None",
}

WRITTEN = '"""{}; written by `tests/types/signatures.py`."""\n'

TYPING_HEAD = (
    WRITTEN.format("Options as type checkers and editors know them")
    + """
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from smoothmin._history import History
    from smoothmin._method import Method
    from smoothmin._protocol import Array
    from smoothmin._result import Result
    from smoothmin._stopping import Termination
    from smoothmin._types import Axes, Seed, Shapes
    from smoothmin.journal.options import Journal
    from smoothmin.smoothing.perturbations import Distribution

"""
)

STUB_HEAD = (
    WRITTEN.format("`minimize` by method")
    + """
from collections.abc import Mapping
from typing import Literal, overload

from smoothmin import typing as options_of
from smoothmin._method import Method
from smoothmin._result import Result
from smoothmin._types import BoundsGiven, Fun, Integrality, Jac, Seed, Start
"""
)

NAMED = " = (),\n    *,\n    method: "  # how most write it, which tells overloads apart


def options_of(name: str) -> dict[str, str]:
    """The options of a method and their types."""
    cls = method_class(name)
    annotated = {field.name: str(field.type) for field in dataclasses.fields(cls)}
    own = {option: annotated[option] for option in option_names(cls)}
    return own | {other: annotated[option] for other, option in cls.synonyms.items()}


def scipy_options() -> dict[str, str]:
    """The options on SciPy's pages, of all its names."""
    every = [*(entry.options for entry in NAMES.values())]
    every += [entry.constrained_options or {} for entry in NAMES.values()]
    return {key: SCIPY.get(key, "float | None") for options in every for key in options}


def class_name(name: str) -> str:
    """That of the `TypedDict` of a method's options."""
    return method_class(name).__name__ + "Options"


def typed_dict(name: str, base: str, text: str, fields: dict[str, str]) -> str:
    """Its text."""
    own = {key: kind for key, kind in fields.items() if base == "TypedDict" or key not in COMMON}
    rows = [f"    {key}: {kind}" for key, kind in own.items()]
    return "\n".join(
        ["", f"class {name}({base}, total=False):", f'    """{text}"""', "", *rows, ""]
    )


def either(*types: str) -> str:
    """A union of unions."""
    parts = dict.fromkeys(part for each in types for part in each.split(" | "))
    return " | ".join(sorted(parts, key=lambda part: part == "None"))


def of_all(names: list[str]) -> dict[str, str]:
    """The options of all methods, and SciPy's."""
    found: dict[str, str] = {}
    for options in (*map(options_of, names), scipy_options()):
        for key, kind in options.items():
            found[key] = either(found[key], kind) if key in found else kind
    return found


def overloaded(method: str, options: str) -> str:
    """One signature of `minimize`; ``method`` with what separates it from ``args``."""
    star = "" if "*" in method else "\n    *,"
    return f"""@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object{method},
    jac: Jac = None,
    hess: Fun | None = None,
    hessp: Fun | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Fun | None = None,
    options: {options} | None = None,{star}
    integrality: Integrality | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ..."""


def typing_module() -> str:
    """The text of `smoothmin/typing.py`."""
    assert COMMON.keys() == COMMON_OPTIONS.keys(), COMMON.keys() ^ COMMON_OPTIONS.keys()
    names = [*METHODS, *REFORMULATIONS]
    parts = [typed_dict("CommonOptions", "TypedDict", "Of every method.", COMMON)]
    for name in names:
        parts.append(
            typed_dict(class_name(name), "CommonOptions", f'Of "{name}".', options_of(name))
        )
    parts.append(typed_dict("ScipyOptions", "CommonOptions", "Of SciPy's names.", scipy_options()))
    parts.append(typed_dict("Options", "CommonOptions", "Of all methods.", of_all(names)))
    return TYPING_HEAD + "\n".join(parts)


def stub() -> str:
    """The text of `smoothmin/_signatures.pyi`."""
    names = [*METHODS, *REFORMULATIONS]
    default = ("gradient-sampling", "derivative-free", "sqp", "constrained-model")
    any_default = " | ".join(f"options_of.{class_name(name)}" for name in default)
    theirs = ", ".join(f'"{entry.name}"' for entry in NAMES.values())
    ours = "str | Method | type[Method] | None"
    parts = [overloaded(" = (),\n    method: None = None", any_default)]
    for name in names:
        parts.append(overloaded(NAMED + f'Literal["{name}"]', f"options_of.{class_name(name)}"))
    parts.append(overloaded(NAMED + f"Literal[{theirs}]", "options_of.ScipyOptions"))
    parts.append(overloaded(NAMED + ours, "options_of.Options"))
    parts.append(overloaded(",\n    method: " + ours, "options_of.Options"))
    parts.append(overloaded(NAMED + "Fun", "Mapping[str, object]"))  # somebody else's method
    return STUB_HEAD + "\n" + "\n".join(parts) + "\n"


TEXTS = {"typing.py": typing_module, "_signatures.pyi": stub}

if __name__ == "__main__":
    for file, text in TEXTS.items():
        (PACKAGE / file).write_text(text())
