"""An NMPC that knows the true equations and the true state: the bar that learned control is held to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from jaxtyping import Float

from procwm.comparison.oracle_program import Guess, OracleProgram, OracleSolution, Situation
from procwm.control.decision import Decision
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import SimulatedPlant
from procwm.plant.tags import names_of

_FRESH_EVERY = 10
"""Steps between two searches from all starting points while no setpoint changes."""


@dataclass(frozen=True, kw_only=True)
class OracleState:
    """What an `OracleNmpc` remembers.

    Attributes:
        last_mv: what it wrote last.
        setpoints: in force, by CV.
        best: the last solution, `None` before the first.
        age: steps since the last search from all starting points.
    """

    last_mv: Mapping[str, float]
    setpoints: Mapping[str, float]
    best: OracleSolution | None
    age: int


class OracleNmpc:
    """NMPC on the true equations, from the true state and the true present disturbances.

    It solves from the shifted last solution in every step; and, at the first step, when a setpoint
    changes, every few steps and whenever that fails, also from holding the MVs and from moving them
    to the target's steady state as fast as allowed, keeping the best local solution.
    """

    def __init__(self, program: OracleProgram, plant: SimulatedPlant) -> None:
        self._program = program
        self._plant = plant

    def start(self, last_mv: Mapping[str, float]) -> OracleState:
        """The state before the first step."""
        setpoints = {tag.name: tag.setpoint for tag in self._plant.spec.cvs if tag.setpoint is not None}
        return OracleState(last_mv=dict(last_mv), setpoints=setpoints, best=None, age=_FRESH_EVERY)

    def step(
        self,
        samples: Sequence[Sample],
        state: OracleState,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, OracleState]:
        """One control cycle; the samples are not looked at."""
        spec, truth = self._plant.spec, self._plant.truth
        targets = {**state.setpoints, **(setpoints or {})}
        last_mv = np.array([state.last_mv[tag.name] for tag in spec.mvs])
        situation = Situation(
            state=np.array(truth.state),
            last_mv=last_mv,
            disturbance=np.array(truth.disturbance),
            target=np.array([targets.get(tag.name, np.nan) for tag in spec.outputs]),
        )
        best = None
        if state.best is not None:
            best = self._program.solve(situation, _shifted(state.best.guess))
        fresh = targets != state.setpoints or state.age >= _FRESH_EVERY
        if fresh or best is None or not np.isfinite(best.objective):
            best = self._search(situation, best)
        mv = self._within(best.guess.mv[:, 0], last_mv)
        written = dict(zip(names_of(spec.mvs), mv.tolist(), strict=True))
        after = replace(
            state, last_mv=written, setpoints=targets, best=best, age=0 if fresh else state.age + 1
        )
        return Decision(setpoints=written), after

    def _search(self, situation: Situation, best: OracleSolution | None) -> OracleSolution:
        starts = [self._ramp(situation, situation.last_mv)]
        starts.append(self._ramp(situation, self._program.resting_mv(situation)))
        guesses = [self._program.imagined(situation, mv) for mv in starts]
        found = [self._program.solve(situation, guess) for guess in guesses if guess is not None]
        candidates = [solution for solution in [best, *found] if solution is not None]
        return min(candidates, key=lambda solution: solution.objective)

    def _ramp(self, situation: Situation, goal: Float[np.ndarray, " mv"]) -> Float[np.ndarray, "mv horizon"]:
        """MVs that go to `goal` as fast as they may and stay there."""
        rows = []
        for tag, last, end in zip(self._plant.spec.mvs, situation.last_mv, goal, strict=True):
            reach = np.inf if tag.max_move is None else tag.max_move
            steps = np.arange(1, self._program.horizon + 1)
            rows.append(last + np.clip(end - last, -reach * steps, reach * steps))
        return np.array(rows)

    def _within(
        self, mv: Float[np.ndarray, " mv"], last_mv: Float[np.ndarray, " mv"]
    ) -> Float[np.ndarray, " mv"]:
        """`mv` without the solver's rounding over a limit."""
        bounded = []
        for tag, value, last in zip(self._plant.spec.mvs, mv, last_mv, strict=True):
            reach = np.inf if tag.max_move is None else tag.max_move
            bounded.append(np.clip(np.clip(value, last - reach, last + reach), *tag.bounds))
        return np.array(bounded)


def _shifted(guess: Guess) -> Guess:
    """The same trajectory one interval later, its last interval repeated."""
    return Guess(
        mv=np.hstack([guess.mv[:, 1:], guess.mv[:, -1:]]),
        points=np.hstack([guess.points[:, 1:], guess.points[:, -1:]]),
        wanted=np.hstack([guess.wanted[:, 1:], guess.wanted[:, -1:]]),
        dual=guess.dual,
    )
