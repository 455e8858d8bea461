"""Unit texts: the same unit is written in several ways."""

_SPELLINGS = str.maketrans(
    {"°": "deg", "℃": "degC", "℉": "degF", "²": "2", "³": "3", "^": "", "µ": "u", "μ": "u", "·": "*", " ": ""}
)
_SAME_UNIT = {"C": "degC", "Cel": "degC", "celsius": "degC", "F": "degF", "percent": "%", "hr": "h"}


def canonical_unit(unit: str) -> str:
    """`unit` as every spelling of it is written here: `m³/h` is `m3/h`, and `°C` is `degC`."""
    text = unit.strip().translate(_SPELLINGS)
    return _SAME_UNIT.get(text, text)
