"""Help in plain words: FOLDER, FILE, NUMBER and TEXT in place of the types of a program."""

from pathlib import Path
from typing import Any, get_args, get_origin

from typer.core import TyperArgument, TyperCommand, TyperOption


class PlainCommand(TyperCommand):
    """A command whose help names no type of the program."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Args: as of `TyperCommand`."""
        super().__init__(*args, **kwargs)
        for param in self.params:
            if isinstance(param, TyperArgument):
                # Its name says it all; what an object has of its own goes before a method of its class.
                vars(param)["display_type_rich"] = lambda ctx: ""
            elif isinstance(param, TyperOption) and param.metavar is None and not param.is_flag:
                param.metavar = _word(param)


def _word(option: TyperOption) -> str:
    """What the value of an option is."""
    described = option.type_descriptor
    if described.is_choice:
        return "|".join(str(getattr(choice, "value", choice)) for choice in described.choices or ())
    kind: Any = described.annotation
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
    if kind is Path or described.is_path:
        return "FOLDER" if "folder" in (option.help or "")[:24].lower() else "FILE"
    return "NUMBER" if kind in (int, float) else "TEXT"
