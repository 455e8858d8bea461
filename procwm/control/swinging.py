"""A controller that swings an MV to and fro is told so by its own moves, and calms down.

Where a model does not know a dead time, or has a gain far too small, feedback through it is too quick, and
the loop swings for good: the MV from one side to the other, and a CV around where it should be. What is
looked for is that: some large swings in a row, of like size and length, while a CV crosses over as often. No
change of a setpoint or limit makes such a row, and a load that comes by chance seldom does. Swings of any
kind count where the model is surprised for most of the time, and where they all come within one horizon: a
plan that looks so far ahead has no use for them, unless its moves do nothing.

Then moves cost more (`calmed`), so that feedback takes about as long as a swing there and back, and three
times as long where the MV swings on. Where it does so with feedback of half a horizon or slower, it is
brought to the middle of its swings and held there, until somebody asks for a mode. A new setpoint or limit
makes feedback quicker again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from procwm.control.caution import faded, priced
from procwm.control.fallback import Predict, hold
from procwm.control.targets import Targets
from procwm.planning.objective import row_weights
from procwm.planning.problem import ControlProblem
from procwm.plant.tags import Interval, PlantSpec

SWINGS, MORE_SWINGS = 4, 3
"""In a row: so many make moves dearer, and so many after that dearer still, or hold the MV."""
_TURNED, _LARGE = 0.1, 0.2
"""Of the width of an MV's bounds: a way back by which it has turned, and a swing that counts."""
_ALIKE = 1.5
"""Sizes, and lengths, of swings in a row are within this factor."""
_MOSTLY, _LATELY = 0.5, 0.03
"""Share of the time in which the model is surprised; and that of a new interval in it."""
_FELT = 0.01
"""Of a CV's span, on both sides of where it should be."""
_PROBED = 0.05
"""Of an MV's span: by which it is moved to find out what the model thinks that it does."""

_SLOWER = 3.0
"""Times as slow is feedback made where an MV swings on."""
_QUICK = 3.0
"""Control intervals: feedback that takes fewer is as good as not slowed."""

_T = TypeVar("_T")
Turn = tuple[int, float]
"""Control intervals counted so far, and the MV's value, where it turned."""


@dataclass(frozen=True, kw_only=True)
class Swings:
    """What an MV's moves and the CVs have done lately; a value.

    Attributes:
        count: control intervals that were watched.
        aim: what CVs were to do then; swings are counted anew where it changes.
        extreme, way: of each MV, how far it got in the direction that it goes in, and which that is.
        turns: of each MV, the last ones.
        side: of each output, -1 below where it should be, 1 above, 0 before it was either.
        crossed: of each output, when it last came to the other side, the last few times.
        surprised: share of the last control intervals in which the model was.
        swung: MVs that were found swinging.
        slowed: control intervals that feedback is to take since then; 0 before.
        middle: of each MV, where it is held; NaN where it is not.
    """

    count: int = 0
    aim: tuple[float, ...] = ()
    extreme: tuple[float, ...] = ()
    way: tuple[int, ...] = ()
    turns: tuple[tuple[Turn, ...], ...] = ()
    side: tuple[int, ...] = ()
    crossed: tuple[tuple[int, ...], ...] = ()
    surprised: float = 0.0
    swung: tuple[int, ...] = ()
    slowed: float = 0.0
    middle: tuple[float, ...] = ()

    def held(self, mvs: int) -> Float[np.ndarray, " mv"]:
        """Where each of so many MVs is held; NaN where it is not."""
        return np.array(self.middle) if self.middle else np.full(mvs, np.nan)

    def notes(self, plant: PlantSpec) -> Iterator[str]:
        """What an operator should know, a sentence for each MV that was found swinging."""
        for index in self.swung:
            tag, place = plant.mvs[index], self.middle[index]
            asked = "ask for advisory, and learn the model anew from a log of this time"
            if np.isfinite(place):
                yield f"{tag.name}: it swings on, and is held at {place:.4g} {tag.unit}, the middle; {asked}"
            else:
                yield f"{tag.name}: it swings to and fro: moves are made smaller; {asked}"


def watched(
    swings: Swings,
    plant: PlantSpec,
    targets: Targets,
    in_force: tuple[float, ...],
    output: Float[np.ndarray, " output"],
    surprise: float,
    horizon: int,
) -> Swings:
    """`swings` one control interval later.

    Args:
        in_force: MVs from here on.
        output: as measured, NaN where it is not.
        surprise: of the present; above 1 is more than ordinary operation brings; NaN where unknown.
        horizon: of the model's predictions.
    """
    goals = _goals(plant, targets)
    aim = tuple(float(edge) for goal in goals for edge in goal)
    if aim != swings.aim:
        swings = _anew(_quicker(swings), in_force, aim, len(output))
    surprised = swings.surprised + _LATELY * (float(surprise > 1.0) - swings.surprised)
    swings = replace(swings, count=swings.count + 1, surprised=surprised)
    swings = _crossings(swings, plant, goals, output)
    for index, tag in enumerate(plant.mvs):
        # One that knows a few values only goes to and fro between them by nature, and has no middle.
        if tag.levels is None:
            low, high = targets.bounds(tag)
            swings = _moved(swings, index, in_force[index], high - low, horizon)
    return swings


def calmed(problem: ControlProblem, predict: Predict, slowed: float) -> ControlProblem:
    """`problem` with moves so dear that feedback takes about `slowed` intervals.

    Moves cost what they would if the model's step responses were known to no better than themselves, times
    `slowed^2 / horizon`: where the horizon's rows pay for an error, it is then made up for by a share of
    about `1 / slowed` in each interval.
    """
    step = _PROBED * problem.mv_span
    still = hold(problem)
    cv = predict(np.concatenate((still[None], still + np.diag(step)[:, None]))).cv
    response = np.moveaxis((cv[1:] - cv[:1]) / step[:, None, None], 0, 1)
    fading = faded(problem.horizon, 1.0)
    # A response that is the same at every lead costs what a lasting error costs in the objective.
    rows = fading * (row_weights(problem.horizon).sum() / fading.sum())
    dearer = priced(rows, response, problem.weight, problem.span, problem.mv_span)
    known = np.where(np.isfinite(dearer), dearer, 0.0)
    return replace(problem, move_weight=problem.move_weight + slowed**2 / problem.horizon * known)


def _quicker(swings: Swings) -> Swings:
    """`swings` where CVs are to be elsewhere: what was too quick there need not be so here.

    Feedback is made so much quicker that it can be slowed twice again; what is held stays held.
    """
    slowed = swings.slowed / _SLOWER**2
    if np.isfinite(swings.middle).any():
        return swings
    return replace(swings, slowed=slowed) if slowed >= _QUICK else replace(swings, slowed=0.0, swung=())


def _goals(plant: PlantSpec, targets: Targets) -> list[Interval]:
    """Where each output should be; unbounded where nothing says so, which no aim differs by."""
    found = []
    for tag in plant.outputs:
        setpoint = targets.setpoint(tag) if tag in plant.cvs else None
        zone = targets.zone(tag) if tag in plant.cvs else None
        found.append((setpoint, setpoint) if setpoint is not None else zone or targets.soft_limits(tag))
    return found


def _anew(swings: Swings, in_force: tuple[float, ...], aim: tuple[float, ...], outputs: int) -> Swings:
    """`swings` with nothing counted; what was found before stays found."""
    mvs = len(in_force)
    return replace(
        swings,
        aim=aim,
        extreme=in_force,
        way=(0,) * mvs,
        turns=((),) * mvs,
        side=(0,) * outputs,
        crossed=((),) * outputs,
        middle=swings.middle or (float("nan"),) * mvs,
    )


def _crossings(
    swings: Swings, plant: PlantSpec, goals: list[Interval], output: Float[np.ndarray, " output"]
) -> Swings:
    side, crossed = list(swings.side), list(swings.crossed)
    for index, (tag, (low, high)) in enumerate(zip(plant.outputs, goals, strict=True)):
        felt = _FELT * tag.span
        now = int(output[index] > high + felt) - int(output[index] < low - felt)
        if now == -side[index] != 0:
            crossed[index] = (*crossed[index], swings.count)[-SWINGS:]
        side[index] = now or side[index]
    return replace(swings, side=tuple(side), crossed=tuple(crossed))


def _moved(swings: Swings, index: int, value: float, width: float, horizon: int) -> Swings:
    """`swings` once MV number `index` is at `value`; bounds of `width` are what its moves are measured by."""
    extreme, way = swings.extreme[index], swings.way[index]
    if way == 0:
        way = int(np.sign(value - extreme)) if abs(value - extreme) > _TURNED * width else 0
        return _with(swings, index, value if way else extreme, way, swings.turns[index])
    if (value - extreme) * way >= 0.0:
        return _with(swings, index, value, way, swings.turns[index])
    if abs(value - extreme) <= _TURNED * width:
        return swings
    turns = (*swings.turns[index], (swings.count, extreme))[-SWINGS - 1 :]
    swings = _with(swings, index, value, -way, turns)
    needed = MORE_SWINGS if swings.swung else SWINGS
    return (
        _found(swings, index, turns[-needed - 1 :], horizon)
        if _cycle(swings, turns, needed, width, horizon)
        else swings
    )


def _with(swings: Swings, index: int, extreme: float, way: int, turns: tuple[Turn, ...]) -> Swings:
    return replace(
        swings,
        extreme=_put(swings.extreme, index, extreme),
        way=_put(swings.way, index, way),
        turns=_put(swings.turns, index, turns),
    )


def _put(values: tuple[_T, ...], index: int, value: _T) -> tuple[_T, ...]:
    return (*values[:index], value, *values[index + 1 :])


def _cycle(swings: Swings, turns: tuple[Turn, ...], needed: int, width: float, horizon: int) -> bool:
    """Whether the last `needed` swings are large, and alike while a CV crossed over, hasty, or a surprise."""
    if len(turns) <= needed:
        return False
    times, values = np.array(turns[-needed - 1 :]).T
    sizes, lengths = np.abs(np.diff(values)), np.diff(times)
    if sizes.mean() < _LARGE * width:
        return False
    alike = sizes.max() <= _ALIKE * sizes.min() and lengths.max() <= _ALIKE * lengths.min()
    crossings = max(sum(at > times[0] for at in crossed) for crossed in swings.crossed)
    hasty = times[-1] - times[0] <= horizon
    return swings.surprised > _MOSTLY or bool(hasty or (alike and crossings >= needed - 1))


def _found(swings: Swings, index: int, turns: tuple[Turn, ...], horizon: int) -> Swings:
    """`swings` counted anew, with MV number `index` told of; held where feedback was slow already.

    Feedback as slow as the swings' own period ends those that come of a gain higher than the log's, and
    leaves a loop that follows its setpoints. What swings on is slowed further, and at half a horizon held.
    """
    period = 2.0 * (turns[-1][0] - turns[0][0]) / (len(turns) - 1)
    middle = list(swings.middle)
    if swings.slowed >= horizon / 2.0:
        middle[index] = float(np.mean([value for _, value in turns]))
    swung = tuple(sorted({*swings.swung, index}))
    found = replace(swings, swung=swung, slowed=max(_SLOWER * swings.slowed, period), middle=tuple(middle))
    return _anew(found, swings.extreme, swings.aim, len(swings.side))
