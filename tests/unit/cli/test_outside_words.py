"""Words of servers and files reach a terminal as words."""

import logging

import pytest

from procwm.cli import _complain, _configure_logging
from procwm.cli.output import emit_table, say
from procwm.plant.texts import shown
from procwm_adapters.opcua.console.fact_nodes import _plain

EVIL = "TI\x1b[2J1\x9b31m\u202e\u2028\r\x07"
TOLD = r"TI\x1b[2J1\x9b31m\u202e\u2028\r\x07"


def test_what_would_command_a_terminal_is_shown_as_escapes() -> None:
    assert shown(EVIL) == TOLD
    assert shown("Füllstand 3\u00a0m³ → 漢字") == "Füllstand 3\u00a0m³ → 漢字"
    assert shown("TI\u200b1 TI\u00ad1 \u3164 \ufe0f") == r"TI\u200b1 TI\xad1 \u3164 \ufe0f"
    assert _plain([EVIL, 1.5, None]) == [TOLD, 1.5, None]


def test_sentences_errors_warnings_and_tables_command_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    say(EVIL)
    _complain(EVIL, 1)
    _configure_logging(False)
    logging.getLogger("procwm.x").warning("%s", EVIL)
    emit_table([EVIL, "[bold]"], [["[red]x[/red]", EVIL]], title="t")
    said = "".join(capsys.readouterr())
    assert not [character for character in said if character != "\n" and not character.isprintable()]
    assert said.count(r"TI\x1b[2J1") == 5
    assert "[red]x[/red]" in said
    assert "[bold]" in said
