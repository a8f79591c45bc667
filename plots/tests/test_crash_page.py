# SPDX-License-Identifier: BSD-3-Clause
"""Claims about crash.html: it holds every fact of its report, and nothing in it can do anything."""

import contextlib
import io
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from plots.fencepost_plots import crash_cli, crash_document, markup, schema
from plots.tests import synthetic_crash
from plots.tests.synthetic_crash import HOSTILE, event, missing_line, report, violation

_PLOTS = Path(__file__).resolve().parents[1]
_SVG = "{http://www.w3.org/2000/svg}"


def _parse(document: dict[str, Any]) -> ElementTree.Element:
    """The page as a tree; an error if it is not well-formed, or its report is not valid."""
    found = schema.violations("crash", document)
    if found:
        raise AssertionError(found)
    return ElementTree.fromstring(crash_document.page(document).split("\n", 1)[1])


def _read(document: dict[str, Any]) -> str:
    """What is read on the page, with blanks as one."""
    (body,) = _parse(document).iter("body")
    return " ".join("".join(body.itertext()).split())


def _having(root: ElementTree.Element, class_: str) -> list[ElementTree.Element]:
    return [node for node in root.iter() if class_ in node.get("class", "").split()]


def _pictures(document: dict[str, Any]) -> list[ElementTree.Element]:
    return _having(_parse(document), "timeline")


class VerdictTest(unittest.TestCase):
    def headline(self, document: dict[str, Any]) -> str:
        (title,) = _parse(document).iter("h1")
        return " ".join("".join(title.itertext()).split())

    def test_a_pass_claims_every_state_only_where_every_state_was_tried(self) -> None:
        document = report("passed")
        tries = "✓ No violation in the states that `one-missing` tries; it does not try all"
        self.assertEqual(self.headline(document), tries)
        document["explored"]["every_state"] = True
        every = "every state that the model allows was recovered and judged"
        self.assertEqual(self.headline(document), f"✓ Proved of what was recorded: {every}")
        document["settings"]["strategy"] = "reads"
        self.assertIn("recovery cannot tell from it", self.headline(document))
        self.assertNotIn("second crashes", _read(document))

    def test_what_nothing_was_promised_of_is_information(self) -> None:
        document = report("informational", violation())
        document["subject"]["durability"] = "process-crash"
        self.assertEqual(
            self.headline(document),
            "i Information: 1 kind of damage, of which nothing was promised",
        )
        self.assertIn("Durability process-crash promises nothing", _read(document))
        document = synthetic_crash.medium_report(synthetic_crash.flipped_bit(), checksums=False)
        self.assertIn("1 kind of damage", self.headline(document))
        self.assertIn("cmap has no checksums", _read(document))

    def test_a_flipped_bit_is_no_crash(self) -> None:
        document = synthetic_crash.medium_report(synthetic_crash.flipped_bit())
        text = _read(document)
        self.assertIn("Bit 6 (counted from 0) of byte 4,711 of 000004.log", text)
        self.assertIn("1,009: 811 were reported by the engine, 198 were not", text)
        for words in ("crash points", "raw states", "Had to survive", "minimised"):
            self.assertNotIn(words, text)
        passed = self.headline(synthetic_crash.medium_report())
        self.assertIn("No flipped bit gave a wrong or lost pair", passed)

    def test_a_power_cut_says_how_and_on_which_machine(self) -> None:
        text = _read(synthetic_crash.machine_report())
        for said in ("kill 4, recovery 4", "6.1.0-57-amd64, executed by software", "320 MiB, xfs"):
            self.assertIn(said, text)
        passed = self.headline(synthetic_crash.machine_report())
        self.assertIn("another instant may leave something else", passed)

    def test_an_image_of_a_disk_says_what_of_it_was_lost(self) -> None:
        document = synthetic_crash.disk_report(synthetic_crash.disk_image())
        text = _read(document)
        for said in (
            "Number 4,711 of the seed: the power is cut before a flush, after 1,013 requests",
            "Of 9 writes that no flush covered 2 had not survived, and 1 in part",
            "1,823 of 9,437,184 bytes, 611 flushes",
            "commit=1",
        ):
            self.assertIn(said, text)
        for words in ("Had to survive", "minimised", "dax=always"):
            self.assertNotIn(words, text)
        self.assertIn("a disk may hold", self.headline(synthetic_crash.disk_report()))

    def test_what_rests_on_a_lost_name_is_lost_with_it(self) -> None:
        document = report("violated", synthetic_crash.missing_name())
        self.assertIn("had survived, but for what rests on these", _read(document))

    def test_second_crashes_are_counted_apart(self) -> None:
        document = report("passed")
        document["settings"]["depth"] = 2
        document["explored"] |= {
            "traced_recoveries": 16,
            "nested_points": 10739,
            "nested_states": 20215,
            "nested_recoveries": 7307,
        }
        text = _read(document)
        self.assertIn("10,739: 20,215 states tried, 7,307 images recovered for them", text)
        self.assertIn("two: recoveries are crashed", text)

    def test_incomplete_says_what_is_missing(self) -> None:
        document = synthetic_crash.incomplete_report()
        self.assertEqual(self.headline(document), "… Incomplete: no violation in what was explored")
        text = _read(document)
        for words in (
            "It ended early: budget of states.",
            "would go on at crash point 17.",
            "17 of 39 crash points were explored to the end.",
            "of the explored points 1012.3",
        ):
            self.assertIn(words, text)
        # Not even a part of the claim of a pass.
        self.assertNotIn("every state that the model allows", text)

    def test_what_was_not_judged_is_not_called_free_of_violations(self) -> None:
        document = synthetic_crash.incomplete_report(None)
        document["explored"]["verdicts"] = 0
        self.assertEqual(self.headline(document), "… Incomplete: nothing judged")
        self.assertNotIn("no violation", _read(document).lower())

    def test_violations_are_counted(self) -> None:
        one, two = synthetic_crash.one_line(), violation()
        self.assertEqual(self.headline(report("violated", one)), "✗ 1 distinct violation")
        document = report("violated", one, two)
        self.assertEqual(self.headline(document), "✗ 2 distinct violations")
        self.assertIn("51,732 verdicts, of which 77 failed", _read(document))
        links = [link.get("href") for link in _parse(document).iter("a")]
        for target in ("#V1", "#V2"):
            self.assertIn(target, links)

    def test_limits_are_said_beside_the_verdict(self) -> None:
        document = report("violated", violation())
        limits: list[tuple[str, str, Any, str]] = [
            ("explored", "lines_cut", True, "had too many states to try each"),
            ("recording", "unmapped_bytes", 4242, "4,242 bytes were stored where no file is"),
            ("settings", "shards", 4, "This is shard 0 of 4"),
        ]
        for part, field, value, words in limits:
            self.assertNotIn(words, _read(document))
            document[part][field] = value
            self.assertIn(words, _read(document))
        document["groups_not_minimised"] = 6
        self.assertIn("6 further groups of findings", _read(document))

    def test_schedules_are_named_where_there_are_several(self) -> None:
        document = report("violated", violation())
        self.assertNotIn("schedule", _read(document))
        document["schedules"] = {"asked": 20, "recorded": 18, "distinct": 17}
        document["violations"][0]["recording"] = "results/crash/recording-7"
        text = _read(document)
        self.assertIn("17 distinct schedules of the threads were explored", text)
        self.assertIn("18 of 20 recorded, 17 distinct", text)
        self.assertIn("In results/crash/recording-7.", text)

    def test_a_shard_does_not_claim_the_states_of_the_others(self) -> None:
        document = report("incomplete")
        document["explored"]["every_state"] = True
        document["settings"] |= {"shard": 1, "shards": 4}
        text = _read(document)
        self.assertIn("yes, of this shard", text)
        self.assertNotIn("every state that the model allows", text)


class FactsTest(unittest.TestCase):
    def test_every_fact_of_a_campaign_is_on_its_page(self) -> None:
        text = _read(report())
        for fact in (
            *("cmap", "synthetic layout 7", "power-fail", "crash-mixed", "recordcount=2021"),
            *("39 of 39", "1037.2", "52,104", "42,171", "61", "51,732", "20.00 s"),
            *("2,109 recoveries/s", "one-missing", "4711", "an aligned 8 bytes", "10 s"),
            *("1,013", "3,672 in 9,271 events", "33,213 bytes", "results/crash/recording"),
            *("2026-01-02 03:04:05 UTC", "0.1.0", "5e7be71c0000", "fencepost crash cmap"),
            *("Px86: made up for a test.", "Sizes of files are durable at once."),
        ):
            self.assertIn(fact, text)

    def test_few_raw_states_are_also_a_plain_number_and_none_is_none(self) -> None:
        document = report()
        document["explored"] |= {
            "log10_raw_states": 1.612783856719736,
            "log10_explored_raw_states": 1.612783856719736,
        }
        self.assertIn("raw states101.6 = 41", _read(document))
        document["explored"] |= {"log10_raw_states": None, "log10_explored_raw_states": None}
        self.assertIn("raw statesnone", _read(document))

    def test_settings_show(self) -> None:
        document = report()
        document["settings"] |= {"tearing": "line", "eadr": True}
        text = _read(document)
        self.assertIn("a store inside one line", text)
        self.assertIn("eADR (caches survive)yes", text)

    def test_a_program_is_shown_with_its_recovery(self) -> None:
        document = synthetic_crash.program_report()
        text = _read(document)
        self.assertIn("./ledger /dev/shm/ledger", text)
        self.assertIn("recovered by./ledger check {image}", text)
        self.assertNotIn("checked by", text)
        document["subject"] |= {"recover": "", "checker": "./libledger.so", "program": []}
        text = _read(document)
        self.assertIn("checked by./libledger.so", text)
        self.assertIn("programnot known", text)

    def test_a_campaign_of_no_time_has_no_rate(self) -> None:
        document = report()
        document["explored"]["seconds"] = 0
        self.assertNotIn("recoveries/s", _read(document))


class MutationsTest(unittest.TestCase):
    def mutated(self, *sites: dict[str, Any], skipped: str | None = None) -> dict[str, Any]:
        return report() | {"mutations": {"skipped": skipped, "sites": list(sites)}}

    def test_each_site_is_a_row_with_what_it_prevents_or_what_was_tried(self) -> None:
        document = self.mutated(
            synthetic_crash.site(30, "fence", necessary=False), synthetic_crash.site(12)
        )
        (table,) = _having(_parse(document), "mutations")
        rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in table.iter("tr")]
        tried = "37 of 38 crash points, 1,234 recoveries, not every state"
        prevented = (
            "user42: lost without line 12; crash before a fence at Commit (ledger.c:77) (event 90)"
        )
        self.assertEqual(
            rows[1:],
            [
                ["not shown necessary", "fence", "Put (ledger.c:30)", "17", tried],
                ["necessary", "flush", "Put (ledger.c:12)", "17", prevented],
            ],
        )
        text = _read(document)
        self.assertIn("1 of 2 sites not shown necessary.", text)
        self.assertIn("`one-missing` does not try every state", text)

    def test_a_site_that_ended_early_says_why_and_a_whole_one_needs_no_warning(self) -> None:
        site = synthetic_crash.site(30, necessary=False)
        site["explored"] |= {"stopped": "the budget of 2 s was used up"}
        self.assertIn("it ended early: the budget of 2 s", _read(self.mutated(site)))
        site["explored"] |= {"stopped": None, "every_state": True}
        text = _read(self.mutated(site))
        self.assertIn("1,234 recoveries, every state", text)
        self.assertNotIn("may have missed", text)

    def test_what_was_not_mutated_says_why_and_what_was_not_asked_for_nothing(self) -> None:
        text = _read(self.mutated(skipped="the recording fails as it is"))
        self.assertIn("Not mutated: the recording fails as it is.", text)
        self.assertNotIn("Is each flush needed?", _read(report()))

    def test_a_verdict_and_its_reason_go_together(self) -> None:
        site = synthetic_crash.site(30) | {"violation": None}
        self.assertTrue(schema.violations("crash", self.mutated(site)))


class ViolationTest(unittest.TestCase):
    def test_every_fact_of_a_violation_is_on_its_page(self) -> None:
        text = _read(report("violated", synthetic_crash.one_line()))
        for fact in (
            *("V1 lost", "user42: an acknowledged put is lost", "About user42."),
            *("Allowedvalue of user42", "Foundabsent", "Seen 321 times", "by 23 recoveries"),
            "Before a fence at Commit (/src/ledger.c:77): event 90, crash point 5",
            "16 operations had been acknowledged; under way:operation 17: put user42 = v",
            "Line 0x80 of /dev/shm/ledger (line 2)",
            "Why it was not durable: no flush of line 2 follows, up to the end.",
            *("Put (/src/ledger.c:50)", "0x80", "whole", "in part (torn)", "0x88"),
            "16 of the line's 64 bytes differ",
            "fencepost crash replay results/crash V1",
        ):
            self.assertIn(fact, text)

    def test_a_violation_with_nothing_missing_says_so(self) -> None:
        text = _read(report("violated", violation()))
        self.assertIn("Every store had survived", text)
        self.assertNotIn("Everything else had survived", text)

    def test_a_search_that_was_cut_short_is_not_called_minimal(self) -> None:
        found = synthetic_crash.one_line() | {"minimal": False}
        text = _read(report("violated", found))
        self.assertIn("the search for fewer lines was cut short", text)
        self.assertNotIn("these alone make it fail", text)

    def test_a_second_crash_says_where_it_was(self) -> None:
        second = {
            "before": "a fence",
            "where": "Recover (ledger.c:9)",
            "ended": False,
            "first_answer": "00ff",
        }
        found = synthetic_crash.one_line() | {"second_crash": second, "missing": []}
        text = _read(report("violated", found))
        self.assertIn("a second crash in the recovery from it, before a fence at Recover", text)
        self.assertNotIn("Every store had survived", text)
        ended = found | {"second_crash": second | {"ended": True}}
        self.assertIn("after it had answered", _read(report("violated", ended)))

    def test_a_violation_about_nothing_in_particular(self) -> None:
        found: dict[str, Any] = violation() | {"subject": "", "allowed": "", "found": ""}
        found["crash_point"] |= {"where": None, "stack": []}
        found["crash_point"]["operations"] = {"acknowledged": 1, "under_way": []}
        text = _read(report("violated", found))
        self.assertNotIn("About", text)
        self.assertIn("Allowednot stated", text)
        self.assertIn("Before a fence: event 90", text)
        self.assertIn("1 operation had been acknowledged; none was under way.", text)

    def test_stacks_are_folded(self) -> None:
        page = _parse(report("violated", synthetic_crash.one_line()))
        folded = ["".join(node.itertext()) for node in page.iter("details")]
        self.assertEqual(sum("main (/src/ledger.c:12)" in text for text in folded), 3)

    def test_differing_bytes_and_no_others_are_marked_in_both_grids(self) -> None:
        line = missing_line(2, (50,))
        found = bytearray(64)
        found[0:8] = bytes.fromhex(line["newest"])[0:8]
        found[3] = 0xFF
        found[40] = ord("A")
        line["found"] = found.hex()
        page = _parse(report("violated", violation([line])))
        grids = _having(page, "hex")
        marked = [[mark.text for mark in grid.iter("mark")] for grid in grids]
        self.assertEqual(marked, [["ff", "·", "41", "A"], ["30", "0", "00", "·"]])
        for grid in grids:
            rows = "".join(grid.itertext()).splitlines()
            self.assertEqual([row[:8] for row in rows], [f"{128 + 8 * i:08x}" for i in range(8)])

    def test_each_store_of_each_line_is_a_row(self) -> None:
        page = _parse(report("violated", synthetic_crash.three_lines()))
        rows = [len(list(table.iter("tr"))) - 1 for table in _having(page, "stores")]
        self.assertEqual(rows, [1, 2, 1])


class TimelineTest(unittest.TestCase):
    def kinds(self, picture: ElementTree.Element) -> list[str]:
        """The marks in their order, as drawn: lanes from the top, each from the left."""
        marks = [mark.get("class", "").split()[1] for mark in _having(picture, "mark")]
        return [kind for kind in marks if kind != "exposed"]

    def x(self, node: ElementTree.Element) -> float:
        shape = next(child for child in node if child.tag != f"{_SVG}title")
        start = re.match(r"M(-?[\d.]+)", shape.get("d", ""))
        return float(start.group(1) if start else shape.get("x", "nan"))

    def test_marks_tell_store_flush_and_fence_by_shape(self) -> None:
        (picture,) = _pictures(report("violated", synthetic_crash.one_line()))
        lane = ["store", "flush", "fence", "lost", "lost", "flush", "fence"]
        self.assertEqual(self.kinds(picture), lane + lane)
        shapes = {
            mark.get("class"): [re.sub(r"[\d.]+", "", child.get("d", child.tag)) for child in mark]
            for mark in _having(picture, "mark")
        }
        drawn = [tuple(shapes[f"mark {kind}"]) for kind in ("store", "flush", "fence")]
        self.assertEqual(len(set(drawn)), 3)
        self.assertEqual([word.text for word in _having(picture, "lost-word")], ["lost"] * 2)

    def test_each_mark_says_what_and_where(self) -> None:
        (picture,) = _pictures(report("violated", synthetic_crash.one_line()))
        titles = [next(iter(mark)).text for mark in _having(picture, "mark") if len(mark) == 2]
        stored = "store of 8 bytes, lost in part\nevent 52, thread 1\nmain (/src/ledger.c:52)"
        self.assertIn(stored, titles)
        self.assertIn("fence sfence\nevent 90, thread 1\nmain (/src/ledger.c:90)", titles)

    def test_the_crash_lies_between_what_was_before_it_and_after(self) -> None:
        (picture,) = _pictures(report("violated", synthetic_crash.one_line()))
        (crash,) = _having(picture, "crash")
        at = self.x(crash)
        flushes, fences = _having(picture, "flush"), _having(picture, "fence")
        self.assertTrue(all(self.x(mark) < at for mark in flushes))
        self.assertEqual([self.x(mark) > at for mark in fences], [False, True] * 2)

    def test_a_line_is_exposed_from_its_first_lost_store_to_its_fence(self) -> None:
        (picture,) = _pictures(report("violated", synthetic_crash.three_lines()))
        (crash,) = _having(picture, "crash")
        width = float(picture.get("width", "0"))
        ends = []
        for span in _having(picture, "exposed"):
            path = next(iter(span)).get("d", "")
            begin, end = re.findall(r"[MH](-?[\d.]+)", path)
            self.assertLess(float(begin), self.x(crash))
            ends.append(float(end))
        self.assertEqual(len(ends), 3)
        # The second is never made durable, the third is synced after the fence of the first.
        self.assertLess(self.x(crash), ends[0])
        self.assertLess(ends[0], ends[2])
        self.assertEqual(ends[1], width - 10)

    def test_what_is_lost_was_never_drawn_as_durable_before_the_crash(self) -> None:
        timeline = [
            event(50, "store", line=0),
            event(51, "flush request", line=0),
            event(52, "fence sfence"),
            event(90, "crash"),
            event(91, "sync msync", line=0),
        ]
        (picture,) = _pictures(report("violated", violation([missing_line(2, (50,))], timeline)))
        (span,), (sync, _) = _having(picture, "exposed"), _having(picture, "sync")
        end = re.findall(r"H([\d.]+)", next(iter(span)).get("d", ""))
        (shape,) = [child for child in sync if child.tag == f"{_SVG}path"]
        self.assertEqual(shape.get("d", "").split(" ")[0], f"M{end[0]}")

    def test_a_lane_for_each_thread_and_each_missing_line(self) -> None:
        (picture,) = _pictures(report("violated", synthetic_crash.three_lines()))
        lanes = ["".join(lane.itertext()) for lane in _having(picture, "lane")]
        wanted = ["thread 1", "thread 2"]
        wanted += [f"missing line {at} of /dev/shm/ledger" for at in ("0x80", "0xc0", "0x240")]
        self.assertEqual(lanes, [2 * name for name in wanted], "the label and its title")

    def test_a_store_over_two_missing_lines_is_lost_in_both_lanes(self) -> None:
        (picture,) = _pictures(report("violated", synthetic_crash.three_lines()))
        at_50 = [
            mark
            for mark in _having(picture, "lost")
            if "event 50," in (next(iter(mark)).text or "")
        ]
        self.assertEqual(len(at_50), 3, "once in its thread's lane, once in each line's")

    def test_operations_that_overlap_do_not_cover_each_other(self) -> None:
        timeline = [
            event(10, "operation 7 is acknowledged"),
            event(11, "operation 8 begins"),
            event(12, "operation 9 begins"),
            event(13, "operation 8 is acknowledged"),
            event(90, "crash"),
        ]
        (picture,) = _pictures(report("violated", violation(timeline=timeline)))
        tops = {}
        for span in _having(picture, "span"):
            title, rect = span[0], span[1]
            tops[(title.text or "").split("\n")[0]] = rect.get("y")
        self.assertEqual(sorted(tops), ["operation 7", "operation 8", "operation 9"])
        self.assertEqual(tops["operation 7"], tops["operation 8"])
        self.assertNotEqual(tops["operation 8"], tops["operation 9"])

    def test_a_non_temporal_store_is_followed_by_its_fence(self) -> None:
        line = missing_line(2, (50,))
        line["stores"][0]["non_temporal"] = True
        timeline = [
            event(40, "fence sfence"),
            event(50, "store", line=0),
            event(90, "crash"),
            event(91, "fence sfence", thread=2),
            event(92, "fence sfence"),
            event(93, "fence sfence"),
        ]
        (picture,) = _pictures(report("violated", violation([line], timeline)))
        titles = [next(iter(mark)).text or "" for mark in _having(picture, "fence")]
        seen = [next(n for n in ("40", "91", "92", "93") if f"event {n}" in t) for t in titles]
        self.assertEqual(seen, ["40", "92", "93", "91", "92"], "the line's lane holds the last")

    def test_a_long_timeline_fits_a_page_and_an_empty_one_is_drawn(self) -> None:
        many = [event(1234500 + i, "flush clwb", line=None) for i in range(40)]
        many += [event(1234600, "crash")]
        many += [event(1234600 + i, "fence sfence") for i in range(8)]
        cases: list[tuple[list[dict[str, Any]], int]] = [(many, 48), ([], 0)]
        for timeline, marks in [*cases, ([event(90, "crash")], 0)]:
            (picture,) = _pictures(report("violated", violation(timeline=timeline)))
            self.assertLessEqual(float(picture.get("width", "inf")), 932)
            self.assertEqual(len(_having(picture, "mark")), marks)


class EscapeTest(unittest.TestCase):
    def hostile(self) -> dict[str, Any]:
        found = synthetic_crash.three_lines()
        found |= {"kind": HOSTILE, "subject": HOSTILE, "message": HOSTILE}
        found |= {"allowed": HOSTILE, "found": HOSTILE}
        found["crash_point"]["where"] = HOSTILE
        found["crash_point"]["operations"]["under_way"][0]["what"] = HOSTILE
        for line in found["missing"]:
            line |= {"file": HOSTILE, "cover": HOSTILE}
            for store in line["stores"]:
                store["where"] = HOSTILE
                store["stack"][0]["text"] = HOSTILE
        for row in found["timeline"]:
            row["where"] = HOSTILE
        found["timeline"].insert(0, event(1, f"operation {HOSTILE} begins"))
        found["timeline"].insert(1, event(2, HOSTILE))
        document = report("violated", found)
        found["replay"] = HOSTILE
        document["command"] = [HOSTILE]
        document["run_id"] = HOSTILE
        document["assumptions"] = [HOSTILE]
        document["recording"]["path"] = HOSTILE
        document["settings"]["strategy"] = HOSTILE
        document["explored"]["stopped"] = HOSTILE
        document["subject"] |= {"engine": HOSTILE, "version": HOSTILE, "workload": HOSTILE}
        document["subject"]["properties"] = {HOSTILE: HOSTILE}
        tried, prevented = synthetic_crash.site(1, necessary=False), synthetic_crash.site(2)
        tried |= {"where": HOSTILE, "function": HOSTILE, "file": HOSTILE}
        tried["explored"]["stopped"] = HOSTILE
        prevented["violation"] |= {"kind": HOSTILE, "subject": HOSTILE, "message": HOSTILE}
        prevented["violation"]["crash_point"]["where"] = HOSTILE
        document["mutations"] = {"skipped": None, "sites": [tried, prevented]}
        return document

    def test_any_text_is_text(self) -> None:
        document = self.hostile()
        page = crash_document.page(document)
        page.encode("utf-8")
        self.assertNotIn("<script", page.lower())
        root = _parse(document)
        tags = {node.tag for node in root.iter()}
        self.assertFalse(tags & {"script", "iframe", "object", "img", "link", "form"})
        shown = markup.visible(HOSTILE)
        self.assertIn("\\x1b\\u202e\\ud800", shown)
        self.assertGreater("".join(root.itertext()).count(shown), 40)

    def test_nothing_is_loaded_and_nothing_runs(self) -> None:
        page = crash_document.page(self.hostile())
        root = _parse(self.hostile())
        for node in root.iter():
            for name, value in node.attrib.items():
                self.assertFalse(name.startswith("on"), name)
                self.assertNotIn(name, ("src", "action", "style"))
                if name == "href":
                    self.assertTrue(value.startswith("#"), value)
        style = next(root.iter("style")).text or ""
        self.assertNotRegex(style, r"url\(|@import|<|&")
        self.assertIn("default-src &#39;none&#39;", page)

    def test_ids_are_unique_and_links_lead_somewhere(self) -> None:
        root = _parse(report("violated", violation(), synthetic_crash.one_line()))
        ids = [node.get("id") for node in root.iter() if node.get("id")]
        self.assertEqual(len(ids), len(set(ids)))
        for link in root.iter("a"):
            self.assertIn(link.get("href", "")[1:], ids)

    def test_every_class_that_is_used_for_a_shape_has_a_style(self) -> None:
        root = _parse(report("violated", synthetic_crash.three_lines()))
        style = next(root.iter("style")).text or ""
        for mark in _having(root, "mark"):
            self.assertIn("." + ".".join(mark.get("class", "").split()), style)
        self.assertIn("prefers-color-scheme: dark", style)
        self.assertIn("@media print", style)


class CommandTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name) / "crash"

    def run_main(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = crash_cli.main(list(arguments))
        return code, out.getvalue(), err.getvalue()

    def test_writes_the_page_beside_its_report_and_names_it(self) -> None:
        synthetic_crash.write(self.folder, report())
        page = self.folder / "crash.html"
        self.assertEqual(self.run_main(str(self.folder)), (0, f"{page}\n", ""))
        self.assertTrue(page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>\n<html"))
        names = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(names, ["crash.html", "crash.json"])

    def test_bad_input_is_one_line_and_no_page(self) -> None:
        code, _, err = self.run_main(str(self.folder))
        self.assertEqual((code, err), (2, f"crash_page.py: {self.folder}: no such folder\n"))
        self.folder.mkdir()
        for text, words in (
            (None, "crash.json: No such file"),
            ("{", "crash.json: malformed JSON"),
            ('{"schema": "fencepost.crash/1"}', "is a required property"),
        ):
            if text is not None:
                (self.folder / "crash.json").write_text(text, encoding="utf-8")
            code, _, err = self.run_main(str(self.folder))
            self.assertEqual((code, err.count("\n")), (2, 1), err)
            self.assertIn(words, err)
        self.assertFalse((self.folder / "crash.html").exists())

    def test_program_runs_from_anywhere(self) -> None:
        synthetic_crash.write(self.folder, synthetic_crash.incomplete_report())
        program = [sys.executable, str(_PLOTS / "crash_page.py"), str(self.folder)]
        done = subprocess.run(program, cwd="/", capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, f"{self.folder / 'crash.html'}\n")


if __name__ == "__main__":
    unittest.main()
