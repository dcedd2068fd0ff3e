"""The page that the demo saves: a picture a problem, its table, where the time went."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

from smoothmin.demo.race import Racer

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 66rem; margin: auto;
  padding: 1rem 1.2rem; }
h1 { margin-bottom: 0; } h2 { margin: 2.4rem 0 .3rem; }
.wide { overflow-x: auto; }
img { width: 100%; min-width: 40rem; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 38rem; }
th, td { text-align: right; padding: .25rem .8rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.ours { font-weight: 600; }
.says { background: var(--soft); border-left: 4px solid #0072B2; padding: .6rem 1rem; }
code { font-size: .9em; }
"""

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>smoothmin's demo</title><style>$style</style></head><body>
<h1>smoothmin on real data</h1>
<p>Each problem is minimized from one start by smoothmin and by methods of SciPy with as many
evaluations of the function. Made in $seconds seconds by
<code>python -m smoothmin.demo</code>; the figures are in <a href="results.csv">results.csv</a>.</p>
$sections
</body></html>
""")

SECTION = Template("""<section id="$name"><h2>$title</h2>
<p>$text</p>
<div class="wide"><picture>
<source srcset="$name-dark.png" media="(prefers-color-scheme: dark)">
<img src="$name.png" alt="$alt"></picture></div>
<div class="wide"><table><thead><tr><th></th>$head</tr></thead>
<tbody>
$rows
</tbody></table></div>
<p class="says">$says</p></section>
""")


@dataclass(frozen=True)
class Section:
    """What the page tells of one problem.

    ``tables`` are the races with a word for each ("" for one alone), ``column`` a heading with
    the numbers below it, if the problem has one of its own.
    """

    name: str
    title: str
    text: str
    alt: str
    says: str
    tables: list[tuple[str, list[Racer]]]
    column: tuple[str, list[str]] | None = None

    def html(self) -> str:
        """The section as HTML."""
        heads = ["lowest value", "evaluations", "seconds", "of these in the function"]
        extra: Iterator[str] = iter(())
        if self.column is not None:
            heads.insert(1, self.column[0])
            extra = iter(self.column[1])
        rows = []
        for word, racers in self.tables:
            if word:
                rows.append(f'<tr><th colspan="{len(heads) + 1}">{html.escape(word)}</th></tr>')
            rows += [_row(racer, next(extra, None)) for racer in racers]
        return SECTION.substitute(
            name=self.name,
            title=html.escape(self.title),
            text=self.text,
            alt=html.escape(self.alt),
            says=self.says,
            head="".join(f"<th>{html.escape(head)}</th>" for head in heads),
            rows="\n".join(rows),
        )


def _row(racer: Racer, extra: str | None) -> str:
    share = f"{racer.inside / racer.seconds:.0%}" if racer.seconds else ""
    cells = [f"{racer.fun:.6g}", str(racer.nfev), f"{racer.seconds:.2f}", share]
    if extra is not None:
        cells.insert(1, extra)
    ours = ' class="ours"' if racer.name.startswith("smoothmin") else ""
    columns = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr{ours}><td>{html.escape(racer.name)}</td>{columns}</tr>"


def write(folder: Path, sections: list[Section], seconds: float) -> Path:
    """Write ``index.html``, the pictures' names being those of the sections."""
    path = folder / "index.html"
    body = "\n".join(section.html() for section in sections)
    text = PAGE.substitute(style=STYLE, sections=body, seconds=f"{seconds:.0f}")
    path.write_text(text, encoding="utf-8")
    return path
