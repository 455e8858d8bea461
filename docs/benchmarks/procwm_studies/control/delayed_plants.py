"""Small linear plants with dead times: their logs, models that know them exactly, and loops around them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.modes import Mode
from procwm.data.series import Log, TagSeries
from procwm.data.window import WindowRule, grid
from procwm.learning.calibration.feedback import arriving_errors, chosen_feedback
from procwm.learning.calibration.surprise_limits import learned_surprise
from procwm.plant.tags import PlantSpec, Role, Tag, names_of
from procwm.world.composition import Dynamics, ModelParts
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.model import WorldModel
from procwm.world.parts.specs import StepShape, WindowShape
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.scaler import Scaler

MIDDLE, WIDTH = 50.0, 100.0
"""Every tag goes from 0 to 100 %, and is in the middle to begin with."""
_INTERVAL_S, _LIMITS = 10.0, (15.0, 85.0)
_NOISE = 0.1
"""Of the instruments, standard deviation."""
_REMEMBERED = 0.97
"""Share of a load that is still there an interval later."""
_FILLS = 0.05
"""Percent that an integrating CV moves per interval and percent of a load."""
_OPERATED = (30.0, 70.0)
"""Between which operators move MVs."""
_START = datetime(2026, 1, 5, tzinfo=UTC)

Load = Callable[[int], float]
"""Percent that an unmeasured load moves the CVs by, by interval."""


def _none(interval: int) -> float:
    return 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class DelayedPlant:
    """`y' = pole y + drive u(t - dead) + (1 - pole) load`, in deviations from the middle.

    Attributes:
        pole: of each CV; 1 where it integrates.
        drive: percent that a CV moves in the next interval per percent of an MV.
        dead: whole intervals before an MV acts.
    """

    pole: Float[np.ndarray, " output"]
    drive: Float[np.ndarray, "output mv"]
    dead: Int[np.ndarray, " mv"]

    @property
    def integrates(self) -> bool:
        """Whether any CV does."""
        return bool((self.pole == 1.0).any())

    def after(
        self, y: Float[np.ndarray, " output"], moves: Sequence[Float[np.ndarray, " mv"]], load: float
    ) -> Float[np.ndarray, " output"]:
        """CVs one interval after `y`; `moves` are the MVs of all intervals until then."""
        late = [moves[max(len(moves) - 1 - dead, 0)][column] for column, dead in enumerate(self.dead)]
        share = np.where(self.pole < 1.0, 1.0 - self.pole, _FILLS)
        change = self.pole * (y - MIDDLE) + self.drive @ (np.array(late) - MIDDLE) + share * load
        reached: np.ndarray = np.clip(MIDDLE + change, 0.0, WIDTH)
        return reached


def plant_file(rng: np.random.Generator, loops: int) -> PlantSpec:
    """A plant of as many CVs and MVs as `loops`; largest moves and prices of moves are drawn."""
    cvs = [
        Tag(name=f"AI{n}", role=Role.CV, unit="%", range=(0.0, WIDTH), setpoint=MIDDLE, limits=_LIMITS)
        for n in range(loops)
    ]
    mvs = [
        Tag(
            name=f"FC{n}.SP",
            role=Role.MV,
            unit="%",
            range=(0.0, WIDTH),
            max_move=float(rng.uniform(3.0, 30.0)),
            move_weight=float(10.0 ** rng.uniform(-2.5, -0.5)),
        )
        for n in range(loops)
    ]
    return PlantSpec(name="kiln", interval_s=_INTERVAL_S, tags=(*cvs, *mvs))


def exact(known: DelayedPlant, plant: PlantSpec, horizon: int) -> WorldModel:
    """A model that knows `known` exactly: its state is the CVs, and the moves that are under way."""
    outputs, mvs = known.drive.shape
    slots = [(column, back) for column, dead in enumerate(known.dead) for back in range(1, dead + 1)]
    size, tags = outputs + len(slots), plant.names
    step = np.zeros((size, size + mvs))
    step[:outputs, :outputs] = np.diag(known.pole)
    for column, dead in enumerate(known.dead):
        oldest = outputs + slots.index((column, dead)) if dead else size + column
        step[:outputs, oldest] = known.drive[:, column]
    for row, (column, back) in enumerate(slots, outputs):
        step[row, row - 1 if back > 1 else size + column] = 1.0
    step[:, :size] -= np.eye(size)
    history = 1 + max(4, *(int(dead) for dead in known.dead))
    seen = WindowShape(history=history, tags=len(tags), latent=size)
    shape = StepShape(latent=size, mv=mvs, dv=0, outputs=outputs)
    encoder, predictor = MlpEncoder(hidden=(1,)).build(seen), MlpPredictor(hidden=(1,)).build(shape)
    readout = nn.Linear(size, outputs)
    with torch.no_grad():
        for weight in (value for part in (encoder, predictor, readout) for value in part.parameters()):
            weight.zero_()
        for row, name in enumerate(names_of(plant.cvs)):
            encoder.identified.weight[row, (history - 1) * len(tags) + tags.index(name)] = 1.0
            readout.weight[row, row] = 1.0
        for row, (column, back) in enumerate(slots, outputs):
            at = (history - back) * len(tags) + tags.index(plant.mv_names[column])
            encoder.identified.weight[row, at] = 1.0
        predictor.identified.weight.copy_(torch.as_tensor(step))
    return WorldModel(
        ModelParts(
            plant=plant,
            rule=WindowRule(
                tags=tags, interval_s=_INTERVAL_S, history=history, hold_s=(3.0 * _INTERVAL_S,) * len(tags)
            ),
            scaler=Scaler(tags, np.full(len(tags), MIDDLE), np.full(len(tags), WIDTH / 4.0)),
            horizon=horizon,
            dynamics=Dynamics(encoder=encoder, predictor=predictor, readout=readout),
        )
    ).finished()


def with_errors_of(model: WorldModel, log: Log) -> WorldModel:
    """`model` with what `log` tells of its errors: how quick feedback may be, and when it is surprised."""
    rows = grid(log, model.rule)
    feedback = chosen_feedback(arriving_errors(model, rows))
    surprise = learned_surprise(model, rows, rows, model, rows)
    return model.with_calibration(feedback=feedback, surprise=surprise)


def chance(rng: np.random.Generator, size: float) -> Load:
    """A load that comes and goes slowly; `size` is its standard deviation."""
    now = [0.0]

    def load(interval: int) -> float:
        fresh = size * math.sqrt(1.0 - _REMEMBERED**2) * rng.standard_normal()
        now[0] = _REMEMBERED * now[0] + fresh
        return now[0]

    return load


def operated(known: DelayedPlant, seed: int, *, rows: int, held: float, load: float) -> Log:
    """A log of operators who move every MV apart from the others, and bring back what runs away.

    Args:
        held: intervals for which an MV stays, on average.
        load: standard deviation.
    """
    rng = np.random.default_rng(seed)
    mvs, away = len(known.dead), np.abs(known.drive).max() / np.maximum(np.abs(known.drive), 1e-9)

    def moved(y: Float[np.ndarray, " output"], before: Float[np.ndarray, " mv"]) -> Float[np.ndarray, " mv"]:
        fresh = np.where(rng.random(mvs) < 1.0 / held, rng.uniform(*_OPERATED, mvs), before)
        far = np.abs(y - MIDDLE) > WIDTH / 4.0
        if not (known.integrates and far.any()):
            return fresh
        back = np.sign(known.drive) * (np.sign(MIDDLE - y) * far)[:, None] / away
        returned: np.ndarray = np.clip(MIDDLE + WIDTH / 5.0 * back.sum(axis=0), *_OPERATED)
        return returned

    return _logged(known, rng, rows, chance(rng, load), moved)


def looped(known: DelayedPlant, seed: int, *, rows: int, load: float) -> Log:
    """A log in which PI loops alone move the MVs, and nobody touches their setpoints."""
    rng, ways = np.random.default_rng(seed), np.sign(np.diag(known.drive))
    total = [np.zeros(len(known.dead))]

    def moved(y: Float[np.ndarray, " output"], before: Float[np.ndarray, " mv"]) -> Float[np.ndarray, " mv"]:
        error = ways * (MIDDLE - y)
        total[0] = total[0] + 0.05 * error
        asked: np.ndarray = np.clip(MIDDLE + total[0] + 0.5 * error, 0.0, WIDTH)
        return asked

    return _logged(known, rng, rows, chance(rng, load), moved)


def _logged(
    known: DelayedPlant,
    rng: np.random.Generator,
    rows: int,
    load: Load,
    moved: Callable[[Float[np.ndarray, " output"], Float[np.ndarray, " mv"]], Float[np.ndarray, " mv"]],
) -> Log:
    y, moves, outputs = np.full(len(known.pole), MIDDLE), [np.full(len(known.dead), MIDDLE)], []
    for row in range(rows):
        outputs.append(y + _NOISE * rng.standard_normal(len(y)))
        moves.append(moved(outputs[-1], moves[-1]))
        y = known.after(y, moves, load(row))
    time_ns = np.arange(rows, dtype=np.int64) * int(_INTERVAL_S * 1e9)
    good = np.zeros(rows, dtype=np.int8)
    columns = {f"AI{n}": column for n, column in enumerate(np.array(outputs).T)}
    columns |= {f"FC{n}.SP": column for n, column in enumerate(np.array(moves[:-1]).T)}
    series = {name: TagSeries(time_ns, column.copy(), good) for name, column in columns.items()}
    return Log(series=series, mv_names=tuple(f"FC{n}.SP" for n in range(len(known.dead))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Driven:
    """What came of a controller in a closed loop.

    Attributes:
        moves: MVs in force in every cycle.
        outputs: CVs at its start, without noise.
        decisions: of every cycle.
    """

    moves: Float[np.ndarray, "row mv"]
    outputs: Float[np.ndarray, "row output"]
    decisions: list[Decision]


def driven(
    known: DelayedPlant,
    controller: Controller,
    cycles: int,
    *,
    seed: int,
    setpoints: Mapping[int, Mapping[str, float]],
    load: Load = _none,
    noise: float = _NOISE,
) -> Driven:
    """`cycles` of `controller` on a plant at rest, unless it gives the plant back for good before.

    Args:
        setpoints: by the cycle that they are given in.
    """
    rng = np.random.default_rng(seed)
    cvs, mvs = names_of(controller.plant.cvs), controller.plant.mv_names
    y, moves = np.full(len(cvs), MIDDLE), [np.full(len(mvs), MIDDLE)]
    state = controller.start(dict(zip(mvs, moves[0].tolist(), strict=True)))
    outputs, decisions = [], []
    for cycle in range(cycles):
        read = np.clip(y + noise * rng.standard_normal(len(y)), 0.0, WIDTH)
        samples = zip((*cvs, *mvs), (*read.tolist(), *moves[-1].tolist()), strict=True)
        time = _START + timedelta(seconds=_INTERVAL_S * cycle)
        decision, state = controller.step(dict(samples), state, time=time, setpoints=setpoints.get(cycle))
        written = decision.setpoints or {}
        outputs.append(y)
        moves.append(np.array([written.get(name, old) for name, old in zip(mvs, moves[-1], strict=True)]))
        y = known.after(y, moves, load(cycle))
        decisions.append(decision)
        if decision.requested is not Mode.AUTO:
            break
    return Driven(moves=np.array(moves[1:]), outputs=np.array(outputs), decisions=decisions)


def mirrored(known: DelayedPlant) -> DelayedPlant:
    """`known` with its MVs the other way round: the last one does what the first one did."""
    return replace(known, drive=known.drive[:, ::-1].copy(), dead=known.dead[::-1].copy())
