"""The contract of a simulated plant, as a check that anyone can run over their own scenario."""

import asyncio
from collections.abc import Awaitable

import numpy as np

from procwm.errors import LinkError
from procwm.plant.samples import Sample
from procwm.plant.scenario import LoadChange, Operation, Scenario, SimulatedPlant, TruthRow
from procwm.plant.tags import Role


def check_scenario(scenario: Scenario, *, intervals: int = 30) -> None:
    """Check that `scenario` keeps the contract of a simulated plant.

    Raises:
        AssertionError: with a sentence saying what does not hold.
    """
    _check_equations(scenario)
    _check_nominal_point(scenario, intervals)
    for operation in Operation:
        first, second, other = (_trajectory(scenario, seed, operation, intervals) for seed in (1, 1, 2))
        assert first == second, f"{operation}: the same seed must give the same trajectory and samples"
        assert first != other, f"{operation}: another seed must give another trajectory"
    asyncio.run(_check_link_and_clock(scenario))
    _check_programme(scenario)


def _check_equations(scenario: Scenario) -> None:
    plant, equations = scenario.plant, scenario.equations
    measured = [tag.name for tag in plant.of(Role.CV, Role.PV, Role.DV)]
    assert sorted(equations.output_names) == sorted(measured), "every tag but the MVs is an output, once"
    point = (equations.steady_state, equations.nominal_mv, equations.nominal_disturbance)
    sizes = (len(equations.states), len(plant.mvs), len(equations.disturbances))
    assert tuple(len(values) for values in point) == sizes, "the nominal point must fit states, MVs, loads"
    rows = {"rhs": sizes[0], "outputs": len(equations.output_names), "guards": len(equations.guard_names)}
    for name, count in rows.items():
        function = getattr(equations, name)
        values = np.asarray(function(*point).full()).ravel()
        assert values.shape == (count,), f"{name} must have {count} rows"
        assert np.isfinite(values).all(), f"{name} must be finite at the nominal point"
        slopes = function.jacobian()(*point, values)
        slopes = slopes if isinstance(slopes, tuple) else (slopes,)
        assert all(np.isfinite(slope.full()).all() for slope in slopes), f"{name} must be differentiable"
    assert (np.asarray(equations.guards(*point).full()) < 0).all(), "the nominal point must be safe"


def _check_nominal_point(scenario: Scenario, intervals: int) -> None:
    equations = scenario.equations
    still = [
        LoadChange(tick=0, disturbance=name, value=value)
        for name, value in zip(equations.disturbances, equations.nominal_disturbance, strict=True)
    ]
    plant = scenario.simulate(seed=0, noise=False, loads=still)
    for _ in range(intervals):
        plant.advance()
    first, last = plant.history[0], plant.history[-1]
    for tag in scenario.plant.of(Role.CV, Role.PV, Role.DV):
        drift = abs(last.outputs[tag.name] - first.outputs[tag.name])
        assert drift < 1e-5 * tag.span, f"{tag.name} drifts by {drift} at the nominal point"


def _trajectory(
    scenario: Scenario, seed: int, operation: Operation, intervals: int
) -> tuple[list[TruthRow], list[Sample]]:
    plant = scenario.simulate(seed=seed, operation=operation)
    for _ in range(intervals):
        plant.advance()
    rows, samples = list(plant.history), list(plant.drain())
    assert len(rows) == intervals + 1, "one row for every tick, the present included"
    known = {tag.name: tag for tag in scenario.plant.tags}
    for sample in samples:
        assert sample.tag in known, f"{sample.tag} is not in the plant file"
        low, high = known[sample.tag].range
        assert low <= sample.value <= high, f"{sample.tag}: {sample.value} is outside the instrument's range"
    times = [sample.source_ns for sample in samples]
    assert times == sorted(times), "samples are drained oldest first"
    assert times[-1] <= rows[-1].time_ns, "no sample comes from the future"
    assert not plant.drain(), "a sample is drained once"
    for row in rows:
        for tag, value in zip(scenario.plant.mvs, row.mv, strict=True):
            assert tag.bounds[0] <= value <= tag.bounds[1], f"{tag.name}: operators left its limits"
    return rows, samples


async def _check_link_and_clock(scenario: Scenario) -> None:
    plant, spec = scenario.simulate(seed=0), scenario.plant
    assert isinstance(plant, SimulatedPlant), "simulate must return a SimulatedPlant"
    tag = spec.mvs[0]
    plant.drain()
    accepted = await plant.write({tag.name: tag.range[1] + 10.0 * tag.span})
    assert accepted == {tag.name: tag.range[1]}, "a plant accepts no more than the instrument's range"
    now = plant.truth.time_ns
    reported = [sample.source_ns for sample in plant.drain() if sample.tag == tag.name]
    assert len(reported) == 1, "an accepted setpoint is reported at once"
    assert reported[0] > now, "an accepted setpoint is stamped after the tick"
    ticks = plant.ticks(spec.interval_s)
    times = [await anext(ticks) for _ in range(3)]
    assert times[0] == now, "the first tick is the present"
    assert np.diff(times).tolist() == [round(spec.interval_s * 1e9)] * 2, "ticks are one interval apart"
    assert plant.history[1].mv[0] == tag.range[1], "an accepted setpoint acts in the interval after it"
    for refused in (plant.write({"no such tag": 0.0}), plant.write({tag.name: float("nan")})):
        await _check_refused(refused)
    await _check_refused(anext(plant.ticks(2.0 * spec.interval_s)))


async def _check_refused(request: Awaitable[object]) -> None:
    try:
        await request
    except LinkError:
        return
    raise AssertionError("an unknown tag, a value that is no number, another interval: each is a LinkError")


def _check_programme(scenario: Scenario) -> None:
    programme = scenario.program(seed=3, intervals=400)
    assert programme == scenario.program(seed=3, intervals=400), "the same seed must give the same programme"
    assert programme != scenario.program(seed=4, intervals=400), "another seed must give another programme"
    ticks = [change.tick for change in programme]
    assert ticks == sorted(ticks), "setpoint changes come in order"
    assert ticks[0] >= 0, "a programme starts at tick 0 or later"
    assert ticks[-1] < 400, "a programme ends with the run"
    for change in programme:
        low, high = scenario.plant.tag(change.tag).bounds
        assert low < change.value < high, f"{change.tag}: setpoint {change.value} is outside its limits"
