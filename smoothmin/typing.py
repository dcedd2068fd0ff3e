"""Options as type checkers and editors know them; written by `tests/types/signatures.py`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from smoothmin._history import History
    from smoothmin._method import Method
    from smoothmin._protocol import Array
    from smoothmin._result import Result
    from smoothmin._stopping import Termination
    from smoothmin._types import Axes, Seed, Shapes
    from smoothmin.journal.options import Journal
    from smoothmin.smoothing.perturbations import Distribution


class CommonOptions(TypedDict, total=False):
    """Of every method."""

    maxiter: float | None
    maxfev: float | None
    maxtime: float | None
    f_target: float | None
    termination: Termination | Sequence[Termination] | None
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
    """Of "homotopy"."""

    sigma: ArrayLike | None
    n: int | None
    decay: float
    stages: int
    aggregate: str
    design: str
    restarts: int | str
    growth: float
    gtol: float | None


class DerivativeFreeOptions(CommonOptions, total=False):
    """Of "derivative-free"."""

    sigma: ArrayLike | None
    n: int | None
    restarts: int | str
    xtol: ArrayLike | None
    ftol: float | None
    xatol: ArrayLike | None
    local: str | Method | None
    popsize: int | None


class SQPGradientSamplingOptions(CommonOptions, total=False):
    """Of "sqp"."""

    stationarity_tol: float | None
    radius_tol: float | None
    fatol: float | None
    gtol: float | None
    xtol: float | None


class GradientSamplingDescentOptions(CommonOptions, total=False):
    """Of "gradient-sampling"."""

    stationarity_tol: float | None
    radius_tol: float | None
    radius: float | None
    samples: int | None
    memory: int | None
    restarts: int
    dense_up_to: int
    gtol: float | None


class LaplacianDescentOptions(CommonOptions, total=False):
    """Of "laplacian"."""

    sigma: float | str
    boundary: str
    spacing: ArrayLike | None
    order: int
    shapes: Shapes | None
    layerwise: bool
    min_numel: int
    step: str
    memory: int | None
    lr: ArrayLike | None
    momentum: float
    decay: float
    gtol: float | None
    ftol: float | None
    diffusivity: Callable[[Array], Array] | None
    preconditioner: object
    axes: Axes | None


class LBFGSOptions(CommonOptions, total=False):
    """Of "lbfgs"."""

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
    """Of "bfgs"."""

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
    """Of "gradient-descent"."""

    lr: ArrayLike | None
    momentum: float
    nesterov: bool
    line_search: str | None
    gtol: float | None
    shapes: Shapes | None


class ConstrainedModelOptions(CommonOptions, total=False):
    """Of "constrained-model"."""

    scale: ArrayLike | None
    xtol: float | None


class ModelDescentOptions(CommonOptions, total=False):
    """Of "model-descent"."""

    scale: ArrayLike | None
    xtol: float | None


class DifferenceDescentOptions(CommonOptions, total=False):
    """Of "difference-descent"."""

    scale: ArrayLike | None
    noise: float
    curvature: bool
    ftol: float | None
    hess_inv0: ArrayLike | None
    xtol: float | None


class GaussianSearchOptions(CommonOptions, total=False):
    """Of "gaussian-search"."""

    sigma: ArrayLike | None
    population: int | None
    model: bool
    xtol: ArrayLike
    ftol: float
    decrease: float | None
    noise: float
    survey: bool
    popsize: int | None


class CoordinateSearchOptions(CommonOptions, total=False):
    """Of "coordinate-search"."""

    points: int
    separable: bool
    scale: ArrayLike | None
    closing: bool


class DirectionalSmoothingOptions(CommonOptions, total=False):
    """Of "directional-smoothing"."""

    sigma: ArrayLike | None
    decay: float
    xtol: float | None


class GradientSamplingOptions(CommonOptions, total=False):
    """Of "GradientSampling"."""

    inner: Method | None
    sigma: ArrayLike
    n: int
    aggregate: str
    temperature: float | None
    distribution: Distribution
    design: str
    include_x0: bool
    fixed: bool
    pre_generate: bool
    decay: ArrayLike
    reset_on_termination: bool
    sigma_strategy: str | None
    sigma_target: float
    sigma_nplus: ArrayLike
    sigma_nminus: ArrayLike
    beyond: str
    shapes: Shapes | None


class ExactPenaltyOptions(CommonOptions, total=False):
    """Of "ExactPenalty"."""

    inner: Method
    mu: float | None


class LaplacianSmoothingOptions(CommonOptions, total=False):
    """Of "LaplacianSmoothing"."""

    inner: Method
    sigma: ArrayLike
    layerwise: bool
    min_numel: int
    shapes: Shapes | None
    order: int
    boundary: str
    spacing: ArrayLike | None
    axes: Axes | None


class ScipyOptions(CommonOptions, total=False):
    """Of SciPy's names."""

    xatol: float | None
    fatol: float | None
    adaptive: bool
    initial_simplex: ArrayLike | None
    xtol: float | None
    ftol: float | None
    direc: ArrayLike | None
    gtol: float | None
    norm: float | None
    c1: float | None
    c2: float | None
    xrtol: float | None
    hess_inv0: ArrayLike | None
    maxcor: float | None
    maxfun: float | None
    maxls: float | None
    iprint: float | None
    scale: bool | ArrayLike | None
    offset: ArrayLike | None
    mesg_num: float | None
    maxCGit: float | None
    eta: float | None
    stepmx: float | None
    accuracy: float | None
    minfev: float | None
    rescale: float | None
    rhobeg: float | None
    tol: float | None
    catol: float | None
    initial_tr_radius: float | None
    final_tr_radius: float | None
    feasibility_tol: float | None
    verbose: float | None
    barrier_tol: float | None
    sparse_jacobian: bool | None
    initial_constr_penalty: float | None
    initial_barrier_parameter: float | None
    initial_barrier_tolerance: float | None
    factorization_method: str | None
    initial_trust_radius: float | None
    max_trust_radius: float | None
    inexact: bool
    subproblem_maxiter: float | None


class Options(CommonOptions, total=False):
    """Of all methods."""

    sigma: ArrayLike | float | str | None
    n: int | None
    decay: float | ArrayLike
    stages: int
    aggregate: str
    design: str
    restarts: int | str
    growth: float
    gtol: float | None
    xtol: ArrayLike | float | None
    ftol: float | None
    xatol: ArrayLike | float | None
    local: str | Method | None
    popsize: int | None
    stationarity_tol: float | None
    radius_tol: float | None
    fatol: float | None
    radius: float | None
    samples: int | None
    memory: int | None
    dense_up_to: int
    boundary: str
    spacing: ArrayLike | None
    order: int
    shapes: Shapes | None
    layerwise: bool
    min_numel: int
    step: str
    lr: ArrayLike | None
    momentum: float
    diffusivity: Callable[[Array], Array] | None
    preconditioner: object
    axes: Axes | None
    norm: float | None
    xrtol: float | None
    first_step: float | None
    c1: float | None
    c2: float | None
    scale: float | ArrayLike | bool | None
    hess_inv0: ArrayLike | None
    nesterov: bool
    line_search: str | None
    noise: float
    curvature: bool
    population: int | None
    model: bool
    decrease: float | None
    survey: bool
    points: int
    separable: bool
    closing: bool
    inner: Method | None
    temperature: float | None
    distribution: Distribution
    include_x0: bool
    fixed: bool
    pre_generate: bool
    reset_on_termination: bool
    sigma_strategy: str | None
    sigma_target: float
    sigma_nplus: ArrayLike
    sigma_nminus: ArrayLike
    beyond: str
    mu: float | None
    adaptive: bool
    initial_simplex: ArrayLike | None
    direc: ArrayLike | None
    maxcor: float | None
    maxfun: float | None
    maxls: float | None
    iprint: float | None
    offset: ArrayLike | None
    mesg_num: float | None
    maxCGit: float | None
    eta: float | None
    stepmx: float | None
    accuracy: float | None
    minfev: float | None
    rescale: float | None
    rhobeg: float | None
    tol: float | None
    catol: float | None
    initial_tr_radius: float | None
    final_tr_radius: float | None
    feasibility_tol: float | None
    verbose: float | None
    barrier_tol: float | None
    sparse_jacobian: bool | None
    initial_constr_penalty: float | None
    initial_barrier_parameter: float | None
    initial_barrier_tolerance: float | None
    factorization_method: str | None
    initial_trust_radius: float | None
    max_trust_radius: float | None
    inexact: bool
    subproblem_maxiter: float | None
