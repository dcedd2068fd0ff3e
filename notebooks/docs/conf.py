"""How Sphinx makes the documentation: ``python -m sphinx -W notebooks/docs build/docs``."""

import shutil
from pathlib import Path

import smoothmin
from smoothmin import _registry, _scipy_names

HERE = Path(__file__).parent

project = "smoothmin"
author = "the smoothmin developers"
version = release = smoothmin.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
nb_execution_mode = "off"  # the notebooks are executed by .ci/run, with their output kept
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autodoc_typehints = "none"
default_role = "py:obj"
nitpicky = False
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]
html_theme = "pydata_sphinx_theme"
html_title = "smoothmin"
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
}


def scipy_table():
    """SciPy's names, what each runs, and how each option is taken: of the registry's table."""
    lines = ["| `method=` | runs | options taken | not taken, with a warning |",
             "| --- | --- | --- | --- |"]  # fmt: skip
    for entry in _scipy_names.NAMES.values():
        runs = f'"{entry.runs}"'
        if entry.large != entry.runs:
            runs += f', "{entry.large}" beyond {_scipy_names.DENSE_UP_TO} variables'
        taken = [key for key, meaning in entry.options.items() if not meaning.warns]
        left = [key for key, meaning in entry.options.items() if meaning.warns]
        names = [", ".join(f"`{key}`" for key in each) or "none" for each in (taken, left)]
        lines.append(f'| "{entry.name}" | {runs} | {names[0]} | {names[1]} |')
    return "\n".join(lines)


def common_options():
    """The options of every method, of the registry."""
    lines = ["| option | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {text} |" for name, text in _registry.COMMON_OPTIONS.items()]
    return "\n".join(lines)


TABLES = {"SCIPY_NAMES": scipy_table, "COMMON_OPTIONS": common_options}


def _fill(app, docname, source):
    """Put tables that are known elsewhere in their places."""
    for name, table in TABLES.items():
        if f"%{name}%" in source[0]:
            source[0] = source[0].replace(f"%{name}%", table())


def _copy_notebooks(app):
    """The gallery's notebooks lie a folder above, where readers of the repository find them."""
    gallery = HERE / "gallery"
    gallery.mkdir(exist_ok=True)
    for path in sorted(HERE.parent.glob("*.ipynb")):
        shutil.copy(path, gallery / path.name)
    for path in (HERE.parent / "pictures").glob("*.png"):
        shutil.copy(path, gallery / path.name)


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", _copy_notebooks)
    app.connect("source-read", _fill)
