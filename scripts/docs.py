# SPDX-License-Identifier: BSD-3-Clause
"""Markdown pages of the tree as HTML: README.md and all that can be reached from it by links.

A link to another page leads to its HTML, one to any other file to a copy of it; what leads nowhere
is an error (the linter scripts/lint/check_links.py finds it first).

Usage: docs.py ROOT OUT
"""

from __future__ import annotations

import html
import posixpath
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

START = "README.md"
NETWORK = re.compile(r"^[a-z]+:")
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
pre, .wide { overflow-x: auto; }
pre { padding: .7rem 1rem; border-left: 3px solid #8888; background: #8881; font-size: .82rem; }
code { font-family: ui-monospace, monospace; font-size: .92em; }
p code, li code, td code { overflow-wrap: anywhere; }
pre code { font-size: inherit; }
table { border-collapse: collapse; font-size: .88rem; margin: 1rem 0; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .8rem .3rem 0; text-align: left; }
th, td { vertical-align: top; }
img { max-width: 100%; background: #fff; }
@media print { body { max-width: none; font-size: 10pt; } }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<nav><a href="{home}">Fencepost</a> / <a href="{index}">documentation</a></nav>
{body}
</body>
</html>
"""


class BadLink(Exception):
    """A link of a page that cannot be followed."""


def anchor_of(heading: str) -> str:
    """As scripts/lint/check_links.py has it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def html_name(path: str) -> str:
    return path.removesuffix(".md") + ".html"


class Site:
    def __init__(self, root: Path, out: Path) -> None:
        self._root = root
        self._out = out
        self._markdown = MarkdownIt("commonmark").enable("table")
        self._waiting = [START]
        self._seen = {START}

    def build(self) -> int:
        """The number of pages."""
        pages = 0
        while self._waiting:
            path = self._waiting.pop()
            if path.endswith(".md"):
                self._page(path)
                pages += 1
            else:
                target = self._out / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._root / path, target)
        return pages

    def _page(self, path: str) -> None:
        tokens = self._markdown.parse((self._root / path).read_text(encoding="utf-8"))
        title = path
        for i, token in enumerate(tokens):
            if token.type == "heading_open":
                text = "".join(child.content for child in tokens[i + 1].children or [])
                token.attrSet("id", anchor_of(text))
                if token.tag == "h1":
                    title = text
            for child in token.children or []:
                self._lead(path, child)
        here = posixpath.dirname(path)
        body = self._markdown.renderer.render(tokens, self._markdown.options, {})
        body = body.replace("<table>", '<div class="wide"><table>')
        body = body.replace("</table>", "</table></div>")
        text = PAGE.format(
            title=html.escape(title),
            style=STYLE,
            home=posixpath.relpath(html_name(START), here or "."),
            index=posixpath.relpath("docs/README.html", here or "."),
            body=body,
        )
        target = self._out / html_name(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def _lead(self, path: str, token: Token) -> None:
        """Makes a link lead to where its target will be, and its target be there."""
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is None:
            return
        target, mark, anchor = str(token.attrGet(name) or "").partition("#")
        if not target or NETWORK.match(target):
            return
        there = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target)))
        if (self._root / there).is_dir():
            raise BadLink(f"{path}: a folder, which has no page: {target}")
        if there.startswith("..") or not (self._root / there).is_file():
            raise BadLink(f"{path}: leads nowhere: {target}")
        if there not in self._seen:
            self._seen.add(there)
            self._waiting.append(there)
        if target.endswith(".md"):
            token.attrSet(name, html_name(target) + mark + anchor)


def main() -> None:
    root, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    try:
        pages = Site(root, out).build()
    except BadLink as wrong:
        print(f"docs.py: {wrong}", file=sys.stderr)
        sys.exit(2)
    print(f"{pages} pages: {out / html_name(START)}")


if __name__ == "__main__":
    main()
