import io
import math

import pytest
from rich.console import Console

from procwm.cli.screen import line, screen
from procwm.plant.front import NO_INTERVAL, Facts, Guardrail, Variable
from procwm.plant.tags import Role


def facts(cvs: int = 2, mvs: int = 2, dvs: int = 1, *, alarms: int = 2, wide: bool = False) -> Facts:
    area = "AREA12.UNIT3." if wide else ""
    known = {
        f"{area}TC{i}.PV": Variable(
            role=Role.CV,
            unit="kg/m2/h" if wide else "cm",
            range=(-1e6, 1e6) if wide else (0.0, 20.0),
            value=-123456.789 if wide else 12.4,
            setpoint=math.nan if i % 2 else 12.0,
            zone=(11.0, 13.0) if i % 2 else NO_INTERVAL,
            limits=(-234567.0, 987654.0) if wide else (1.0, 19.0),
            prediction=(-12345.678, 98765.4) if wide else (12.3, 12.1),
        )
        for i in range(cvs)
    }
    known |= {
        f"{area}FC{i}.SP": Variable(
            role=Role.MV,
            unit="V",
            range=(0.0, 10.0),
            value=3.0,
            move=3.1,
            limits=(1.0, 6.0),
            prediction=(3.1, 3.4),
            held="the loop below it is in mode 2, not in 1" if i == 0 else "",
        )
        for i in range(mvs)
    }
    known |= {f"{area}FT{i}.PV": Variable(role=Role.DV, unit="m3/h", value=2.2) for i in range(dvs)}
    return Facts(
        plant="a plant",
        interval_s=10.0,
        time_ns=1_760_000_000_000_000_000,
        heartbeat=1234,
        requested="auto",
        actual="shed",
        mode_reason="TC0.PV: lost, and it is critical",
        reason="too little was measured lately",
        alarms=tuple(f"alarm number {i} that somebody should look at" for i in range(alarms)),
        step_s=0.034,
        kpis={"cycles": 1234.0, "service_factor": 0.97, "model_quality": math.nan},
        variables=known,
        guardrails={"flooding": Guardrail(worst=0.02, prediction=(-0.5, 0.02)), "dry": Guardrail()},
    )


def drawn(shown: Facts, width: int, height: int, **options: str) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(screen(shown, console, **options))
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
@pytest.mark.parametrize(
    "size",
    [
        {},
        {"cvs": 60, "mvs": 30, "dvs": 110, "alarms": 30},
        {"cvs": 4, "mvs": 3, "wide": True},
        {"cvs": 90, "mvs": 60, "wide": True},
    ],
)
def test_everything_fits_the_terminal_and_no_number_is_cut(width, height, size) -> None:
    shown = facts(**size)
    lines = drawn(shown, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    for said in (
        "SHED",
        "asked for: auto",
        "it is critical",
        "too little was measured",
        "NOT SAFE",
        "0.02",
        "12",
    ):
        assert said in text
    if size.get("wide"):
        words = text.split()
        assert {"-1.235e+05", "-2.346e+05", "9.877e+05", "9.877e+04"} <= set(words)


def test_what_there_is_no_room_for_is_counted_and_trouble_comes_first() -> None:
    shown = facts(cvs=60)
    broken = {**shown.variables, "TC42.PV": Variable(role=Role.CV, value=20.0, limits=(1.0, 19.0))}
    lines = drawn(Facts(**{**vars(shown), "variables": broken}), 80, 24)
    text = "\n".join(lines)
    assert "TC42.PV" in text
    shown_cvs = sum(line.startswith("TC") for line in lines)
    assert f"and {60 - shown_cvs} more CVs" in text


def test_a_lost_connection_is_told_above_the_last_facts() -> None:
    assert any("NO CONNECTION: gone" in line for line in drawn(facts(), 80, 24, lost="gone"))


def test_in_a_pipe_a_cycle_is_one_line() -> None:
    said = line(facts())
    assert "\n" not in said
    assert said.startswith(
        "08:53:20Z | shed (asked for: auto; TC0.PV: lost, and it is critical) | TC0.PV 12.4 (12)"
    )
    assert "FC0.SP 3 -> 3.1" in said
