"""Comments of a plant file that was drafted: why it says what it says, and what is left to decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from procwm.plant.texts import shown

DECIDE = "decide: "
"""What begins a comment that asks something."""


@dataclass(frozen=True, kw_only=True)
class PlantNotes:
    """Comments, a line each, below the table that they are about.

    Attributes:
        plant: about `[plant]`.
        tags: by tag.
        end: about the file, at its end.
    """

    plant: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    end: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[str, ...]:
        """What is left to decide, each with the tag that it is about."""
        about = (("the plant", self.plant), *self.tags.items())
        return tuple(
            f"{what}: {line.removeprefix(DECIDE)}"
            for what, lines in about
            for line in lines
            if line.startswith(DECIDE)
        )


def comments(lines: Iterable[str]) -> str:
    """`lines` as comments of a TOML file; what came from outside ends none of them."""
    return "".join(f"# {shown(line)}\n" for line in lines)
