"""One picture a problem: the race, and what was found."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothmin.demo import predator_prey
from smoothmin.demo.race import Racer
from smoothmin.demo.registration import Grid, bending

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (10.5, 3.9)
# of Okabe and Ito, which colour-blind readers tell apart: ours first, then the peers in their order
LIGHT = ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
DARK = ("#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#F0E442")
FIELD = 16  # arrows along each side of a picture


def save(draw: Callable[[Any], None], folder: Path, name: str) -> None:
    """Twice, for pages with a light and with a dark ground."""
    from cycler import cycler
    from matplotlib import style
    from matplotlib.figure import Figure

    for ground, colors, end in (("default", LIGHT, ""), ("dark_background", DARK, "-dark")):
        ours = {"axes.prop_cycle": cycler(color=colors), "axes.facecolor": "none"}
        with style.context([ground, ours]):
            figure = Figure(figsize=SIZE, layout="constrained")
            figure.patch.set_alpha(0)
            draw(figure)
            figure.savefig(folder / f"{name}{end}.png", dpi=120)


def curves(axis: Axes, racers: list[Racer], lowest: float, least: float) -> None:
    """Best values above ``lowest`` against evaluations, with names at the curves' ends."""
    ends = []
    for k, racer in enumerate(racers):
        gaps = np.maximum(np.asarray(racer.trace) - lowest, least)
        color = f"C{k}"
        axis.plot(np.arange(1, len(gaps) + 1), gaps, color=color, linewidth=2.5 - bool(k))
        axis.plot(len(gaps), gaps[-1], "o", color=color, markersize=5)
        ends.append((float(np.log(gaps[-1])), racer.name, color))
    axis.set_yscale("log")
    axis.set_xlabel("evaluations")
    axis.spines[["top", "right"]].set_visible(False)
    _names(axis, ends)


def _names(axis: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Names to the right of the axes, as high as their curves end, but apart."""
    low, high = np.log(axis.get_ylim())
    places = [(height - low) / (high - low) for height, _, _ in ends]
    order = np.argsort(places)
    for below, above in itertools.pairwise(order):
        places[above] = max(places[above], places[below] + 0.075)
    excess = max(0.0, max(places) - 1.0)
    for place, (_, name, color) in zip(places, ends, strict=True):
        axis.annotate(
            name,
            (1.02, place - excess),
            xycoords="axes fraction",
            color=color,
            va="center",
            annotation_clip=False,
        )


def quantile(figure: Figure, racers: list[Racer], exact: float, residuals: Any) -> None:
    """The race, and the residuals: as many are zero as there are coefficients."""
    left, right = figure.subplots(1, 2)
    curves(left, racers, exact, 1e-15)
    left.set_xscale("log")
    left.set(title="Above the exact minimum", ylim=(3e-16, None))
    ordered = np.sort(residuals)
    zero = np.abs(ordered) < 1e-8
    places = np.arange(ordered.size)
    right.plot(places, ordered, color="C5")
    right.plot(places[zero], ordered[zero], "o", color="C1")
    right.annotate(
        f"{zero.sum()} patients are met exactly:\nthe kinks that the minimum lies on",
        (places[zero].mean(), 0),
        (0.08, 0.8),
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "->", "color": "C1"},
    )
    right.set(title="Residuals, sorted", xlabel="patients")
    right.spines[["top", "right"]].set_visible(False)


def cycles(figure: Figure, racers: list[Racer]) -> None:
    """The race, and the fitted equations through the counts."""
    left, right = figure.subplots(1, 2)
    curves(left, racers, 0.0, 1e-3)
    left.set_xscale("log")
    left.set_title("Squared misfit")
    best = min(racers, key=lambda racer: racer.fun)
    assert best.x is not None
    times = np.linspace(0, 20, 400)
    for counts, fitted, color, name in zip(
        (predator_prey.HARES, predator_prey.LYNXES),
        predator_prey.integrate(best.x, times, rtol=1e-8),
        ("C0", "C1"),
        ("hares", "lynxes"),
        strict=True,
    ):
        right.plot(1900 + times, fitted, color=color)
        right.plot(predator_prey.YEARS, counts, "o", color=color, markersize=4)
        right.annotate(name, (1920.5, fitted[-1]), color=color, annotation_clip=False)
    right.set(title="Pelts in thousands: counted and fitted")
    right.spines[["top", "right"]].set_visible(False)


def displacements(figure: Figure, grids: list[Grid]) -> None:
    """The races on two grids, and the displacements found by the first and second racer."""
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.35, 1, 1])
    coarse, fine = grids[0], grids[-1]
    for grid, style in ((coarse, ":"), (fine, "-")):
        lowest, start = min(r.fun for r in grid.racers), grid.racers[0].trace[0]
        for k, racer in enumerate(grid.racers):
            left_over = (np.asarray(racer.trace) - lowest) / (start - lowest)
            steps = np.arange(1, len(left_over) + 1)
            left.plot(steps, np.maximum(left_over, 1e-3), style, color=f"C{k}", linewidth=2)
    lowest, start = min(r.fun for r in fine.racers), fine.racers[0].trace[0]
    left.set_yscale("log")
    left.set(title="Share of the fall still to come", xlabel="evaluations", ylim=(1e-3, 1.1))
    left.spines[["top", "right"]].set_visible(False)
    ends = []
    for k, racer in enumerate(fine.racers):
        share = max(1e-3, (racer.fun - lowest) / (start - lowest))
        ends.append((float(np.log(share)), racer.name.split()[-1], f"C{k}"))
    _names(left, ends)
    n = [grid.problem.n for grid in grids]
    left.annotate(
        f"dotted: {n[0]} pixels a side\nfull: {n[-1]}", (0.03, 0.04), xycoords="axes fraction"
    )
    for axis, racer in zip((middle, right), fine.racers, strict=False):
        _field(axis, fine, racer)


def _field(axis: Axes, grid: Grid, racer: Racer) -> None:
    """Displacements on the photograph, the true ones beneath."""
    problem = grid.problem
    axis.imshow(problem.fixed, cmap="gray", vmin=0, vmax=0.8, alpha=0.75)
    step = problem.n // FIELD
    at = np.arange(step // 2, problem.n, step)
    y, x = np.meshgrid(at, at, indexing="ij")
    assert racer.x is not None
    true = bending((y + 0.5) / problem.n, (x + 0.5) / problem.n)
    for field, color in ((true, "#ffffff"), (racer.x[:, y, x], "#E69F00")):
        axis.quiver(
            x, y, field[1], field[0], color=color, angles="xy", scale_units="xy",
            scale=0.4 / problem.n, width=0.006,
        )  # fmt: skip
    axis.set(xticks=[], yticks=[])
    axis.set_title(f"{racer.name.split()[-1]}: {problem.error(racer.x):.2f} pixels off")
