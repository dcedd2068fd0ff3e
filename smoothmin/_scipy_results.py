"""What results of SciPy's names hold beside what results here do.

Fields of SciPy's own algorithms, such as a simplex or a barrier parameter, are not among them:
the documentation's "Coming from SciPy" lists them with the reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smoothmin._protocol import Array
from smoothmin._result import Result, in_words_of_trust_constr
from smoothmin._setup import Arguments


class InverseHessianArray(np.ndarray[Any, Any]):
    """An inverse Hessian that is read as an array, and as SciPy's "L-BFGS-B" has it.

    Scripts that name no method get the one in SciPy with bounds, and the other without.
    """

    def todense(self) -> Array:
        """As an array."""
        return np.asarray(self)

    def matvec(self, x: Array) -> Array:
        """Its product with a vector."""
        product: Array = np.asarray(self) @ x
        return product


def read_as_operator(result: Result) -> None:
    """Have the inverse Hessian of a run between bounds read as SciPy's, which is an operator."""
    inverse = result.get("hess_inv")
    if isinstance(inverse, np.ndarray):
        result["hess_inv"] = inverse.view(InverseHessianArray)


def complete(result: Result, name: str, given: Arguments) -> None:
    """Add to a result the fields that scripts read where SciPy's method of that ``name`` ran."""
    if name in ("COBYLA", "COBYQA"):
        result.setdefault("maxcv", 0.0)
    elif name == "SLSQP":
        if given.constraints is None:
            result["multipliers"] = np.zeros(0)
        elif "multipliers" in result:
            result["multipliers"] = _of_sides(result["multipliers"], given.constraints.forms.items)
    elif name == "trust-constr":
        result.update(_of_trust_constr(result, given))


def _of_sides(multipliers: list[Array], items: Any) -> Array:
    """Multipliers of equalities, then of each inequality ``c(x) >= 0`` that SLSQP is given."""
    equal, beyond = [], []
    for found, item in zip(multipliers, items, strict=True):
        lower, upper, _ = item.spread(len(found))
        same = lower == upper
        equal.append(found[same])
        beyond.append(np.maximum(found, 0.0)[~same & np.isfinite(lower)])
        beyond.append(np.maximum(-found, 0.0)[~same & np.isfinite(upper)])
    return np.concatenate([*equal, *beyond])


def _of_trust_constr(result: Result, given: Arguments) -> dict[str, Any]:
    """The gradient, multipliers and optimality by their names there, with its signs."""
    started = given.plan.limits.started
    if given.constraints is not None:
        fields = in_words_of_trust_constr(result, started, None)
        fields["constr_nhev"] = [0] * len(result["constr"])
        fields["v"] = [-found for found in result.get("multipliers", ())]
        if given.domain.box is not None and "bound_multipliers" in result:
            fields["v"].append(-_flat(result["bound_multipliers"]))
        return fields
    nothing: dict[str, list[Any]] = {
        key: [] for key in ("constr", "constr_nfev", "constr_njev", "constr_nhev", "v")
    }
    left = _flat(result.get("jac", np.nan)).copy()
    if given.domain.box is not None:
        active = _active(_flat(result["x"]), left, given)
        nothing["v"] = [np.where(active, -left, 0.0)]
        left[active] = 0.0
    told = in_words_of_trust_constr(result, started, left)
    return told | nothing | {"lagrangian_grad": left}


def _flat(blocks: Any) -> Array:
    """An array of whatever structure, as a vector."""
    if isinstance(blocks, dict):
        blocks = list(blocks.values())
    if isinstance(blocks, (list, tuple)):
        return np.concatenate([np.ravel(part) for part in blocks])
    return np.ravel(blocks)


def _active(x: Array, gradient: Array, given: Arguments) -> Any:
    """Which variables are held by a bound."""
    box, free = given.domain.box, given.domain.free
    assert box is not None
    lower, upper = (np.full(x.size, side) for side in (-np.inf, np.inf))
    where = slice(None) if free is None else free
    lower[where], upper[where] = box
    fixed = np.isnan(gradient)
    return fixed | ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
