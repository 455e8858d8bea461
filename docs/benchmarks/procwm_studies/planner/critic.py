"""What a terminal cost is worth: how short a horizon may be that controls as well as a long one.

A setpoint step in closed loop, the plant being the model itself, with four ways to stand for what follows
the horizon: nothing; the planner's larger weight of the last row; the cost-to-go of the plant as it is near
the setpoint, from the Riccati equation, as a function of the last latent state (Chen and Allgöwer, A
quasi-infinite horizon nonlinear MPC scheme, Automatica 34(10), 1998); and such a function fitted to what was
still to pay in remembered episodes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_discrete_are
from scipy.optimize import minimize

from procwm.planning.foresight import Foresight
from procwm.planning.linearisation import imagine
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.network import Derivatives
from procwm.planning.objective import Objective, objective, row_weights
from procwm.planning.problem import ControlProblem
from procwm.planning.sqp import SequentialProgram
from procwm.planning.transcription import transcribe
from procwm.world.parts.layers import Affine
from procwm_studies import Progress
from procwm_studies.planner.problems import Case, Cycles
from procwm_studies.planner.threads import one_thread
from procwm_studies.results import command_line, table, write_results

TAILS = ("nothing", "last row", "Riccati", "fitted")
_HORIZONS = (4, 6, 8, 12, 20, 40)
_CASES = (Case(mvs=2, cvs=3, horizon=40), Case(mvs=2, cvs=3, horizon=40, curved=True))
_SEEDS = (0, 1, 2, 3)
_CYCLES = 60
_EPISODES, _REMEMBERED = 12, 20
"""Episodes that the fitted tail remembers, and the horizon that they were controlled with."""
_SETTLED = 300
"""Intervals after which a plant with MVs at rest is taken to be at rest."""
_SMALL = 1e-9
"""Added to costs of states that no output shows, relative to the mean cost."""


def run_critic(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Run every tail over every horizon, and write `OUT/critic.json` and `.md`.

    Args:
        out: folder for the results.
        scenarios: have no meaning here.
        seeds: of networks and setpoint steps; 0 to 3 where empty.
        hours: has no meaning here.
        progress: told what is being done.
    """
    rows: list[dict[str, Any]] = []
    with one_thread():
        for case in _CASES:
            for seed in seeds or _SEEDS:
                if progress is not None:
                    progress(f"{case.name}, seed {seed}")
                step = SetpointStep(replace(case, seed=seed))
                rows += [step.run(tail, horizon) for tail in TAILS for horizon in _HORIZONS]
    text = critic_text(rows, command_line("critic", seeds=seeds))
    return write_results(out, "critic", rows, text)


@dataclass(eq=False)
class _Episode:
    """One closed loop: after every cycle the state, what the cycle cost, and how long its plan took."""

    states: list[Float[np.ndarray, " latent"]] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)


class SetpointStep:
    """From rest at some MVs to setpoints that other MVs rest at; only their errors, and moves, cost."""

    def __init__(self, case: Case) -> None:
        cycles, generator = Cycles(case), np.random.default_rng((case.seed, 2))
        self._case, self._transcript = case, replace(transcribe(cycles.model), guards=())
        self._from, there = generator.uniform(35.0, 65.0, (2, case.mvs))
        self._start = self._at_rest(cycles.problem, self._from)
        self._goal = self._at_rest(cycles.problem, there)
        readout = self._transcript.readout
        tracked = np.isfinite(cycles.problem.target[0])
        self._target = np.where(tracked, readout.weight @ self._goal + readout.bias, np.nan)
        nowhere = np.full(case.cvs, np.inf)
        self._problem = replace(
            cycles.problem,
            weight=np.where(tracked, cycles.problem.weight, 0.0),
            zone_low=-nowhere,
            zone_high=nowhere,
            low=-nowhere,
            high=nowhere,
        )
        self._roots = {"Riccati": self._riccati(there)}

    def run(self, tail: str, horizon: int) -> dict[str, Any]:
        """One closed loop: its cost, and the median processor time of a plan."""
        episode = self._episode(tail, horizon, self._start, self._from, _CYCLES)
        return {
            "problem": self._case.name.replace(f" h{self._case.horizon}", ""),
            "seed": self._case.seed,
            "tail": tail,
            "horizon": horizon,
            "cost": float(sum(episode.costs)),
            "ms_median": float(np.median(episode.times_ms)),
        }

    def _episode(
        self,
        tail: str,
        horizon: int,
        latent: Float[np.ndarray, " latent"],
        last: Float[np.ndarray, " mv"],
        cycles: int,
    ) -> "_Episode":
        """The closed loop from a state and MVs."""
        transcript, readout = self._transcript, self._transcript.readout
        root = self._root(tail)
        if root is not None:
            # The cost-to-go is the square of a few more outputs, of which the last row counts.
            more = Affine(
                np.vstack((readout.weight, root)), np.concatenate((readout.bias, -root @ self._goal))
            )
            transcript = replace(transcript, readout=more)
        rest, episode = None, _Episode()
        program, blocks = SequentialProgram(), move_blocks(horizon)
        for _ in range(cycles):
            problem = self._posed(latent, last, horizon)
            wanted = self._objective(problem, tail)
            if root is not None:
                problem = _with_outputs(problem, len(root))
            space = MoveSpace(blocks, problem)
            began = time.process_time()
            foresight = Foresight(transcript, space, wanted)
            start = space.hold if rest is None else space.project(rest)
            knots = program.solve(foresight, start, deadline=np.inf).knots
            episode.times_ms.append(1e3 * (time.process_time() - began))
            mv = space.expand(knots)
            one = self._posed(latent, last, 1)
            latent = imagine(self._transcript, one, mv[None, :1])[0, 0]
            scored = replace(objective(one), goal_weight=objective(one).goal_weight / row_weights(1)[:, None])
            episode.costs.append(float(scored.cost((readout.weight @ latent + readout.bias)[None], mv[:1])))
            episode.states.append(latent)
            last, rest = mv[0], np.vstack((mv[1:], mv[-1:]))
        return episode

    def _root(self, tail: str) -> Float[np.ndarray, "latent latent"] | None:
        """`L` with `|L (z - goal)|^2` what comes after the horizon; `None` of tails without one."""
        if tail not in ("Riccati", "fitted"):
            return None
        if tail not in self._roots:
            self._roots[tail] = self._fitted()
        return self._roots[tail]

    def _fitted(self) -> Float[np.ndarray, "latent latent"]:
        """`L` fitted to what was still to pay in remembered episodes, by relative squares.

        The episodes begin at rest elsewhere and were controlled as the planner does it. Below a hundredth of
        the most that was to pay, errors count as there.
        """
        generator = np.random.default_rng((self._case.seed, 3))
        apart, to_go = [], []
        for mv in generator.uniform(35.0, 65.0, (_EPISODES, self._case.mvs)):
            begin = self._at_rest(self._problem, mv)
            episode = self._episode("last row", _REMEMBERED, begin, mv, _CYCLES)
            apart += [state - self._goal for state in episode.states]
            to_go += np.cumsum(episode.costs[::-1])[::-1].tolist()
        z, value = np.array(apart), np.array(to_go)
        scale = value + 1e-2 * value.max()
        size = len(self._goal)

        def misfit(flat: Float[np.ndarray, " entry"]) -> tuple[float, Float[np.ndarray, " entry"]]:
            root = flat.reshape(size, size)
            shown = z @ root.T
            error = ((shown**2).sum(axis=1) - value) / scale
            slope = (4.0 * (error / scale)[:, None] * shown).T @ z
            return float(error @ error) / len(z), slope.ravel() / len(z)

        first = self._roots["Riccati"].ravel()
        root: np.ndarray = minimize(misfit, first, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
        return root.reshape(size, size)

    def _posed(
        self, latent: Float[np.ndarray, " latent"], last: Float[np.ndarray, " mv"], horizon: int
    ) -> ControlProblem:
        return replace(
            self._problem,
            latent=latent,
            last_mv=last,
            dv=np.zeros((horizon, 0)),
            bias=np.zeros((horizon, self._case.cvs)),
            target=np.repeat(self._target[None], horizon, axis=0),
        )

    def _objective(self, problem: ControlProblem, tail: str) -> Objective:
        wanted = objective(problem)
        if tail == "last row":
            return wanted
        plain = wanted.goal_weight / row_weights(problem.horizon)[:, None]
        if tail == "nothing":
            return replace(wanted, goal_weight=plain)
        # The cost-to-go from the last state counts the last row, too.
        more = np.zeros((problem.horizon, len(self._goal)))
        plain[-1], more[-1] = 0.0, 1.0
        nowhere = np.full(more.shape, np.inf)
        return replace(
            wanted,
            goal_low=np.hstack((wanted.goal_low, np.zeros(more.shape))),
            goal_high=np.hstack((wanted.goal_high, np.zeros(more.shape))),
            goal_weight=np.hstack((plain, more)),
            low=np.hstack((np.broadcast_to(wanted.low, plain.shape), -nowhere)),
            high=np.hstack((np.broadcast_to(wanted.high, plain.shape), nowhere)),
            limit_weight=np.hstack((wanted.limit_weight, np.zeros(more.shape))),
        )

    def _at_rest(self, problem: ControlProblem, mv: Float[np.ndarray, " mv"]) -> Float[np.ndarray, " latent"]:
        none = np.zeros((_SETTLED, self._case.cvs))
        longer = replace(problem, dv=np.zeros((_SETTLED, 0)), bias=none, target=none)
        held = np.repeat(mv[None, None], _SETTLED, axis=1)
        return np.asarray(imagine(self._transcript, longer, held)[0, -1])

    def _riccati(self, mv: Float[np.ndarray, " mv"]) -> Float[np.ndarray, "latent latent"]:
        """`L` with `|L (z - goal)|^2` the cost-to-go from `z`, row included, of the plant linear at the goal.

        MVs belong to the state, as moves cost; the state's part is what is left with the best of them.
        """
        transcript, problem, size = self._transcript, self._problem, len(self._goal)
        scaled = (mv - transcript.mv_center) / transcript.mv_width
        slope = Derivatives(transcript.network, np.hstack((self._goal, scaled))[None]).jacobian[0]
        slope = slope + transcript.linear.weight
        by_state, by_mv = np.eye(size) + slope[:, :size], slope[:, size:] / transcript.mv_width
        moves = np.eye(len(mv))
        a = np.block([[by_state, by_mv], [np.zeros((len(mv), size)), moves]])
        weight = problem.weight / problem.span**2
        shown = transcript.readout.weight.T @ (weight[:, None] * transcript.readout.weight)
        cost = np.zeros((len(a), len(a)))
        cost[:size, :size] = shown
        cost += _SMALL * np.trace(shown) / size * np.eye(len(a))
        price = np.diag(problem.move_weight / problem.mv_span**2)
        to_go = solve_discrete_are(a, np.vstack((by_mv, moves)), cost, price)
        cross = to_go[:size, size:]
        of_state = to_go[:size, :size] - cross @ np.linalg.solve(to_go[size:, size:], cross.T)
        values, vectors = np.linalg.eigh(of_state)
        return np.asarray((vectors * np.sqrt(values.clip(0.0))).T)


def _with_outputs(problem: ControlProblem, more: int) -> ControlProblem:
    """`problem` with room for more outputs, of which only the objective says anything."""

    def wider(values: Float[np.ndarray, "*rows output"]) -> Float[np.ndarray, "*rows more"]:
        return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, more)])

    return replace(
        problem,
        bias=wider(problem.bias),
        target=wider(problem.target),
        zone_low=wider(problem.zone_low),
        zone_high=wider(problem.zone_high),
        low=wider(problem.low),
        high=wider(problem.high),
        weight=wider(problem.weight),
        span=wider(problem.span),
    )


def critic_text(rows: Sequence[dict[str, Any]], command: str) -> str:
    """The page `critic.md`: cost relative to the longest horizon with the planner's own tail."""
    lines = []
    for problem in dict.fromkeys(row["problem"] for row in rows):
        own = [row for row in rows if row["problem"] == problem]
        for tail in TAILS:
            for horizon in dict.fromkeys(row["horizon"] for row in own):
                here = [row for row in own if (row["tail"], row["horizon"]) == (tail, horizon)]
                ratios = [row["cost"] / _longest(own, row["seed"]) - 1.0 for row in here]
                ms = np.median([row["ms_median"] for row in here])
                lines.append(
                    [
                        problem,
                        tail,
                        str(horizon),
                        f"{np.mean(ratios):+.2%}",
                        f"{max(ratios):+.2%}",
                        f"{ms:.1f}",
                    ]
                )
    header = ["network", "after the horizon", "horizon", "cost, mean", "cost, worst seed", "ms"]
    return (
        f"# Terminal cost\n\n`{command}`\n\n"
        f"Closed-loop cost of a setpoint step over {_CYCLES} intervals "
        f"against that with {max(row['horizon'] for row in rows)} intervals and the planner's own weight of "
        "the last row; median processor time of the program alone.\n\n" + table(header, lines)
    )


def _longest(rows: Sequence[dict[str, Any]], seed: int) -> float:
    own = [row for row in rows if (row["seed"], row["tail"]) == (seed, "last row")]
    return float(max(own, key=lambda row: int(row["horizon"]))["cost"])
