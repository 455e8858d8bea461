"""Whether a setpoint step and an unmeasured load step both end without offset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import casadi
import numpy as np
from jaxtyping import Float

from procwm.comparison.closed_loop import ControllerFactory, closed_loop
from procwm.comparison.linearise import linearise
from procwm.errors import SpecError
from procwm.plant.samples import Quality, Sample
from procwm.plant.scenario import Equations, LoadChange, Scenario, TargetChange, TruthRow
from procwm.plant.tags import names_of

STEP = 0.05
"""Size of the setpoint step, as a share of the CV's span."""
LOAD = 2.0
"""Size of the load step, in standard deviations of what the disturbance does by itself."""
PHASE = 120
"""Intervals of each phase."""


@dataclass(frozen=True, kw_only=True)
class Offset:
    """Mean error of one CV over the last quarter of each phase, engineering units.

    Attributes:
        setpoint: after the setpoint step.
        load: after the load step that follows.
        noise_sd: standard deviation of the CV's measurement noise; less than that is no offset.
    """

    setpoint: float
    load: float
    noise_sd: float

    @property
    def free(self) -> bool:
        """Whether both phases ended without offset."""
        return max(abs(self.setpoint), abs(self.load)) < self.noise_sd


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The two steps, chosen to lead away from guardrails, which are another study's matter."""

    target: TargetChange
    load: LoadChange


def offsets(scenario: Scenario, factory: ControllerFactory, *, seed: int, steps: Steps) -> dict[str, Offset]:
    """Run `steps` one after the other and report every CV.

    No disturbance but the load step is unmeasured; measured ones and noise act as ever.
    """
    run = closed_loop(
        scenario,
        factory,
        seed=seed,
        intervals=2 * PHASE,
        program=[steps.target],
        loads=[steps.load],
        unmeasured=False,
    )
    noise = noise_sd(scenario, seed=seed)
    cvs = scenario.plant.cvs
    error = (run.cv[1:] - run.target)[:, : len(cvs)]
    first, second = (error[end - PHASE // 4 : end].mean(axis=0) for end in (PHASE, 2 * PHASE))
    return {
        tag.name: Offset(setpoint=float(a), load=float(b), noise_sd=noise[tag.name])
        for tag, a, b in zip(cvs, first, second, strict=True)
        if tag.setpoint is not None
    }


def choose_steps(scenario: Scenario, rows: Sequence[TruthRow]) -> Steps:
    """The CV and direction, and the disturbance and direction, to step.

    Linearised at the nominal point, with the CVs held at their targets by the MVs, they are those
    that raise the worst guardrail least. Of several unmeasured disturbances it is the one that moves
    the CVs most per standard deviation in `rows`.

    Raises:
        SpecError: the scenario has no unmeasured disturbance or no CV with a setpoint.
    """
    equations, plant = scenario.equations, scenario.plant
    model = linearise(equations)
    cv = [equations.output_names.index(tag.name) for tag in plant.cvs]
    guard = range(len(equations.output_names), len(model.C))
    holding = np.linalg.pinv(model.steady_gain[cv])
    per_target = model.steady_gain[guard] @ holding
    stepped = [(row, tag.setpoint) for row, tag in enumerate(plant.cvs) if tag.setpoint is not None]
    hidden = _unmeasured(equations, names_of(plant.dvs))
    if not (stepped and hidden):
        raise SpecError(f"{scenario.name}: an offset study needs a setpoint and an unmeasured disturbance")

    _, row, setpoint, step = min(
        (_worst(step * per_target[:, row]), row, setpoint, step)
        for row, setpoint in stepped
        for step in (STEP * plant.cvs[row].span, -STEP * plant.cvs[row].span)
    )
    target = TargetChange(tick=0, tag=plant.cvs[row].name, value=setpoint + step)

    deviation = np.std([truth.disturbance for truth in rows], axis=0)
    spans = np.array([tag.span for tag in plant.cvs])
    effect = model.steady_disturbance_gain * deviation
    column = max(hidden, key=lambda d: float(np.max(np.abs(effect[cv, d]) / spans)))
    held = effect[guard, column] - per_target @ effect[cv, column]
    size = LOAD * min((1.0, -1.0), key=lambda sign: _worst(sign * held))
    load = LoadChange(
        tick=PHASE,
        disturbance=equations.disturbances[column],
        value=float(equations.nominal_disturbance[column] + size * deviation[column]),
    )
    return Steps(target=target, load=load)


def _worst(rise: Float[np.ndarray, " guard"]) -> float:
    return float(rise.max(initial=0.0))


def _unmeasured(equations: Equations, dvs: Sequence[str]) -> list[int]:
    """Disturbances that no DV tag shows."""
    x = casadi.SX.sym("x", len(equations.states))
    mv = casadi.SX.sym("mv", len(equations.nominal_mv))
    d = casadi.SX.sym("d", len(equations.disturbances))
    shown = [equations.output_names.index(name) for name in dvs]
    seen = casadi.which_depends(equations.outputs(x, mv, d)[shown], d, 1, False) if shown else []
    return [column for column in range(len(equations.disturbances)) if not (seen and seen[column])]


def noise_sd(scenario: Scenario, *, seed: int, intervals: int = 400) -> Mapping[str, float]:
    """Standard deviation of what instruments add to the readings of every CV."""
    readings = []
    for noise in (True, False):
        plant = scenario.simulate(seed=seed, unmeasured=False, noise=noise)
        samples = list(plant.drain())
        for _ in range(intervals):
            plant.advance()
            samples += plant.drain()
        readings.append(_by_time(samples))
    noisy, clean = readings
    added: dict[str, list[float]] = {tag.name: [] for tag in scenario.plant.cvs}
    for (tag, time_ns), value in noisy.items():
        if tag in added and (tag, time_ns) in clean:
            added[tag].append(value - clean[tag, time_ns])
    return {tag: float(np.std(values)) for tag, values in added.items()}


def _by_time(samples: Sequence[Sample]) -> dict[tuple[str, int], float]:
    good = (sample for sample in samples if sample.quality is Quality.GOOD)
    return {(sample.tag, sample.source_ns): sample.value for sample in good}
