# SPDX-License-Identifier: BSD-3-Clause
"""The pages that scripts/docs.sh makes: every link in them leads to a file, and to an anchor in it.

Exits 77 (skipped) where there is no python3-markdown-it.
"""

import importlib.util
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
SKIPPED = 77


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tables = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tables += tag == "table"
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.ids.add(value or "")


class DocsTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = Path(directory.name)

    def build(self, root: Path) -> tuple[int, str]:
        command = [sys.executable, str(SCRIPTS / "docs.py"), str(root), str(self.folder / "out")]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_every_link_of_every_page_leads_somewhere(self) -> None:
        status, output = self.build(SCRIPTS.parent)
        self.assertEqual(status, 0, output)
        pages = {
            path.resolve(): Page(path.read_text(encoding="utf-8"))
            for path in (self.folder / "out").rglob("*.html")
        }
        self.assertGreater(len(pages), 12)
        for path, page in pages.items():
            for link in page.links:
                if link.startswith("https:"):
                    continue
                name, _, anchor = link.partition("#")
                there = (path.parent / name).resolve() if name else path
                self.assertTrue(there.is_file(), f"{path.name}: {link}")
                if anchor and there.suffix == ".html":
                    self.assertIn(anchor, pages[there].ids, f"{path.name}: {link}")
        # In a list, too, where a table is not set in by four.
        self.assertGreater(sum(page.tables for page in pages.values()), 30)

    def test_what_a_page_says_is_text(self) -> None:
        (self.folder / "README.md").write_text("# A <b> & `c`\n", encoding="utf-8")
        self.assertEqual(self.build(self.folder)[0], 0)
        text = (self.folder / "out/README.html").read_text(encoding="utf-8")
        self.assertIn("<title>A &lt;b&gt; &amp; c</title>", text)

    def test_a_link_that_leads_nowhere_is_refused(self) -> None:
        (self.folder / "README.md").write_text("[a](../b.md)\n", encoding="utf-8")
        self.assertEqual(self.build(self.folder)[0], 2)
        (self.folder / "README.md").write_text("[a](b.md)\n", encoding="utf-8")
        status, output = self.build(self.folder)
        self.assertEqual((status, output), (2, "docs.py: README.md: leads nowhere: b.md\n"))


if __name__ == "__main__":
    if importlib.util.find_spec("markdown_it") is None:
        print("skipped: python3-markdown-it is not installed (scripts/setup.sh dev)")
        sys.exit(SKIPPED)
    unittest.main()
