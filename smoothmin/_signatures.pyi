"""Written by `tests/types/signatures.py` from the options of all methods."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, TypedDict, overload

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._history import History
from smoothmin._method import Method
from smoothmin._result import Result
from smoothmin._stopping import Criterion
from smoothmin.journal.options import Journal

class BoundsLike(Protocol):
    """SciPy's `Bounds`."""

    lb: ArrayLike
    ub: ArrayLike

Fun: TypeAlias = Callable[..., object]
Start: TypeAlias = ArrayLike | Mapping[str, ArrayLike] | Sequence[ArrayLike]
Jac: TypeAlias = Callable[..., object] | bool | Literal["2-point", "3-point", "cs"] | None
Pairs: TypeAlias = Sequence[tuple[float | None, float | None]]
Rows: TypeAlias = Sequence[Sequence[float | None]]
BoundsGiven: TypeAlias = BoundsLike | Pairs | Rows | Mapping[str, object]
Seed: TypeAlias = int | Sequence[int] | np.random.Generator | np.random.BitGenerator | None

class CommonOptions(TypedDict, total=False):
    maxiter: float | None
    maxfev: float | None
    maxtime: float | None
    f_target: float | None
    termination: Criterion | Sequence[Criterion] | None
    disp: bool | int
    progress: bool
    return_all: bool
    history: bool | Literal["points"]
    journal: str | os.PathLike[str] | Journal | None
    asynchronous: bool | int
    on_error: Literal["raise", "nan"]
    result: Literal["best", "last"]
    return_on_interrupt: bool
    workers: object
    jac_method: Literal["2-point", "3-point", "cs"]
    x_scale: float | ArrayLike | Mapping[str, ArrayLike] | None
    warm_start: Result | History | tuple[ArrayLike, ArrayLike] | None
    integrality: ArrayLike | Mapping[str, ArrayLike] | None
    ctol: float | ArrayLike
    rng: Seed
    eps: float | ArrayLike | None
    finite_diff_rel_step: float | ArrayLike | None

class HomotopyOptions(CommonOptions, total=False):
    sigma: float | str | ArrayLike | None
    n: int | None
    decay: float
    stages: int
    aggregate: str
    design: str
    restarts: int | str
    growth: float
    gtol: float | None

class DerivativeFreeOptions(CommonOptions, total=False):
    sigma: float | str | ArrayLike | None
    n: int | None
    restarts: int | str
    xtol: float | ArrayLike | None
    ftol: float | None
    xatol: float | ArrayLike | None
    local: str | Method | None
    popsize: int | None

class SQPGradientSamplingOptions(CommonOptions, total=False):
    stationarity_tol: float | None
    radius_tol: float | None

class GradientSamplingDescentOptions(CommonOptions, total=False):
    stationarity_tol: float | None
    radius_tol: float | None
    radius: float | None
    samples: int | None
    memory: int | None
    restarts: int
    dense_up_to: int

class LaplacianDescentOptions(CommonOptions, total=False):
    sigma: float | str
    boundary: str
    spacing: float | ArrayLike | None
    order: int
    shapes: Sequence[tuple[int, ...]] | None
    layerwise: bool
    min_numel: int
    step: str
    memory: int | None
    lr: float | ArrayLike | None
    momentum: float
    decay: float
    gtol: float | None
    ftol: float | None
    diffusivity: str | Callable[..., object] | ArrayLike | None
    preconditioner: object
    axes: Sequence[int] | int | None

class LBFGSOptions(CommonOptions, total=False):
    memory: int
    gtol: float | None
    norm: float
    ftol: float | None
    fatol: float | None
    xtol: float | None
    xrtol: float | None
    first_step: float | None
    c1: float
    c2: float | None
    scale: float | None

class BFGSOptions(CommonOptions, total=False):
    gtol: float | None
    norm: float
    ftol: float | None
    fatol: float | None
    xtol: float | None
    xrtol: float | None
    first_step: float | None
    c1: float
    c2: float | None
    hess_inv0: ArrayLike | None

class GradientDescentOptions(CommonOptions, total=False):
    lr: float | ArrayLike | None
    momentum: float
    nesterov: bool
    line_search: str | None
    gtol: float | None
    shapes: Sequence[tuple[int, ...]] | None

class ConstrainedModelOptions(CommonOptions, total=False):
    scale: float | ArrayLike | None
    xtol: float

class ModelDescentOptions(CommonOptions, total=False):
    scale: float | ArrayLike | None
    xtol: float | None

class DifferenceDescentOptions(CommonOptions, total=False):
    scale: float | ArrayLike | None
    noise: float
    curvature: bool
    ftol: float | None
    hess_inv0: ArrayLike | None

class GaussianSearchOptions(CommonOptions, total=False):
    sigma: float | str | ArrayLike | None
    population: int | None
    model: bool
    xtol: float | ArrayLike | None
    ftol: float
    decrease: float | None
    noise: float
    survey: bool
    popsize: int | None

class CoordinateSearchOptions(CommonOptions, total=False):
    points: int
    separable: bool
    scale: float | ArrayLike | None
    closing: bool

class DirectionalSmoothingOptions(CommonOptions, total=False):
    sigma: float | str | ArrayLike | None
    decay: float
    xtol: float | None

class GradientSamplingOptions(CommonOptions, total=False):
    inner: Method | None
    sigma: float | str | ArrayLike | None
    n: int
    aggregate: str
    temperature: float | None
    distribution: str | Callable[..., object]
    design: str
    include_x0: bool
    fixed: bool
    pre_generate: bool
    decay: float | ArrayLike
    reset_on_termination: bool
    sigma_strategy: str | None
    sigma_target: float
    sigma_nplus: float | ArrayLike
    sigma_nminus: float | ArrayLike
    beyond: str
    shapes: Sequence[tuple[int, ...]] | None

class ExactPenaltyOptions(CommonOptions, total=False):
    inner: Method
    mu: float | None

class LaplacianSmoothingOptions(CommonOptions, total=False):
    inner: Method
    sigma: float | str | ArrayLike | None
    layerwise: bool
    min_numel: int
    shapes: Sequence[tuple[int, ...]] | None
    order: int
    boundary: str
    spacing: float | ArrayLike | None
    axes: Sequence[int] | int | None

@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["homotopy"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: HomotopyOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["derivative-free"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: DerivativeFreeOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["sqp"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: SQPGradientSamplingOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["gradient-sampling"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: GradientSamplingDescentOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["laplacian"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: LaplacianDescentOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["lbfgs"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: LBFGSOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["bfgs"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: BFGSOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["gradient-descent"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: GradientDescentOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["constrained-model"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: ConstrainedModelOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["model-descent"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: ModelDescentOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["difference-descent"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: DifferenceDescentOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["gaussian-search"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: GaussianSearchOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["coordinate-search"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: CoordinateSearchOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["directional-smoothing"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: DirectionalSmoothingOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["GradientSampling"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: GradientSamplingOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["ExactPenalty"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: ExactPenaltyOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["LaplacianSmoothing"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: LaplacianSmoothingOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: None = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: GradientSamplingDescentOptions | DerivativeFreeOptions | SQPGradientSamplingOptions | ConstrainedModelOptions | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: Literal["Nelder-Mead", "Powell", "CG", "BFGS", "Newton-CG", "L-BFGS-B", "TNC", "COBYLA", "COBYQA", "SLSQP", "trust-constr", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"] = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: Mapping[str, object] | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
@overload
def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: str | Method | type[Method] | Callable[..., object] | None = ...,
    jac: Jac = None,
    hess: Callable[..., object] | None = None,
    hessp: Callable[..., object] | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: Mapping[str, object] | None = None,
    *,
    integrality: ArrayLike | Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result: ...
