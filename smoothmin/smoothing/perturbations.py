"""The perturbations: which points around x are sampled, as a repeatable stream.

References: M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21 (1979)
(Latin hypercube); A. B. Owen, "Scrambling Sobol' and Niederreiter-Xing points",
J. Complexity 14 (1998); F. X. Yu et al., "Orthogonal random features", NeurIPS
(2016) (orthogonal blocks).

Where a whole design would not fit into one chunk of memory, Latin hypercubes take
their permutations from a keyed bijection instead of a table, and orthogonal
blocks come from random signs and cosine transforms instead of a QR factorization.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from smoothmin._machine import CACHED, LARGE, TINY
from smoothmin._protocol import Array

Distribution: TypeAlias = str | Callable[[np.random.Generator, tuple[int, int]], Array]

# E[u_j^2] of one coordinate; "sphere" divides by the dimension
VARIANCE = {"gaussian": 1.0, "uniform": 1 / 3, "rademacher": 1.0, "sphere": 1.0}
DISTRIBUTIONS = (*VARIANCE, "normal")
DESIGNS = ("iid", "latin-hypercube", "sobol", "orthogonal")


def check_design(distribution: Any, design: Any) -> None:
    """Raise unless the two are known and go together."""
    named = isinstance(distribution, str) and distribution in DISTRIBUTIONS
    if not callable(distribution) and not named:
        raise ValueError(
            f"distribution must be callable or one of {list(DISTRIBUTIONS)}, got {distribution!r}"
        )
    if not isinstance(design, str) or base_design(design)[0] not in DESIGNS:
        raise ValueError(
            f"design must be 'antithetic' or one of {list(DESIGNS)}, "
            f"alone or after 'antithetic-', got {design!r}"
        )
    base = base_design(design)[0]
    if callable(distribution) and base != "iid":
        raise ValueError(f"design={design!r} needs a named distribution, got {distribution!r}")
    if base == "orthogonal" and distribution in ("uniform", "rademacher"):
        raise ValueError(
            f"design='orthogonal' needs distribution 'gaussian' or 'sphere', got {distribution!r}"
        )


def base_design(design: str) -> tuple[str, bool]:
    """The design of one half of the pairs, and whether there are pairs."""
    if design == "antithetic":
        return "iid", True
    if design.startswith("antithetic-"):
        return design.removeprefix("antithetic-"), True
    return design, False


class Perturbations:
    """``count`` perturbations in ``dimension`` coordinates.

    Iterating over `chunks` gives the same numbers every time, whether they are kept
    or not. A perturbation of zero comes first if ``zero`` is set; pairs ``u, -u``
    are neighbours and never split between chunks.

    Parameters
    ----------
    rng : Generator
        A seed is taken from it; nothing else is ever drawn.
    count, dimension : int
        ``count`` includes the zero perturbation; of an odd number of others, one is
        left out if they come in pairs.
    distribution, design : as in `GradientSampling`
    zero, paired : bool
    """

    def __init__(
        self,
        rng: np.random.Generator,
        count: int,
        dimension: int,
        distribution: Distribution,
        design: str,
        *,
        zero: bool,
        paired: bool,
    ) -> None:
        self._seed = rng.integers(2**63, size=2).tolist()
        self._distribution = "gaussian" if distribution == "normal" else distribution
        self._design = base_design(design)[0]
        if self._design == "sobol":
            from scipy.stats.qmc import Sobol

            if dimension > Sobol.MAXDIM:
                raise ValueError(
                    f"design='sobol' takes at most {Sobol.MAXDIM} variables, got {dimension}"
                )
        self.zero, self.paired, self.dimension = zero, paired, dimension
        others = count - zero
        self._drawn = others // 2 if paired else others
        self.count = zero + self._drawn * (2 if paired else 1)
        if self.count == 0:
            raise ValueError(f"n must leave room for a pair of points, got {count}")

    @property
    def pairs(self) -> int:
        """Number of antithetic pairs."""
        return self._drawn if self.paired else 0

    @property
    def variance(self) -> float | None:
        """The variance of one coordinate, None if it is for the sample to tell."""
        if callable(self._distribution):
            return None
        share = 1 / self.dimension if self._distribution == "sphere" else 1.0
        return VARIANCE[self._distribution] * share

    def chunks(self) -> Iterator[Array]:
        """Arrays (k, dimension) whose rows are the perturbations in order."""
        rows = CACHED // self.dimension
        drawn = max(1, rows // 2 if self.paired else rows)
        first = self.zero
        for part in self._draw(drawn):
            out = np.empty((first + len(part) * (2 if self.paired else 1), self.dimension))
            if first:
                out[0] = 0.0
            if self.paired:
                out[first::2] = part
                np.negative(part, out=out[first + 1 :: 2])
            else:
                out[first:] = part
            first = False
            yield out
        if first:
            yield np.zeros((1, self.dimension))

    def _draw(self, rows: int) -> Iterator[Array]:
        """The drawn perturbations, at most ``rows`` at a time."""
        if not self._drawn:
            return
        rng = np.random.default_rng(self._seed)
        source = getattr(self, f"_{self._design.replace('-', '_')}")
        held: list[Array] = []  # blocks may be smaller than a chunk
        for part in source(rng, rows):
            held.append(part)
            if sum(len(block) for block in held) >= rows:
                whole = np.concatenate(held) if len(held) > 1 else part
                yield whole[:rows]
                held = [whole[rows:]] if len(whole) > rows else []
        if held:
            yield np.concatenate(held) if len(held) > 1 else held[0]

    def _iid(self, rng: np.random.Generator, rows: int) -> Iterator[Array]:
        for size in _sizes(self._drawn, rows):
            shape = (size, self.dimension)
            if callable(self._distribution):
                yield _checked(self._distribution(rng, shape), shape)
            elif self._distribution in ("gaussian", "sphere"):
                yield self._on_sphere(rng.standard_normal(shape))
            else:
                yield self._from_uniform(rng.random(shape))

    def _latin_hypercube(self, rng: np.random.Generator, rows: int) -> Iterator[Array]:
        count, dimension = self._drawn, self.dimension
        if count * dimension <= LARGE:
            table = np.repeat(np.arange(count)[:, None], dimension, axis=1)
            strata = rng.permuted(table, axis=0)
        else:
            strata = None
            keys = rng.integers(2**63, size=dimension, dtype=np.uint64)
        first = 0
        for size in _sizes(count, rows):
            if strata is None:
                index = np.arange(first, first + size, dtype=np.uint64)
                part = keyed_permutation(index[:, None], count, keys)
            else:
                part = strata[first : first + size]
            yield self._from_uniform((part + rng.random(part.shape)) / count)
            first += size

    def _sobol(self, rng: np.random.Generator, rows: int) -> Iterator[Array]:
        from scipy.stats import qmc

        with warnings.catch_warnings():
            # the points are balanced in powers of two only; the mean is right in any case
            warnings.simplefilter("ignore", UserWarning)
            sobol = qmc.Sobol(self.dimension, scramble=True, rng=rng)
            parts = [sobol.random(size) for size in _sizes(self._drawn, rows)[:1]]
        yield self._from_uniform(parts[0])
        for size in _sizes(self._drawn, rows)[1:]:
            yield self._from_uniform(sobol.random(size))

    def _orthogonal(self, rng: np.random.Generator, rows: int) -> Iterator[Array]:
        """Blocks of at most ``dimension`` orthogonal rows, each of a drawn length."""
        d = self.dimension
        block = min(d, self._drawn)
        in_one_piece = block * d <= LARGE
        for size in _sizes(self._drawn, block):
            make = _haar_rows if in_one_piece else _cosine_rows
            for part in make(rng, size, d, rows):
                if self._distribution == "sphere":
                    yield part
                else:
                    radii = np.sqrt(rng.chisquare(d, size=len(part)))
                    yield part * radii[:, None]

    def _from_uniform(self, uniform: Array) -> Array:
        """Perturbations from numbers uniform on [0, 1]."""
        if self._distribution == "uniform":
            return 2.0 * uniform - 1.0
        if self._distribution == "rademacher":
            return np.where(uniform < 0.5, -1.0, 1.0)
        tiny = TINY
        normal: Array = ndtri(np.clip(uniform, tiny, 1 - 2**-53))
        return self._on_sphere(normal)

    def _on_sphere(self, normal: Array) -> Array:
        if self._distribution != "sphere":
            return normal
        directions: Array = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        return directions


def _sizes(count: int, rows: int) -> list[int]:
    """``count`` in parts of at most ``rows``."""
    return [min(rows, count - first) for first in range(0, count, rows)]


def _checked(out: Any, shape: tuple[int, int]) -> Array:
    """What a user's distribution returned, if it is an array of the right shape."""
    array = np.asarray(out, dtype=float)
    if array.shape != shape:
        raise ValueError(f"distribution must return shape {shape}, got {array.shape}")
    return array


def _haar_rows(rng: np.random.Generator, size: int, d: int, rows: int) -> Iterator[Array]:
    """Orthonormal rows, uniformly distributed."""
    q, r = np.linalg.qr(rng.standard_normal((d, size)))
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    block = np.ascontiguousarray(q.T)
    for first in range(0, size, rows):
        yield block[first : first + rows]


def _cosine_rows(rng: np.random.Generator, size: int, d: int, rows: int) -> Iterator[Array]:
    """Orthonormal rows e_i C S C S, with random signs S and cosine transforms C."""
    from scipy.fft import dct

    inner, outer = (np.where(rng.random(d) < 0.5, -1.0, 1.0) for _ in range(2))
    place = rng.permutation(d)[:size]
    for first in range(0, size, rows):
        part = place[first : first + rows]
        out = np.zeros((len(part), d))
        out[np.arange(len(part)), part] = 1.0
        for signs in (inner, outer):
            out = dct(out, norm="ortho", axis=1) * signs
        yield out


def keyed_permutation(
    index: NDArray[np.uint64], size: int, keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """For each key a permutation of 0 ... ``size`` - 1, at ``index`` only.

    A Feistel network on the next even number of bits, walked along its cycles
    until the number is below ``size``.
    """
    half = np.uint64(max(1, math.ceil((size - 1).bit_length() / 2)))
    mask = (np.uint64(1) << half) - np.uint64(1)
    out = np.broadcast_to(index, np.broadcast_shapes(index.shape, keys.shape)).copy()
    key = np.broadcast_to(keys, out.shape)
    todo = np.ones(out.shape, dtype=bool)
    while todo.any():
        left, right = out[todo] >> half, out[todo] & mask
        for turn in range(1, 5):
            odd = (0x9E3779B97F4A7C15 * turn | 1) & 0xFFFFFFFFFFFFFFFF
            mixed = (right + key[todo]) * np.uint64(odd)
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
        out[todo] = (left << half) | right
        todo = out >= size
    return out
