"""The README's tables as the stored results have them.

    python tests/benchmarks/readme_tables.py

compares, and with ``--write`` puts the figures of `notebooks/results/` into the README. What
stores each file is the command beside the table, with ``--store notebooks/results/<file>.csv``.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
README, RESULTS = ROOT / "README.md", ROOT / "notebooks" / "results"
Rows = dict[str, list[str]]


def load(file: str) -> list[dict[str, str]]:
    """The records of a stored file."""
    with (RESULTS / f"{file}.csv").open() as stream:
        return list(csv.DictReader(stream))


def shown(value: str, form: str) -> str:
    """A number as the README has it."""
    if value in ("", "nan"):
        return ""
    if form == "3":  # three digits, by powers of ten where these are not many
        form = ".0f" if 9.5 <= abs(float(value)) < 9999.5 else ".0e"
        value = f"{float(value):.3g}"
    text = format(int(value) if form == "d" else float(value), form)
    return re.sub(r"e([+-])0?(\d)", lambda m: "e" + m[1].strip("+") + m[2], text)


def plain(file: str, names: dict[str, str], forms: str) -> Callable[[], Rows]:
    """Rows of a file by the README's labels, each column in its format."""

    def rows() -> Rows:
        found = {}
        for record in load(file):
            label, *values = record.values()
            if label in names:
                cells = zip(values, forms.split(), strict=True)
                found[names[label]] = [shown(value, form) for value, form in cells]
        return found

    return rows


def beside(*parts: Callable[[], Rows]) -> Callable[[], Rows]:
    """Columns of several files, empty where one has no such row."""

    def rows() -> Rows:
        tables = [part() for part in parts]
        widths = [len(next(iter(table.values()))) for table in tables]
        return {
            label: [
                cell
                for table, width in zip(tables, widths, strict=True)
                for cell in table.get(label, [""] * width)
            ]
            for label in tables[0]
        }

    return rows


def kinks() -> Rows:
    """Problems solved, and geometric means in which an unsolved one counts 10,000."""
    records = load("nonsmooth")
    found = {}
    for solver in list(records[0])[2:]:
        counts = np.array([float(record[solver] or 10_000) for record in records])
        solved = sum(bool(record[solver]) for record in records)
        label = solver.replace("scipy", "SciPy") if "scipy" in solver else f'`"{solver}"`'
        found[label] = [str(solved), f"{np.exp(np.log(counts).mean()):.0f}"]
    return dict(sorted(found.items(), key=lambda item: int(item[1][1])))


RESIDUALS = {
    "by_models": "`least_squares`, no Jacobian",
    "dfols": "DFO-LS",
    "by_differences": "SciPy `least_squares`, differences",
    "by_sum": '`"model-descent"` of the sum',
}


def residuals() -> Rows:
    """Shares of fits that came within 1e-3 and 1e-7 of the way, by evaluations per (n + 1)."""
    found: Rows = {label: [] for label in RESIDUALS.values()}
    for file in ("residuals", "residuals-noise"):
        records = load(file)
        for tau, each in ((1e-3, 10), (1e-7, 10), (1e-7, 25)):
            part = [record for record in records if float(record["tau"]) == tau]
            for solver, label in RESIDUALS.items():
                near = [float(r[solver] or "inf") <= each * (int(r["n"]) + 1) for r in part]
                found[label].append(f"{np.mean(near):.2f}")
    return found


def clients() -> Rows:
    """Other packages' tests."""
    found = {}
    for r in load("clients"):
        accepted = f"{r['accepted']} of {r['lost']}" if int(r["lost"]) else ""
        ratios = [shown(r[key], ".2f") for key in ("with gradient", "without")]
        found[CLIENTS[r["suite"]]] = [r["scipy"], r["ours"], accepted, *ratios, r["false"]]
    return found


CLIENTS = {
    "scipy": "SciPy (optimize, basinhopping, shgo, ...)",
    "sklearn": "scikit-learn (Gaussian processes, Huber, NCA)",
    "lmfit": "lmfit",
    "arch": "arch",
}
REAL = {
    "regression 0.5": "least absolute deviations, above the exact minimum",
    "regression 0.9": "0.9 quantile, above the exact minimum",
    "predator and prey": "predator and prey, misfit, with `sigma=0.2`, median of three seeds",
    "photographs 128": "two photographs, 128 x 128, pixels off",
    "photographs 256": "two photographs, 256 x 256, pixels off",
}


def real_data() -> Rows:
    """The demo's: ours, and the best of SciPy's."""
    found = {}
    for problem, label in REAL.items():
        ours, *theirs = (r for r in load("demo") if r["problem"] == problem)
        figures = []
        for each in (ours, min(theirs, key=lambda r: float(r["value"]))):
            name = each["method"].removeprefix("SciPy ")
            if each["pixels off"]:
                text = shown(each["pixels off"], ".2f")
            elif each["exact minimum"]:
                text = shown(str(abs(float(each["value"]) - float(each["exact minimum"]))), ".0e")
            else:
                text = shown(each["value"], ".2f")
            figures += [text if each is ours else f"{text} ({name})", each["evaluations"]]
        found[label] = figures
    return found


SEARCHES = {
    "homotopy": '`"derivative-free"`',
    "multistart": "SciPy L-BFGS-B, many starts",
    **{name: f"SciPy {name}" for name in ("basinhopping", "dual_annealing")},
    **{name: f"SciPy {name}" for name in ("differential_evolution", "direct")},
}
BOTH = {**SEARCHES, "homotopy": '`"derivative-free"`; `"homotopy"` with gradients'}
MANY = {
    "sphere": "sphere",
    "powers": "sum of powers 2 to 6",
    "ellipsoid": "ellipsoid, condition 1e6",
    "ellipsoid turned": "the ellipsoid turned",
    "valley": "Rosenbrock",
    "valley turned": "Rosenbrock turned",
    "rastrigin": "Rastrigin",
    "rastrigin turned": "Rastrigin turned",
}
NOISE = {name: f'`"{name}"`' for name in ("derivative-free", "gradient-sampling", "bfgs", "lbfgs")}
NOISE |= {name: f"SciPy {name}" for name in ("Powell", "COBYQA", "Nelder-Mead", "BFGS", "L-BFGS-B")}
FITS = {"derivative-free, once": '`"derivative-free"`, stopping by itself'}
FITS |= {n: f"SciPy {n}" for n in ("basinhopping", "BFGS", "Powell", "L-BFGS-B", "Nelder-Mead")}
OBJECTIVES = {
    "Rosenbrock": "Rosenbrock's function in NumPy",
    "sum x**2": "`np.sum(x**2), 2 * x`",
    "x @ x": "`x @ x, 2 * x`, the least that a function can do",
}
PROGRAMMES = (
    "conditional value at risk, budget and return, 500 kinks",
    "basis pursuit",
    "control, least absolute thrust, limited speed",
    "welded beam, from values alone",
    "queue, simulated with noise, from values alone",
)


def constraints() -> Rows:
    """Evaluations, from the output that the notebook keeps."""
    cells = json.loads((ROOT / "notebooks" / "08-constraints.ipynb").read_text())["cells"]
    outputs = "".join("".join(o.get("text", "")) for c in cells for o in c.get("outputs", ()))
    counts = re.findall(r"(\d+) evaluations", outputs)
    return {label: [count] for label, count in zip(PROGRAMMES, counts, strict=True)}


# what the header of each table begins with, and its rows
TABLES: dict[str, Callable[[], Rows]] = {
    "problem | variables": constraints,
    "method | solved": kinks,
    "method | values": beside(
        plain("homotopy-values", BOTH, ".2f .2f"), plain("homotopy-gradients", BOTH, ".2f .2f")
    ),
    "method | 50": plain("coco", SEARCHES, ".2f .2f .2f"),
    "function | ": plain("many-variables", MANY, "3 3 3 3"),
    "method | no noise": plain("noise", NOISE, ".2f .2f .2f .2f .2f .2f d"),
    "method | 25": plain("fits", FITS, ".2f .2f .2f .2f .0f"),
    "method | 1e-3": residuals,
    "package | ": clients,
    "problem | smoothmin": real_data,
    "objective | ": plain("overhead", OBJECTIVES, ".2f .2f .2f"),
}


def tables(text: str) -> Iterator[tuple[str, list[str]]]:
    """Headers and lines of the tables under "Constraints" and "Measured"."""
    parts = [part for part in text.split("\n## ") if part.startswith(("Constraints", "Measured"))]
    for table in re.findall(r"(?:^\|.*\n)+", "\n".join(parts), flags=re.MULTILINE):
        header, _, *lines = table.splitlines()
        yield header.strip("| "), lines


def differences(text: str) -> dict[str, str]:
    """Lines of the README's tables, and what they have to be where they are not that."""
    found = {}
    for header, lines in tables(text):
        (make,) = (rows for start, rows in TABLES.items() if header.startswith(start))
        rows = make()
        width = header.count("|") + 1
        for line in lines:
            label, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            fixed = cells[: width - 1 - len(rows[label])]  # what was not measured
            right = "| " + " | ".join([label, *fixed, *rows[label]]) + " |"
            if line != right.replace("|  |", "| |").replace("|  |", "| |"):
                found[line] = right.replace("|  |", "| |").replace("|  |", "| |")
        assert len(lines) == len(rows), (header, set(rows))
    return found


def main() -> None:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    text = README.read_text(encoding="utf-8")
    write = parser.parse_args().write
    for line, right in differences(text).items():
        print(f"- {line}\n+ {right}")
        text = text.replace(line, right)
    if write:
        README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
