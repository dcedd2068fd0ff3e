"""Other packages' own test suites with ``scipy.optimize.minimize`` replaced by ours.

    python tests/clients/run.py [scipy] [sklearn] [lmfit] [arch] [--keep DIR]

Needs the extra ``[clients]``. Each suite runs twice, with SciPy's `minimize` and with ours
(``replace_minimize.py``), and calls are compared pair by pair: the same test, the same place
in it, the same start. Printed are tests passed before and after, evaluations as a geometric
mean of ratios over pairs that end equal (to 1e-6) or better, with a gradient and without,
false successes (a lower value is known, and a local method finds one from our end, beyond
1e-6 and some steps of the tolerance that was asked for), and the failures that are not in
`ACCEPTED`. Takes some minutes, and is no part of the test suite.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from accepted import ACCEPTED
from replace_minimize import LOWER, lower, read

HERE = Path(__file__).parent
SHOWN = 20
STEPS = 10  # that are left where a tolerance for one step was met
LMFIT = "lmfit==1.3.4"
SUITES = {
    "scipy": [
        "scipy.optimize.tests.test_optimize",
        "scipy.optimize.tests.test__basinhopping",
        "scipy.optimize.tests.test__differential_evolution",
        "scipy.optimize.tests.test__dual_annealing",
        "scipy.optimize.tests.test__shgo",
    ],
    "sklearn": [
        "sklearn.gaussian_process.tests",
        "sklearn.linear_model.tests.test_huber",
        "sklearn.neighbors.tests.test_nca",
    ],
    "arch": ["arch.tests.univariate.test_mean", "arch.tests.univariate.test_volatility"],
    "lmfit": [],  # its tests come with the source only
}


def lmfit_tests(folder):
    """Unpack lmfit's source, whose tests are not in the wheel."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "-d", folder, LMFIT], check=True)
    (archive,) = Path(folder).glob("lmfit-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return next(Path(folder).glob("lmfit-*/tests"))


def run_suite(name, by, folder):
    """Run a suite; the outcome of every test."""
    where = ["--pyargs", *SUITES[name]] if SUITES[name] else [str(lmfit_tests(folder))]
    report = Path(folder) / f"{name}-{by}.txt"
    env = os.environ | {
        "MINIMIZE_BY": by,
        "MINIMIZE_RECORD": str(Path(folder) / f"{name}-{by}.jsonl"),
        "MINIMIZE_BASELINE": str(Path(folder) / f"{name}-scipy.jsonl"),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    options = ["-p", "replace_minimize", "-rA", "-q", "--tb=short", "--timeout=300"]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly", "-W", "ignore"]
    with open(report, "w") as out:
        command = [sys.executable, "-m", "pytest", *options, *where]
        subprocess.run(command, env=env, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    lines = report.read_text().splitlines()
    found = [re.match(r"(PASSED|FAILED|ERROR) (\S+::.*?)(?: - |$)", line) for line in lines]
    return {match[2]: match[1] for match in found if match}


def mean_ratio(pairs):
    """Geometric mean of ours by SciPy's evaluations, and of how many."""
    logs = [math.log(ours["nfev"] / theirs["nfev"]) for ours, theirs in pairs]
    return (math.exp(sum(logs) / len(logs)), len(logs)) if logs else (math.nan, 0)


def compare(name, folder):
    """Calls pair by pair."""
    before = read(Path(folder) / f"{name}-scipy.jsonl")
    after = read(Path(folder) / f"{name}-smoothmin.jsonl")
    pairs = [
        (ours, before[key])
        for key, ours in after.items()
        if key in before and before[key]["x0"] == ours["x0"] and ours["method"] != "custom"
    ]
    done = [pair for pair in pairs if all(row.get("fun") is not None for row in pair)]
    counted = [pair for pair in done if min(row["nfev"] for row in pair) > 0]
    as_low = [
        (ours, theirs)
        for ours, theirs in counted
        if not lower(theirs["fun"], ours["fun"]) and not math.isnan(ours["fun"])
        and abs(ours["fun"] - theirs["fun"]) <= LOWER * max(1.0, abs(theirs["fun"]))
    ]  # fmt: skip
    owed = [(ours, max(LOWER, STEPS * ours["tol"])) for ours, _ in done]
    false = [ours for ours, least in owed if (ours.get("gain") or 0) > least]
    elsewhere = [ours for ours, _ in done if "gain" in ours and ours not in false]
    refused = [ours for ours, theirs in pairs if "raised" in ours and "raised" not in theirs]
    return {
        "calls": len(pairs),
        "with": mean_ratio([pair for pair in as_low if pair[0]["gradient"]]),
        "without": mean_ratio([pair for pair in as_low if not pair[0]["gradient"]]),
        "false": false,
        "elsewhere": elsewhere,
        "refused": refused,
    }


def print_rows(title, rows):
    """What is worth a look, the first of them."""
    for row in rows[:SHOWN]:
        print(f"    {title}: {row if isinstance(row, str) else json.dumps(row)}")
    if len(rows) > SHOWN:
        print(f"    {title}: {len(rows) - SHOWN} more")


def main():
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", help="of " + " ".join(SUITES))
    parser.add_argument(
        "--keep", type=lambda folder: Path(folder).resolve(), help="folder for records and reports"
    )
    parser.add_argument("--store", metavar="FILE", help="keep the results as CSV")
    given = parser.parse_args()
    records = []
    folder = given.keep or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    ours_to_mend = 0
    for name in given.suites or SUITES:
        before, after = (run_suite(name, by, folder) for by in ("scipy", "smoothmin"))
        passed = [test for test, outcome in before.items() if outcome == "PASSED"]
        lost = [test for test in passed if after.get(test) != "PASSED"]
        open_ = [t for t in lost if not any(re.search(p, t) for p in ACCEPTED)]
        found = compare(name, folder)
        print(f"{name}: passed {len(passed)} -> {len(passed) - len(lost)} (accepted "
              f"{len(lost) - len(open_)}); {found['calls']} calls; evaluations with a gradient "
              f"{found['with'][0]:.2f} ({found['with'][1]}), without {found['without'][0]:.2f} "
              f"({found['without'][1]}); false successes {len(found['false'])}")  # fmt: skip
        records.append({
            "suite": name, "scipy": len(passed), "ours": len(passed) - len(lost),
            "accepted": len(lost) - len(open_), "lost": len(lost),
            "with gradient": found["with"][0], "without": found["without"][0],
            "false": len(found["false"]),
        })  # fmt: skip
        print_rows("not accepted", open_)
        print_rows("false success", found["false"])
        print_rows("another minimum", found["elsewhere"])
        print_rows("raised", found["refused"])
        ours_to_mend += len(open_) + len(found["false"])
    if given.store is not None:
        with open(given.store, "w", newline="") as stream:
            writer = csv.DictWriter(stream, records[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)
    return int(ours_to_mend > 0)


if __name__ == "__main__":
    sys.exit(main())
