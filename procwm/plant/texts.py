"""Texts of a plant file, which end up on screens, in pages and in tables, and command none of these."""

import unicodedata

from procwm.errors import SpecError

_COMMANDING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, halves of characters, ends of lines and of paragraphs."""
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Characters that show others in another order, or nothing."""


def commands(character: str) -> bool:
    """Whether a character does something to what shows it, in place of being shown."""
    return unicodedata.category(character) in _COMMANDING or character in _TURNING


def shown(text: str) -> str:
    """`text` from anywhere, with escapes such as `\\x1b` for characters that would command what shows it."""
    if text.isprintable():
        return text
    return "".join(ascii(character)[1:-1] if commands(character) else character for character in text)


def check_plain(what: str, text: str) -> None:
    """Raise `SpecError`, beginning with `what`, where a character of `text` cannot be shown."""
    found = next((character for character in text if commands(character)), None)
    if found is not None:
        raise SpecError(f"{what} {text!a} holds the control character U+{ord(found):04X}; remove it")


def check_tag_texts(name: str, unit: str) -> None:
    """Raise `SpecError` where a tag cannot be called `name`, or its unit be written as `unit`."""
    if not name.strip():
        raise SpecError("a tag has an empty name")
    check_plain("the tag name", name)
    check_plain(f"{name}: unit", unit)
