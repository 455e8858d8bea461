"""Texts in CSV files that a spreadsheet would take for formulas: a tag may be called `=A1-K3`."""

import re

INERT = (r"^([=+\-@\t\r])", r"'\1")
"""What such a text begins with, and how it is written: the apostrophe says that it is a text."""


def inert(text: str) -> str:
    """`text` as it is written to a CSV."""
    return re.sub(*INERT, text)


def meant(text: str) -> str:
    """What `inert` was given, from a CSV."""
    return text[1:] if re.match(r"'[=+\-@\t\r]", text) else text
