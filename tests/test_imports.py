"""What `import smoothmin` costs and offers, each asked of a fresh process."""

import subprocess
import sys

import pytest

import smoothmin


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAVY = ("numba", "scipy.stats", "matplotlib", "tqdm", "torch", "pandas")


def loaded(code):
    check = f"import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    return python(f"{code}; {check}").strip()


def test_the_import_is_light():
    assert loaded("import smoothmin") == "[]"
    only_scipy = "import sys; print('scipy.optimize' in sys.modules)"
    assert python(f"import smoothmin; {only_scipy}").strip() == "False"


def test_no_module_of_ours_loads_what_is_heavy_and_everything_named_is_there():
    assert loaded("import smoothmin; [getattr(smoothmin, n) for n in smoothmin.__all__]") == "[]"


def test_a_plain_run_needs_nothing_heavy():
    code = "import smoothmin as s; s.minimize(lambda x: (x @ x, 2 * x), [1., 2.], jac=True"
    assert loaded(f"{code}, method='lbfgs')") == "[]"


def test_pools_are_not_loaded_unless_asked_for():
    run = "import smoothmin; smoothmin.minimize(abs, 1.0, method='bfgs', options={'maxfev': 9})"
    check = "import sys; print('smoothmin.workers.choose' in sys.modules)"
    assert python(f"{run}; {check}") == "False\n"


def test_what_knows_of_constraints_is_not_loaded_without_any():
    run = "import smoothmin; smoothmin.minimize(lambda x: (x @ x, 2 * x), [1.0, 2.0], jac=True)"
    check = "import sys; print([m for m in sys.modules if m.startswith('smoothmin.constraints')])"
    assert python(f"{run}; {check}") == "[]\n"


def test_all_is_complete_and_sorted_into_dir():
    assert len(set(smoothmin.__all__)) == len(smoothmin.__all__)
    assert set(smoothmin.__all__) <= set(dir(smoothmin))
    assert "__version__" in dir(smoothmin)
    for name in smoothmin.__all__:
        assert getattr(smoothmin, name).__name__ == name


def test_names_that_do_not_exist_say_so():
    with pytest.raises(AttributeError, match="'smoothmin' has no attribute 'minimise'"):
        smoothmin.minimise  # noqa: B018
    with pytest.raises(ImportError, match="minimise"):
        exec("from smoothmin import minimise")


def test_names_for_type_checkers_are_the_names_loaded():
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(smoothmin))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        (alias.asname, node.module)
        for node in guarded.body
        for alias in node.names
        if isinstance(node, ast.ImportFrom)
    }
    lazy = {(name, f"smoothmin.{module}") for name, module in smoothmin._EXPORTS.items()}
    assert typed == lazy


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert smoothmin.__version__ == version("smoothmin")


def test_dir_shows_public_names_only():
    import smoothmin

    smoothmin.minimize  # noqa: B018 (loaded on access)
    names = [name for name in dir(smoothmin) if not name.startswith("_")]
    assert len(names) == len(set(names))
    assert set(names) == {*smoothmin.__all__, "plotting"} - {"__version__"}


def test_every_name_that_is_listed_is_there_and_documented():
    code = (
        "import inspect, smoothmin\n"
        "names = [n for n in dir(smoothmin) if not n.startswith('_')]\n"
        "assert all(inspect.getdoc(getattr(smoothmin, n)) for n in names), names\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
