"""The user's Hessian, for the metric of a descent."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np

from smoothmin._differences import SCHEMES
from smoothmin._domain import Domain
from smoothmin._protocol import Array
from smoothmin._returned import as_real_array
from smoothmin._setup import Arguments
from smoothmin.descent.bfgs import BFGS
from smoothmin.metrics.newton import positive_root


class UserHessian:
    """``hess(x, *args)`` of the free variables, as a root of its inverse; counted.

    Raises
    ------
    ValueError
        When called, for a matrix of another shape.
    """

    def __init__(self, hess: Any, args: tuple[Any, ...], domain: Domain) -> None:
        self._hess, self._args, self._domain, self.calls = hess, args, domain, 0

    def __call__(self, x: Array) -> Array | None:
        """J with ``J J'`` the inverse of the Hessian at ``x``, made positive; None without one."""
        self.calls += 1
        domain, n = self._domain, self._domain.start.size
        found = self._hess(domain.restore(x), *self._args)
        if hasattr(found, "matmat"):  # a linear operator
            found = found.matmat(np.eye(n))
        found = found.toarray() if hasattr(found, "toarray") else found
        matrix = np.atleast_2d(as_real_array(found, "hess"))
        if matrix.shape != (n, n):
            raise ValueError(f"hess must return an array of shape {(n, n)}, got {matrix.shape}")
        if domain.free is not None:
            matrix = matrix[np.ix_(domain.free, domain.free)]
        return positive_root(matrix)


def with_hessian(
    given: Arguments, hess: Any, hessp: Any, args: tuple[Any, ...]
) -> tuple[Arguments, UserHessian | None]:
    """A run that steps by the user's Hessian if its method can, and the Hessian if so.

    Raises
    ------
    TypeError, ValueError
        For a ``hess`` or ``hessp`` of another kind.

    Warns
    -----
    RuntimeWarning
        For Hessians that are not used; names and updates of quasi-Newton methods, which
        SciPy takes for ``hess``, ask for nothing that is not done.
    """
    if not (hess is None or hess is False or callable(hess) or _is_scheme(hess) or _updates(hess)):
        raise (ValueError if isinstance(hess, str) else TypeError)(
            "hess must be callable, a HessianUpdateStrategy of SciPy's or one of "
            f"{list(SCHEMES)}, got {hess!r:.80}"
        )
    if not (hessp is None or hessp is False or callable(hessp)):
        raise TypeError(f"hessp must be callable, got {hessp!r:.80}")
    method, used = given.method, None
    if (
        callable(hess)
        and given.constraints is None
        and isinstance(method, BFGS)
        and method.hess_inv0 is None
    ):
        used = UserHessian(hess, args, given.domain)
        given = dataclasses.replace(given, method=method.with_options(root_at=used))
    elif callable(hess):
        _warn("hess is used by bfgs only, without constraints")
    if hessp is not None and used is None:
        _warn("no method uses products with the Hessian (hessp)")
    return given, used


def _is_scheme(hess: Any) -> bool:
    return isinstance(hess, str) and hess in SCHEMES


def _updates(hess: Any) -> bool:
    return hasattr(hess, "initialize") and hasattr(hess, "update")


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=4)
