"""What is said of the package in several places is the same, and what it names exists."""

import re
import runpy
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

import smoothmin

ROOT = Path(__file__).parents[1]

if not (ROOT / "pyproject.toml").exists():
    pytest.skip("tests run apart from the repository", allow_module_level=True)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r'\]\(([^)#]+)\)|src(?:set)?="([^"]+)"')


def links(text):
    return [one or other for one, other in LINK.findall(text)]


def test_one_version():
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {smoothmin.__version__}\n" in cited
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT
    assert smoothmin.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_links_of_the_readme_lead_somewhere():
    inside = [link for link in links(README) if not link.startswith("https://")]
    assert len(inside) > 5
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_the_package_page_has_absolute_links(monkeypatch):
    """The repository's, each to a file that there is; nothing else is changed."""
    given = {}
    monkeypatch.setitem(sys.modules, "setuptools", SimpleNamespace(setup=given.update))
    runpy.run_path(str(ROOT / "setup.py"))
    page = given["long_description"]
    assert len(links(page)) == len(links(README))
    for link in links(page):
        assert link.startswith("https://")
        name = re.sub(r"^https://[^/]*/[^/]*/[^/]*/(blob/)?main/", "", link)
        assert name == link or (ROOT / name).exists()


def test_versions_that_documentation_is_built_with_are_allowed():
    from packaging.requirements import Requirement

    allowed = [Requirement(one) for one in PROJECT["dependencies"]]
    for extra in ("docs", "plot"):
        allowed += [Requirement(one) for one in PROJECT["optional-dependencies"][extra]]
    pinned = (ROOT / "notebooks/docs/requirements.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9-]+)==([\d.]+)$", pinned, flags=re.MULTILINE))
    assert {each.name for each in allowed} == set(pins)
    assert all(each.specifier.contains(pins[each.name]) for each in allowed)


def test_what_optional_parts_import_is_in_an_extra():
    """Of the benchmarks and the demo: their peers."""
    known = {"cma": "cma", "cocoex": "coco-experiment", "dfols": "DFO-LS", "torchzero": "torchzero"}
    extra = " ".join(PROJECT["optional-dependencies"]["benchmark"])
    found = set()
    for path in (ROOT / "tests" / "benchmarks").glob("*.py"):
        names = re.findall(r"^ *import (\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found |= {known[name] for name in names if name in known}
    assert {"cma", "coco-experiment", "DFO-LS"} <= found
    assert all(name in extra for name in found)


def test_the_rooms_of_the_house_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| --- | --- |")[1].split("\n\n")[0]
    rooms = [name for line in table.splitlines() for name in re.findall(r"`([\w/.]+)`", line[:90])]
    files = [name for name in rooms if name.endswith((".py", "/"))]
    assert len(files) > 30
    known = {path.name for path in Path(smoothmin.__file__).parent.rglob("*")}
    assert [name for name in files if name.rstrip("/") not in known] == []


def test_the_rooms_of_contributing_are_those_that_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| file | room |") : text.index("Imports run one way")]
    package = Path(smoothmin.__file__).parent
    named = {name.rstrip("/") for name in re.findall(r"`([\w/]+(?:\.py|/))`", table)}
    there = {path.name for path in package.rglob("*") if path.suffix == ".py" or path.is_dir()}
    assert named - {"tests/types/signatures.py"} <= there
    top = {p.name for p in package.glob("*.py")} | {
        p.parent.name for p in package.glob("*/__init__.py")
    }
    assert top - named <= {"__init__.py", "optimagic.py"}
