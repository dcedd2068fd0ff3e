"""(c) Noise and blur removed from a photograph.

The functional is 1/2 |K u - data|^2 + alpha sum sqrt(|grad u|^2 + beta^2): K blurs, and the
second term, total variation with its kink rounded off, allows edges but no noise
(L. I. Rudin, S. Osher, E. Fatemi, Physica D 60, 1992).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft

from smoothmin._protocol import Array
from smoothmin.demo.race import Racer, race

NOISE = 0.05  # standard deviation; grey values lie in [0, 1]
BLUR = 2.0  # standard deviation in pixels
ALPHA = 0.01
BETA = 0.01
THEIRS = ["L-BFGS-B", "CG"]


class Restoration:
    """The functional on images (m, k): value and gradient."""

    def __init__(self, photograph: Array, rng: np.random.Generator) -> None:
        m, k = photograph.shape
        # the cosine transform continues the image by reflection
        decay = [np.exp(-0.5 * (BLUR * np.pi * np.arange(n) / n) ** 2) for n in (m, k)]
        self._filter = decay[0][:, None] * decay[1]
        self.photograph = photograph
        self.data = self._blurred(photograph) + NOISE * rng.standard_normal(photograph.shape)

    def _blurred(self, image: Array) -> Array:
        out: Array = scipy.fft.idctn(
            scipy.fft.dctn(image, norm="ortho") * self._filter, norm="ortho"
        )
        return out

    def __call__(self, image: Array) -> tuple[float, Array]:
        """Value and gradient."""
        misfit = self._blurred(image) - self.data
        gradient = self._blurred(misfit)  # the blur is its own adjoint
        down = np.diff(image, axis=0, append=image[-1:])
        right = np.diff(image, axis=1, append=image[:, -1:])
        length = np.sqrt(down**2 + right**2 + BETA**2)
        down /= length
        right /= length
        gradient -= ALPHA * (down + right)
        gradient[1:] += ALPHA * down[:-1]
        gradient[:, 1:] += ALPHA * right[:, :-1]
        return 0.5 * float(np.sum(misfit**2)) + ALPHA * float(length.sum()), gradient

    def error(self, image: Array) -> float:
        """Root mean square difference from the photograph."""
        return float(np.sqrt(np.mean((image - self.photograph) ** 2)))


def run(budget: int = 60) -> tuple[Restoration, list[Racer]]:
    """Race from the blurred and noisy image itself."""
    from skimage.data import camera

    picture: Array = camera() / 255.0  # type: ignore[no-untyped-call]
    problem = Restoration(picture, np.random.default_rng(0))
    ours: dict[str, Any] = {"method": "laplacian", "options": {"boundary": "neumann"}}
    racers = race(
        problem,
        problem.data,
        jac=True,
        budget=budget,
        ours=ours,
        theirs=THEIRS,
        name="laplacian",
    )
    for racer in racers:
        assert racer.x is not None
        racer.x = racer.x.reshape(problem.data.shape)
    return problem, racers
