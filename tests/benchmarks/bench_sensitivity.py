"""What every number of a method earns: each halved and doubled, each mechanism switched off.

    python tests/benchmarks/bench_sensitivity.py                     # the default's settings
    python tests/benchmarks/bench_sensitivity.py --smooth            # on smooth problems
    python tests/benchmarks/bench_sensitivity.py --method derivative-free --values
    python tests/benchmarks/bench_sensitivity.py --many-minima       # "homotopy", with gradients
    python tests/benchmarks/bench_sensitivity.py --modules smoothmin.descent smoothmin.linesearch

Problems are rotated, in other units and shifted (`transformed_problems`). The numbers are the
fields of the method's settings; with `--modules`, names in capitals of these modules. A row
has the geometric mean of the evaluations to a millionth of the way to the minimum (or of
max(1, |minimum|), if that is less), where what was not solved counts as twice the budget; how
many were solved; the change of the mean; and how many runs changed by even one evaluation.
Rows are in the order of the mean: what is above the default would have been better. As a
measure of luck, the same for the default from starts that are moved by 1e-9 of their size.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_homotopy
import numpy as np
import transformed_problems
import variants

import smoothmin
from smoothmin._registry import default_method, method_class, option_names

GAP = 1e-6
FLAT = 0.02  # change of the mean that is called small
SECONDS = 2.0  # of a run, at least, after which it counts as unsolved, ...
PATIENCE = 20  # ... or so many times as long as the default takes on average
LATE = 3  # such runs end a variant: the rest counts as unsolved


class Ended(BaseException):
    """A run reached its target."""


class Late(BaseException):
    """A run took too long."""


@dataclass(frozen=True)
class Task:
    """A problem, what to reach, and in how many evaluations."""

    name: str
    fun: Callable[[Any], Any]
    value: Callable[[Any], float]  # of what `fun` returns
    x0: np.ndarray
    target: float
    budget: int
    arguments: dict[str, Any]


def with_gradients(problem: transformed_problems.TransformedProblem, budget: int) -> Task:
    """To a millionth of the way, or of max(1, |minimum|)."""
    low = problem.minimum
    way = min(problem.fun(problem.x0)[0] - low, max(1.0, abs(low)))
    target = low + GAP * way
    return Task(
        problem.name, problem.fun, lambda pair: pair[0], problem.x0, target, budget, {"jac": True}
    )


def from_values(problem: transformed_problems.ValueProblem, per_variable: int) -> Task:
    """A function of its values, started again until its budget is spent."""
    budget = per_variable * problem.x0.size
    box = {"bounds": problem.bounds} if problem.bounds else {}
    return Task(problem.name, problem.fun, float, problem.x0, problem.target, budget, box)


def many_minima(name: str, d: int, seed: int, bounded: bool, per_variable: int) -> Task:
    """A function of `bench_homotopy`, moved, turned and stretched, with its box or without."""
    task = bench_homotopy.moved(name, d, seed, per_variable * d)
    box = {"bounds": task.bounds} if bounded else {}
    kind = {"jac": True, **box}
    return Task(name, task.fun, lambda pair: pair[0], task.x0, task.targets[0], task.budget, kind)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `Late` after so many seconds."""

    def late(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0 if math.isinf(seconds) else seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def evaluations(task: Task, method: Any, x0: Any, seconds: float) -> int | None:
    """Evaluations to the target, None if it was not reached."""
    count, reached = 0, None

    def watched(x: Any) -> Any:
        nonlocal count, reached
        count += 1
        out = task.fun(x)
        if task.value(out) <= task.target:
            reached = count
            raise Ended
        return out

    try:
        with limited(seconds):
            smoothmin.minimize(
                watched, x0, method=method, rng=0,
                options={"maxfev": task.budget}, **task.arguments,
            )  # fmt: skip
    except Ended:
        pass
    except Exception:  # a changed number may break a method: it has not solved this
        return None
    return reached


def counts(
    tasks: list[Task], method: Any, jitter: int = 0, seconds: float = math.inf
) -> list[int | None]:
    """Evaluations of all tasks, from starts moved by rounding if ``jitter`` is not zero."""
    out: list[int | None] = []
    late = 0
    for task in tasks:
        x0 = task.x0
        if jitter:
            noise = np.random.default_rng(jitter).standard_normal(x0.size)
            x0 = x0 * (1 + 1e-9 * noise)
        try:
            out.append(evaluations(task, method, x0, seconds) if late < LATE else None)
        except Late:
            late += 1
            out.append(None)
    return out


def mean(found: list[Any], tasks: list[Task]) -> float:
    """Geometric mean, unsolved as twice the budget."""
    logs = [math.log(c or 2 * t.budget) for c, t in zip(found, tasks, strict=True)]
    return math.exp(sum(logs) / len(logs))


def line(where: str, change: str, found: list[Any], base: list[Any], tasks: list[Task]) -> str:
    """A row of the table."""
    here = mean(found, tasks)
    share = 100 * (here / mean(base, tasks) - 1)
    solved = sum(c is not None for c in found)
    other = sum(a != b for a, b in zip(found, base, strict=True))
    return f"{here:9.2f}{solved:8d}{share:+9.2f} %{other:9d}   {where} {change}"


def shown(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, tuple):
        return "(" + ", ".join(map(shown, value)) + ")"
    if isinstance(value, bool) or value is None:
        return "off" if not value else "on"
    return f"{value:.4g}" if isinstance(value, (int, float)) else type(value).__name__


def summary(rows: list[dict[str, Any]], base: list[Any], tasks: list[Task]) -> list[str]:
    """Which numbers change nothing, and which little."""
    nothing, little, better = [], [], []
    for where in sorted({row["where"] for row in rows}):
        here = [row for row in rows if row["where"] == where]
        shares = [mean(row["counts"], tasks) / mean(base, tasks) - 1 for row in here]
        if all(row["counts"] == base for row in here):
            nothing.append(where)
        elif max(map(abs, shares)) < FLAT:
            little.append(f"{where} ({', '.join(f'{100 * s:+.2f}' for s in shares)})")
        elif min(shares) < -FLAT:
            better.append(f"{where} ({', '.join(f'{100 * s:+.2f}' for s in shares)})")
    total = len({row["where"] for row in rows})
    return [
        f"change nothing: {len(nothing)} of {total}", *(f"    {w}" for w in nothing),
        f"less than {FLAT:.0%} both ways: {len(little)}", *(f"    {w}" for w in little),
        f"better by more than {FLAT:.0%} when changed: {len(better)}",
        *(f"    {w}" for w in better),
    ]  # fmt: skip


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", help="the default for the problems if not given")
    parser.add_argument("--modules", nargs="+", metavar="MODULE", help="constants of modules")
    parser.add_argument("--values", action="store_true", help="no gradients")
    parser.add_argument("--smooth", action="store_true", help="smooth problems")
    parser.add_argument("--many-minima", action="store_true", help='for "homotopy"')
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-n", type=int, default=None, help="most variables")
    parser.add_argument("--budget", type=int, help="2000 evaluations; 200 per variable of values")
    parser.add_argument("--only", metavar="FIELD", help="fields with this in their name")
    parser.add_argument("--jitter", type=int, default=4, help="runs of the default moved by 1e-9")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run after these")
    parser.add_argument("--json", type=Path, help="store the counts here")
    return parser.parse_args()


def problems(arguments: argparse.Namespace) -> list[Task]:
    """The tasks that the command line asks for."""
    seeds = tuple(range(arguments.seeds))
    if arguments.many_minima:
        return [
            many_minima(name, d, seed, bounded, arguments.budget or 300)
            for name in bench_homotopy.FAMILIES
            for d in (2, 5, 10)
            for seed in seeds
            for bounded in (True, False)
            if d <= (arguments.max_n or 5)
        ]
    if arguments.values:
        dims = tuple(n for n in (2, 5, 10) if n <= (arguments.max_n or 10))
        boxes = transformed_problems.values(dims, seeds)
        return [from_values(p, arguments.budget or 200) for p in boxes]
    kind = transformed_problems.smooth if arguments.smooth else transformed_problems.nonsmooth
    return [with_gradients(p, arguments.budget or 2000) for p in kind(arguments.max_n or 50, seeds)]


def measured(
    name: str,
    method: Any,
    tasks: list[Task],
    found: list[variants.Variant],
    arguments: argparse.Namespace,
) -> tuple[list[Any], list[Any], list[dict[str, Any]]]:
    """Counts of the default, of the default from moved starts, and of all variants."""
    counts(tasks, method)  # imports and compilation
    began = time.perf_counter()
    base = counts(tasks, method)
    pace = time.perf_counter() - began
    minutes = (len(found) + arguments.jitter) * pace / 60
    print(f"{name}: {len(tasks)} problems, {len(found)} variants of {pace:.1f} s each,", end="")
    print(f" about {minutes:.0f} minutes", flush=True)
    longest = max(SECONDS, PATIENCE * pace / len(tasks))
    luck = [counts(tasks, method, k + 1) for k in range(arguments.jitter)]
    rows: list[dict[str, Any]] = []
    for variant in found:
        if time.perf_counter() - began > 60 * arguments.minutes:
            print(f"time is over after {len(rows)} of {len(found)} variants")
            break
        try:
            with variant.applied(method) as changed:
                here = counts(tasks, changed, seconds=longest)
        except (TypeError, ValueError) as refused:
            print(f"refused: {variant.where} = {shown(variant.new)}: {refused}")
            continue
        rows.append(
            {"where": variant.where, "old": variant.old, "new": variant.new, "counts": here}
        )
    return base, luck, rows


def main() -> None:
    """Print the table."""
    arguments = parsed()
    began = time.perf_counter()
    tasks = problems(arguments)
    many, default = arguments.many_minima, default_method(not arguments.values)
    name = arguments.method or ("homotopy" if many else default)
    cls = method_class(name)
    again = (arguments.values or many) and "restarts" in option_names(cls)
    method = cls(restarts="budget") if again else cls()
    found = (
        variants.of_modules(arguments.modules) if arguments.modules else variants.of_method(method)
    )
    found = [v for v in found if arguments.only is None or arguments.only in v.where]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        base, luck, rows = measured(name, method, tasks, found, arguments)
    print(f"{'mean':>9}{'solved':>8}{'change':>11}{'changed':>9}")
    lines = [(mean(base, tasks), line("DEFAULT", "", base, base, tasks))]
    lines += [(mean(c, tasks), line("(moved by 1e-9)", "", c, base, tasks)) for c in luck]
    for row in rows:
        change = f"{shown(row['old'])} -> {shown(row['new'])}"
        lines.append(
            (mean(row["counts"], tasks), line(row["where"], change, row["counts"], base, tasks))
        )
    print("\n".join(text for _, text in sorted(lines)))
    print("\n".join(summary(rows, base, tasks)))
    print(f"{(time.perf_counter() - began) / 60:.1f} minutes")
    if arguments.json:
        stored = {"tasks": [t.name for t in tasks], "base": base, "rows": rows}
        arguments.json.write_text(json.dumps(stored))


if __name__ == "__main__":
    main()
