"""Every link and picture inside the built pages leads somewhere: ``check_links.py DIRECTORY``."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the places in it that links may lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        here = dict(attributes)
        self.places |= {here[key] for key in ("id", "name") if here.get(key)}
        for key in ("href", "src"):
            if tag in ("a", "img", "link", "script", "source") and here.get(key):
                self.links.append(here[key])


def broken(folder):
    """Pages with the links of theirs that lead nowhere."""
    pages = {
        path.resolve(): Page(path) for path in folder.rglob("*.html") if "_static" not in path.parts
    }
    for path, page in pages.items():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                continue
            there = (path.parent / unquote(target.path)).resolve() if target.path else path
            missing = (
                target.fragment
                and there in pages
                and (unquote(target.fragment) not in pages[there].places)
            )
            if not there.exists() or missing:
                yield path.relative_to(folder.resolve()), link


if __name__ == "__main__":
    found = list(broken(Path(sys.argv[1])))
    for page, link in found:
        print(f"{page}: {link} leads nowhere")
    sys.exit(bool(found))
