"""Solve three problems on real data beside SciPy's methods; print and save the outcome.

    python -m smoothmin.demo [--out DIRECTORY]

Writes ``results.csv`` and ``results.png`` to the directory, ``smoothmin-demo`` by default.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

from smoothmin.demo import photograph, predator_prey, regression
from smoothmin.demo.race import Racer, table


def main() -> None:
    """Run the three races."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("smoothmin-demo"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    rows: list[dict[str, Any]] = []

    quantiles = regression.run()
    for quantile, (racers, exact) in quantiles.items():
        label = "least absolute deviations" if quantile == 0.5 else f"{quantile} quantile"
        print("\n" + table(f"(a) Diabetes, {label}: mean pinball loss", racers, exact))
        rows += _rows(f"regression {quantile}", racers, exact)

    fits = predator_prey.run()
    print("\n" + table("(b) Hares and lynxes: squared misfit of the logarithms", fits))
    assert fits[0].x is not None
    print(
        "parameters: "
        + ", ".join(
            f"{name} {value:.4g}"
            for name, value in zip(predator_prey.NAMES, np.exp(fits[0].x), strict=True)
        )
    )
    print(
        "the same, integrated tightly: "
        + ", ".join(
            f"{racer.name} {predator_prey.misfit(racer.x, rtol=1e-9):.6f}"
            for racer in fits
            if racer.x is not None
        )
    )
    rows += _rows("predator and prey", fits)

    problem, images = photograph.run()
    print("\n" + table("(c) Photograph: misfit plus total variation", images))
    print(
        f"error of the given image {problem.error(problem.data):.5f}, of the restored: "
        + ", ".join(f"{r.name} {problem.error(r.x):.5f}" for r in images if r.x is not None)
    )
    rows += _rows("photograph", images)

    with (folder / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    _draw(folder / "results.png", quantiles, fits, problem, images)
    print(
        f"\nSaved {folder / 'results.csv'} and {folder / 'results.png'} "
        f"after {time.perf_counter() - started:.0f} s."
    )


def _rows(problem: str, racers: list[Racer], exact: float | None = None) -> list[dict[str, Any]]:
    return [
        {
            "problem": problem,
            "method": racer.name,
            "value": racer.fun,
            "exact minimum": exact,
            "evaluations": racer.nfev,
            "seconds": round(racer.seconds, 3),
        }
        for racer in racers
    ]


def _draw(
    path: Path,
    quantiles: dict[float, tuple[list[Racer], float]],
    fits: list[Racer],
    problem: photograph.Restoration,
    images: list[Racer],
) -> None:
    """Convergence of every race, the fitted cycles, and the photograph before and after."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    axes = figure.subplots(2, 3)
    racers, exact = quantiles[0.5]
    for racer in racers:
        axes[0, 0].loglog(np.maximum(np.array(racer.trace) - exact, 1e-16), label=racer.name)
    axes[0, 0].set(title="(a) least absolute deviations", ylabel="above the exact minimum")
    for racer in fits:
        axes[0, 1].loglog(racer.trace, label=racer.name)
    axes[0, 1].set(title="(b) hares and lynxes", ylabel="misfit")
    lowest = min(racer.fun for racer in images)
    for racer in images:
        axes[0, 2].semilogy(np.array(racer.trace) - lowest + 1e-3, label=racer.name)
    axes[0, 2].set(title="(c) photograph", ylabel="above the lowest value reached")
    for axis in axes[0]:
        axis.set_xlabel("evaluations")
        axis.legend(fontsize=8)
    _draw_cycles(axes[1, 0], fits[0])
    assert images[0].x is not None
    for axis, image, title in (
        (axes[1, 1], problem.data, "(c) given"),
        (axes[1, 2], images[0].x, "(c) restored"),
    ):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=110)


def _draw_cycles(axis: Any, fit: Racer) -> None:
    assert fit.x is not None
    times = np.linspace(0, 20, 400)
    hares, lynxes = predator_prey.integrate(fit.x, times, rtol=1e-8)
    for curve, counts, color, name in (
        (hares, predator_prey.HARES, "C0", "hares"),
        (lynxes, predator_prey.LYNXES, "C3", "lynxes"),
    ):
        axis.plot(1900 + times, curve, color, label=name)
        axis.plot(predator_prey.YEARS, counts, "o", color=color, markersize=4)
    axis.set(title="(b) counts and fitted equations", ylabel="thousands")
    axis.legend(fontsize=8)


if __name__ == "__main__":
    main()
