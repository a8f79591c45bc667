# SPDX-License-Identifier: BSD-3-Clause
"""Claims about the figure of what campaigns cost, its table, and the command that draws it."""

import contextlib
import io
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.text import Text

from plots.fencepost_plots import crash_cost, crash_cost_cli, crash_cost_table, page, style
from plots.fencepost_plots.schema import BadInput
from plots.tests import synthetic, synthetic_crash_cost
from plots.tests.synthetic_crash_cost import Row, row, rows
from plots.tests.test_figures import FigureCase, _svg_text

_PLOTS = Path(__file__).resolve().parents[1]


class CostFigureTest(FigureCase):
    def draw(self, made: list[Row]) -> page.Page:
        path = synthetic_crash_cost.write(self.folder, made)
        return crash_cost.draw(crash_cost_table.read(path))

    def series(self, axes: Any, depth: int) -> dict[float, float]:
        """Size to height, of the line of a depth."""
        color = crash_cost._LOOKS[depth].color
        (line,) = [x for x in axes.lines if x.get_color() == color and x.get_linestyle() != "None"]
        return dict(zip(line.get_xdata(), line.get_ydata()))

    def hollow(self, axes: Any) -> list[tuple[float, float]]:
        marks = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
        return [point for line in marks for point in zip(line.get_xdata(), line.get_ydata())]

    def test_each_number_of_the_table_is_where_its_axes_say(self) -> None:
        made = rows()
        grid = self.draw(made).figure.axes
        self.assertEqual(len(grid), 6)
        for i, varied in enumerate(crash_cost_table.VARIED):
            for axes, column in zip(grid[2 * i : 2 * i + 2], ("recoveries", "wall_s")):
                self.assertEqual((axes.get_xscale(), axes.get_yscale()), ("log", "log"))
                for depth in (1, 2):
                    expected = {
                        entry["size"]: entry[column]
                        for entry in made
                        if (entry["varied"], entry["depth"]) == (varied, depth)
                    }
                    self.assertEqual(self.series(axes, depth), expected, (varied, column))
        self.assertIn("recoveries", grid[0].get_ylabel())
        self.assertIn("seconds", grid[1].get_ylabel())

    def test_a_campaign_that_was_cut_is_hollow_and_no_other_is(self) -> None:
        made = rows()
        grid = self.draw(made).figure.axes
        (cut,) = [entry for entry in made if entry["rounds_cut"]]
        self.assertEqual(self.hollow(grid[0]), [(cut["size"], cut["recoveries"])])
        self.assertEqual(self.hollow(grid[1]), [(cut["size"], cut["wall_s"])])
        self.assertEqual([self.hollow(axes) for axes in grid[2:]], [[]] * 4)
        self.assertIn("ended by the time limit", self.texts(grid[0].figure))
        cut["rounds_cut"] = 0
        figure = self.draw(made).figure
        self.assertEqual([self.hollow(axes) for axes in figure.axes], [[]] * 6)
        self.assertNotIn("time limit", self.texts(figure))

    def test_whiskers_only_where_there_are_rounds(self) -> None:
        for rounds, count in ((1, 0), (3, 2)):
            figure = self.draw(rows(rounds)).figure
            self.assertEqual([len(axes.containers) for axes in figure.axes], [count] * 6)
            said = "medians of 3 campaigns; whiskers" if rounds > 1 else "one campaign each"
            self.assertIn(said, self.texts(figure).replace("\n", " "))

    def test_what_was_not_measured_has_no_panel(self) -> None:
        figure = self.draw([row("threads", size, 1) for size in (1, 2)]).figure
        self.assertEqual(len(figure.axes), 2)
        self.assertIn("schedules: 2", self.texts(figure))
        self.assertIn("one thread has one schedule only", self.texts(figure))

    def test_files_say_what_was_measured_where(self) -> None:
        png, svg = page.save(self.draw(rows()), self.folder / "figures")
        self.assertGreater(matplotlib.image.imread(png)[..., :3].std(), 0.05)
        text = _svg_text(svg)
        for word in (
            "measured 2026-01-02",
            f"commit {synthetic.COMMIT[:12]}",
            synthetic.MACHINE.split()[0],
            "cmap under crash-mixed",
            "strategy reads",
            "depth 1: one crash",
            "depth 2: recoveries crashed in turn",
            "values of 16 to 400 B",
            "10 operations",
            "limit of exploring: 45 s",
        ):
            self.assertIn(word, text)

    def test_same_data_gives_the_same_svg(self) -> None:
        files = [page.save(self.draw(rows()), self.folder / name)[1] for name in ("one", "two")]
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())

    def test_text_is_legible_and_inside_the_page(self) -> None:
        figure = self.draw(rows(3)).figure
        figure.draw_without_rendering()
        ticks = {
            label
            for axes in figure.axes
            for axis in (axes.xaxis, axes.yaxis)
            for label in axis.get_ticklabels(which="both")
        }
        whole = figure.bbox.padded(1)
        for text in set(figure.findobj(Text)) - ticks:
            if text.get_text().strip():
                self.assertGreaterEqual(text.get_fontsize(), style.SMALL_PT)
                box = text.get_window_extent()
                inside = whole.x0 <= box.x0 and box.x1 <= whole.x1
                inside = inside and whole.y0 <= box.y0 and box.y1 <= whole.y1
                self.assertTrue(inside, text.get_text())

    def test_arrows_of_what_was_cut_are_inside_their_panel(self) -> None:
        for size in (2, 4, 1000):
            made = [row("threads", 1, 1), row("threads", size, 2, cut=1), row("threads", 3, 2)]
            figure = self.draw(made).figure
            figure.draw_without_rendering()
            found = [(axes, text) for axes in figure.axes for text in axes.texts]
            self.assertEqual(len(found), 2)
            for axes, arrow in found:
                tip = arrow.arrow_patch.get_window_extent()
                self.assertLessEqual(tip.y1, axes.bbox.y1 + 1, size)

    def test_axis_labels_are_no_longer_than_their_panel(self) -> None:
        figure = self.draw(rows()).figure
        figure.draw_without_rendering()
        for axes in figure.axes:
            label = axes.yaxis.label.get_window_extent()
            self.assertLessEqual(label.height, axes.bbox.height, axes.get_ylabel())


class CostTableTest(FigureCase):
    def rejected(self, made: list[Row], words: str) -> None:
        path = synthetic_crash_cost.write(self.folder, made)
        with self.assertRaisesRegex(BadInput, words) as got:
            crash_cost_table.read(path)
        self.assertNotIn("\n", str(got.exception))

    def test_wrong_values_are_located(self) -> None:
        for column, value, words in (
            ("varied", "colour", "varied, line 3: 'colour' is not in operations"),
            ("depth", 3, "depth, line 3: '3' is neither 1 nor 2"),
            ("size", 0, "size, line 3: '0' is not above 0"),
            ("wall_s", "", "wall_s, line 3: '' is no number"),
            ("recoveries", "many", "recoveries, line 3: 'many' is no number"),
            ("recoveries_max", 1, "recoveries, line 3: '185' is not from recoveries_min"),
            ("wall_min_s", 1e6, "wall_s, line 3: .* is not from wall_min_s to wall_max_s"),
        ):
            made = [row("operations", 1, 1), row("operations", 5, 1)]
            made[1][column] = value
            self.rejected(made, f"crash_cost.csv: {words}")

    def test_no_row_and_two_of_one_campaign_are_errors(self) -> None:
        self.rejected([], "no campaign was measured")
        self.rejected([row("threads", 2, 1), row("threads", 2, 1)], "size, line 3: '2' is there")


class CostCommandTest(FigureCase):
    def run_main(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = crash_cost_cli.main(list(arguments))
        return code, out.getvalue(), err.getvalue()

    def test_draws_into_figures_of_the_folder_and_names_the_files(self) -> None:
        synthetic_crash_cost.write(self.folder, rows())
        files = [self.folder / "figures" / f"crash-cost.{kind}" for kind in ("png", "svg")]
        self.assertEqual(
            self.run_main(str(self.folder)), (0, "".join(f"{path}\n" for path in files), "")
        )
        self.assertEqual(sorted((self.folder / "figures").iterdir()), files)

    def test_bad_input_is_one_line_and_no_figure(self) -> None:
        for folder, words in (
            (self.folder / "nowhere", "no such folder"),
            (self.folder, "No such"),
        ):
            code, _, err = self.run_main(str(folder))
            self.assertEqual((code, err.count("\n")), (2, 1), err)
            self.assertIn(words, err)
        (self.folder / crash_cost_table.NAME).write_text("a,b\n1,2\n", encoding="utf-8")
        code, _, err = self.run_main(str(self.folder))
        self.assertEqual((code, err.count("\n")), (2, 1), err)
        self.assertIn("crash_cost.csv: header: expected varied,size,depth", err)
        self.assertFalse((self.folder / "figures").exists())

    def test_program_runs_from_anywhere(self) -> None:
        synthetic_crash_cost.write(self.folder, rows())
        program = [sys.executable, str(_PLOTS / "crash_cost.py"), str(self.folder)]
        done = subprocess.run(program, cwd="/", capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("crash-cost.png\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
