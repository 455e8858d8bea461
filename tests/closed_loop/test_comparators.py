"""Comparators on the simulated plants: fair, within limits, and in the order that makes them a yardstick."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache

import numpy as np
import pytest

from procwm.comparison.closed_loop import ClosedLoopRun, closed_loop
from procwm.comparison.linear_model import identify_linear
from procwm.comparison.linear_mpc import LinearMpc
from procwm.comparison.oracle import OracleNmpc
from procwm.comparison.oracle_program import OracleProgram, Situation
from procwm.comparison.pi import ProportionalIntegral
from procwm.control.decision import Decision
from procwm.data.series import Log
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import LoadChange, Operation, Scenario, TargetChange
from procwm_scenarios.cstr import scenario as cstr
from procwm_scenarios.quadruple_tank import scenario as quadruple_tank

SCENARIOS = {"quadruple_tank": quadruple_tank, "cstr": cstr}
WARM_UP = 40
STEP = {
    "quadruple_tank": [
        TargetChange(tick=3, tag="LT1.PV", value=13.1),
        TargetChange(tick=3, tag="LT2.PV", value=12.3),
    ],
    "cstr": [TargetChange(tick=3, tag="AT1.PV", value=0.55)],
}


class Spy:
    """Holds the MVs, or writes what it is told, and remembers what it was shown."""

    def __init__(self, moves: Mapping[int, Setpoints] | None = None) -> None:
        self._moves = moves or {}
        self.samples: list[Sample] = []
        self.setpoints: list[Setpoints] = []

    def start(self, last_mv: Mapping[str, float]) -> int:
        return 0

    def step(
        self,
        samples: Sequence[Sample],
        state: int,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, int]:
        self.samples += samples
        self.setpoints.append(dict(setpoints or {}))
        return Decision(setpoints=self._moves.get(state), reason="spy"), state + 1


@cache
def linear(name: str) -> LinearMpc:
    scenario = SCENARIOS[name]
    plant = scenario.simulate(seed=1000, operation=Operation.ROUTINE)
    samples = list(plant.drain())
    for _ in range(900):
        plant.advance()
        samples += plant.drain()
    log = Log.from_samples(samples, scenario.plant)
    return LinearMpc(identify_linear(scenario.plant, log, history=WARM_UP + 1), horizon=20)


@cache
def program(name: str) -> OracleProgram:
    return OracleProgram(SCENARIOS[name], horizon=20)


@cache
def run(name: str, controller: str) -> ClosedLoopRun:
    """One setpoint step, with noise and disturbances."""
    scenario = SCENARIOS[name]
    factories = {
        "pi": lambda plant: ProportionalIntegral.tuned(scenario),
        "linear_mpc": lambda plant: linear(name),
        "oracle_nmpc": lambda plant: OracleNmpc(program(name), plant),
    }
    return closed_loop(
        scenario, factories[controller], seed=1, intervals=24, warm_up=WARM_UP, program=STEP[name]
    )


def test_every_controller_meets_the_same_noise_disturbances_and_dropouts() -> None:
    still, moved = Spy(), Spy({6: {"P1.SP": 3.4}})
    runs = [
        closed_loop(quadruple_tank, lambda _, spy=spy: spy, seed=4, intervals=30, warm_up=20)
        for spy in (still, moved)
    ]
    np.testing.assert_array_equal(runs[0].disturbance, runs[1].disturbance)
    assert np.abs(runs[0].cv[-1] - runs[1].cv[-1]).max() > 0.1
    shown = [[s for s in spy.samples if s.tag not in ("P1.SP", "P2.SP")] for spy in (still, moved)]
    assert [(s.tag, s.source_ns, s.quality) for s in shown[0]] == [
        (s.tag, s.source_ns, s.quality) for s in shown[1]
    ]
    before = [[s for s in samples if s.source_ns <= runs[0].time_ns[6]] for samples in shown]
    assert before[0] == before[1]


def test_a_setpoint_is_known_from_its_tick_on_and_never_before() -> None:
    spy = Spy()
    result = closed_loop(
        quadruple_tank, lambda _: spy, seed=0, intervals=6, warm_up=2, program=STEP["quadruple_tank"]
    )
    assert [s["LT1.PV"] for s in spy.setpoints] == [12.4] * 3 + [13.1] * 3
    assert result.target[:, 0].tolist() == [12.4] * 3 + [13.1] * 3


def test_the_first_step_sees_the_whole_warm_up_and_none_of_it_is_scored() -> None:
    spy = Spy()
    result = closed_loop(quadruple_tank, lambda _: spy, seed=0, intervals=4, warm_up=10, program=())
    assert len({s.source_ns for s in spy.samples if s.tag == "LT1.PV"}) >= 10
    assert result.cv.shape == (5, 2)
    assert result.held == 4


def test_a_load_starts_at_its_tick_of_the_scored_run() -> None:
    loads = [LoadChange(tick=2, disturbance="inflow_1", value=1.5)]
    result = closed_loop(
        quadruple_tank, lambda _: Spy(), seed=0, intervals=4, warm_up=10, loads=loads, unmeasured=False
    )
    assert result.disturbance[:, 0].tolist() == [0.0, 0.0, 0.0, 1.5, 1.5]


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("controller", ["pi", "linear_mpc", "oracle_nmpc"])
def test_every_move_is_within_range_and_largest_move(name: str, controller: str) -> None:
    result = run(name, controller)
    for column, tag in enumerate(result.plant.mvs):
        assert result.mv[:, column].min() >= tag.bounds[0]
        assert result.mv[:, column].max() <= tag.bounds[1]
        assert np.abs(np.diff(result.mv[:, column])).max() <= (tag.max_move or np.inf) + 1e-9


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_oracle_beats_pi(name: str) -> None:
    assert run(name, "oracle_nmpc").cost < run(name, "pi").cost


def test_the_oracle_keeps_a_guardrail_that_it_would_break_without_knowing_it() -> None:
    bold = [TargetChange(tick=0, tag="LT1.PV", value=14.0), TargetChange(tick=0, tag="LT2.PV", value=11.5)]

    def broken(oracle: OracleProgram) -> int:
        return closed_loop(
            quadruple_tank,
            lambda plant: OracleNmpc(oracle, plant),
            seed=1,
            intervals=16,
            warm_up=5,
            program=bold,
            unmeasured=False,
        ).guard_violations

    assert broken(OracleProgram(quadruple_tank, guarded=False, horizon=20)) > 0
    assert broken(program("quadruple_tank")) == 0


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_the_oracle_imagines_is_what_the_simulator_does(name: str) -> None:
    scenario = SCENARIOS[name]
    equations = scenario.equations
    prog = program(name)
    nominal = np.array(equations.nominal_mv)
    reach = np.array([tag.max_move for tag in scenario.plant.mvs])
    moved = nominal + 0.8 * reach
    situation = Situation(
        state=np.array(equations.steady_state),
        last_mv=nominal,
        disturbance=np.array(equations.nominal_disturbance),
        target=np.array([tag.setpoint or np.nan for tag in scenario.plant.outputs]),
    )
    guess = prog.imagined(situation, np.repeat(moved[:, None], prog.horizon, axis=1))
    assert guess is not None
    names = [tag.name for tag in scenario.plant.mvs]
    spy = Spy({0: dict(zip(names, moved.tolist(), strict=True))})
    truth = closed_loop(
        scenario,
        lambda _: spy,
        seed=0,
        intervals=prog.horizon,
        warm_up=0,
        program=(),
        loads=[
            LoadChange(tick=0, disturbance=disturbance, value=value)
            for disturbance, value in zip(equations.disturbances, equations.nominal_disturbance, strict=True)
        ],
    )
    spans = np.array([tag.span for tag in scenario.plant.outputs])
    imagined = prog.outputs(guess, situation)
    assert np.abs((imagined - truth.cv[1:]) / spans).max() < 2e-3


def test_the_linear_mpc_ends_without_offset_after_a_step_and_an_unmeasured_load() -> None:
    result = closed_loop(
        quadruple_tank,
        lambda _: linear("quadruple_tank"),
        seed=3,
        intervals=240,
        warm_up=WARM_UP,
        program=STEP["quadruple_tank"],
        loads=[LoadChange(tick=120, disturbance="inflow_1", value=0.6)],
        unmeasured=False,
    )
    error = result.cv[1:] - result.target
    noise_sd = quadruple_tank.instruments["LT1.PV"].noise_sd
    for quarter in (error[90:120], error[210:240]):
        assert np.abs(quarter.mean(axis=0)).max() < noise_sd


def test_the_oracle_takes_a_zone_for_a_target_and_leaves_a_cv_inside_it_alone() -> None:
    tags = tuple(
        replace(tag, setpoint=None, zone=(10.0, 15.0)) if tag.name == "LT2.PV" else tag
        for tag in quadruple_tank.plant.tags
    )
    scenario: Scenario = replace(quadruple_tank, plant=replace(quadruple_tank.plant, tags=tags))
    zoned = OracleProgram(scenario, horizon=20)
    result = closed_loop(
        scenario,
        lambda plant: OracleNmpc(zoned, plant),
        seed=0,
        intervals=12,
        warm_up=5,
        program=[TargetChange(tick=0, tag="LT1.PV", value=13.0)],
        unmeasured=False,
    )
    assert abs(result.cv[-1, 0] - 13.0) < 0.05
    assert 10.0 <= result.cv[:, 1].min() <= result.cv[:, 1].max() <= 15.0
