"""A controller in closed loop with its own learned model, and with other plants that its log may mean."""

import time as wall
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int64

from procwm.comparison import metrics
from procwm.comparison.learned_plant import LearnedPlant
from procwm.control.controller import Controller
from procwm.control.measurement import utc
from procwm.errors import SpecError
from procwm.plant.scenario import TargetChange
from procwm.plant.tags import PlantSpec, Role
from procwm.world.effects import SURE, shown_effects
from procwm.world.model import WorldModel
from procwm.world.step_responses import step_responses

INTERVALS = 240
_STEP = 0.5
"""Of the usual spread of a CV in the log: how far a setpoint is stepped where nobody says otherwise."""
_MOST_GAIN = 0.5

Weights = Mapping[str, float]
"""By tag: `weight` of a CV, `move_weight` of an MV."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RehearsedRun:
    """One closed loop.

    Attributes:
        name: of what differs from the first run, in words.
        plant: the plant file that the controller had.
        outputs, mv, guard: true values of every instant, the first being the start.
        target: setpoints in force in every interval; NaN where an output has none.
        outside: instants at which the plant was where the log never was.
        step_s: wall time of every step.
        held: steps that wrote nothing.
    """

    name: str
    plant: PlantSpec
    time_ns: Int64[np.ndarray, " present"]
    outputs: Float[np.ndarray, "present output"]
    mv: Float[np.ndarray, "present mv"]
    guard: Float[np.ndarray, "present guard"]
    target: Float[np.ndarray, "interval output"]
    outside: Bool[np.ndarray, " present"]
    step_s: Float[np.ndarray, " interval"]
    held: int

    @property
    def costs(self) -> tuple[float, float]:
        """Of errors with broken limits, and of moves; by the weights of the first run's plant file."""
        still = np.repeat(self.mv[:1], len(self.mv), axis=0)
        errors = float(metrics.interval_costs(self.plant, self.outputs[1:], still, self.target).sum())
        whole = float(metrics.interval_costs(self.plant, self.outputs[1:], self.mv, self.target).sum())
        return errors, whole - errors

    @property
    def violations(self) -> tuple[int, int]:
        """Intervals that ended outside a limit, and with a guardrail broken."""
        limits = metrics.limit_violations(self.plant, self.outputs[1:])
        return int(limits.sum()), int(metrics.guard_violations(self.guard[1:]).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Rehearsal:
    """Closed loops on one setpoint programme and one seed; the model's own plant first."""

    model: WorldModel
    plant: PlantSpec
    runs: tuple[RehearsedRun, ...]
    seed: int

    @property
    def outside(self) -> float:
        """Share of the instants of the first run at which it was where the log never was."""
        return float(self.runs[0].outside.mean())


def rehearse(
    model: WorldModel,
    plant: PlantSpec | None = None,
    *,
    intervals: int = INTERVALS,
    program: Sequence[TargetChange] | None = None,
    weights: Sequence[Weights] = (),
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Rehearsal:
    """Let a controller with `model` run plants that `model` describes. No real plant is needed.

    Args:
        model: a finished world model, whatever its verdict.
        plant: with other targets, limits and weights; the model's own where `None`.
        intervals: control intervals.
        program: setpoint changes; those of `usual_program` where `None`.
        weights: variants of the controller, tried on the model's own plant.
        seed: of noise and disturbances, the same in every run.
        on_progress: told the share that is done.
    """
    spec = plant or model.plant
    changes = usual_program(model, spec, intervals) if program is None else program
    for change in changes:
        spec.tag(change.tag).check_target(change.value)
    loops: list[tuple[str, LearnedPlant, PlantSpec]] = [
        ("as the model has it", LearnedPlant(model, spec, seed=seed), spec),
        *((name, other, spec) for name, other in _other_plants(model, spec, seed)),
        *((weighted, LearnedPlant(model, spec, seed=seed), reweighted(spec, variant))
          for variant in weights for weighted in [_told(variant)]),
    ]  # fmt: skip
    report = on_progress or (lambda share: None)
    runs = []
    for number, (name, learned, tuned) in enumerate(loops):
        controller = Controller(tuned, model, despite_verdict=True)

        def told(share: float, done: int = number) -> None:
            report((done + share) / len(loops))

        runs.append(replace(_driven(name, learned, controller, changes, intervals, told), plant=spec))
    return Rehearsal(model=model, plant=spec, runs=tuple(runs), seed=seed)


def usual_program(model: WorldModel, plant: PlantSpec, intervals: int) -> list[TargetChange]:
    """The plant file's setpoints, each stepped for a third of the time and back, one CV after the other."""
    asked = [tag for tag in plant.cvs if tag.setpoint is not None]
    _, width = model.scaler.part([tag.name for tag in asked])
    changes = []
    for number, (tag, spread) in enumerate(zip(asked, width.tolist(), strict=True)):
        assert tag.setpoint is not None, "asked for above"
        low, high = tag.limits or tag.range
        up = tag.setpoint + _STEP * spread
        stepped = up if up < high else max(low, tag.setpoint - _STEP * spread)
        begins = intervals // 4 + number * intervals // (4 * len(asked))
        changes.append(TargetChange(tick=begins, tag=tag.name, value=stepped))
        changes.append(TargetChange(tick=begins + intervals // 2, tag=tag.name, value=tag.setpoint))
    return changes


def reweighted(plant: PlantSpec, weights: Weights) -> PlantSpec:
    """`plant` with other weights of CVs, and move weights of MVs."""
    for name in weights:
        if plant.tag(name).role not in (Role.CV, Role.MV):
            raise SpecError(f"{name}: a {plant.tag(name).role} has no weight; only CVs and MVs do")
    tags = [
        tag
        if tag.name not in weights
        else replace(tag, weight=weights[tag.name])
        if tag.role is Role.CV
        else replace(tag, move_weight=weights[tag.name])
        for tag in plant.tags
    ]
    return replace(plant, tags=tuple(tags))


def _told(weights: Weights) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in weights.items())


def _other_plants(model: WorldModel, spec: PlantSpec, seed: int) -> list[tuple[str, LearnedPlant]]:
    """Members of the ensemble; without them, plants whose gains lie at the ends of their confidence bands."""
    if members := model.members:
        return [
            (f"as member {number} has it", LearnedPlant(member, spec, seed=seed))
            for number, member in enumerate(members, start=1)
        ]
    doubt = _gain_doubt(model)
    if not doubt:
        return []
    return [
        (f"with gains {sign * doubt:+.0%}", LearnedPlant(model, spec, seed=seed, gain=1.0 + sign * doubt))
        for sign in (-1, 1)
    ]


def _gain_doubt(model: WorldModel) -> float:
    """By which share of themselves the gains that the log shows may be off, at most; the largest of them."""
    error, shown = model.response_error[-1], shown_effects(model)
    response = np.abs(model.per_unit(step_responses(model))[-1])
    known = shown & (response > 0.0)
    return min(_MOST_GAIN, float((SURE * error[known] / response[known]).max(initial=0.0)))


def _driven(
    name: str,
    plant: LearnedPlant,
    controller: Controller,
    program: Sequence[TargetChange],
    intervals: int,
    report: Callable[[float], None],
) -> RehearsedRun:
    spec = plant.spec
    asked = {tag.name: tag.setpoint for tag in spec.cvs if tag.setpoint is not None}
    state = controller.start(dict(zip(spec.mv_names, plant.mv.tolist(), strict=True)))
    past, rows, target, step_s, held = plant.past(), [_instant(plant)], [], [], 0
    for tick in range(intervals):
        asked |= {change.tag: change.value for change in program if change.tick == tick}
        began = wall.perf_counter()
        decision, state = controller.step(
            [*past, *plant.samples()], state, time=utc(plant.time_ns), setpoints=asked
        )
        step_s.append(wall.perf_counter() - began)
        held += decision.setpoints is None
        target.append([asked.get(tag.name, np.nan) for tag in spec.outputs])
        plant.advance(decision.setpoints)
        past = []
        rows.append(_instant(plant))
        report((tick + 1) / intervals)
    time_ns, outputs, mv, guard, outside = zip(*rows, strict=True)
    return RehearsedRun(
        name=name,
        plant=spec,
        time_ns=np.array(time_ns, dtype=np.int64),
        outputs=np.array(outputs),
        mv=np.array(mv),
        guard=np.array(guard).reshape(len(rows), -1),
        target=np.array(target),
        outside=np.array(outside, dtype=np.bool_),
        step_s=np.array(step_s),
        held=held,
    )


def _instant(plant: LearnedPlant) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, bool]:
    return plant.time_ns, plant.outputs, plant.mv.copy(), plant.guard, plant.outside
