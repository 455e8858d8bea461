"""Models that are wrong in ten ways: none is let into AUTO, and none that is forced swings for long."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.data.series import Log, TagSeries
from procwm.errors import SpecError
from procwm.learning.evaluation.evaluate import evaluate
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.fitness import VERDICT, Fitness
from procwm.world.model import WorldModel

PLANT = PlantSpec(
    name="kiln",
    interval_s=10.0,
    tags=(
        Tag(name="AI1", role=Role.CV, range=(0.0, 100.0), setpoint=50.0),
        Tag(name="CL.SP", role=Role.MV, range=(0.0, 100.0), max_move=10.0, move_weight=0.01),
    ),
)
HORIZON, ROWS = 20, 900
LONGEST_SWINGING = 160
"""Control intervals after which a controller that was forced swings no more."""


@dataclass(frozen=True)
class Kiln:
    """`y' = pole y + (1 - pole) (gain u(t - dead) + load)`, about 50 %."""

    gain: float = 0.8
    pole: float = 0.9
    dead: int = 0
    load: float = 3.0

    def log(self, seed: int, *, rows: int = ROWS, loop: bool = False, held: int = 20) -> Log:
        """What operators leave, or a PI loop that nobody touches."""
        rng = np.random.default_rng(seed)
        u = np.repeat(rng.uniform(30.0, 70.0, rows // held + 1), held)[:rows]
        y, load, total = np.full(rows, 50.0), 0.0, 50.0
        for row in range(rows - 1):
            if loop:
                total += 0.05 * (50.0 - y[row])
                u[row + 1] = total + 0.5 * (50.0 - y[row])
            late = u[max(row + 1 - self.dead, 0)] - 50.0
            load = 0.97 * load + self.load * math.sqrt(1.0 - 0.97**2) * rng.standard_normal()
            y[row + 1] = 50.0 + self.pole * (y[row] - 50.0) + (1.0 - self.pole) * (self.gain * late + load)
        time_ns, good = np.arange(rows, dtype=np.int64) * 10_000_000_000, np.zeros(rows, dtype=np.int8)
        noisy = y + 0.1 * rng.standard_normal(rows)
        series = {"AI1": TagSeries(time_ns, noisy, good), "CL.SP": TagSeries(time_ns, u, good)}
        return Log(series=series, mv_names=("CL.SP",))

    def model(self) -> WorldModel:
        """One that knows this plant, but for its dead time."""
        drive = (1.0 - self.pole) * self.gain
        return exact_model(
            PLANT,
            state_matrix=np.array([[self.pole]]),
            input_matrix=np.array([[drive]]),
            offset=np.array([(1.0 - self.pole) * 50.0 - drive * 50.0]),
            horizon=HORIZON,
        )


Case = Callable[[np.random.Generator], tuple[Kiln, WorldModel, dict[str, int]]]
"""The plant, a model that is wrong, and how its log came about."""

RIGHT = Kiln()
WRONG: dict[str, Case] = {
    "no effect": lambda r: (replace(RIGHT, gain=0.0), Kiln(gain=r.uniform(-0.3, 0.3)).model(), {}),
    "dead time beyond the horizon": lambda r: (
        replace(RIGHT, dead=int(r.integers(25, 80))),
        Kiln(gain=r.normal(0.0, 0.05)).model(),
        {},
    ),
    "wrong sign": lambda r: (RIGHT, Kiln(gain=-r.uniform(0.2, 1.0)).model(), {}),
    "wrong delay": lambda r: (replace(RIGHT, dead=int(r.integers(12, 20))), RIGHT.model(), {}),
    "gain ten times too large": lambda r: (
        replace(RIGHT, gain=r.uniform(0.5, 1.0)),
        Kiln(gain=8.0).model(),
        {},
    ),
    "gain ten times too small": lambda r: (RIGHT, Kiln(gain=r.uniform(0.06, 0.1)).model(), {}),
    "moved by a loop": lambda r: (RIGHT, Kiln(gain=-r.uniform(0.1, 1.0)).model(), {"loop": 1}),
    "ignores the MV": lambda r: (RIGHT, Kiln(gain=0.0, pole=r.uniform(0.85, 0.95)).model(), {}),
    "too quick": lambda r: (replace(RIGHT, pole=0.985), Kiln(pole=r.uniform(0.5, 0.7)).model(), {}),
    "two moves in 24 minutes": lambda r: (RIGHT, RIGHT.model(), {"rows": 144, "held": 50}),
}


def judged(case: Case, seed: int) -> tuple[Kiln, WorldModel]:
    """The plant, and the model with its verdict, as a training or `procwm evaluate` keeps it."""
    kiln, model, made = case(np.random.default_rng(seed))
    made = {name: bool(value) if name == "loop" else value for name, value in made.items()}
    model.metrics[VERDICT] = evaluate(model, kiln.log(seed, **made)).verdict.as_dict()
    return kiln, model


@cache
def right() -> WorldModel:
    model = RIGHT.model()
    model.metrics[VERDICT] = evaluate(model, RIGHT.log(0)).verdict.as_dict()
    return model


def driven(
    kiln: Kiln, model: WorldModel, cycles: int, *, forced: bool
) -> tuple[Controller, np.ndarray, list]:
    """`cycles` of a controller on the plant with a setpoint 10 % off: MV positions, and the decisions."""
    controller = Controller(PLANT, model, deadline_s=60.0, despite_verdict=forced)
    state, time = controller.start({"CL.SP": 50.0}), datetime(2026, 1, 5, tzinfo=UTC)
    rng, y, moves, decisions = np.random.default_rng(0), 50.0, [50.0], []
    for cycle in range(cycles):
        decision, state = controller.step(
            {"AI1": y + 0.1 * rng.standard_normal(), "CL.SP": moves[-1]},
            state,
            time=time + timedelta(seconds=10 * cycle),
            setpoints={"AI1": 60.0},
        )
        moves.append((decision.setpoints or {}).get("CL.SP", moves[-1]))
        late = moves[max(len(moves) - 1 - kiln.dead, 0)] - 50.0
        y = 50.0 + kiln.pole * (y - 50.0) + (1.0 - kiln.pole) * kiln.gain * late
        decisions.append(decision)
    return controller, np.array(moves), decisions


def test_the_right_model_is_let_into_auto_and_finds_its_setpoint() -> None:
    assert right().metrics[VERDICT]["verdict"] == Fitness.CONTROL, right().metrics[VERDICT]
    controller, moves, decisions = driven(RIGHT, right(), 60, forced=False)
    assert controller.mode is Mode.AUTO
    assert moves[-1] == pytest.approx(62.5, abs=1.0)
    assert not any("swings" in note for decision in decisions for note in decision.notes)


@pytest.mark.parametrize("kind", WRONG)
def test_none_of_two_hundred_wrong_models_is_let_into_auto(kind: str) -> None:
    for seed in range(20):
        _, model = judged(WRONG[kind], seed)
        assert model.metrics[VERDICT]["verdict"] != Fitness.CONTROL, f"seed {seed}: {model.metrics[VERDICT]}"
        controller = Controller(PLANT, model)
        assert controller.start({"CL.SP": 50.0}).mode.actual is Mode.ADVISORY
        with pytest.raises(SpecError, match="mode auto is refused: the model is "):
            controller.request(controller.start({"CL.SP": 50.0}), Mode.AUTO)


@pytest.mark.parametrize("shed", [False, True], ids=["in auto", "shed"])
def test_a_state_that_was_let_into_auto_lets_no_other_controller_of_a_wrong_model_write(shed: bool) -> None:
    _, model = judged(WRONG["gain ten times too small"], 0)
    let = Controller(PLANT, model, despite_verdict=True)
    state = let.start({"CL.SP": 50.0})
    state = let.given_back(state, "the link is lost") if shed else state
    strict = Controller(PLANT, model)
    for begun in (state, strict.restore(state.to_bytes())):
        decision, _ = strict.step({"AI1": 50.0, "CL.SP": 50.0}, begun, time=datetime(2026, 1, 5, tzinfo=UTC))
        assert (decision.mode, decision.requested) == (Mode.ADVISORY, Mode.ADVISORY)
        assert "went on in advisory; the model is " in decision.mode_reason


@pytest.mark.parametrize("kind", ["dead time beyond the horizon", "wrong delay", "gain ten times too small"])
def test_a_wrong_model_that_is_forced_does_not_swing_for_long(kind: str, unchecked) -> None:
    kiln, model = judged(WRONG[kind], 0)
    controller, moves, _ = driven(kiln, model, LONGEST_SWINGING + 100, forced=True)
    assert controller.mode is Mode.AUTO
    assert not swinging(moves[LONGEST_SWINGING:]), moves.round(1)


def swinging(moves: np.ndarray) -> bool:
    """Whether moves go to and fro over a fifth of the range."""
    steps = np.diff(moves)
    ways = np.sign(steps[np.abs(steps) > 0.5])
    return bool(np.ptp(moves) > 20.0 and (np.diff(ways) != 0).sum() > 2)
