#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The report in a browser, by clicks and keys: headless Chromium over its DevTools pipe.

Usage: report_page_test.py FENCEPOST SOURCE_DIR [unittest argument]...
Exits 77 (skipped) where there is no Chromium. The data are plots/tests/synthetic.py's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

PROGRAM = Path()
SOURCE = Path()
SKIPPED = 77
# A name without a slash: runs of it are folders.
EVIL = "<img src=x onerror=document.title='run'><script>"


class Browser:
    """Commands and events of one page."""

    def __init__(self, folder: Path) -> None:
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        # Chromium speaks on descriptors 3 and 4.
        words = [
            "chromium --headless=new --no-sandbox --disable-gpu --remote-debugging-pipe",
            f"--user-data-dir={folder} about:blank 3<&{to_browser} 4>&{from_browser}",
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", "exec " + " ".join(words)],
            pass_fds=(to_browser, from_browser),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        os.close(self._commands)
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._answers)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._answers, 1 << 16)
            if not more:
                raise RuntimeError("Chromium has ended")
            self._buffer += more
        message, self._buffer = self._buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path) -> None:
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def ask(self, expression: str) -> Any:
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def width(self, pixels: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=pixels,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )

    def point(self, selector: str, kind: str = "mouseMoved") -> None:
        """Moves the pointer to the middle of the first element; or presses there."""
        self.ask(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        place = self.ask(
            f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        kinds = ["mousePressed", "mouseReleased"] if kind == "click" else [kind]
        for each in kinds:
            button = {"button": "left", "clickCount": 1} if kind == "click" else {}
            self.send("Input.dispatchMouseEvent", type=each, x=place[0], y=place[1], **button)

    def key(self, key: str, text: str = "") -> None:
        code = {"Enter": 13, "ArrowLeft": 37}[key]
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)


class ReportPageTest(unittest.TestCase):
    folder: Path
    browser: Browser

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="fencepost-page-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        sys.path.insert(0, str(SOURCE))
        from plots.tests import synthetic, synthetic_crash

        cases = [
            synthetic.Case(engine, workload, medium=medium)
            for engine in ("cmap", "filestore", "lmdb")
            for workload in ("workloada", EVIL)
            for medium in ("tmpfs", "page-cache")
        ]
        synthetic.write_bench(cls.folder / "bench", cases)
        found = synthetic_crash.report("violated", synthetic_crash.one_line())
        synthetic_crash.write(cls.folder / "crash", found)
        words = [str(PROGRAM), "report", str(cls.folder / "bench"), str(cls.folder / "crash")]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        cls.browser = Browser(cls.folder / "profile")
        cls.addClassCleanup(cls.browser.close)

    def setUp(self) -> None:
        self.browser.width(1200)
        self.browser.open(self.folder / "bench" / "report.html")

    def column(self) -> list[float]:
        values: list[float] = self.browser.ask(
            "[...document.querySelector('.speed tbody').rows].slice(1)"
            ".map((row) => Number(row.cells[4].dataset.v))"
        )
        return values

    def test_tables_sort_by_click_and_by_key(self) -> None:
        button = ".speed thead th:nth-child(5) button"
        self.browser.point(button, "click")
        self.assertEqual(self.column(), sorted(self.column(), reverse=True))
        self.assertGreater(len(set(self.column())), 2)
        self.browser.ask(f"document.querySelector({button!r}).focus()")
        self.browser.key("Enter", "\r")
        self.assertEqual(self.column(), sorted(self.column()))
        head = "document.querySelector('.speed th:nth-child(5)').getAttribute('aria-sort')"
        self.assertEqual(self.browser.ask(head), "ascending")

    def test_values_are_shown_under_the_pointer_and_by_key(self) -> None:
        tip = "(t => (t.hidden ? '' : t.textContent))(document.querySelector('.tip'))"
        self.browser.point(".datum .hit")
        self.assertIn("operations/s", self.browser.ask(tip))
        self.browser.ask("document.querySelector('svg.curves').focus()")
        self.assertIn("max", self.browser.ask(tip))
        self.browser.key("ArrowLeft")
        self.assertIn("p99.99", self.browser.ask(tip))

    def test_the_theme_switches(self) -> None:
        paper = "getComputedStyle(document.body).backgroundColor"
        self.browser.point(".theme label:nth-of-type(2)", "click")
        light = self.browser.ask(paper)
        self.browser.point(".theme label:nth-of-type(3)", "click")
        self.assertNotEqual(self.browser.ask(paper), light)

    def test_nothing_is_loaded_and_nothing_fails(self) -> None:
        self.browser.ask("1")
        requests = [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        self.assertEqual(len(requests), 1, requests)
        bad = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        self.assertEqual([e for e in self.browser.events if e.get("method") in bad], [])

    def test_what_a_result_says_does_not_run(self) -> None:
        self.assertTrue(self.browser.ask("document.title").endswith("Fencepost report"))
        self.assertIn(EVIL, self.browser.ask("document.querySelector('.speed').textContent"))
        self.assertEqual(self.browser.ask("document.scripts.length"), 1)

    def test_what_is_no_result_is_refused_in_one_line(self) -> None:
        bench = self.folder / "bench" / "bench.json"
        whole = bench.read_text()
        for text, needle in (
            (whole.replace("fencepost.bench/1", "fencepost.bench/9"), "is no fencepost.bench/1"),
            (whole[:-20], "is cut"),
            ("", "is empty"),
            (whole.replace('"tmpfs"', '"tape"'), "/cells/0/medium"),
        ):
            folder = self.folder / "wrong"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "bench.json").write_text(text)
            words = [str(PROGRAM), "report", str(folder)]
            done = subprocess.run(words, capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(needle, done.stderr)
            self.assertFalse((folder / "report.html").exists())

    def test_no_text_of_a_figure_leaves_it(self) -> None:
        outside = self.browser.ask(
            "[...document.querySelectorAll('svg text')].filter((text) => {"
            " const [t, s] = [text, text.ownerSVGElement].map((e) => e.getBoundingClientRect());"
            " return t.left < s.left - 2 || t.right > s.right + 2 || t.bottom > s.bottom + 2;"
            "}).map((text) => text.textContent)"
        )
        self.assertEqual(outside, [])

    def test_a_phone_scrolls_down_only(self) -> None:
        self.browser.width(400)
        self.assertLessEqual(self.browser.ask("document.documentElement.scrollWidth"), 400)

    def test_no_table_is_cut_off_on_a_desk(self) -> None:
        cut = self.browser.ask(
            "[...document.querySelectorAll('.scroll')]"
            ".filter((box) => box.scrollWidth > box.clientWidth)"
            ".map((box) => box.getAttribute('aria-label'))"
        )
        self.assertEqual(cut, [])

    def test_on_paper_headings_are_text_and_violations_are_open(self) -> None:
        self.browser.ask("dispatchEvent(new Event('beforeprint'))")
        self.browser.send("Emulation.setEmulatedMedia", media="print")
        self.addCleanup(self.browser.send, "Emulation.setEmulatedMedia", media="")
        shown = self.browser.ask(
            "[...document.querySelectorAll('thead th')].map((head) =>"
            " getComputedStyle(head, '::before').content + head.innerText)"
        )
        self.assertIn('"engine"', shown)
        self.assertIn("remarks", "".join(shown))
        self.assertTrue(self.browser.ask("document.querySelector('details.campaign').open"))
        self.assertGreater(
            self.browser.ask("document.querySelector('.violation').getBoundingClientRect().height"),
            0,
        )


def main() -> None:
    global PROGRAM, SOURCE
    if shutil.which("chromium") is None:
        print("skipped: chromium is not installed (scripts/setup.sh dev)")
        sys.exit(SKIPPED)
    PROGRAM, SOURCE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])


if __name__ == "__main__":
    main()
