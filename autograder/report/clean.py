"""Makes text from submissions safe to show: no terminal escapes, no hidden direction changes, no megabytes.

Messages may quote student code, so they are hostile until cleaned. HTML is escaped by the template;
this module takes care of what escaping leaves alone.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

MAX_CHARACTERS = 2_000
"""Longest text shown: a screenful. A longer one is a flood, and its head says as much."""

# CSI and OSC sequences, which move a terminal's cursor, colour it, or set its title and clipboard.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]|\x9b[0-?]*[ -/]*[@-~]")
_KEPT = "\n\t"
# Cf holds the bidi controls, which make code read otherwise than it runs; Cc the rest of the terminal's controls.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: Any, limit: int = MAX_CHARACTERS) -> str:
    r"""Returns the text with controls made visible and its length bounded.

    Args:
        text: Anything; it is taken through `str`.
        limit: Most characters kept; what is cut is counted in the text.

    Returns:
        Printable text; tabs and line breaks stay.

    Example:
        >>> clean("\x1b[31mred\x1b[0m \u202eevil")
        'red <U+202E>evil'
    """
    whole = str(text)
    # Cleaning can lengthen text (one control becomes eight characters), so it is cut on both sides of it.
    kept = _ESCAPES.sub("", whole[: 8 * limit].replace("\r\n", "\n"))
    shown = "".join(_visible(character) for character in kept[:limit])[: 2 * limit]
    hidden = max(len(kept) - limit, 0) + max(len(whole) - 8 * limit, 0)
    return f"{shown} [... {hidden:,} more characters]" if hidden else shown


def one_line(text: Any, limit: int = MAX_CHARACTERS) -> str:
    """Returns `clean` text with line breaks and runs of blanks as single spaces."""
    return " ".join(clean(text, limit).split())


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"<U+{ord(character):04X}>"
