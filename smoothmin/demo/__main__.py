"""Solve three problems on real data beside SciPy's methods; print and save the outcome.

    python -m smoothmin.demo [--out DIRECTORY]

Writes a page, ``index.html``, its pictures, and ``results.csv`` to the directory,
``smoothmin-demo`` by default.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smoothmin.demo import page, pictures, predator_prey, registration, regression
from smoothmin.demo.race import Racer, table


def main() -> None:
    """Run the three races."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("smoothmin-demo"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    rows: list[dict[str, Any]] = []
    sections = [tell(folder, rows) for tell in (_regression, _cycles, _registration)]
    with (folder / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    seconds = time.perf_counter() - started
    path = page.write(folder, sections, seconds)
    print(f"\nSaved {path}, its pictures and results.csv after {seconds:.0f} s.")


def _regression(folder: Path, rows: list[dict[str, Any]]) -> page.Section:
    quantiles = regression.run()
    tables = []
    for quantile, (racers, exact) in quantiles.items():
        label = "least absolute deviations" if quantile == 0.5 else f"{quantile} quantile"
        print("\n" + table(f"(a) Diabetes, {label}: mean pinball loss", racers, exact), flush=True)
        rows += _rows(f"regression {quantile}", racers, exact)
        tables.append((label, racers))
    racers, exact = quantiles[0.5]
    design, response = regression.data()
    assert racers[0].x is not None
    residuals = response - design @ racers[0].x
    pictures.save(
        lambda figure: pictures.quantile(figure, racers, exact, residuals), folder, "regression"
    )
    result = racers[0].result
    assert result is not None
    gaps = [f"{r.fun - exact:.1e}" for _, (rs, exact) in quantiles.items() for r in rs]
    return page.Section(
        "regression",
        "Kinks: least absolute deviations, and a quantile",
        f"The progress of diabetes in {len(response)} patients by {design.shape[1] - 1} measured "
        "quantities. The loss has a kink wherever a residual is zero, and its minimum lies on as "
        "many kinks as there are coefficients. A linear program gives the exact minimum.",
        "Gaps to the exact minimum against evaluations, and the sorted residuals of the fit.",
        f"The certificate: <i>{result.message}</i> No direction leads downhill from anywhere "
        f"within {result.radius:.1e} of the end by more than that slope.",
        tables,
        ("above the exact minimum", gaps),
    )


def _cycles(folder: Path, rows: list[dict[str, Any]]) -> page.Section:
    fits = predator_prey.run()
    print("\n" + table("(b) Hares and lynxes: squared misfit of the logarithms", fits), flush=True)
    assert fits[0].x is not None
    assert fits[0].result is not None
    parameters = np.exp(fits[0].x)
    named = zip(predator_prey.NAMES, parameters, strict=True)
    print("parameters: " + ", ".join(f"{name} {value:.4g}" for name, value in named))
    tight = [predator_prey.misfit(racer.x, rtol=1e-9) for racer in fits if racer.x is not None]
    rows += _rows("predator and prey", fits)
    pictures.save(lambda figure: pictures.cycles(figure, fits), folder, "predator-prey")
    spent = ", ".join(f"{name} {n}" for name, n in fits[0].result.phase_nfev.items())
    return page.Section(
        "predator-prey",
        "Noise and many minima, from values alone: hares and lynxes",
        "The equations of Lotka and Volterra, fitted to the pelts that were counted at Hudson Bay "
        "from 1900 to 1920. They are integrated loosely, with an error that jumps; rates far off "
        "give no solution at all; and a wrong period is a local minimum.",
        "Misfit against evaluations, and the counts with the fitted cycles.",
        f"Of {predator_prey.SEEDS} seeds the run with the median value is smoothmin's. Where its "
        f"evaluations went: {spent}. In the second column of numbers the same "
        "parameters are integrated a million times as exactly: what was fitted is the cycle, not "
        "the integrator's error.",
        [("", fits)],
        ("integrated exactly", [f"{value:.4f}" for value in tight]),
    )


def _registration(folder: Path, rows: list[dict[str, Any]]) -> page.Section:
    grids = registration.run()
    lines = []
    for grid in grids:
        n = grid.problem.n
        print("\n" + table(f"(c) Two photographs, {n} x {n} pixels: functional", grid.racers))
        for racer in grid.racers:
            assert racer.x is not None
            off, needed = grid.problem.error(racer.x), grid.needed(racer)
            lines.append(f"{off:.2f}")
            print(f"{racer.name:30s}{off:8.2f} pixels off, within 1 % after {needed or 'more'}")
        rows += _rows(f"photographs {n}", grid.racers, off=lines[-len(grid.racers) :])
    pictures.save(lambda figure: pictures.displacements(figure, grids), folder, "photographs")
    counts = [grid.needed(grid.racers[0]) for grid in grids]
    start = [grid.problem.error(np.zeros((2, grid.problem.n, grid.problem.n))) for grid in grids]
    return page.Section(
        "photographs",
        "A field on a fine grid: two photographs of a retina",
        "Where did each point go between two pictures, one of them bent and both noisy? The "
        f"unknowns are two numbers for each pixel, {2 * grids[-1].problem.n ** 2:,} of them, that "
        "should vary little from one pixel to the next. Before, the pictures are "
        f"{start[0]:.1f} and {start[-1]:.1f} pixels apart.",
        "Remaining fall against evaluations on two grids; displacements found, on the photograph.",
        f"With {grids[0].problem.n} pixels a side, all but 1 % of the fall takes {counts[0]} "
        f"evaluations, with twice as many {counts[-1]}: smoothed descent does not see the grid. "
        "White arrows are the true displacements.",
        [(f"{grid.problem.n} pixels a side", grid.racers) for grid in grids],
        ("pixels off", lines),
    )


def _rows(
    problem: str, racers: list[Racer], exact: float | None = None, off: Sequence[str] = ()
) -> list[dict[str, Any]]:
    return [
        {
            "problem": problem,
            "method": racer.name,
            "value": racer.fun,
            "exact minimum": exact,
            "evaluations": racer.nfev,
            "seconds": round(racer.seconds, 3),
            "pixels off": away,
        }
        for racer, away in zip(racers, off or [""] * len(racers), strict=True)
    ]


if __name__ == "__main__":
    main()
