"""Signatures for type checkers: they are those of the options classes, and a script passes."""

import importlib.util
import inspect
import pathlib
import subprocess
import sys

import pytest

from smoothmin._minimize import minimize
from smoothmin._registry import METHODS

HERE = pathlib.Path(__file__).parent


def signatures():
    spec = importlib.util.spec_from_file_location("signatures", HERE / "signatures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_signatures_are_those_of_the_options_classes():
    module = signatures()
    assert module.TARGET.read_text() == module.render(), "python tests/types/signatures.py"


def test_every_option_has_a_type_and_none_is_any():
    module = signatures()
    for name in METHODS:
        assert all(module.options_of(name).values()), name
    assert "Any" not in module.render()


def test_the_overloads_have_the_arguments_of_the_function():
    module = signatures()
    text = module.overloaded("None", "CommonOptions")
    names = [line.strip().split(":")[0] for line in text.splitlines() if ":" in line]
    assert [name for name in names if name in inspect.signature(minimize).parameters] == list(
        inspect.signature(minimize).parameters
    )


def test_a_script_is_typed(tmp_path):
    pytest.importorskip("mypy")
    root = HERE.parents[1]
    bad = tmp_path / "bad_script.py"
    bad.write_text(
        "from smoothmin import minimize\n"
        "minimize(3, [1.0])\n"
        "minimize(lambda x: 1.0, [1.0], workers=2, vectorised=True)\n"
        "value: str = minimize(lambda x: 1.0, [1.0]).fun\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(HERE / "user_script.py"), str(bad)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        timeout=110,
    )
    assert "user_script" not in done.stdout, done.stdout
    for line in (2, 3, 4):
        assert f"bad_script.py:{line}: error" in done.stdout, done.stdout
