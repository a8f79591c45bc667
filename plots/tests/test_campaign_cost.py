# SPDX-License-Identifier: BSD-3-Clause
"""Claims about the figure of what dividing an exploration costs."""

import contextlib
import csv
import io
import tempfile
import unittest
from pathlib import Path

from plots.fencepost_plots import campaign_cost


def rows() -> list[dict[str, str]]:
    """What campaign_cost.sh leaves, in small."""
    made = []
    for engine in ("filestore", "cmap"):
        for shards in (1, 16, 64):
            numbers = ("10", str(shards), "3", "5.0", "5.2", "5.1", "5.4", "0.04", "0.1")
            row = (engine, *numbers, str(1000 * shards), "99", "2026-11-30T02:00:00Z", "ab", "vm")
            made.append(dict(zip(campaign_cost.COLUMNS, row)))
    return made


class CampaignCostTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def run_on(self, made: list[dict[str, str]]) -> tuple[int, str, str]:
        with (self.root / campaign_cost.NAME).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, campaign_cost.COLUMNS)
            writer.writeheader()
            writer.writerows(made)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = campaign_cost.main([str(self.root)])
        return code, out.getvalue(), err.getvalue()

    def test_png_and_svg_are_drawn(self) -> None:
        code, out, err = self.run_on(rows())
        self.assertEqual(code, 0, err)
        self.assertEqual(
            sorted(Path(line).name for line in out.splitlines()),
            ["campaign-cost.png", "campaign-cost.svg"],
        )
        for line in out.splitlines():
            self.assertGreater(Path(line).stat().st_size, 1000)

    def test_what_cannot_be_drawn_is_one_line(self) -> None:
        for column, value, says in (
            ("merge_s", "0", "merge_s, line 3: '0' is not above 0"),
            ("whole_s", "x", "whole_s, line 3: 'x' is no number"),
            ("shards", "1", "there twice"),
        ):
            made = rows()
            made[1][column] = value
            code, _, err = self.run_on(made)
            self.assertEqual(code, 2)
            self.assertEqual(len(err.splitlines()), 1)
            self.assertIn(says, err)
        code, _, err = self.run_on([])
        self.assertEqual((code, len(err.splitlines())), (2, 1))


if __name__ == "__main__":
    unittest.main()
