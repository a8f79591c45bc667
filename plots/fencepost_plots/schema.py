# SPDX-License-Identifier: BSD-3-Clause
"""Result documents, checked against results/schema.

Not covered: whether documents agree with each other (load.py) and the interval series, which is
no JSON (intervals.py).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NoReturn

import jsonschema

SCHEMA_DIR = Path(__file__).resolve().parents[2] / "results" / "schema"
DOCUMENTS = (
    "manifest",
    "summary",
    "bench",
    "comparison",
    "crash",
    "media_fit",
    "media_counts",
    "media_file_counts",
    "plan",
    "suite",
    "campaign",
    "shards",
)
# Those whose schema follows from that of another one.
DERIVED = ("verdict",)
# Of a crash report what depends on the process that made it: verdict.json has all but these.
_OF_THE_PROCESS = (
    ((), ("run_id", "created_utc", "command")),
    (("$defs", "memory_recording"), ("path",)),
    (("$defs", "files_recording"), ("path",)),
    (
        ("properties", "explored"),
        ("recoveries", "traced_recoveries", "nested_recoveries", "seconds"),
    ),
    (("$defs", "violation"), ("recording", "replay")),
)
_MESSAGE_CHARS = 160


class BadInput(Exception):
    """What is wrong with the input, in one line that names the file."""


def _read_schema(document: str) -> Any:
    path = SCHEMA_DIR / f"{document}.schema.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot read the schema: {error}") from error


def _verdict_schema() -> Any:
    schema = _read_schema("crash")
    for place, fields in _OF_THE_PROCESS:
        node = functools.reduce(lambda inner, name: inner[name], place, schema)
        for field in fields:
            del node["properties"][field]
            node["required"].remove(field)
    schema["properties"]["schema"]["const"] = "fencepost.verdict/1"
    return schema


@functools.lru_cache(maxsize=None)
def _validator(document: str) -> Any:
    schema = _verdict_schema() if document == "verdict" else _read_schema(document)
    return jsonschema.Draft202012Validator(schema)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse(path: Path) -> Any:
    """The JSON value in `path`. BadInput if it cannot be read or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_reject_constant)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: malformed JSON: {error}") from error


def _field(error: Any) -> str:
    field = ""
    for step in error.absolute_path:
        field += f"[{step}]" if isinstance(step, int) else f"{'.' if field else ''}{step}"
    return field or "document"


def _message(error: Any) -> str:
    text = " ".join(error.message.split())
    return text if len(text) <= _MESSAGE_CHARS else f"{text[:_MESSAGE_CHARS]}..."


def violations(document: str, value: Any) -> list[str]:
    """Every violation of the schema of `document`, each as "field: message"."""
    found = []
    for error in _validator(document).iter_errors(value):
        # Of an anyOf, the branch that was meant says more than "not valid under any".
        closest = jsonschema.exceptions.best_match([error])
        found.append(f"{_field(closest)}: {_message(closest)}")
    return sorted(set(found))


def read(path: Path, document: str) -> dict[str, Any]:
    """The document in `path`, valid. BadInput names the file and the first wrong field."""
    value = parse(path)
    found = violations(document, value)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise BadInput(f"{path}: {found[0]}{more}")
    assert isinstance(value, dict)
    return value
