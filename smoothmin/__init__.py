"""Minimize functions that defeat ordinary minimizers: kinks, noise, many minima.

`minimize` is the front end, with the signature of `scipy.optimize.minimize`.
Methods, reformulations and criteria are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "minimize": "_signatures",
    "Optimizer": "_optimizer",
    "show_options": "_registry",
    "Journal": "journal.options",
    "Result": "_result",
    "History": "_history",
    "Method": "_method",
    "Homotopy": "homotopy.method",
    "DerivativeFree": "derivative_free.method",
    "ConstrainedModel": "derivative_free.constrained.method",
    "ModelDescent": "derivative_free.model_descent",
    "DifferenceDescent": "derivative_free.difference_descent",
    "GaussianSearch": "derivative_free.gaussian_search",
    "CoordinateSearch": "derivative_free.coordinate_search",
    "DirectionalSmoothing": "derivative_free.directional_smoothing",
    "GradientSampling": "smoothing.gradient_sampling",
    "smooth": "smoothing.smooth",
    "GradientSamplingDescent": "descent.gradient_sampling.method",
    "SQPGradientSampling": "sqp.method",
    "LBFGS": "descent.lbfgs",
    "BFGS": "descent.bfgs",
    "GradientDescent": "descent.gradient_descent",
    "ExactPenalty": "constraints.penalty",
    "LaplacianDescent": "laplacian.descent",
    "LaplacianSmoothing": "laplacian.smoothing",
    "LaplacianOperator": "laplacian.operator",
    "Criterion": "_stopping",
    "Progress": "_stopping",
    "AfterSteps": "_stopping",
    "AfterEvaluations": "_stopping",
    "AfterSeconds": "_stopping",
    "GradientNorm": "_stopping",
    "UpdateNorm": "_stopping",
    "NoImprovement": "_stopping",
    "TargetValue": "_stopping",
    "Never": "_stopping",
    "Bounds": "_scipy_classes",
    "LinearConstraint": "_scipy_classes",
    "NonlinearConstraint": "_scipy_classes",
    "OptimizeResult": "_scipy_classes",
    "Uncertainty": "uncertainties.estimate",
    "uncertainty": "uncertainties.estimate",
    "curve_fit": "residuals.curve_fit",
    "least_squares": "residuals.least_squares",
    "FitResult": "residuals.result",
}

__all__ = [
    *_EXPORTS,
]

if TYPE_CHECKING:
    from smoothmin._history import History as History
    from smoothmin._method import Method as Method
    from smoothmin._optimizer import Optimizer as Optimizer
    from smoothmin._registry import show_options as show_options
    from smoothmin._result import Result as Result
    from smoothmin._scipy_classes import Bounds as Bounds
    from smoothmin._scipy_classes import LinearConstraint as LinearConstraint
    from smoothmin._scipy_classes import NonlinearConstraint as NonlinearConstraint
    from smoothmin._scipy_classes import OptimizeResult as OptimizeResult
    from smoothmin._signatures import minimize as minimize
    from smoothmin._stopping import AfterEvaluations as AfterEvaluations
    from smoothmin._stopping import AfterSeconds as AfterSeconds
    from smoothmin._stopping import AfterSteps as AfterSteps
    from smoothmin._stopping import Criterion as Criterion
    from smoothmin._stopping import GradientNorm as GradientNorm
    from smoothmin._stopping import Never as Never
    from smoothmin._stopping import NoImprovement as NoImprovement
    from smoothmin._stopping import Progress as Progress
    from smoothmin._stopping import TargetValue as TargetValue
    from smoothmin._stopping import UpdateNorm as UpdateNorm
    from smoothmin.constraints.penalty import ExactPenalty as ExactPenalty
    from smoothmin.derivative_free.constrained.method import ConstrainedModel as ConstrainedModel
    from smoothmin.derivative_free.coordinate_search import CoordinateSearch as CoordinateSearch
    from smoothmin.derivative_free.difference_descent import DifferenceDescent as DifferenceDescent
    from smoothmin.derivative_free.directional_smoothing import (
        DirectionalSmoothing as DirectionalSmoothing,
    )
    from smoothmin.derivative_free.gaussian_search import GaussianSearch as GaussianSearch
    from smoothmin.derivative_free.method import DerivativeFree as DerivativeFree
    from smoothmin.derivative_free.model_descent import ModelDescent as ModelDescent
    from smoothmin.descent.bfgs import BFGS as BFGS
    from smoothmin.descent.gradient_descent import GradientDescent as GradientDescent
    from smoothmin.descent.gradient_sampling.method import (
        GradientSamplingDescent as GradientSamplingDescent,
    )
    from smoothmin.descent.lbfgs import LBFGS as LBFGS
    from smoothmin.homotopy.method import Homotopy as Homotopy
    from smoothmin.journal.options import Journal as Journal
    from smoothmin.laplacian.descent import LaplacianDescent as LaplacianDescent
    from smoothmin.laplacian.operator import LaplacianOperator as LaplacianOperator
    from smoothmin.laplacian.smoothing import LaplacianSmoothing as LaplacianSmoothing
    from smoothmin.residuals.curve_fit import curve_fit as curve_fit
    from smoothmin.residuals.least_squares import least_squares as least_squares
    from smoothmin.residuals.result import FitResult as FitResult
    from smoothmin.smoothing.gradient_sampling import GradientSampling as GradientSampling
    from smoothmin.smoothing.smooth import smooth as smooth
    from smoothmin.sqp.method import SQPGradientSampling as SQPGradientSampling
    from smoothmin.uncertainties.estimate import Uncertainty as Uncertainty
    from smoothmin.uncertainties.estimate import uncertainty as uncertainty


_MODULES = ("plotting",)  # public by themselves


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names only, whatever has been loaded."""
    return sorted([*_EXPORTS, *_MODULES, "__version__"])
