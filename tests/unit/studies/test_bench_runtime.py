"""The measurement of the runtime in wall time: what it takes, what it refuses, what it makes of a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from hand_clock import HandClock

from procwm.control.controller import Controller
from procwm.control.measurement import utc
from procwm.errors import SpecError
from procwm.plant.tags import Role
from procwm_studies import study
from procwm_studies.runtime import runtime
from procwm_studies.runtime.plant import WidePlant, wide_model, wide_plant
from procwm_studies.runtime.processes import Measured

CYCLES = 1800


def a_run(leak_mb_per_h: float = 0.0) -> Measured:
    hours = np.arange(CYCLES) / 3600.0
    return Measured(
        late_ms=np.linspace(0.0, 10.0, CYCLES),
        done_ms=np.full(CYCLES, 50.0),
        rss_mb=400.0 + 20.0 * np.exp(-hours * 100.0) + leak_mb_per_h * hours,
        missed=2,
        moved=CYCLES,
        cpu_share=0.08,
        server_ready_s=1.5,
    )


def test_a_run_becomes_a_row_with_and_without_the_controllers_own_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int, bool]] = []

    def measured(*arguments: int) -> Measured:
        asked.append(arguments)  # type: ignore[arg-type]
        return a_run(leak_mb_per_h=6.0)

    monkeypatch.setattr(runtime, "measure", measured)
    written = study("runtime", minutes=30.0, tags=60)(tmp_path)
    assert asked == [(60, 0, 1800, False), (60, 0, 1800, True)]
    rows = json.loads(written.read_text(encoding="utf-8"))
    assert [row["served"] for row in rows] == [False, True]
    assert rows[0]["late_ms_median"] == pytest.approx(5.0)
    assert rows[0]["late_ms_worst"] == pytest.approx(10.0)
    assert rows[0]["rss_slope_mb_per_h"] == pytest.approx(6.0, abs=0.1)
    text = written.with_suffix(".md").read_text(encoding="utf-8")
    assert "procwm bench runtime --out DIR --minutes 30 --tags 60" in text


def test_what_the_study_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes no --scenario and no --hours"):
        study("runtime")(tmp_path, hours=1.0)
    with pytest.raises(SpecError, match="bench runtime takes no --logs"):
        study("runtime", logs=tmp_path)
    with pytest.raises(SpecError, match="--tags 10: at least 20 are needed"):
        wide_plant(10)


async def test_every_tag_of_the_plant_changes_and_its_controller_finds_a_plan() -> None:
    spec = wide_plant(40)
    plant = WidePlant(spec, seed=0)
    controller = Controller(spec, wide_model(spec), clock=HandClock())
    state = controller.start({tag.name: 50.0 for tag in spec.mvs})
    time_ns = plant.truth.time_ns
    decision, before = None, {sample.tag: sample.value for sample in plant.drain()}
    for _ in range(25):
        time_ns += 1_000_000_000
        plant.advance()
        samples = plant.drain()
        assert {s.tag for s in samples if s.value != before[s.tag]} >= {t.name for t in spec.of(Role.PV)}
        before = {sample.tag: sample.value for sample in samples}
        at_tick = [type(s)(s.tag, s.value, s.quality, time_ns) for s in samples]
        decision, state = controller.step(at_tick, state, time=utc(time_ns), setpoints={"C0": 60.0})
        if decision.setpoints is not None:
            await plant.write(decision.setpoints)
    assert decision is not None
    assert decision.setpoints is not None
    assert decision.setpoints["M0"] > 52.0
    assert plant.truth.state[0] > 50.5
