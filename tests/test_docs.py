"""The documentation's code runs, and its tables and lists are those of the library."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import smoothmin
from smoothmin import _registry

DOCS = Path(__file__).parent.parent / "notebooks" / "docs"
OPTIONAL = {"jax", "lmfit", "statsmodels", "torch"}
PAGES = sorted(DOCS.glob("*.md")) + sorted((DOCS / "methods").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_blocks_run(page):
    """Those of a page one after the other, as a reader would."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    if any("plotting" in block for block in blocks):
        pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")
    names = {"np": np}
    left_out = False
    for block in blocks:
        try:
            exec(compile(block, page.name, "exec"), names)
        except (ModuleNotFoundError, NameError) as error:
            # what is not installed, and what goes on from there
            left_out |= getattr(error, "name", None) in OPTIONAL
            if not left_out:
                raise


def test_every_method_has_a_page():
    pages = {page.stem for page in (DOCS / "methods").glob("*.md")} - {"index", "reformulations"}
    assert pages == set(_registry.METHODS)
    listed = re.findall(r"^([a-z-]+)$", (DOCS / "methods" / "index.md").read_text(), re.MULTILINE)
    assert pages <= set(listed)


def test_every_notebook_has_a_card_with_a_picture():
    """The gallery shows the picture of that number among those that a notebook keeps."""
    cards = re.findall(r"^%CARD: (\S+) (\d+) .+%$", (DOCS / "gallery.md").read_text(), re.MULTILINE)
    assert [name for name, _ in cards] == [
        page.stem for page in sorted(DOCS.parent.glob("*.ipynb"))
    ]
    for name, number in cards:
        kept = (DOCS.parent / f"{name}.ipynb").read_text().count('"image/png": "')
        assert kept > int(number)


@pytest.mark.parametrize("page", ["others", "torchzero"])
def test_what_others_have_is_here_by_the_names_that_pages_tell(page):
    """The second column of a table names what there is: methods, options, classes, fields."""
    methods = [*_registry.METHODS, *_registry.REFORMULATIONS]
    names = {*methods, *dir(smoothmin), *_registry.COMMON_OPTIONS, *dir(smoothmin.Optimizer)}
    for cls in map(_registry.method_class, methods):
        names |= {*_registry.option_names(cls), *cls.synonyms}
    names |= set(inspect.signature(smoothmin.minimize).parameters)
    names |= set(re.findall(r"^(\w+) : ", inspect.getdoc(smoothmin.Result), re.MULTILINE))
    names |= {"res", "sigma0", "True", "False", "budget", "value", "gradient", "out"}
    text = (DOCS / f"coming_from_{page}.md").read_text()
    rows = re.findall(r"^\|[^|]+\|([^|]+)\|", text, re.MULTILINE)
    told = [code for row in rows for code in re.findall(r"(?<![}`])`([^`]+)`", row)]
    words = {word for code in told for word in re.findall(r"[A-Za-z][\w-]*", code)}
    assert len(words) > 15
    assert words <= names
