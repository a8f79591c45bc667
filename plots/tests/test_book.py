# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the book's figures and page."""

from __future__ import annotations

import contextlib
import io
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

from plots.fencepost_plots import book_cli, book_paths, book_tables

from . import synthetic_book


class BookTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        synthetic_book.write(self.folder)

    def run_main(self) -> tuple[int, str]:
        error = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(error):
            code = book_cli.main([str(self.folder)])
        return code, error.getvalue()

    def assert_one_line_and_2(self, part: str) -> None:
        code, error = self.run_main()
        self.assertEqual(code, 2, error)
        self.assertEqual(len(error.splitlines()), 1, error)
        self.assertIn(part, error)

    def test_every_figure_and_the_page_are_made(self) -> None:
        self.assertEqual(self.run_main(), (0, ""))
        names = {path.name for path in (self.folder / "figures").iterdir()}
        for name in (
            "pyramid",
            "data-paths",
            "bytes-moved",
            "performance",
            "performance-modelled",
        ):
            self.assertLessEqual({f"{name}.png", f"{name}.svg"}, names)

    def test_the_page_is_well_formed_escapes_and_needs_no_network(self) -> None:
        self.run_main()
        text = (self.folder / "book.html").read_text(encoding="utf-8")
        root = xml.etree.ElementTree.fromstring(text.split("\n", 1)[1])
        self.assertIn("two &lt;b&gt;", text)
        self.assertNotIn("two <b>", text)
        links = [value for one in root.iter() for name, value in one.items() if "href" in name]
        self.assertFalse([link for link in links if link.startswith(("http", "//"))])
        self.assertEqual(len([one for one in root.iter() if one.tag.endswith("}svg")]), 5)

    def test_names_of_one_figure_are_not_those_of_another(self) -> None:
        self.run_main()
        text = (self.folder / "book.html").read_text(encoding="utf-8")
        root = xml.etree.ElementTree.fromstring(text.split("\n", 1)[1])
        names = [one.get("id") for one in root.iter() if one.get("id")]
        self.assertEqual(len(names), len(set(names)))

    def test_what_is_not_modelled_has_no_figure_of_it(self) -> None:
        rows = [row for row in synthetic_book.tables()["latency"] if row["kind"] == "measured"]
        synthetic_book.write(self.folder, {"latency": rows})
        self.assertEqual(self.run_main(), (0, ""))
        self.assertFalse((self.folder / "figures" / "performance-modelled.svg").exists())
        text = (self.folder / "book.html").read_text(encoding="utf-8")
        self.assertIn("Modelled</b>: nothing", text)

    def test_each_verdict_is_a_word_on_the_page(self) -> None:
        self.run_main()
        text = (self.folder / "book.html").read_text(encoding="utf-8")
        for word in ("✓ holds", "✗ does not", "– not testable here", "Modelled</b>: what says so"):
            self.assertIn(word, text)

    def test_the_arrows_say_what_was_counted(self) -> None:
        book = book_tables.read(self.folder)
        put = book.path("filestore", "put", 64)
        cold, steps = book.path("filestore", "get-cold", 64), book.path("filestore", "get-step", 64)
        assert put and cold and steps
        self.assertEqual(book_paths.put_labels(put)[1], "1 write call, 1 sync\n64 B copied")
        self.assertEqual(book_paths.put_labels(put)[2], "1 block written,\n4,096 B")
        self.assertEqual(book_paths.get_labels(cold, steps)[1], "1 read call\n4,096 B copied")
        flushed = book.path("cmap", "put", 4096)
        assert flushed
        self.assertEqual(book_paths.bytes_written(flushed), 65 * 64)

    def test_a_table_that_is_not_there_is_named(self) -> None:
        (self.folder / "paths.csv").unlink()
        self.assert_one_line_and_2("paths.csv: No such file")

    def test_a_column_that_is_not_there_is_named(self) -> None:
        rows = [{"point": "l1", "label": "L1"}]
        synthetic_book.write(self.folder, {"pyramid": rows})
        self.assert_one_line_and_2("pyramid.csv: no column kind")

    def test_a_number_that_is_none_is_named(self) -> None:
        rows = synthetic_book.tables()["cold"]
        rows[1]["cold_ns"] = "fast"
        synthetic_book.write(self.folder, {"cold": rows})
        self.assert_one_line_and_2("cold.csv: cold_ns, line 3: 'fast'")

    def test_an_empty_table_is_named(self) -> None:
        path = self.folder / "claims.csv"
        path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
        self.assert_one_line_and_2("claims.csv: no row")

    def test_a_row_cut_short_is_named(self) -> None:
        path = self.folder / "cold.csv"
        path.write_text(path.read_text(encoding="utf-8") + "cmap\n", encoding="utf-8")
        self.assert_one_line_and_2("not as many fields")


if __name__ == "__main__":
    unittest.main()
