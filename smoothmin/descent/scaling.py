"""Scales of the variables, from the first few gradients.

A change of variables ``x = D z`` multiplies gradients by D. Where their elements
differ in size by more than chance, H = D^2 of the inverse sizes undoes the change, and
spares a quasi-Newton method the steps in which it would learn the same.

Reference: W. James, C. Stein, "Estimation with quadratic loss", Proc. 4th Berkeley
Symp. 1 (1961), for the shrinkage of many estimates toward their mean; H. Robbins, "An
empirical Bayes approach to statistics", Proc. 3rd Berkeley Symp. 1 (1956).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import polygamma

from smoothmin._protocol import Array

LARGEST = 10.0  # scale, and inverse of the smallest
DEVIATIONS = 1.0  # by which the spread of chance may exceed its mean


def coordinate_scales(changes: Array) -> Array:
    """Scales that make changes of the gradient alike in all coordinates.

    Parameters
    ----------
    changes : ndarray (m, n)
        Differences of gradients.

    Returns
    -------
    ndarray (n,)
        Positive, their geometric mean 1 but for the limits; all 1 if the coordinates'
        changes differ no more than Gaussian ones of the same variance would.

    Notes
    -----
    The logarithm of a root mean square of k Gaussian numbers has the variance
    ``trigamma(k / 2) / 4``. What the spread of the logarithms exceeds it by is taken for
    the spread of the scales, and the logarithms are shrunk toward their mean
    accordingly. Changes on one line are not independent: k is ``tr(K)^2 / tr(K^2)`` of
    their Gram matrix K.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.descent.scaling import coordinate_scales
    >>> steep = 10.0 ** np.linspace(-1, 1, 9)
    >>> changes = np.random.default_rng(0).standard_normal((20, 9)) * steep
    >>> scales = coordinate_scales(changes)
    >>> spreads = np.ptp(np.log10(steep)), np.ptp(np.log10(scales * steep))
    >>> [float(round(spread, 1)) for spread in spreads]
    [2.0, 0.5]
    """
    squares = np.einsum("ij,ij->j", changes, changes)
    seen = squares > 0
    scales = np.ones(len(squares))
    count = int(seen.sum())
    if count < 2 or not np.isfinite(squares.sum()):
        return scales
    logs = 0.5 * np.log(squares[seen])
    logs -= logs.mean()
    spread = float(logs @ logs) / (count - 1)
    unit = changes / math.sqrt(float(squares.sum()))
    independent = 1 / float(np.square(unit @ unit.T).sum())
    chance = 0.25 * float(polygamma(1, 0.5 * independent))
    chance *= 1 + DEVIATIONS * math.sqrt(2 / (count - 1))
    if spread > chance:
        shrunk = (1 - chance / spread) * logs
        scales[seen] = np.clip(np.exp(-shrunk), 1 / LARGEST, LARGEST)
    return scales
