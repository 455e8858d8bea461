"""Texts of a plant file, which end up on screens, in pages and in tables, and command none of these."""

import re
import unicodedata

from procwm.errors import SpecError

_COMMANDING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: what controls or only formats, halves of characters, ends of lines and paragraphs."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that show nothing: two names that differ in one look the same."""


def commands(character: str) -> bool:
    """Whether a character does something to what shows it, or nothing, in place of being shown."""
    return unicodedata.category(character) in _COMMANDING or _UNSEEN.match(character) is not None


def shown(text: str) -> str:
    """`text` from anywhere, with escapes such as `\\x1b` for characters that would command what shows it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(ascii(character)[1:-1] if commands(character) else character for character in text)


def check_plain(what: str, text: str) -> None:
    """Raise `SpecError`, beginning with `what`, where a character of `text` cannot be shown."""
    found = next((character for character in text if commands(character)), None)
    if found is not None:
        raise SpecError(f"{what} {text!a} holds U+{ord(found):04X}, which cannot be seen; remove it")


def check_tag_texts(name: str, unit: str) -> None:
    """Raise `SpecError` where a tag cannot be called `name`, or its unit be written as `unit`."""
    if not name.strip():
        raise SpecError("a tag has an empty name")
    check_plain("the tag name", name)
    check_plain(f"{name}: unit", unit)
