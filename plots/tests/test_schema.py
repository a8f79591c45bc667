# SPDX-License-Identifier: BSD-3-Clause
"""Claims about results/schema and the reader that enforces it."""

import copy
import json
import random
import re
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plots.fencepost_plots import crash_cost_table, schema, timeline
from plots.tests import synthetic, synthetic_comparison, synthetic_crash


_MISSING = ("violations", 0, "missing", 0)


def _schema(document: str) -> Any:
    return json.loads((schema.SCHEMA_DIR / f"{document}.schema.json").read_text(encoding="utf-8"))


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every object schema that lists its fields, but for the conditions of "if"."""
    if isinstance(node, dict):
        if "properties" in node and "additionalProperties" in node:
            yield node
        for key, value in node.items():
            if key not in ("if", "then"):
                yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


def _filled(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document whose fields the schema lists."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key != "properties":
                yield from _filled(value)
    elif isinstance(node, list):
        for value in node:
            yield from _filled(value)


def _documents() -> dict[str, dict[str, Any]]:
    case = synthetic.Case("cmap", open_loop=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = synthetic.write_bench(Path(folder) / "bench", [case])
    return {
        "manifest": synthetic.manifest(case, "run", 1),
        "summary": synthetic.summary(case, "run", 0, random.Random(1)),
        "bench": bench,
        "comparison": synthetic_comparison.paired(),
        "crash": synthetic_crash.report("violated", synthetic_crash.three_lines()),
    }


class SchemaTest(unittest.TestCase):
    def setUp(self) -> None:
        self.documents = _documents()

    def test_made_up_documents_are_valid(self) -> None:
        for name, document in self.documents.items():
            self.assertEqual(schema.violations(name, document), [], name)

    def test_a_modelled_medium_has_the_charges_of_its_kind(self) -> None:
        def modelled(medium: str) -> dict[str, Any]:
            case = synthetic.Case("filestore", medium=f"{medium}-modelled")
            return synthetic.summary(case, "run", 0, random.Random(1))

        memory, files = modelled("optane"), modelled("nand-ssd")
        for document in (memory, files, modelled("optane-ssd")):
            self.assertEqual(schema.violations("summary", document), [])
        # A device has no lines, and a memory no syncs.
        self.assertNotEqual(
            schema.violations(
                "summary", {**files, "injection": {**memory["injection"], "model": "nand-ssd"}}
            ),
            [],
        )
        self.assertNotEqual(
            schema.violations(
                "summary", {**memory, "injection": {**files["injection"], "model": "optane"}}
            ),
            [],
        )

    def test_an_unpaired_comparison_is_valid(self) -> None:
        self.assertEqual(schema.violations("comparison", synthetic_comparison.unpaired()), [])

    def test_every_field_is_described_and_required(self) -> None:
        for name in schema.DOCUMENTS:
            for node in _objects(_schema(name)):
                for field, value in node["properties"].items():
                    self.assertTrue(value.get("description"), f"{name}: {field}")
                if node["additionalProperties"] is False:
                    self.assertEqual(sorted(node["required"]), sorted(node["properties"]))

    def test_readme_names_every_field(self) -> None:
        readme = (schema.SCHEMA_DIR.parent / "README.md").read_text(encoding="utf-8")
        for name in schema.DOCUMENTS:
            for node in _objects(_schema(name)):
                for field in node["properties"]:
                    self.assertTrue(re.search(rf"[`.]{field}[`.]", readme), f"{name}: {field}")
        for column in (*timeline.COLUMNS, *crash_cost_table.COLUMNS):
            self.assertIn(f"`{column}`", readme)

    def test_each_missing_field_is_named(self) -> None:
        for name, document in self.documents.items():
            for field in document:
                broken = copy.deepcopy(document)
                del broken[field]
                found = schema.violations(name, broken)
                self.assertEqual(found, [f"document: '{field}' is a required property"])

    def test_unknown_field_is_an_error_at_any_depth(self) -> None:
        summary = self.documents["summary"]
        for node in (summary, summary["process"], summary["kinds"]["READ"]["latency_ns"]):
            node["surprise"] = 1
            self.assertIn("'surprise' was unexpected", schema.violations("summary", summary)[0])
            del node["surprise"]

    def test_wrong_values_are_located(self) -> None:
        wrong: list[tuple[str, list[Any], Any, str]] = [
            ("summary", ["kinds", "READ", "latency_ns", "p50"], "9", "kinds.READ.latency_ns.p50"),
            ("summary", ["kinds", "READ", "response_ns", "max"], -1, "kinds.READ.response_ns.max"),
            ("summary", ["kinds", "READ", "curve_ns", 0], [101, 1], "kinds.READ.curve_ns[0][0]"),
            ("summary", ["kinds", "READ", "curve_ns", 0], [1, 1, 1], "kinds.READ.curve_ns[0]"),
            ("summary", ["medium"], "floppy", "medium"),
            ("summary", ["trace_hash"], "xyz", "trace_hash"),
            ("summary", ["operations"], 1.5, "operations"),
            ("manifest", ["created_utc"], "yesterday", "created_utc"),
            ("manifest", ["schema"], "fencepost.manifest/2", "schema"),
            ("manifest", ["machine", "cpus"], 0, "machine.cpus"),
            ("bench", ["cells", 0, "throughput_ops_per_s"], None, "cells[0].throughput_ops_per_s"),
            ("bench", ["cells", 0, "repeats", 0], "../x", "cells[0].repeats[0]"),
            ("bench", ["noise", "before", "rounds"], 0, "noise.before.rounds"),
            ("comparison", ["cells", 0, "paired", "verdict"], "so-so", "cells[0].paired.verdict"),
            ("comparison", ["paired_settings", "alpha"], 1, "paired_settings.alpha"),
            ("crash", ["schema"], "fencepost.crash/2", "schema"),
            ("crash", ["subject", "durability"], "hopefully", "subject.durability"),
            ("crash", ["settings", "shards"], 0, "settings.shards"),
            ("crash", ["explored", "log10_raw_states"], "many", "explored.log10_raw_states"),
            ("crash", ["violations", 0, "id"], "V0", "violations[0].id"),
            ("crash", [*_MISSING, "found"], "00", "violations[0].missing[0].found"),
            (
                "crash",
                [*_MISSING, "stores", 0, "torn"],
                1,
                "violations[0].missing[0].stores[0].torn",
            ),
        ]
        for name, steps, value, field in wrong:
            document = copy.deepcopy(self.documents[name])
            node: Any = document
            for step in steps[:-1]:
                node = node[step]
            node[steps[-1]] = value
            found = schema.violations(name, document)
            self.assertEqual(len(found), 1, found)
            self.assertTrue(found[0].startswith(f"{field}: "), found[0])

    def test_unknown_and_missing_fields_of_a_crash_report_are_errors_at_any_depth(self) -> None:
        for document in (self.documents["crash"], synthetic_crash.program_report()):
            for node in list(_filled(document)):
                node["surprise"] = 1
                self.assertEqual(len(schema.violations("crash", document)), 1, node)
                del node["surprise"]
                for field in list(node):
                    value = node.pop(field)
                    self.assertNotEqual(schema.violations("crash", document), [], field)
                    node[field] = value
            self.assertEqual(schema.violations("crash", document), [])

    def test_verdict_of_a_crash_report_agrees_with_its_violations(self) -> None:
        report, one = synthetic_crash.report, synthetic_crash.one_line
        for verdict, valid, wrong in (
            ("violated", report("violated", one()), report("violated")),
            ("passed", report("passed"), report("passed", one())),
            ("incomplete", report("incomplete"), report("incomplete", one())),
        ):
            self.assertEqual(schema.violations("crash", valid), [], verdict)
            self.assertEqual(len(schema.violations("crash", wrong)), 1, verdict)

    def test_skipped_cell_needs_no_interval(self) -> None:
        cell = self.documents["bench"]["cells"][0]
        for name in ("throughput_ops_per_s", "latency_p50_ns", "latency_p99_ns"):
            cell[name] = None
        cell["repeats"] = []
        self.assertNotEqual(schema.violations("bench", self.documents["bench"]), [])
        cell["skipped"] = "engine is unordered"
        self.assertEqual(schema.violations("bench", self.documents["bench"]), [])

    def test_malformed_json_is_one_line_that_names_the_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "summary.json"
            for text in ("", "{", '{"a": NaN}', "[" * 100_000, "\x00"):
                path.write_text(text, encoding="utf-8")
                with self.assertRaisesRegex(schema.BadInput, "summary.json: malformed JSON") as got:
                    schema.read(path, "summary")
                self.assertNotIn("\n", str(got.exception))
            path.write_bytes(b"\xff\xfe")
            with self.assertRaisesRegex(schema.BadInput, "malformed JSON"):
                schema.read(path, "summary")


class TimelineTest(unittest.TestCase):
    def _read(self, text: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "intervals.csv"
            path.write_text(text, encoding="utf-8")
            return timeline.read(path)

    def test_empty_number_is_a_gap(self) -> None:
        header = ",".join(timeline.COLUMNS)
        frame = self._read(f"{header}\n0.1,READ,0,0,,,,\n")
        self.assertTrue(frame["p99_ns"].isna().all())
        self.assertEqual(frame["ops_per_s"][0], 0)
        self.assertEqual(len(self._read(f"{header}\n")), 0)

    def test_bad_series_names_file_and_column(self) -> None:
        header = ",".join(timeline.COLUMNS)
        for text, expected in (
            ("", "intervals.csv: malformed CSV"),
            ("a,b\n1,2\n", "intervals.csv: header: expected elapsed_s,kind"),
            (f"{header}\n0.1,READ,1,1,1,1,fast,1\n", "p99_ns, line 2: 'fast' is no number"),
            (f'{header}\n"0.1,READ\n', "intervals.csv: "),
            (f"{header}\n0.1,READ,1,1,1,1,1,1,1,1\n", "intervals.csv: "),
        ):
            with self.assertRaisesRegex(schema.BadInput, expected):
                self._read(text)


if __name__ == "__main__":
    unittest.main()
