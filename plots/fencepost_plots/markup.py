# SPDX-License-Identifier: BSD-3-Clause
"""HTML and SVG as text: every text and every attribute is escaped here, and nowhere else.

What is made is well-formed XML too. A text is escaped unless it is Markup, so that to forget it
shows on the page and opens no hole.
"""

from __future__ import annotations

import unicodedata
from typing import Union

# Elements that have no contents and no end in HTML.
_VOID = ("meta", "br")
# Characters that are not seen, reorder what is around them, or may not be in XML: controls,
# formats (among them the overrides of direction), halves of a pair, separators of lines.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_NOT_XML = ("\ufffe", "\uffff")
_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))


class Markup(str):
    """Text that is markup already."""


Node = Union[str, int, Markup]


def visible(text: str) -> str:
    r"""`text` with what cannot be seen written out, as in "\u202e"; line ends and tabs stay."""

    def shown(char: str) -> str:
        unseen = unicodedata.category(char) in _UNSEEN or char in _NOT_XML
        if not unseen or char in "\n\t":
            return char
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return "".join(map(shown, text))


def escape(text: str) -> Markup:
    """`text` as it is shown, in an element or in an attribute."""
    text = visible(text)
    for char, entity in _ENTITIES:
        text = text.replace(char, entity)
    return Markup(text)


def join(*nodes: Node) -> Markup:
    return Markup(
        "".join(node if isinstance(node, Markup) else escape(str(node)) for node in nodes)
    )


def element(name: str, /, *children: Node, **attributes: Union[str, int, float]) -> Markup:
    """<name key="value">children</name>. `class_` is class, `stroke_width` is stroke-width."""
    text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Markup(f"<{name}{text}/>")
    return Markup(f"<{name}{text}>{join(*children)}</{name}>")


def _number(value: Union[str, int, float]) -> str:
    return f"{round(value, 1):g}" if isinstance(value, float) else str(value)
