"""How Sphinx makes the documentation: ``python -m sphinx -W notebooks/docs build/docs``."""

import base64
import json
import re
import shutil
import sys
from pathlib import Path

from latex2mathml.converter import convert

import smoothmin
from smoothmin import _registry, _scipy_names

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "smoothmin"
author = "the smoothmin developers"
version = release = smoothmin.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "numpydoc",
    "myst_nb",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
nb_merge_streams = True
nb_execution_mode = "off"  # the notebooks are executed by .ci/run, with their output kept
# the first is that of the reference's pages
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build"]
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autodoc_typehints = "none"
default_role = "py:obj"
nitpicky = False
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]
html_math_renderer = "mathml"  # browsers draw it themselves, without a network
html_static_path = ["_static"]
html_css_files = ["smoothmin.css"]
html_theme = "pydata_sphinx_theme"
html_title = "smoothmin"
html_show_sourcelink = False
html_sidebars = {"[!mg]*": [], "methods/index": []}  # pages without pages below
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


def methods():
    """Every method's points at a time, of its page."""
    lines = ["| method | for | points per ask |", "| --- | --- | --- |"]
    for name, (_, cls) in _registry.METHODS.items():
        page = (HERE / "methods" / f"{name}.md").read_text()
        points = re.search(r"^\| Points per ask \| (.*) \|$", page, flags=re.MULTILINE)[1]
        lines.append(f"| {{doc}}`methods/{name}` | {getattr(smoothmin, cls).summary} | {points} |")
    return "\n".join(lines)


def classes():
    """The classes of methods and reformulations, each with what it does."""
    known = {**_registry.METHODS, **_registry.REFORMULATIONS}
    lines = ["| class | what it is |", "| --- | --- |"]
    for _, name in known.values():
        lines.append(f"| {{py:obj}}`smoothmin.{name}` | {getattr(smoothmin, name).summary} |")
    return "\n".join(lines)


TABLES = {
    "CLASSES": classes,
    "METHODS": methods,
    "SCIPY_NAMES": scipy_table,
    "COMMON_OPTIONS": common_options,
}


PICTURE = """```{{image}} {up}generated/pictures/{name}-light.png
:class: only-light picture
:alt: {text}
```
```{{image}} {up}generated/pictures/{name}-dark.png
:class: only-dark picture
:alt: {text}
```

*{text}*"""


CARD = """:::{{container}} notebook
```{{image}} generated/gallery/{name}.png
:target: gallery/{name}.html
:alt: {title}
```
{{doc}}`{title} <gallery/{name}>`

{text}
:::"""


def _card(found):
    """A notebook's picture, title and what it is about: its ``number``-th picture, kept."""
    name, number, text = found.groups()
    cells = json.loads((HERE.parent / f"{name}.ipynb").read_text())["cells"]
    shown = [out.get("data", {}) for cell in cells for out in cell.get("outputs", ())]
    drawn = [data["image/png"] for data in shown if "image/png" in data]
    folder = HERE / "generated" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(base64.b64decode(drawn[int(number)]))
    title = "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ")
    return CARD.format(name=name, title=title, text=text)


def _fill(app, docname, source):
    """Put tables that are known elsewhere, and pictures, in their places."""
    for name, table in TABLES.items():
        if f"%{name}%" in source[0]:
            source[0] = source[0].replace(f"%{name}%", table())
    *folders, name = docname.split("/")
    up = "../" * len(folders)
    source[0] = re.sub(
        "^%PICTURE: (.*)%$",
        lambda found: PICTURE.format(up=up, name=name, text=found[1]),
        source[0],
        flags=re.MULTILINE,
    )
    source[0] = re.sub("^%CARD: (\\S+) (\\d+) (.*)%$", _card, source[0], flags=re.MULTILINE)


def _draw(app):
    """The pictures of the methods' pages, unless they are there already."""
    import pictures

    folder = HERE / "generated" / "pictures"
    newest = max(path.stat().st_mtime for path in Path(smoothmin.__file__).parent.rglob("*.py"))
    newest = max(newest, Path(pictures.__file__).stat().st_mtime)
    drawn = list(folder.glob("*.png"))
    if len(drawn) < 2 * len(pictures.PICTURES) or min(p.stat().st_mtime for p in drawn) < newest:
        pictures.save_all(folder)


def _copy_notebooks(app):
    """The gallery's notebooks lie a folder above, where readers of the repository find them."""
    gallery = HERE / "gallery"
    gallery.mkdir(exist_ok=True)
    for path in sorted(HERE.parent.glob("*.ipynb")):
        shutil.copy(path, gallery / path.name)
    shutil.copytree(HERE.parent / "pictures", gallery / "pictures", dirs_exist_ok=True)


def _mathml(translator, node, display):
    """Mathematics as MathML; what the converter does not know is a warning."""
    text = convert(node.astext(), display=display)
    if re.search(r"<m[a-z]+>\\[a-zA-Z]", text):
        from sphinx.util.logging import getLogger

        getLogger(__name__).warning("not known in mathematics: %s", node.astext(), location=node)
    translator.body.append(text)
    from docutils.nodes import SkipNode

    raise SkipNode


def _signature(app, what, name, obj, options, signature, returned):
    """Settings that are no options are left out of methods' signatures."""
    if what == "class" and signature:
        signature = re.sub(r", \*, settings.*(?=\)$)", "", signature, flags=re.DOTALL)
    return signature, returned


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", _copy_notebooks)
    app.connect("builder-inited", _draw)
    app.connect("source-read", _fill)
    app.connect("autodoc-process-signature", _signature)
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(lambda self, node: _mathml(self, node, "inline"), None),
        block_renderers=(lambda self, node: _mathml(self, node, "block"), None),
    )
