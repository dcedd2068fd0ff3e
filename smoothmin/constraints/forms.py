"""Constraints as users give them, checked: SciPy's three forms, one or several.

An `Item` is one of them; `Forms` are all, in the user's order. Nothing is evaluated here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import OptimizeWarning

from smoothmin._check import require_real
from smoothmin._differences import SCHEMES, Stencil
from smoothmin._protocol import Array, Mask
from smoothmin._structure import InBlocks, Structure

FORMS = "a LinearConstraint, a NonlinearConstraint, a dict, or a list of these"
KEYS = ("type", "fun", "jac", "args")


@dataclass(frozen=True)
class Item:
    """One constraint ``lower <= c(x) <= upper`` of the user's.

    Parameters
    ----------
    label : str
        What errors call it, such as ``constraints[2]``.
    lower, upper, hard : ndarrays
        Of any shape that broadcasts to the rows; those of linear ones have one element each.
    matrix : ndarray or sparse array, shape (m, N), or None
        Over the user's flat ``x``: of a linear constraint.
    fun : callable or None
        ``fun(x)``, further arguments included: of a nonlinear one.
    jac : callable, str or None
        Its Jacobian: a function, a scheme of differences, or None for no word about it.
    relative_step : float or ndarray, or None
        Of the scheme.
    """

    label: str
    lower: Array
    upper: Array
    hard: Mask
    matrix: Any = None
    fun: Callable[..., Any] | None = None
    jac: Any = None
    relative_step: Any = None

    @property
    def exact(self) -> bool:
        """Whether the user's code computes the Jacobian."""
        return callable(self.jac)

    def stencil(self, box: tuple[Array, Array] | None) -> Stencil:
        """Its differences."""
        step = self.relative_step
        return Stencil(self.jac or "2-point", box, None if step is None else np.abs(step))

    def spread(self, m: int) -> tuple[Array, Array, Mask]:
        """Bounds and hardness of ``m`` rows."""
        try:
            return (
                np.broadcast_to(self.lower, (m,)),
                np.broadcast_to(self.upper, (m,)),
                np.broadcast_to(self.hard, (m,)),
            )
        except ValueError:
            raise ValueError(
                f"{self.label}: lb, ub and keep_feasible of shapes {self.lower.shape}, "
                f"{self.upper.shape} and {self.hard.shape} do not fit its {m} rows"
            ) from None

    def seen_by(self, structure: Structure | None) -> Item:
        """The same with functions that are given blocks; Jacobians are over these or the flat x."""
        if structure is None or self.fun is None:
            return self
        jac = InBlocks(self.jac, structure, "jacobian") if self.exact else self.jac
        return replace(self, fun=InBlocks(self.fun, structure, "value"), jac=jac)

    def whole(self, m: int) -> Item:
        """The same with one element of bounds and hardness for each of ``m`` rows."""
        lower, upper, hard = self.spread(m)
        return replace(self, lower=lower.copy(), upper=upper.copy(), hard=hard.copy())


@dataclass(frozen=True)
class Forms:
    """All constraints, in the user's order, and the violation that counts as none.

    Parameters
    ----------
    items : tuple of Item
    tolerances : tuple of ndarray
        One an item, that broadcasts to its rows.
    """

    items: tuple[Item, ...]
    tolerances: tuple[Array, ...] = ()

    @property
    def linear(self) -> list[int]:
        """Which items have a matrix."""
        return [k for k, item in enumerate(self.items) if item.matrix is not None]

    @property
    def nonlinear(self) -> list[int]:
        """Which items are functions."""
        return [k for k, item in enumerate(self.items) if item.matrix is None]

    def tolerance(self, k: int, m: int) -> Array:
        """Of the ``m`` rows of item ``k``."""
        try:
            return np.broadcast_to(self.tolerances[k], (m,))
        except ValueError:
            raise ValueError(
                f"ctol of {self.items[k].label} must be one number or {m} of them, "
                f"got {self.tolerances[k]!r}"
            ) from None

    def within(self, ctol: Any, default: float) -> Forms:
        """With tolerances as the option ``ctol`` says: one for all, or one entry a constraint."""
        count = len(self.items)
        # entries may be arrays of different lengths, which make no array
        if ctol is None or (not isinstance(ctol, list | tuple) and np.ndim(ctol) == 0):
            given = [default if ctol is None else ctol] * count
        elif len(ctol) == count:
            given = list(ctol)
        else:
            raise ValueError(
                f"ctol must be one number, or one entry for each of {count} constraints, "
                f"got {ctol!r:.80}"
            )
        for value in given:
            for number in np.ravel(np.asarray(value, dtype=object)):
                require_real("ctol", number, minimum=0)
        return Forms(self.items, tuple(np.ravel(np.asarray(v, dtype=float)) for v in given))


def as_forms(constraints: Any, shape: tuple[int, ...], *, told: bool = False) -> Forms | None:
    """The constraints on an ``x`` of this shape; None if there are none.

    With ``told`` values come from the user: functions may be missing, and are not called.
    """
    if constraints is None:
        return None
    if isinstance(constraints, Mapping):
        given = [constraints] if constraints else []
    elif hasattr(constraints, "lb") and hasattr(constraints, "ub"):
        given = [constraints]
    elif isinstance(constraints, (list, tuple)):
        given = list(constraints)
    else:
        raise TypeError(f"constraints must be {FORMS}, got {constraints!r:.80}")
    single = len(given) == 1 and given[0] is constraints
    labels = ["constraints" if single else f"constraints[{k}]" for k in range(len(given))]
    size = math.prod(shape)
    items = tuple(
        _as_item(each, name, size, told) for each, name in zip(given, labels, strict=True)
    )
    return Forms(items) if items else None


def _as_item(given: Any, label: str, size: int, told: bool) -> Item:
    if isinstance(given, Mapping):
        return _from_dict(given, label, told)
    if not (hasattr(given, "lb") and hasattr(given, "ub")):
        raise TypeError(f"{label} must be {FORMS}, got {given!r:.80}")
    hard = np.atleast_1d(np.asarray(getattr(given, "keep_feasible", False))).astype(bool)
    if hasattr(given, "A"):
        matrix = _as_matrix(given.A, label, size)
        return Item(label, *_limits(given, label), hard, matrix).whole(matrix.shape[0])
    if hasattr(given, "fun"):
        lower, upper = _limits(given, label)
        fun = _as_function(given.fun, label, told)
        jac = _as_jacobian(getattr(given, "jac", None), label)
        step = getattr(given, "finite_diff_rel_step", None)
        return Item(label, lower, upper, hard, None, fun, jac, step)
    # what is left with lb and ub alone is a Bounds
    from scipy.sparse import eye_array

    matrix = eye_array(size, format="csr")
    return Item(label, *_limits(given, label), hard, matrix).whole(size)


def _from_dict(given: Mapping[str, Any], label: str, told: bool) -> Item:
    kind = given.get("type")
    if not isinstance(kind, str) or kind.lower() not in ("eq", "ineq"):
        raise ValueError(f'{label}: type must be "eq" or "ineq", got {kind!r}')
    unknown = [key for key in given if key not in KEYS]
    if unknown:
        warnings.warn(f"{label}: {unknown[0]!r} is none of {KEYS}", OptimizeWarning, stacklevel=2)
    if "fun" not in given and not told:
        raise ValueError(f"{label}: fun is missing")
    args = given.get("args", ())
    args = args if isinstance(args, tuple) else (args,)
    fun = _as_function(given.get("fun"), label, told)
    jac = _as_jacobian(given.get("jac"), label)
    if args:
        fun = None if fun is None else _Bound(fun, args)
        jac = _Bound(jac, args) if callable(jac) else jac
    upper = np.zeros(1) if kind.lower() == "eq" else np.full(1, np.inf)
    return Item(label, np.zeros(1), upper, np.zeros(1, dtype=bool), None, fun, jac)


class _Bound:
    """A function with its further arguments; picklable if they are."""

    def __init__(self, fun: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fun, self.args = fun, args

    def __call__(self, x: Any) -> Any:
        """The function's value at ``x``."""
        return self.fun(x, *self.args)


def _as_function(fun: Any, label: str, told: bool) -> Any:
    if callable(fun) or (told and fun is None):
        return fun
    raise TypeError(f"{label}: fun must be callable, got {fun!r}")


def _as_jacobian(jac: Any, label: str) -> Any:
    """A callable, a scheme, or None."""
    if jac is None or jac is False or callable(jac):
        return jac or None
    if isinstance(jac, str) and jac in SCHEMES:
        return jac
    kind = ValueError if isinstance(jac, str) else TypeError
    raise kind(f"{label}: jac must be callable or one of {list(SCHEMES)}, got {jac!r:.80}")


def _as_matrix(given: Any, label: str, size: int) -> Any:
    """A matrix of real numbers with a column for each variable; sparse ones stay sparse."""
    from scipy import sparse

    if sparse.issparse(given):
        matrix = sparse.csr_array(given).astype(float)
        held = matrix.data
    else:
        found = np.asarray(given)
        if found.dtype.kind not in "biufO":
            raise TypeError(f"{label}: A must be a matrix of real numbers, got {given!r:.80}")
        held = matrix = np.atleast_2d(np.array(found, dtype=float))
    if matrix.ndim != 2 or matrix.shape[1] != size:
        raise ValueError(
            f"{label}: A must have {size} columns, one for each variable, got shape {matrix.shape}"
        )
    if not np.isfinite(held).all():
        raise ValueError(f"{label}: A must be finite, without NaN, got {given!r:.80}")
    return matrix


def _limits(given: Any, label: str) -> tuple[Array, Array]:
    """Lower and upper bounds of a constraint's rows, flat."""
    sides = []
    for name in ("lb", "ub"):
        side = np.asarray(getattr(given, name))
        if side.dtype.kind not in "biufO" or any(v is None for v in side.ravel().tolist()):
            raise TypeError(f"{label}: {name} must be real numbers, got {side!r:.80}")
        side = np.atleast_1d(np.array(side, dtype=float)).ravel()
        if np.isnan(side).any():
            raise ValueError(f"{label}: {name} must not be NaN, got {side!r:.80}")
        sides.append(side)
    lower, upper = sides
    try:
        above = np.asarray(lower > upper)
    except ValueError:
        raise ValueError(
            f"{label}: lb of {lower.size} and ub of {upper.size} elements do not fit together"
        ) from None
    if above.any():
        raise ValueError(
            f"{label}: lb must not be above ub, got lb={lower!r:.60}, ub={upper!r:.60}"
        )
    if (lower == np.inf).any() or (upper == -np.inf).any():
        raise ValueError(f"{label}: lb and ub must leave room for a finite value")
    return lower, upper
