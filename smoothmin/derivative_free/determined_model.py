"""The quadratic that all points of a model descent determine, and one step by it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._protocol import Array
from smoothmin.derivative_free.quadratic_regression import Regression, full_size
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Known


def determined(
    incumbent: Incumbent, asked: list[Known], scale: Array
) -> Generator[Any, Any, Array | None]:
    """Evaluate at the minimizer of that quadratic, if there is one.

    Parameters
    ----------
    incumbent : Incumbent
        Around whose point, and in whose books.
    asked : list of (points, values)
        All that is known.
    scale : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n, n), or None
        Its inverse Hessian, if it is believed.
    """
    points, values = (np.concatenate(p) for p in zip(*asked, strict=True))
    finite = np.isfinite(values)
    points, values, n = points[finite] / scale, values[finite], scale.size
    if len(values) < full_size(n):
        return None
    x, before = incumbent.x / scale, incumbent.fun
    nearest = np.argsort(np.square(points - x).sum(axis=1), kind="stable")[: full_size(n) + n]
    points, values = points[nearest], values[nearest]
    reach = float(np.linalg.norm(points - x, axis=1).max())
    unit = np.eye(n) * reach
    order = np.argsort(values, kind="stable")
    model = Regression(n).fit(points[order], values[order], 2, x, unit / reach**2, unit)
    if model is None:
        return None
    box = incumbent.problem.box
    box = None if box is None else (box[0] / scale, box[1] / scale)
    lowest = model.minimizer(1.0, box)
    predicted = float(model(lowest[None])[0]) - before
    there = incumbent.problem.clip(lowest[None] * scale)  # rounding may lead out of it
    change = (yield from incumbent.ask("model", there))[0] - before
    if abs(change - predicted) <= MINOR * abs(predicted):
        return model.inverse_hessian(scale)
    return None
