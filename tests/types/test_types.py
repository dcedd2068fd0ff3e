"""Types for whoever calls: made from the options classes, without `Any`, and scripts pass."""

import importlib.util
import inspect
import pathlib
import subprocess
import sys

import pytest

import smoothmin
from smoothmin import plotting
from smoothmin._minimize import minimize
from smoothmin._registry import METHODS, REFORMULATIONS

HERE = pathlib.Path(__file__).parent


def signatures():
    spec = importlib.util.spec_from_file_location("signatures", HERE / "signatures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public():
    """Every public function, class and method of these, by name."""
    for module in (smoothmin, plotting):
        for name in module.__all__:
            thing = getattr(module, name)
            if not str(thing.__module__).startswith("smoothmin"):
                continue
            if not isinstance(thing, type) or "__init__" in vars(thing):
                yield name, thing
            for part, member in inspect.getmembers(thing) if inspect.isclass(thing) else ():
                function = getattr(member, "fget", member)
                ours = str(getattr(function, "__module__", "")).startswith("smoothmin")
                if ours and inspect.isroutine(function) and (part[0] != "_" or part == "__call__"):
                    yield f"{name}.{part}", function


def test_the_written_files_are_those_of_the_options_classes():
    package = pathlib.Path(smoothmin.__file__).parent  # that is tested, wherever it is
    for name, text in signatures().TEXTS.items():
        assert (package / name).read_text() == text(), "python tests/types/signatures.py"


def test_every_option_has_a_type_and_none_is_any():
    module = signatures()
    for name in (*METHODS, *REFORMULATIONS):
        assert all(module.options_of(name).values()), name
    assert not any("Any" in text() for text in module.TEXTS.values())


def test_no_public_signature_says_any():
    found = {
        name: [str(each.annotation) for each in inspect.signature(thing).parameters.values()]
        + [str(inspect.signature(thing).return_annotation)]
        for name, thing in public()
    }
    assert len(found) > 100
    assert not {name for name, types in found.items() if any("Any" in each for each in types)}


def test_the_options_can_be_imported():
    from smoothmin import typing as options_of

    assert options_of.Options.__optional_keys__ >= options_of.LBFGSOptions.__optional_keys__
    assert "maxcor" in options_of.ScipyOptions.__optional_keys__


def test_the_overloads_have_the_arguments_of_the_function():
    text = signatures().overloaded(" = (),\n    method: None = None", "CommonOptions")
    names = [line.strip().split(":")[0] for line in text.splitlines() if ":" in line]
    assert [name for name in names if name in inspect.signature(minimize).parameters] == list(
        inspect.signature(minimize).parameters
    )


WRONG = """from smoothmin import LBFGS, Optimizer, curve_fit, least_squares, minimize, uncertainty
from smoothmin.typing import Options
minimize(3, [1.0])
minimize(lambda x: 1.0, [1.0], workers=2, vectorised=True)
value: str = minimize(lambda x: 1.0, [1.0]).fun
minimize(lambda x: 1.0, [1.0], method="lbfgs", options={"memry": 3})
minimize(lambda x: 1.0, [1.0], options={"stages": 3})
minimize(lambda x: 1.0, [1.0], method="L-BFGS-B", options={"maxcors": 3})
minimize(lambda x: 1.0, [1.0], method="lbfgs", options={"gtol": "small"})
options: Options = {"maxfevs": 100}
Optimizer([1.0], options={"maxfevs": 100})
LBFGS(memory="many")
least_squares(lambda x: x, [1.0], jac="4-point")
popt, pcov, info = curve_fit(lambda t, a: a * t, [1.0], [2.0])
curve_fit(lambda t, a: a * t, [1.0], [2.0], losses="l1")
uncertainty(lambda x: 1.0, [1.0], jac="2-point")
"""


def errors(checker, *files):
    """What a type checker says of scripts."""
    done = subprocess.run(
        [sys.executable, "-m", *checker, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
        timeout=180,
    )
    return done.stdout + done.stderr


def test_scripts_are_checked(tmp_path):
    pytest.importorskip("mypy")
    wrong = tmp_path / "wrong_script.py"
    wrong.write_text(WRONG)
    messages = errors(["mypy", "--strict"], HERE / "user_script.py", wrong)
    assert "user_script" not in messages, messages
    for line in range(3, WRONG.count("\n") + 1):
        assert f"wrong_script.py:{line}: error" in messages, (line, messages)


def test_scripts_are_checked_by_pyright(tmp_path):
    pytest.importorskip("pyright")
    wrong = tmp_path / "wrong_script.py"
    wrong.write_text(WRONG)
    messages = errors(["pyright"], HERE / "user_script.py", wrong)
    assert "user_script.py:" not in messages, messages
    for line in range(3, WRONG.count("\n") + 1):
        assert f"wrong_script.py:{line}:" in messages, (line, messages)
