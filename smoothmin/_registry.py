"""The one list of methods: names to classes, found when first asked for."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from typing import Any

from smoothmin._method import Method
from smoothmin._scipy_names import NAMES, describe, overview, scipy_name

METHODS: dict[str, tuple[str, str]] = {
    "homotopy": ("smoothmin.homotopy.method", "Homotopy"),
    "derivative-free": ("smoothmin.derivative_free.method", "DerivativeFree"),
    "sqp": ("smoothmin.sqp.method", "SQPGradientSampling"),
    "gradient-sampling": ("smoothmin.descent.gradient_sampling.method", "GradientSamplingDescent"),
    "laplacian": ("smoothmin.laplacian.descent", "LaplacianDescent"),
    "lbfgs": ("smoothmin.descent.lbfgs", "LBFGS"),
    "bfgs": ("smoothmin.descent.bfgs", "BFGS"),
    "gradient-descent": ("smoothmin.descent.gradient_descent", "GradientDescent"),
    "constrained-model": (
        "smoothmin.derivative_free.constrained.method",
        "ConstrainedModel",
    ),
    "model-descent": ("smoothmin.derivative_free.model_descent", "ModelDescent"),
    "difference-descent": ("smoothmin.derivative_free.difference_descent", "DifferenceDescent"),
    "gaussian-search": ("smoothmin.derivative_free.gaussian_search", "GaussianSearch"),
    "coordinate-search": ("smoothmin.derivative_free.coordinate_search", "CoordinateSearch"),
    "directional-smoothing": (
        "smoothmin.derivative_free.directional_smoothing",
        "DirectionalSmoothing",
    ),
}


# of any method; known by the names of their classes, in any case
REFORMULATIONS: dict[str, tuple[str, str]] = {
    "GradientSampling": ("smoothmin.smoothing.gradient_sampling", "GradientSampling"),
    "ExactPenalty": ("smoothmin.constraints.penalty", "ExactPenalty"),
    "LaplacianSmoothing": ("smoothmin.laplacian.smoothing", "LaplacianSmoothing"),
}


@functools.cache
def _of_name(name: str) -> str:
    """`canonical`, of a string."""
    for reformulation in REFORMULATIONS:
        if name.lower() == reformulation.lower():
            return reformulation
    key = name.lower().replace("_", "-")
    key = "LaplacianSmoothing" if key == "laplacian-smoothing" else key
    if key in REFORMULATIONS:
        return key
    theirs = scipy_name(key)
    key = theirs.runs if theirs is not None else key
    if key not in METHODS:
        near = difflib.get_close_matches(key, [*METHODS, *NAMES], n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"Unknown solver: method must be one of {sorted(METHODS)}, got {name!r}{hint}"
        )
    return key


def canonical(name: str) -> str:
    """A method's name as the registry spells it: case and ``_`` do not matter.

    Of a name of SciPy's, what it runs with few variables. ``"GradientSampling"`` is the
    reformulation, ``"gradient-sampling"`` and ``"gradient_sampling"`` the algorithm of
    Burke, Lewis and Overton.
    """
    if not isinstance(name, str):
        raise TypeError(f"method must be one of {sorted(METHODS)}, got {name!r}")
    return _of_name(name)


def method_class(name: str) -> type[Method]:
    """The class behind a method's name."""
    key = canonical(name)
    module, attribute = REFORMULATIONS.get(key) or METHODS[key]
    cls: type[Method] = getattr(importlib.import_module(module), attribute)
    return cls


def option_names(cls: type[Method]) -> list[str]:
    """The options a method takes, in the order of its signature."""
    return list(_option_names(cls))


@functools.cache
def _option_names(cls: type[Method]) -> tuple[str, ...]:
    every = dataclasses.fields(cls)
    return tuple(each.name for each in every if each.init and each.metadata.get("option", True))


def default_method(has_gradient: bool, constrained: bool = False, integers: bool = False) -> str:
    """What ``method=None`` means."""
    if integers:
        return "derivative-free"
    if constrained and has_gradient and "sqp" in METHODS:
        return "sqp"
    if constrained and not has_gradient:
        return "constrained-model"
    return "gradient-sampling" if has_gradient else "derivative-free"


def show_options(method: str | None = None, disp: bool = True) -> str | None:
    """Show the options of a method.

    Parameters
    ----------
    method : str, optional
        A method's name, as `minimize` takes it; "GradientSampling" and "LaplacianSmoothing"
        are the reformulations. All methods, after a line on each, if None.
    disp : bool, default True
        Print the text; otherwise return it.

    Returns
    -------
    str or None
        The text, if ``disp`` is false.

    Raises
    ------
    TypeError, ValueError
        If there is no such method.

    Examples
    --------
    >>> import smoothmin
    >>> text = smoothmin.show_options("lbfgs", disp=False)
    >>> "memory" in text
    True
    """
    import inspect

    names = sorted(METHODS) if method is None else [canonical(method)]
    texts = [_overview()] if method is None else []
    for name in names:
        cls = method_class(name)
        title = f'method="{name}", smoothmin.{cls.__name__}'
        texts.append(f"{title}\n{'=' * len(title)}\n{inspect.getdoc(cls)}\n")
    theirs = scipy_name(method)
    if method is None:
        texts.append(overview())
    elif theirs is not None:
        texts.append(describe(theirs) + "\n")
    texts.append(COMMON_OPTIONS_TEXT)
    text = "\n".join(texts)
    if not disp:
        return text
    print(text)
    return None


def _overview() -> str:
    """A line on each method, in the registry's order."""
    lines = ["Methods", "======="]
    for name in METHODS:
        cls = method_class(name)
        lines.append(f"{name} : {cls.summary} [{cls.reference}]")
    lines += ["", "Reformulations, of any method", "============================="]
    for name in REFORMULATIONS:
        cls = method_class(name)
        lines.append(f"{name} : {cls.summary} [{cls.reference}]")
    return "\n".join(lines) + "\n"


def methods_with(option: Any) -> list[str]:
    """The names of the methods that have an option of this name."""
    classes = {name: method_class(name) for name in (*METHODS, *REFORMULATIONS)}
    return [name for name, cls in classes.items() if option in {*option_names(cls), *cls.synonyms}]


def mistaken_for(cls: type[Method], unknown: list[str]) -> str:
    """A sentence if unknown options are those of the method of nearly the same name."""
    name = "GradientSampling"
    if cls.name != "gradient-sampling":
        return ""
    meant = [key for key in unknown if key in option_names(method_class(name))]
    if not meant:
        return ""
    return (
        f'. "gradient-sampling" is the algorithm of Burke, Lewis and Overton; {meant[0]} is an '
        f'option of {name}, the smoothing by random samples: method="{name}"'
    )


COMMON_OPTIONS: dict[str, Any] = {
    "maxiter": "most iterations; max(1000, 200 n) if no other limit is given",
    "maxfev": "most evaluations of fun, never one more",
    "maxtime": "most seconds",
    "f_target": "stop, with success, at a value as low as this",
    "termination": "a termination criterion, or several of which any may fire",
    "disp": "print how far a run is, a line a second to a terminal or notebook, and how it ended",
    "progress": "show a bar against maxfev or maxtime, by tqdm; lines where that is not installed",
    "return_all": "keep every iterate in res.allvecs",
    "history": 'keep what was evaluated in res.history, a History; "points": where, too',
    "journal": "file of all evaluations, or a Journal: the same call again goes on after the last",
    "asynchronous": "let a search from values go on with what has come back: True, or of how many "
    "points that are kept under way",
    "on_error": 'what an Exception of fun does: "raise", or "nan", count as no value',
    "result": 'which point is res.x: "best" evaluated, or "last" iterate of the method',
    "return_on_interrupt": "return the best point on Ctrl-C instead of raising",
    "workers": "as the argument of minimize, where SciPy's signature has none",
    "jac_method": "finite-difference scheme, where SciPy drops a string jac",
    "x_scale": "scale of each variable: how far it typically moves; a number, or one a variable",
    "warm_start": "a result, its history, or (points, values): known, and not evaluated again",
    "integrality": "as the argument of minimize, where SciPy's signature has none",
    "ctol": "violation of constraints that counts as none, in units of max(1, abs(c))",
    "rng": "as the argument of minimize, where SciPy's signature has none",
    "eps": "absolute step of finite differences where jac is None",
    "finite_diff_rel_step": "step of finite differences in units of |x|",
}

COMMON_OPTIONS_TEXT = "Options of every method\n=======================\n" + "\n".join(
    f"{name} : {text}" for name, text in COMMON_OPTIONS.items()
)
