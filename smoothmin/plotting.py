"""Pictures of runs and functions, with matplotlib: ``pip install smoothmin[plot]``.

Every function takes ``ax`` to draw into, makes a figure without, and returns the Axes. Colours
are those of Okabe and Ito, but for their yellow and black, which are lost on a light and on a dark
ground. Three lines are solid, the next three dashed, and so on, so that those whose colours
look alike to the colour-blind differ by this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothmin._check import as_generator, as_numbers, require_integer, require_one_of, require_real
from smoothmin._protocol import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from scipy.optimize import OptimizeResult

    from smoothmin._types import Seed

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
STYLES = ("-", "--", ":", "-.")
LEVELS = 24  # of a landscape's shades
GRID = 121  # points along each side of a landscape

AXES = {"evaluations": ("nfev", "evaluations"), "time": ("time", "seconds")}

__all__ = [
    "convergence",
    "data_profile",
    "landscape",
    "parallel_coordinates",
    "performance_profile",
    "radius",
]


def convergence(
    results: OptimizeResult | Sequence[OptimizeResult] | Mapping[str, OptimizeResult],
    *,
    minimum: float | None = None,
    labels: Sequence[str] | None = None,
    against: Literal["evaluations", "time"] = "evaluations",
    ax: Axes | None = None,
) -> Axes:
    """The best value, or its gap to a minimum, against evaluations or time.

    Of a single run with phases each is shaded, and named beside.

    Parameters
    ----------
    results : OptimizeResult or sequence or mapping of them
        Of runs with ``options={"history": True}``; a mapping has labels for keys.
    minimum : float, optional
        Known least value: the gap to it is drawn, by a logarithmic scale.
    labels : sequence of str, optional
    against : {"evaluations", "time"}, default "evaluations"
        What the horizontal axis counts; time is in seconds since each run began.
    ax : matplotlib.axes.Axes, optional

    Raises
    ------
    ValueError
        For a result without a history, and another axis.
    """
    require_one_of("against", against, AXES)
    column, label = AXES[against]
    names, found = _named(results, labels)
    if minimum is not None:
        require_real("minimum", minimum)
    ax = _axes(ax)
    for k, (name, result) in enumerate(zip(names, found, strict=True)):
        history = _history(result, name)
        at, best = history[column], history.best
        if minimum is not None:
            best = np.where(best > minimum, best - minimum, np.nan)
        ax.step(at, best, where="post", label=name, **_look(k))
        if result.success and best.size:
            ax.plot(at[-1], best[-1], "o", color=_look(k)["color"])
    if minimum is not None:
        ax.set_yscale("log")
    ax.set_xlabel(label)
    ax.set_ylabel("best value" if minimum is None else "best value less the minimum")
    _legend(ax, names)
    if len(found) == 1:
        _shade_phases(ax, _history(found[0], names[0]), column)
    return ax


def radius(result: OptimizeResult, *, ax: Axes | None = None) -> Axes:
    """Sampling radius, smoothing and stationarity against evaluations, as far as reported.

    Parameters
    ----------
    result : OptimizeResult
        Of a run with ``options={"history": True}``.
    ax : matplotlib.axes.Axes, optional

    Raises
    ------
    ValueError
        For a result without a history, or whose method reports none of them.
    """
    history = _history(result, "result")
    drawn = ("radius", "sigma", "stationarity")
    steps = history.steps
    names = [name for name in drawn if any(value for value in steps.get(name, ()))]
    if not names:
        raise ValueError(f"result must report a radius, sigma or stationarity, got {list(steps)}")
    ax = _axes(ax)
    nfev = np.asarray(steps["nfev"], dtype=float)
    for k, name in enumerate(names):
        values = np.array([np.nan if v is None else float(v) for v in steps[name]])
        ax.plot(nfev, np.where(values > 0, values, np.nan), ".-", color=COLOURS[k], label=name)
    ax.set_yscale("log")
    ax.set_xlabel("evaluations")
    if len(names) == 1:
        ax.set_ylabel(names[0])
    _legend(ax, names)
    return ax


def landscape(
    fun: Callable[[Array], float],
    bounds: ArrayLike,
    *,
    path: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    sigma: float | None = None,
    n: int = 200,
    rng: Seed = 0,
    ax: Axes | None = None,
) -> Axes:
    """A function of two variables as shades, with a path and samples upon it.

    Parameters
    ----------
    fun : callable
    bounds : sequence of two (min, max)
    path : array_like, shape (k, 2), optional
        Steps, such as ``res.allvecs``.
    samples : array_like, shape (k, 2), optional
        Points that were evaluated.
    sigma : float, optional
        Draw the function smoothed by a Gaussian of this width instead, sampled: side by side
        with the function itself it shows what a homotopy sees.
    n : int, default 200
        Samples of the smoothing.
    rng : optional
        Source of these.
    ax : matplotlib.axes.Axes, optional

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind, shape or value.
    """
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {fun!r}")
    sides = as_numbers("bounds", bounds)
    if (
        sides.shape != (2, 2)
        or not np.isfinite(sides).all()
        or not (sides[:, 0] < sides[:, 1]).all()
    ):
        raise ValueError(f"bounds must be two finite (min, max) pairs, got {bounds!r:.80}")
    require_integer("n", n, 1)
    x, y = (np.linspace(low, high, GRID) for low, high in sides)
    moves = np.zeros((1, 2))
    if sigma is not None:
        require_real("sigma", sigma, above=0, below=np.inf)
        half = sigma * as_generator(rng).standard_normal(((n + 1) // 2, 2))
        moves = np.concatenate([half, -half])
    values = np.array([
        [np.mean([fun(np.array([a, b]) + move) for move in moves]) for a in x] for b in y
    ])  # fmt: skip
    ax = _axes(ax)
    finite = values[np.isfinite(values)]
    if finite.size:
        # equal areas: few far values would leave everything else one shade
        levels = np.unique(np.quantile(finite, np.linspace(0, 1, LEVELS)))
        if levels.size > 1:
            ax.contourf(x, y, values, levels=levels, cmap="cividis")
    if samples is not None:
        points = _points("samples", samples)
        ax.plot(*points.T, ".", color="#ffffff", markersize=2)
    if path is not None:
        steps = _points("path", path)
        ax.plot(*steps.T, ".-", color=COLOURS[5], markersize=4)
        ax.plot(*steps[-1], "*", color=COLOURS[1], markersize=12)
    ax.set_xlim(*sides[0])
    ax.set_ylim(*sides[1])
    ax.set_xlabel("$x_0$")
    ax.set_ylabel("$x_1$")
    return ax


def parallel_coordinates(
    points: ArrayLike,
    values: ArrayLike,
    *,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """What was evaluated, a line a point across one axis a variable; low values on top.

    Parameters
    ----------
    points : array_like, shape (m, n)
    values : array_like, shape (m,)
    labels : sequence of str, optional
        The variables' names.
    ax : matplotlib.axes.Axes, optional

    Raises
    ------
    ValueError
        For points, values or labels that do not fit each other.
    """
    x, f = as_numbers("points", points), as_numbers("values", values)
    if x.ndim != 2 or f.shape != x.shape[:1] or not x.size:
        raise ValueError(f"points (m, n) and values (m,) must fit, got {x.shape} and {f.shape}")
    if labels is not None and len(labels) != x.shape[1]:
        raise ValueError(f"labels must be {x.shape[1]} names, got {labels!r:.80}")
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    ax = _axes(ax)
    span = np.ptp(x, axis=0)
    scaled = (x - x.min(axis=0)) / np.where(span > 0, span, 1.0)
    ranks = np.argsort(np.argsort(-np.nan_to_num(f, nan=np.inf)))
    # the lowest values stand out from the ground, light or dark
    light = float(np.mean(to_rgb(ax.get_facecolor()))) > 0.5
    shades = colormaps["cividis_r" if light else "cividis"](ranks / max(1, f.size - 1))
    for k in np.argsort(ranks):
        ax.plot(scaled[k], color=shades[k], linewidth=1 + ranks[k] / f.size)
    names = labels or [f"$x_{{{k}}}$" for k in range(x.shape[1])]
    ax.set_xticks(range(x.shape[1]), names)
    ax.set_yticks([0, 1], ["least", "largest"])
    return ax


def data_profile(
    evaluations: Mapping[str, ArrayLike], dimensions: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Share of problems solved against evaluations in units of ``n + 1`` (More, Wild 2009).

    Parameters
    ----------
    evaluations : mapping of str to array_like, shape (p,)
        By solver: what each problem took, infinite where it was not solved.
    dimensions : array_like, shape (p,)
        Number of variables of each problem.
    ax : matplotlib.axes.Axes, optional

    Raises
    ------
    TypeError, ValueError
        For what is no mapping, tables that do not fit, or counts that are not positive.

    References
    ----------
    .. [1] J. J. More, S. M. Wild, "Benchmarking derivative-free optimization algorithms",
       SIAM J. Optim. 20 (2009), :doi:`10.1137/080724083`.
    """
    table, names = _table(evaluations)
    n = as_numbers("dimensions", dimensions)
    if n.shape != table.shape[1:]:
        raise ValueError(f"dimensions must be {table.shape[1]} numbers, got shape {n.shape}")
    return _profile(table / (n + 1), names, "simplex gradients", ax)


def performance_profile(evaluations: Mapping[str, ArrayLike], *, ax: Axes | None = None) -> Axes:
    """Share of problems solved within a factor of the best solver (Dolan, More 2002).

    Parameters
    ----------
    evaluations : mapping of str to array_like, shape (p,)
        As in `data_profile`.
    ax : matplotlib.axes.Axes, optional

    Raises
    ------
    TypeError, ValueError
        As `data_profile`.

    References
    ----------
    .. [1] E. D. Dolan, J. J. More, "Benchmarking optimization software with performance
       profiles", Math. Program. 91 (2002), :doi:`10.1007/s101070100263`.
    """
    table, names = _table(evaluations)
    best = table.min(axis=0)
    with np.errstate(all="ignore"):
        ratios = np.where(np.isfinite(best), table / best, np.inf)
    return _profile(ratios, names, "factor of the best", ax)


def _profile(costs: NDArray[Any], names: list[str], label: str, ax: Axes | None) -> Axes:
    ax = _axes(ax)
    finite = costs[np.isfinite(costs)]
    low, high = (finite.min(), finite.max()) if finite.size else (1.0, 1.0)
    for k, row in enumerate(costs):
        solved = np.sort(row[np.isfinite(row)])
        shares = np.arange(1, solved.size + 1) / row.size
        ax.step(
            np.concatenate([[low], solved, [high]]),
            np.concatenate([[0.0], shares, [shares[-1] if solved.size else 0.0]]),
            where="post",
            label=names[k],
            **_look(k),
        )
    ax.set_xscale("log")
    _few_decades(ax, high / low)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(label)
    ax.set_ylabel("share of problems")
    _legend(ax, names)
    return ax


def _few_decades(ax: Axes, ratio: float) -> None:
    """Plain numbers at 1, 2, 5 and so on, where powers of ten alone would be too few."""
    if ratio < 1e3:
        from matplotlib.ticker import LogLocator, NullFormatter

        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())


def _table(evaluations: Mapping[str, Any]) -> tuple[NDArray[Any], list[str]]:
    if not isinstance(evaluations, Mapping) or not evaluations:
        raise TypeError(f"evaluations must be a dict of solvers, got {evaluations!r:.80}")
    rows = [as_numbers("evaluations", row) for row in evaluations.values()]
    if any(row.ndim != 1 or row.shape != rows[0].shape or not row.size for row in rows):
        shapes = [row.shape for row in rows]
        raise ValueError(f"evaluations must be as many for every solver, got shapes {shapes}")
    table = np.array(rows)
    if not (table > 0).all():
        least = table[~(table > 0)][0]
        raise ValueError(f"evaluations must be positive, infinite where not solved, got {least}")
    return table, list(evaluations)


def _named(results: Any, labels: Sequence[str] | None) -> tuple[list[str], list[Any]]:
    if hasattr(results, "success"):
        results = [results]
    elif isinstance(results, Mapping):
        labels, results = labels or list(results), list(results.values())
    if isinstance(results, str) or not isinstance(results, Iterable):
        raise TypeError(f"results must be a result or several, got {results!r:.80}")
    found = list(results)
    for each in found:
        if not hasattr(each, "success"):
            raise TypeError(f"results must be results of runs, got {each!r:.80}")
    if not found:
        raise ValueError("results must not be empty")
    names = list(labels) if labels is not None else [str(r.get("method", "")) for r in found]
    if len(names) != len(found):
        raise ValueError(f"labels must be {len(found)} names, got {labels!r:.80}")
    return names, found


def _history(result: Any, name: str) -> Any:
    history = result.get("history") if hasattr(result, "get") else None
    if history is None:
        raise ValueError(f'{name} has no history: give options={{"history": True}}')
    return history


def _points(name: str, given: Any) -> Array:
    points = as_numbers(name, given)
    if points.ndim != 2 or points.shape[1] != 2 or not points.size:
        raise ValueError(f"{name} must have shape (k, 2), got {points.shape}")
    return points


def _look(k: int) -> dict[str, Any]:
    """Colour and style of the ``k``-th line."""
    style = STYLES[2 * k // len(COLOURS) % len(STYLES)]  # half of the colours are told apart by all
    return {"color": COLOURS[k % len(COLOURS)], "linestyle": style}


def _legend(ax: Axes, names: Sequence[str]) -> None:
    """Where there is more than one to tell apart: beside the axes if a layout makes room there."""
    if len(names) < 2:
        return
    if ax.figure.get_layout_engine() is None:
        ax.legend()
    else:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _shade_phases(ax: Axes, history: Any, column: str) -> None:
    """A stripe for each stretch of one phase; a name beside for each phase."""
    phases = [str(phase) for phase in history.get("phase", ())]
    kinds = list(dict.fromkeys(phases))
    if len(kinds) < 2:
        return
    at = np.asarray(history[column], dtype=float)
    begin = 0
    for k in range(1, len(phases) + 1):
        if k == len(phases) or phases[k] != phases[begin]:
            named = phases[begin] not in phases[:begin]
            ax.axvspan(
                at[begin - 1] if begin else 0.0,
                at[k - 1],
                color=_look(1 + kinds.index(phases[begin]))["color"],
                alpha=0.3,
                linewidth=0,
                label=phases[begin] if named else None,
            )
            begin = k
    _legend(ax, kinds)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        if not hasattr(ax, "plot"):
            raise TypeError(f"ax must be Axes of matplotlib, got {ax!r:.80}")
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install smoothmin[plot]") from error
    return plt.subplots(layout="constrained")[1]
