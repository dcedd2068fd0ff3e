"""The README's code runs, and its commands are those that are checked."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from smoothmin._registry import METHODS

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8") if README.exists() else ""

pytestmark = pytest.mark.skipif(not TEXT, reason="tests run apart from the repository")


def test_examples_run_and_do_what_they_say(capsys):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(blocks) == 5
    exec(blocks[0], names)
    assert names["res"].success
    np.testing.assert_allclose(names["res"].x, [1, 1], atol=1e-6)
    assert names["res"].stationarity < 1e-5
    exec(blocks[1], names)
    assert names["res"].fun < names["fun"](np.array(names["x0"]))
    exec(blocks[2], names)
    assert names["optimizer"].result.fun < 1e-3
    exec(blocks[3], names)
    assert names["res"].fun == pytest.approx(-99.748, abs=1e-3)
    exec(blocks[4], names)
    assert names["fit"].success
    assert not names["sure"].warnings


def test_every_method_is_in_the_table():
    for name in METHODS:
        assert f'`"{name}"`' in TEXT


def test_commands_make_their_own_environment():
    commands = [line for line in TEXT.splitlines() if line.startswith("python3 ")]
    assert len(commands) == 2
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/python -m pip install")
    ci = README.parent / ".ci" / "run"
    if ci.exists():
        pattern = re.search(r"grep '(.*)' README.md", ci.read_text(encoding="utf-8")).group(1)
        assert [bool(re.search(pattern, command)) for command in commands] == [False, True]


def tables():
    path = README.parent / "tests" / "benchmarks" / "readme_tables.py"
    spec = importlib.util.spec_from_file_location("readme_tables", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_figure_of_the_tables_is_stored():
    module = tables()
    assert set(module.TABLES) == {
        start
        for start in module.TABLES
        for header, _ in module.tables(TEXT)
        if header.startswith(start)
    }
    assert not module.differences(TEXT), "python tests/benchmarks/readme_tables.py --write"


def test_a_figure_that_is_not_stored_is_found():
    module = tables()
    changed = TEXT.replace('| `"gradient-sampling"` | 42 |', '| `"gradient-sampling"` | 41 |')
    assert list(module.differences(changed)) == [
        line for line in changed.splitlines() if line.startswith('| `"gradient-sampling"` | 41 |')
    ]
