# SPDX-License-Identifier: BSD-3-Clause
"""Claims about the figure of media models against what was published, and its command."""

import contextlib
import io
import json
import unittest
from typing import Any

from plots.fencepost_plots import media_fit, media_fit_cli, schema
from plots.tests.test_figures import FigureCase


def _series(table: str, name: str, held_out: bool, points: list[tuple[int, float, float]]) -> Any:
    errors = sorted(abs(modelled / published - 1) for _, published, modelled in points)
    return {
        "table": table,
        "series": name,
        "held_out": held_out,
        "x_unit": "threads" if table.startswith("04") else "bytes",
        "unit": "GB/s",
        "median_error": errors[len(errors) // 2],
        "largest_error": errors[-1],
        "points": [{"x": x, "published": p, "modelled": m} for x, p, m in points],
    }


def document() -> dict[str, Any]:
    return {
        "schema": "fencepost.media_fit/1",
        "source": "nobody, 2026",
        "goal_error": 0.1,
        "series": [
            _series("04_ni", "read", False, [(1, 2.0, 2.0), (2, 4.0, 4.4)]),
            _series("05_ni", "clwb", True, [(64, 1.0, 1.05), (128, 2.0, 3.0), (256, 4.0, 4.1)]),
        ],
    }


class MediaFitTest(FigureCase):
    def test_the_made_up_document_is_valid(self) -> None:
        self.assertEqual(schema.violations("media_fit", document()), [])

    def test_marks_are_published_and_lines_are_modelled(self) -> None:
        figure = media_fit.draw(document()).figure
        marks, line = figure.axes[1].lines
        self.assertEqual(marks.get_linestyle(), "None")
        self.assertEqual(list(marks.get_ydata()), [1.0, 2.0, 4.0])
        self.assertEqual(list(line.get_ydata()), [1.05, 3.0, 4.1])

    def test_it_says_what_is_held_out_and_how_much_of_it_is_near(self) -> None:
        text = self.texts(media_fit.draw(document()).figure)
        self.assertIn("held out: 2 of 3 points within 10%", text)
        self.assertIn("fitted, median error", text)
        self.assertIn("held out, median error 5%", text)
        self.assertIn("lines modelled", text)

    def test_the_command_draws_beside_the_file(self) -> None:
        path = self.folder / "fit.json"
        path.write_text(json.dumps(document()), encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(media_fit_cli.main([str(path)]), 0)
        self.assertIn("media-fit.png", out.getvalue())
        self.assertTrue((self.folder / "figures" / "media-fit.svg").is_file())

    def test_what_is_no_fit_is_refused_in_one_line(self) -> None:
        path = self.folder / "fit.json"
        path.write_text('{"schema": "fencepost.media_fit/1"}', encoding="utf-8")
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(media_fit_cli.main([str(path)]), 2)
        self.assertEqual(err.getvalue().count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
