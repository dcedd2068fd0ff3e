"""The option ``warm_start``: values that are known before a run begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from smoothmin._domain import Domain
from smoothmin._history import History
from smoothmin._protocol import Array, Known
from smoothmin._returned import as_real_array, unmasked

KINDS = "a result, its history with points, or (points, values)"


def as_known(value: Any, domain: Domain) -> Known | None:
    """Points (m, n) in the free variables and their values (m,), of those that may be evaluated.

    Raises
    ------
    TypeError, ValueError
        For anything but a result, a `History` with points, or points and values that fit.
    """
    if value is None:
        return None
    if isinstance(value, History):
        points, values = _of_history(value)
    elif isinstance(value, Mapping):
        points, values = _of_result(value, domain)
    else:
        try:
            points, values = value
        except (TypeError, ValueError):
            raise TypeError(f"warm_start must be {KINDS}, got {value!r:.80}") from None
    return known_points("warm_start", points, values, domain)


def _of_history(history: History) -> tuple[Any, Any]:
    if history.points is None:
        raise ValueError('warm_start: the history has no points: history="points" keeps them')
    return history.points, history.value


def _of_result(result: Mapping[str, Any], domain: Domain) -> tuple[Any, Any]:
    """What the result's history has, and its best point."""
    if "x" not in result or "fun" not in result:
        raise ValueError(f"warm_start: a result must have x and fun, got {list(result)}")
    x = result["x"] if domain.structure is None else domain.structure.flat(result["x"], "x")
    points, values = np.asarray(x)[None], np.array([result["fun"]], dtype=float)
    history = result.get("history")
    if isinstance(history, History) and history.points is not None:
        points = np.concatenate([history.points, points.reshape(1, *history.points.shape[1:])])
        values = np.concatenate([history.value, values])
    return points, values


def known_points(
    name: str, points: Any, values: Any, domain: Domain, *, strict: bool = False
) -> Known:
    """Points in the user's shape, checked, in the free variables; only what may be evaluated.

    Others are left out, or refused if ``strict``.
    """
    structure, size = domain.structure, domain.start.size
    if structure is not None and not isinstance(points, np.ndarray):
        points = np.array([structure.flat(p, f"{name}[{k}]") for k, p in enumerate(points)])
    given = as_real_array(np.asarray(unmasked(points)), f"{name}: points")
    shape = domain.shape
    if given.shape == shape or (given.ndim == 1 and given.shape == (size,)):
        given = given[None]  # one point
    if given.shape[1:] not in (shape, (size,)):
        raise ValueError(
            f"{name}: points must have shape (S, {', '.join(map(str, shape))}), got {given.shape}"
        )
    flat = np.array(given.reshape(len(given), size), dtype=float)
    found = as_real_array(values, f"{name}: values").ravel()
    if found.shape != (len(flat),):
        raise ValueError(f"{name}: {len(flat)} points need as many values, got {values!r:.80}")
    if not np.isfinite(flat).all():
        raise ValueError(f"{name}: points must be finite, got {points!r:.80}")
    allowed = np.ones(len(flat), dtype=bool)
    if domain.free is not None:  # points with other values of fixed variables say nothing here
        fixed = np.setdiff1d(np.arange(size), domain.free)
        allowed = (flat[:, fixed] == domain.start[fixed]).all(axis=1)
    inner: Array = domain.gather(flat)
    if domain.box is not None:
        allowed &= ((inner >= domain.box[0]) & (inner <= domain.box[1])).all(axis=1)
    if domain.integers is not None:
        whole = inner[:, domain.integers]
        allowed &= (whole == np.rint(whole)).all(axis=1)
    if strict and not allowed.all():
        k = int(allowed.argmin())
        raise ValueError(
            f"{name}: points must lie within the bounds, with fixed variables and integers as "
            f"they are, got {flat[k]!r}"
        )
    return inner[allowed], found[allowed]
