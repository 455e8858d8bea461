"""A whole live run through public names alone, over a link that procwm has never heard of."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from judged import judged_fit
from linear_loop import HISTORY, LinearPlant, model_of, plant_spec

import procwm


class OutsideLink:
    """Of another package: it has what a link must have, and the time of its plant."""

    def __init__(self, spec: procwm.PlantSpec) -> None:
        self.spec = spec
        self.plant = LinearPlant(spec)
        self.ticked = False

    def drain(self) -> Sequence[procwm.Sample]:
        return self.plant.drain()

    async def write(self, setpoints: dict[str, float]) -> dict[str, float]:
        return dict(self.plant.enter(setpoints))

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        while True:
            if self.ticked:
                self.plant.advance()
            self.ticked = True
            yield self.plant.time_ns


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the link, as the package that brings it has registered it."""
    about = tmp_path / "site" / "outside-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(
        f"[procwm.plants]\noutside = {__name__}:OutsideLink\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(about.parent))
    return "outside"


def made(folder: Path, mode: procwm.Mode, plant: procwm.PlantSpec | None = None) -> procwm.Controller:
    """A controller as a host makes it: from a plant file and a model's folder."""
    plant = plant or plant_spec()
    if not folder.exists():
        judged_fit(model_of(plant_spec())).save(folder)
    return procwm.Controller(plant, procwm.load_model(folder, plant), mode=mode, deadline_s=20.0)


async def test_a_host_runs_a_plant_of_another_package_and_asks_is_answered_and_recorded(
    outside: str, tmp_path: Path
) -> None:
    controller = made(tmp_path / "model", procwm.Mode.SHADOW)
    out = tmp_path / "run"
    modes: list[procwm.Mode] = []
    opening = procwm.open_run(controller, outside, clock=lambda link: link, out=out)
    async with opening as live:
        assert isinstance(live.link, OutsideLink)
        watched = await live.run(HISTORY, on_cycle=lambda cycle: modes.append(cycle.decision.mode))
        assert (watched.cycles, watched.written) == (HISTORY, 0)
        live.ask(procwm.Request(who="host", mode="auto", limits={"V1": (None, 60.0)}))
        with pytest.raises(procwm.SpecError, match="may only tighten"):
            live.ask(procwm.Request(who="host", limits={"V1": (None, 95.0)}))
        summary = await live.run(8, setpoints={"L1": 52.0}, on_cycle=lambda c: modes.append(c.decision.mode))
        assert (summary.cycles, summary.written) == (8, 8)
        assert max(move[0] for move in live.link.plant.moves) <= 60.0
        assert live.link.plant.x[0] > 51.0
    assert modes == [procwm.Mode.SHADOW] * HISTORY + [procwm.Mode.AUTO] * 8
    assert len(procwm.read_decisions(out)) == HISTORY + 8
    assert procwm.check_run(out) > 0
    assert "request of host taken up: mode auto, V1 high limit 60" in (out / "audit.jsonl").read_text()
    assert not any(cycle.differs for cycle in procwm.verify(out, made(tmp_path / "model", procwm.Mode.AUTO)))


async def test_a_link_of_the_host_s_own_needs_no_registration(tmp_path: Path) -> None:
    link = OutsideLink(plant_spec())
    controller = made(tmp_path / "model", procwm.Mode.AUTO)
    async with procwm.open_run(controller, link, clock=lambda _: link) as live:
        assert (await live.run(HISTORY + 1)).written == 3


async def test_a_heartbeat_that_the_link_cannot_write_is_refused_before_anything_runs(tmp_path: Path) -> None:
    plant = plant_spec()
    beating = replace(plant, control=replace(plant.control, heartbeat_node="ns=2;s=MPC.HB"))
    link = OutsideLink(beating)
    controller = made(tmp_path / "model", procwm.Mode.AUTO, beating)
    with pytest.raises(procwm.SpecError, match="this link has no way to write it"):
        async with procwm.open_run(controller, link):
            pass
    assert not link.ticked


async def test_a_link_that_nobody_brings_is_one_sentence_that_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(procwm.SpecError, match=r"there is no link profinet; installed are .*opcua"):
        async with procwm.open_run(made(tmp_path / "model", procwm.Mode.AUTO), "profinet"):
            pass
