"""The operator A = I - sigma*L, its inverse and its square root.

Reference: S. Osher, B. Wang, P. Yin, X. Luo, F. Barekat, M. Pham, A. Lin,
"Laplacian smoothing gradient descent", Res. Math. Sci. 9 (2022), section 2.

Deviations, and why: real transforms and O(n) recursions in place of a complex
FFT, for speed; more boundaries, dimensions and spacings than the periodic line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.sparse.linalg import LinearOperator

from smoothmin._check import require_bool, require_integer, require_one_of, require_real
from smoothmin._protocol import Array
from smoothmin.laplacian._bases import Floats
from smoothmin.laplacian._recursion import (
    LineRecursion,
    Sheet,
    Solver,
    StiffLine,
    is_accurate,
)
from smoothmin.laplacian._transforms import (
    BOUNDARIES,
    Multiplier,
    Transform,
    as_grid,
    as_spacing,
    second_difference,
)

# from so many elements on, recursions pay for what numba takes to start
COMPILED_LINE = 512
COMPILED_SHEET = 16_384


class LaplacianOperator(LinearOperator):  # type: ignore[misc]
    """The symmetric positive definite operator ``A = I + sigma * (-L)**order``.

    ``L`` is the second difference on a grid, summed over its axes. As a SciPy
    `~scipy.sparse.linalg.LinearOperator` it acts on flat vectors; the methods here
    also take fields of the grid's shape, and stacks (m, n) of flat vectors.

    Parameters
    ----------
    shape : int or tuple of int
        The grid; ``n`` is its number of elements.
    sigma : float, default 1.0
        Strength of the smoothing, in units of ``spacing**(2 * order)``; at least 0.
    boundary : {"periodic", "neumann", "dirichlet"}, default "periodic"
        Beyond the grid the field is repeated, mirrored at the outer faces, or zero
        one spacing away.
    spacing : float or sequence of float, optional
        Distance of grid points, one for all axes or one per axis; 1 by default.
    order : int, default 1
        Power of ``-L``.
    dtype : {float, numpy.float32}, default float
        Precision of all results.
    compiled : bool, optional
        Solve by compiled O(n) recursions where ``order`` is 1. They save much in each
        of many solves, and cost about a second once, when numba starts. By default a
        line has them from 512 elements on, other grids from 16384.

    Attributes
    ----------
    grid : tuple of int
        The grid's shape; ``shape`` is (n, n), as of any `LinearOperator`.
    inverse : LinearOperator
        ``A^-1``, for ``M=`` of SciPy's Krylov solvers.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.

    Notes
    -----
    ``A`` is diagonal in the eigenvectors of ``L``: Fourier, cosine and sine vectors.
    ``half_solve`` uses the symmetric square root ``B = A^(1/2)``, so ``B^T B = A``
    and ``half_solve_adjoint`` is the same map.

    References
    ----------
    .. [1] S. Osher et al., "Laplacian smoothing gradient descent", Res. Math. Sci. 9
       (2022), :doi:`10.1007/s40687-022-00351-1`.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import LaplacianOperator
    >>> operator = LaplacianOperator(5, sigma=1.0, boundary="neumann")
    >>> operator.solve(np.array([0.0, 0.0, 11.0, 0.0, 0.0])).round(6)
    array([1., 2., 5., 2., 1.])
    >>> operator @ operator.solve(np.arange(5.0)).round(12)
    array([0., 1., 2., 3., 4.])
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        sigma: float = 1.0,
        boundary: str = "periodic",
        spacing: ArrayLike | None = None,
        order: int = 1,
        dtype: DTypeLike = float,
        *,
        compiled: bool | None = None,
    ) -> None:
        self.grid = as_grid("shape", shape)
        require_real("sigma", sigma, minimum=0, below=np.inf)
        require_one_of("boundary", boundary, BOUNDARIES)
        require_integer("order", order, 1)
        if np.dtype(dtype) not in (np.dtype(np.float64), np.dtype(np.float32)):
            raise ValueError(f"dtype must be float64 or float32, got {dtype!r}")
        self.sigma, self.boundary, self.order = float(sigma), boundary, int(order)
        self.spacing = as_spacing(spacing, len(self.grid))
        n = math.prod(self.grid)
        if compiled is None:
            compiled = n >= (COMPILED_LINE if len(self.grid) == 1 else COMPILED_SHEET)
        require_bool("compiled", compiled)
        self._compiled = compiled
        self._size = n
        super().__init__(np.dtype(dtype), (n, n))

    def solve(self, g: ArrayLike, out: Floats | None = None) -> Floats:
        """``A^-1 g``.

        Parameters
        ----------
        g : array_like
            A field of the grid's shape, a flat vector (n,), or a stack (m, n) of them.
        out : ndarray, optional
            Where to put the result; of ``g``'s shape and the operator's dtype. It may
            be ``g`` itself.

        Returns
        -------
        ndarray
            Of the shape of ``g``.
        """
        return self._act(self._solver, g, out)

    def half_solve(self, v: ArrayLike, out: Floats | None = None) -> Floats:
        """``B^-1 v``, where ``B^T B = A``; parameters as of `solve`."""
        return self._act(self._inverse_root, v, out)

    def half_solve_adjoint(self, v: ArrayLike, out: Floats | None = None) -> Floats:
        """``B^-T v``, where ``B^T B = A``; parameters as of `solve`."""
        return self.half_solve(v, out)

    def half_apply_adjoint(self, v: ArrayLike, out: Floats | None = None) -> Floats:
        """``B^T v``, where ``B^T B = A``; parameters as of `solve`."""
        return self._act(self._root, v, out)

    def apply(self, v: ArrayLike, out: Floats | None = None) -> Floats:
        """``A v`` by the stencil; parameters as of `solve`."""
        fields, shape = self._fields(v)
        result = fields
        for _ in range(self.order):
            result = self._negative_laplacian(result)
        result = fields + self.dtype.type(self.sigma) * result
        return self._into(result.reshape(shape), out)

    def energy(self, v: ArrayLike) -> float:
        """``v^T A v``, a sum of squares that is never negative."""
        fields, _ = self._fields(v)
        smooth = fields
        for _ in range(self.order // 2):
            smooth = self._negative_laplacian(smooth)
        rough = self._slopes(smooth) if self.order % 2 else _square(smooth)
        return _square(fields) + self.sigma * rough

    @property
    def inverse(self) -> LinearOperator:
        """``A^-1`` as a `LinearOperator`."""
        return LinearOperator(self.shape, matvec=self.solve, rmatvec=self.solve, dtype=self.dtype)

    def _matvec(self, v: Any) -> Floats:
        return self.apply(v)

    def _adjoint(self) -> LaplacianOperator:
        return self

    @cached_property
    def _solver(self) -> Solver:
        """What is fastest of what is accurate."""
        rows, others = self.grid[0], self.grid[1:]
        first = self.sigma / self.spacing[0] ** 2
        if not self._compiled or self.order > 1:
            return Multiplier(self._transform, 1.0 / self._symbol(), self.dtype)
        if not others:
            if is_accurate(first, rows, self.boundary, self.dtype):
                return LineRecursion(rows, first, self.boundary, self.dtype)
            return StiffLine(rows, first)
        else:
            transform = Transform(others, self.boundary, self.spacing[1:])
            stiff = 1 + self.sigma * transform.eigenvalues
            if is_accurate(first / stiff, rows, self.boundary, self.dtype):
                return Sheet(transform, stiff, first, rows, self.boundary, self.dtype)
        return Multiplier(self._transform, 1.0 / self._symbol(), self.dtype)

    @cached_property
    def _transform(self) -> Transform:
        return Transform(self.grid, self.boundary, self.spacing)

    @cached_property
    def _inverse_root(self) -> Multiplier:
        return Multiplier(self._transform, 1.0 / np.sqrt(self._symbol()), self.dtype)

    @cached_property
    def _root(self) -> Multiplier:
        return Multiplier(self._transform, np.sqrt(self._symbol()), self.dtype)

    def _symbol(self) -> Array:
        """Eigenvalues of A."""
        symbol: Array = 1.0 + self.sigma * self._transform.eigenvalues**self.order
        return symbol

    def _act(self, solver: Solver, v: Any, out: Any) -> Floats:
        """What ``solver`` makes of ``v``."""
        if not self._is_plain(v):
            v = np.ascontiguousarray(self._checked(v)).reshape(np.shape(v))
        if out is None:
            result: Floats = np.empty_like(v)
            solver.solve(v, result)
            return result
        if self._is_apart(v, out):
            solver.solve(v, out)
            apart: Floats = out
            return apart
        return self._into(self._act(solver, v, None), out)

    def _fields(self, v: Any) -> tuple[Floats, tuple[int, ...]]:
        """``v`` as fields (m, *grid) of the operator's dtype, and its own shape."""
        array = self._checked(v)
        return array.reshape(-1, *self.grid), array.shape

    def _checked(self, v: Any) -> Floats:
        """``v`` as an array of the operator's dtype and of so many elements."""
        array = np.asarray(v)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"v must be an array of real numbers, got {v!r:.80}")
        n = self.shape[0]
        if array.size != n and not (array.ndim == 2 and array.shape[1] == n):
            raise ValueError(
                f"v must have {n} elements, or rows of so many, got shape {array.shape}"
            )
        return array.astype(self.dtype, copy=not array.flags.writeable)

    def _is_plain(self, v: Any) -> bool:
        """Whether an array is one that a solver can read and write as it is."""
        return (
            type(v) is np.ndarray
            and v.dtype == self.dtype
            and (v.size == self._size or (v.ndim == 2 and v.shape[1] == self._size))
            and v.flags.carray
        )

    def _is_apart(self, v: Floats, out: Any) -> bool:
        """Whether a solver can write to ``out``: to ``v`` itself or elsewhere."""
        return out is v or (
            self._is_plain(out)
            and out.shape == v.shape
            # arrays that are no views have memory of their own
            and ((out.base is None and v.base is None) or not np.may_share_memory(v, out))
        )

    def _into(self, result: Floats, out: Any) -> Floats:
        """The result, in ``out`` if there is one."""
        if out is None:
            return result
        if not isinstance(out, np.ndarray) or out.shape != result.shape or out.dtype != self.dtype:
            raise ValueError(
                f"out must be an array of shape {result.shape} and dtype {self.dtype}, "
                f"got shape {np.shape(out)} and dtype {getattr(out, 'dtype', type(out))}"
            )
        np.copyto(out, result)
        return out

    def _negative_laplacian(self, fields: Floats) -> Floats:
        total = np.zeros_like(fields)
        for axis, spacing in enumerate(self.spacing, start=1):
            total += second_difference(fields, axis, self.boundary, spacing)
        return total

    def _slopes(self, fields: Floats) -> float:
        """``v^T (-L) v``: squared first differences, those at the boundary included."""
        total = 0.0
        for axis, spacing in enumerate(self.spacing, start=1):
            v = np.moveaxis(fields, axis, 0)
            part = _square(np.diff(v, axis=0))
            if self.boundary == "periodic":
                part += _square(v[0] - v[-1])
            elif self.boundary == "dirichlet":
                part += _square(v[0]) + _square(v[-1])
            total += part / spacing**2
        return total


def _square(v: Floats) -> float:
    """Sum of squares, in double precision."""
    flat = v.ravel().astype(np.float64, copy=False)
    return float(flat @ flat)
