# SPDX-License-Identifier: BSD-3-Clause
"""Claims about what the figures show."""

import dataclasses
import random
import re
import tempfile
import unittest
import xml.etree.ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import matplotlib
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Text

from plots.fencepost_plots import figures, latency, page, style, throughput
from plots.fencepost_plots.load import Dataset, load
from plots.tests import synthetic
from plots.tests.synthetic import Case


def _floor(workload: str = "workloada") -> Case:
    return Case("blackhole", workload, medium="none", durability="none")


def _svg_text(path: Path) -> str:
    root = xml.etree.ElementTree.parse(path).getroot()
    return "\n".join(
        t for node in root.iter() if node.tag.endswith("}text") for t in node.itertext()
    )


class FigureCase(unittest.TestCase):
    """A folder of its own for each test, and the fonts of the figures."""

    def setUp(self) -> None:
        matplotlib.use("agg")
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        context = matplotlib.rc_context(style.RC)
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def bench(self, cases: Sequence[Case]) -> tuple[dict[str, Any], Dataset]:
        document = synthetic.write_bench(self.folder / "bench", cases)
        return document, load([self.folder])

    def only(self, draw: Any, cases: Sequence[Case]) -> Any:
        pages = list(draw(self.bench(cases)[1]))
        self.assertEqual(len(pages), 1)
        return pages[0].figure

    def texts(self, figure: Any) -> str:
        return "\n".join(text.get_text() for text in figure.findobj(Text))


class FilesTest(FigureCase):
    def test_each_figure_is_a_png_and_an_svg_that_say_what_was_measured(self) -> None:
        cases = [_floor(), Case("cmap"), Case("lmdb"), Case("lmdb", medium="page-cache")]
        dataset = self.bench(cases)[1]
        names: set[str] = set()
        for row in figures.FIGURES:
            pages = list(row.draw(dataset))
            self.assertTrue(pages, row.name)
            png, svg = page.save(pages[0], self.folder / "figures")
            names.update((png.name, svg.name))
            self.assertEqual(png.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
            # Ink, not only a white page.
            self.assertGreater(matplotlib.image.imread(png)[..., :3].std(), 0.05)
            text = _svg_text(svg)
            for word in (
                "measured 2026-01-02",
                f"commit {synthetic.COMMIT[:12]}",
                synthetic.MACHINE.split()[0],
                "medium: tmpfs, page-cache",
                "durability: power-fail",
                "verify: stamp",
                "MEDIUM DIFFERS between panels",
                "cmap",
                "lmdb",
            ):
                self.assertIn(word, text, svg.name)
        self.assertIn("throughput-t1.png", names)
        self.assertIn("latency-workloada-read-t1.svg", names)
        self.assertIn("intervals-workloada-read-t1.svg", names)

    def test_same_data_gives_the_same_svg(self) -> None:
        files = []
        for name in ("one", "two"):
            dataset = self.bench([Case("cmap"), Case("lmdb")])[1]
            drawn = next(throughput.draw(dataset))
            files.append(page.save(drawn, self.folder / name)[1].read_bytes())
        self.assertEqual(files[0], files[1])

    def test_text_is_legible_and_inside_the_page(self) -> None:
        cases = [_floor()] + [
            Case(engine, medium=medium, durability=durability, partial=engine == "lmdb", lost=1)
            for engine in ("cmap", "filestore", "rocksdb", "lmdb", "an-engine-with-a-long-name")
            for medium, durability in (("tmpfs", "power-fail"), ("block", "process-crash"))
        ]
        dataset = self.bench(cases)[1]
        for row in figures.FIGURES:
            figure = next(row.draw(dataset)).figure
            self.assertIn(figure.get_size_inches()[0], (style.COLUMN_IN, style.PAGE_IN))
            figure.draw_without_rendering()
            boxes: dict[str, Any] = {}
            # Of the labels at ticks only those in sight count, which the axes know.
            ticks: set[Any] = set()
            for ax in figure.axes:
                boxes[ax.get_title(loc="left")] = ax.get_tightbbox()
                for axis in (ax.xaxis, ax.yaxis):
                    ticks.update(axis.get_ticklabels(which="both"))
            for text in set(figure.findobj(Text)):
                if text.get_text().strip() and text.get_visible():
                    self.assertGreaterEqual(text.get_fontsize(), 7, text.get_text())
                    if text not in ticks:
                        boxes[text.get_text()] = text.get_window_extent()
            whole = figure.bbox.padded(1)
            for name, box in boxes.items():
                inside = whole.x0 <= box.x0 and box.x1 <= whole.x1
                inside = inside and whole.y0 <= box.y0 and box.y1 <= whole.y1
                self.assertTrue(inside, f"{row.name}: {name!r} leaves the page")


class ThroughputTest(FigureCase):
    def _whiskers(self, figure: Any) -> list[tuple[float, float]]:
        bars = [c for ax in figure.axes for c in ax.containers if isinstance(c, ErrorbarContainer)]
        ends = [segment[:, 1] for bar in bars for segment in bar[2][0].get_segments()]
        return sorted((min(end), max(end)) for end in ends)

    def test_bars_and_whiskers_are_those_of_the_bench(self) -> None:
        cases = [Case(e, w) for e in ("cmap", "lmdb") for w in ("workloada", "workloadc")]
        document, dataset = self.bench(cases)
        figure = next(throughput.draw(dataset)).figure
        intervals = [cell["throughput_ops_per_s"] for cell in document["cells"]]
        heights = sorted(patch.get_height() for patch in figure.axes[0].patches)
        for height, expected in zip(heights, sorted(i["median"] for i in intervals), strict=True):
            self.assertAlmostEqual(height, expected, places=3)
        expected_ends = sorted((i["low"], i["high"]) for i in intervals)
        for got, expected in zip(self._whiskers(figure), expected_ends, strict=True):
            self.assertAlmostEqual(got[0], expected[0], places=3)
            self.assertAlmostEqual(got[1], expected[1], places=3)

    def test_too_few_repeats_have_no_whiskers(self) -> None:
        figure = self.only(throughput.draw, [Case("cmap", repeats=1)])
        self.assertEqual(self._whiskers(figure), [])
        self.assertIn("no intervals", self.texts(figure))

    def test_unequal_durability_never_shares_axes(self) -> None:
        cases = [Case("cmap"), Case("lmdb", durability="process-crash"), Case("rocksdb")]
        figure = self.only(throughput.draw, cases)
        titles = {ax.get_title(loc="left"): ax for ax in figure.axes}
        self.assertEqual(
            {title: len(ax.patches) for title, ax in titles.items()},
            {
                "medium: tmpfs · durability: power-fail": 2,
                "medium: tmpfs · durability: process-crash": 1,
            },
        )
        self.assertIn("DURABILITY DIFFERS between panels", self.texts(figure))

    def test_whatever_else_differs_is_in_the_titles(self) -> None:
        cases = [Case("cmap"), Case("cmap", verify="off"), Case("lmdb", open_loop=True)]
        figure = self.only(throughput.draw, cases)
        titles = " ".join(ax.get_title(loc="left").replace("\n", " ") for ax in figure.axes)
        self.assertIn("verify: off", titles)
        self.assertIn("verify: stamp", titles)
        self.assertIn("target: 1,000 operations/s", titles)

    def test_partial_failed_and_skipped_cells_are_marked(self) -> None:
        cases = [
            Case("cmap", skipped="engine is unordered"),
            Case("filestore", failed="disk full"),
            Case("rocksdb", partial=True),
            Case("lmdb", lost=1),
        ]
        text = self.texts(self.only(throughput.draw, cases))
        for word in ("skipped", "failed", "partial", "FAILED CHECK"):
            self.assertRegex(text, rf"(?m)^[\d.]*[kM]? ?{word}$")
        self.assertIn("PARTIAL, ended early: rocksdb workloada", text)
        self.assertIn("VERIFICATION FAILED: lmdb workloada", text)

    def test_relaxed_load_is_a_condition_of_its_own(self) -> None:
        cases = [Case("cmap", phase="load"), Case("lmdb", phase="load", relaxed_load=True)]
        figure = self.only(throughput.draw, cases)
        titles = [ax.get_title(loc="left") for ax in figure.axes]
        self.assertEqual(len(titles), 2)
        self.assertEqual(sum("load: relaxed" in title for title in titles), 1)

    def test_harness_limit_is_drawn_or_named(self) -> None:
        near = self.only(throughput.draw, [_floor(), Case("filestore"), Case("cmap", "workloadc")])
        lines = [line for line in near.axes[0].lines if line.get_color() == style.FLOOR_COLOR]
        self.assertEqual(len(lines), 1, "on a logarithmic axis the limit is a line")
        (self.folder / "bench" / "bench.json").unlink()
        far = self.only(throughput.draw, [_floor(), Case("cmap")])
        self.assertRegex(self.texts(far), r"limit [\d.]+M ↑")

    def test_loose_runs_of_other_settings_are_no_repeats(self) -> None:
        rng = random.Random(1)
        for name in ("a", "b"):
            synthetic.write_run(self.folder / name, Case("cmap"), 0, rng)
        self.assertEqual(len(load([self.folder]).cells), 1)
        manifest = self.folder / "b" / "manifest.json"
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text.replace("67108864", "1048576"), encoding="utf-8")
        figure = next(throughput.draw(load([self.folder]))).figure
        self.assertEqual(len(figure.axes), 2)
        self.assertIn("cache_bytes=1048576", self.texts(figure).replace("\n", " "))

    def test_each_number_of_threads_has_its_page(self) -> None:
        dataset = self.bench([Case("cmap", threads=t) for t in (1, 2, 8)])[1]
        names = [drawn.name for drawn in throughput.draw(dataset)]
        self.assertEqual(names, ["throughput-t1", "throughput-t2", "throughput-t8"])


class LatencyTest(FigureCase):
    def _line(self, figure: Any, label: str) -> Any:
        return next(line for line in figure.axes[0].lines if line.get_label() == label)

    def test_curve_holds_the_summary_and_the_floor(self) -> None:
        document, dataset = self.bench([_floor("workloadc"), Case("cmap", "workloadc", repeats=1)])
        figure = next(latency.draw(dataset)).figure
        line = self._line(figure, "cmap")
        run = load([self.folder]).cells[1].runs[0]
        points = dict(zip(line.get_xdata(), line.get_ydata()))
        curve = {p: ns for p, ns in run.summary["kinds"]["READ"]["curve_ns"]}
        for percentile, place in ((50, 2), (90, 10), (99, 100)):
            got = next(y for x, y in points.items() if abs(x - place) < 1e-6)
            self.assertEqual(got, curve[percentile])
        self.assertEqual(points[1_000_000.0], curve[100])
        self.assertEqual(figure.axes[0].get_xscale(), "log")
        self.assertEqual(figure.axes[0].get_yscale(), "log")
        self._line(figure, "blackhole")
        self.assertIn("harness floor (blackhole)", self.texts(figure))

    def test_floor_without_blackhole_is_the_mean_that_the_run_names(self) -> None:
        figure = self.only(latency.draw, [Case("cmap", "workloadc")])
        flat = [line for line in figure.axes[0].lines if list(line.get_ydata()) == [40.0, 40.0]]
        self.assertEqual(len(flat), 1)
        self.assertIn("harness floor (mean)", self.texts(figure))

    def test_percentiles_beyond_the_count_are_not_drawn(self) -> None:
        figure = self.only(latency.draw, [Case("cmap", "workloadc", operations=1000, repeats=1)])
        for line in figure.axes[0].lines:
            if line.get_label() == "cmap":
                self.assertLessEqual(max(line.get_xdata()), 1000)
        ticks = [t.get_text() for t in figure.axes[0].get_xticklabels()]
        self.assertNotIn("99.99", ticks)

    def test_open_loop_shows_response_time(self) -> None:
        figure = self.only(latency.draw, [Case("cmap", "workloadc", open_loop=True)])
        self.assertIn("response time, from the intended start", self.texts(figure))
        (self.folder / "bench" / "bench.json").unlink()
        figure = self.only(latency.draw, [Case("cmap", "workloadc")])
        self.assertNotIn("response time", self.texts(figure))


class StyleTest(unittest.TestCase):
    grey: ClassVar[dict[str, float]] = {}

    def test_fixed_looks_differ_without_colour(self) -> None:
        stored = [look for name, look in style.LOOKS.items() if name != style.FLOOR_ENGINE]
        for field in ("color", "marker", "dashes", "hatch"):
            values = [getattr(look, field) for look in stored]
            self.assertEqual(len(set(values)), len(values), field)

    def test_new_engines_get_a_look_of_their_own_that_stays(self) -> None:
        names = [f"engine{i}" for i in range(8)]
        looks = style.looks(["cmap", *names])
        self.assertEqual(list(looks)[0], "cmap")
        self.assertEqual(len({dataclasses.astuple(look) for look in looks.values()}), 9)
        self.assertEqual(style.looks([*reversed(names), "cmap"]), looks)
        self.assertEqual(len(style.looks(f"engine{i}" for i in range(40))), 40)

    def test_numbers_are_short(self) -> None:
        for value, text in ((0, "0"), (999.6, "1k"), (1234, "1.23k"), (2.5e7, "25M")):
            self.assertEqual(style.engineering(value), text)
        for value, text in ((40, "40 ns"), (999.9, "1 µs"), (2.5e6, "2.5 ms"), (1e9, "1 s")):
            self.assertEqual(style.duration(value), text)

    def test_file_names_are_portable(self) -> None:
        from plots.fencepost_plots.load import Subject

        name = page.subject_name("latency", Subject("a/b ü", "load", 4, "READ"), "-2")
        self.assertEqual(name, "latency-a-b---load-read-t4-2")
        self.assertTrue(re.fullmatch(r"[\w.-]+", name))


if __name__ == "__main__":
    unittest.main()
