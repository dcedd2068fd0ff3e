"""The user's Hessian at the start as a first metric."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np

from smoothmin._differences import SCHEMES
from smoothmin._domain import Domain
from smoothmin._machine import EPS
from smoothmin._protocol import Array
from smoothmin._returned import as_real_array
from smoothmin._setup import Arguments
from smoothmin.descent.bfgs import BFGS

SINGULAR = np.sqrt(EPS)  # curvature that differences of gradients cannot tell


def with_first_metric(
    given: Arguments, hess: Any, hessp: Any, args: tuple[Any, ...]
) -> tuple[Arguments, int]:
    """A run that begins with the user's Hessian if its method can, and calls of ``hess``.

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
    method, calls = given.method, 0
    if (
        callable(hess)
        and given.constraints is None
        and isinstance(method, BFGS)
        and method.hess_inv0 is None
    ):
        inverse, calls = inverse_at_start(hess, args, given.domain), 1
        if inverse is not None:
            given = dataclasses.replace(given, method=method.with_options(hess_inv0=inverse))
    elif callable(hess):
        _warn("hess is used by bfgs only, without constraints")
    if hessp is not None and not calls:
        _warn("no method uses products with the Hessian (hessp)")
    return given, calls


def _is_scheme(hess: Any) -> bool:
    return isinstance(hess, str) and hess in SCHEMES


def _updates(hess: Any) -> bool:
    return hasattr(hess, "initialize") and hasattr(hess, "update")


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=4)


def inverse_at_start(hess: Any, args: tuple[Any, ...], domain: Domain) -> Array | None:
    """The inverse of ``hess(x0, *args)``, made positive; None where there is no curvature.

    Negative curvature is taken as positive of the same size, so that the first step goes
    down along it (Greenstadt, Math. Comp. 21, 1967).

    Raises
    ------
    ValueError
        For a matrix of another shape.
    """
    found = hess(domain.restore(domain.problem(False).x0), *args)
    n = domain.start.size
    if hasattr(found, "matmat"):  # a linear operator
        found = found.matmat(np.eye(n))
    found = found.toarray() if hasattr(found, "toarray") else found
    matrix = np.atleast_2d(as_real_array(found, "hess at x0"))
    if matrix.shape != (n, n):
        raise ValueError(f"hess must return an array of shape {(n, n)}, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        return None
    curvature, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    size = np.abs(curvature)
    if not size.max() > 0:
        return None
    inverse: Array = (axes / np.maximum(size, SINGULAR * size.max())) @ axes.T
    return (inverse + inverse.T) / 2
