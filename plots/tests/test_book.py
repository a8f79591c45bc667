# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the book's figures and page."""

from __future__ import annotations

import contextlib
import io
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

from plots.fencepost_plots import book_cli, book_injection, book_latency, book_page, book_paths
from plots.fencepost_plots import book_pyramid, book_tables, style
from plots.fencepost_plots.page import Page

from . import synthetic_book


def words(drawn: Page) -> str:
    """What the figure says outside of its panels, its lines joined."""
    return " ".join(text.get_text() for text in drawn.figure.texts).replace("\n", " ")


def drawn_lines(axes: Any) -> dict[str, dict[float, float]]:
    """The series of a panel by their colour."""
    return {
        line.get_color(): dict(zip(line.get_xdata(), line.get_ydata()))
        for line in axes.lines
        if line.get_marker() not in ("None", "", None)
    }


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

    def test_the_modelled_figure_says_what_was_asked_for_and_what_was_injected(self) -> None:
        drawn = book_latency.draw_modelled(book_tables.read(self.folder))
        said = words(drawn)
        self.assertIn("cmap get 500 ns → 550 ns, 500 ns → 550 ns", said)
        self.assertIn("cmap update 400 ns → 560 ns, 400 ns → 560 ns", said)
        self.assertIn("filestore, rocksdb: at most 1 % more than was asked for", said)
        self.assertIn("at most 3 ns where nothing was asked for", said)
        self.assertIn("so coarse is the injection itself", said)
        gets, _, updates, _ = drawn.figure.axes
        self.assertEqual([self.ringed(gets), self.ringed(updates)], [0, 2])

    @staticmethod
    def ringed(axes: Any) -> int:
        return sum(len(line.get_xdata()) for line in axes.lines if line.get_mfc() == "none")

    def test_an_injection_near_what_was_asked_for_is_not_called_coarse(self) -> None:
        rows = synthetic_book.tables()["latency"]
        for row in rows:
            if row["asked_ns"] == 400:
                row["injected_ns"] = 470
        synthetic_book.write(self.folder, {"latency": rows})
        book = book_tables.read(self.folder)
        self.assertNotIn("coarse", words(book_latency.draw_modelled(book)))
        self.assertEqual(book_injection.coarse_text(book["latency"]), "")

    def test_the_page_says_asked_for_injected_confidence_and_cold_pairs(self) -> None:
        self.run_main()
        text = (self.folder / "book.html").read_text(encoding="utf-8")
        self.assertIn("400 ns → 560 ns, 40 % more<", text)
        self.assertIn("the injection itself is that coarse: cmap update 40 % more.", text)
        self.assertIn("900 ns to 6 µs (75 %)", text)
        self.assertIn("none: counted", text)
        self.assertIn("Stores of 70 pairs of each size.", text)

    def test_a_footer_does_not_call_measured_what_is_modelled(self) -> None:
        said = words(book_latency.draw_modelled(book_tables.read(self.folder)))
        self.assertIn("run 2026-01-31", said)
        self.assertNotIn("measured 2026", said)

    def test_the_figure_says_the_pairs_of_first_gets(self) -> None:
        said = words(book_latency.draw_measured(book_tables.read(self.folder)))
        self.assertIn("1,000 pairs of each size; first gets: 70 pairs of each size", said)

    def test_whiskers_say_their_confidence(self) -> None:
        book = book_tables.read(self.folder)
        for drawn in book_latency.draw(book):
            self.assertIn("whiskers: 75 % interval of the median of 3 repeats", words(drawn))
        (legend,) = book_pyramid.draw(book).figure.legends
        self.assertIn("(bar: 98.8 % interval)", legend.get_texts()[0].get_text())

    def test_a_row_without_an_interval_takes_no_whisker_from_others(self) -> None:
        tables = synthetic_book.tables()
        bare = dict.fromkeys(("p50_low_ns", "p50_high_ns", "confidence"), "")
        for row in tables["latency"]:
            row.update(bare if row["value_bytes"] == 64 else {})
        tables["pyramid"][0].update(low_ns="", high_ns="", confidence="")
        synthetic_book.write(self.folder, tables)
        book = book_tables.read(self.folder)
        panel = book_latency.draw_measured(book).figure.axes[0]
        bars = [one for one in panel.containers if one.has_yerr]
        self.assertEqual([len(bar[2][0].get_segments()) for bar in bars], [1] * 4)
        book_pyramid.draw(book)
        for row in tables["latency"]:
            row.update(bare)
        synthetic_book.write(self.folder, tables)
        self.assertIn(
            "no whiskers", words(book_latency.draw_measured(book_tables.read(self.folder)))
        )

    def test_the_line_of_storage_is_what_the_device_read(self) -> None:
        book = book_tables.read(self.folder)
        _, moved = book_paths.draw(book)
        looks = style.looks(book_paths.ENGINES)
        lines = drawn_lines(moved.figure.axes[1])
        self.assertEqual(lines[looks["lmdb"].color], {64: 45056, 4096: 45056})
        self.assertEqual(lines[looks["cmap"].color], {64: 4 * 64, 4096: 67 * 64})
        self.assertEqual(lines[looks["rocksdb"].color][4096], 4096)
        self.assertIn("nothing, all read at opening: rocksdb 64 B", words(moved))

    def test_what_a_get_touches_in_memory_is_a_column_of_its_own(self) -> None:
        table = xml.etree.ElementTree.fromstring(book_page.moved(book_tables.read(self.folder)))
        head, *rows = [[cell.text for cell in row] for row in table.iter("tr")]
        self.assertEqual(
            head[3:],
            [
                "get: read from the device",
                "get: copied by read calls",
                "get: touched in mapped memory",
            ],
        )
        found = {(row[0], row[1]): row[3:] for row in rows}
        self.assertEqual(found["lmdb", "64"], ["45,056", "–", "256"])
        self.assertEqual(found["rocksdb", "64"], ["0: read at opening", "4,096", "–"])
        self.assertEqual(found["cmap", "64"], ["no device", "–", "256"])

    def test_a_size_without_a_cold_get_is_said_and_not_drawn(self) -> None:
        rows = [
            row
            for row in synthetic_book.tables()["paths"]
            if (row["engine"], row["phase"], row["value_bytes"]) != ("lmdb", "get-cold", 64)
        ]
        synthetic_book.write(self.folder, {"paths": rows})
        book = book_tables.read(self.folder)
        self.assertIsNone(book_paths.bytes_read(book, "lmdb", 64))
        self.assertIn("not measured: lmdb 64 B", words(book_paths.draw(book)[1]))

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
