"""Planning problems of every size: seeded stable networks, and the cycles that follow one another on them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from procwm.data.window import WindowRule
from procwm.planning.problem import ControlProblem, Plan
from procwm.plant.tags import PlantSpec, Role, Tag, names_of
from procwm.testing import control_problem
from procwm.world.composition import Dynamics, Heads, ModelParts
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel
from procwm.world.parts.perceptron import smooth_network
from procwm.world.parts.specs import StepShape, WindowShape
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.predictors.residual import ResidualPredictor
from procwm.world.scaler import Scaler

_TIME_CONSTANTS = (3.0, 15.0)
"""Of the linear part, control intervals."""
_MILD, _CURVED = (1.0, 0.3), (1.6, 3.0)
"""Gain of the hidden layers, and of the network's steady effect beside the linear part's, which is 1."""
_GUARD_QUANTILE = 0.8
"""Share of rest points at which the guardrail is safe: it matters, and can be kept."""
_LATENT_NOISE, _SETPOINT_NOISE = 0.02, 0.005
"""What changes from cycle to cycle: scaled, and as a share of the span."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network and the size of the problems on it.

    Attributes:
        mvs, cvs, horizon: counts.
        hidden: widths of the network's layers.
        curved: whether the network's effect is three times the linear part's, not a third of it.
        seed: of the network and of all that happens.
    """

    mvs: int
    cvs: int
    horizon: int
    hidden: tuple[int, ...] = (64, 64)
    curved: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        """What tables call it."""
        network = f"{len(self.hidden)}x{self.hidden[0]}"
        return f"{self.mvs}x{self.cvs} h{self.horizon} {network}{' curved' if self.curved else ''}"

    @property
    def latent(self) -> int:
        """Size of the latent state."""
        return max(8, self.cvs + 2)

    @cached_property
    def plant(self) -> PlantSpec:
        """As many setpoints as MVs; the other CVs have zones; every CV has limits."""
        tags = [
            Tag(
                name=f"CV{i}",
                role=Role.CV,
                range=(0.0, 100.0),
                setpoint=50.0 if i < self.mvs else None,
                zone=(40.0, 60.0) if i >= self.mvs else None,
                limits=(10.0, 90.0),
            )
            for i in range(self.cvs)
        ]
        tags += [
            Tag(
                name=f"MV{i}",
                role=Role.MV,
                range=(0.0, 100.0),
                limits=(5.0, 95.0),
                max_move=8.0,
                move_weight=0.05,
            )
            for i in range(self.mvs)
        ]
        return PlantSpec(name=self.name, interval_s=60.0, tags=tuple(tags))

    def model(self) -> WorldModel:
        """A stable world model: `z' = A z + B u + W3 tanh(W2 tanh(W1 [z, u]))` with lags A.

        A is symmetric with eigenvalues below 1 and the network is bounded, so states are; B and W3 are
        scaled by the lags, so that a slow mode has no larger steady effect than a fast one.
        """
        generator = np.random.default_rng(self.seed)
        latent, gain = self.latent, _CURVED if self.curved else _MILD
        modes, _ = np.linalg.qr(generator.standard_normal((latent, latent)))
        lags = np.exp(-1.0 / generator.uniform(*_TIME_CONSTANTS, latent))
        into = modes * (1.0 - lags)
        state = (modes * lags) @ modes.T
        moved = into @ generator.standard_normal((latent, self.mvs)) / np.sqrt(self.mvs)
        step = StepShape(latent=latent, mv=self.mvs, dv=0, outputs=self.cvs)
        predictor = MlpPredictor(hidden=self.hidden).build(step)
        assert isinstance(predictor, ResidualPredictor)
        layers = [layer for layer in predictor.network.children() if isinstance(layer, nn.Linear)]
        _assign(predictor.linear.weight, np.hstack((state - np.eye(latent), moved)))
        for layer in layers[:-1]:
            shape = layer.out_features, layer.in_features
            _assign(layer.weight, gain[0] * generator.standard_normal(shape) / np.sqrt(shape[1]))
            _assign(layer.bias, 0.3 * generator.standard_normal(shape[0]))
        last = layers[-1].in_features
        _assign(layers[-1].weight, gain[1] * into @ generator.standard_normal((latent, last)) / np.sqrt(last))
        readout = nn.Linear(latent, self.cvs)
        _assign(readout.weight, generator.standard_normal((self.cvs, latent)) / np.sqrt(latent))
        _assign(readout.bias, np.zeros(self.cvs))
        guard = smooth_network(latent, (16,), 1)
        inner, outer = (layer for layer in guard if isinstance(layer, nn.Linear))
        _assign(inner.weight, generator.standard_normal((16, latent)) / np.sqrt(latent))
        _assign(inner.bias, np.zeros(16))
        _assign(outer.weight, generator.standard_normal((1, 16)) / 4.0)
        names = self.plant.names
        seen = WindowShape(history=1, tags=len(names), latent=latent)
        encoder = MlpEncoder(hidden=(1,)).build(seen)
        model = WorldModel(
            ModelParts(
                plant=self.plant,
                rule=WindowRule(tags=names, interval_s=60.0, history=1, hold_s=(180.0,) * len(names)),
                scaler=Scaler(names, np.full(len(names), 50.0), np.full(len(names), 20.0)),
                horizon=self.horizon,
                dynamics=Dynamics(encoder=encoder, predictor=predictor, readout=readout),
                heads=Heads(guards=(GuardHead(name="guard", network=guard, margin=0.0, coverage=1.0),)),
            )
        ).finished()
        reached = model.guard(_rest_points(model, generator, 64)).numpy()
        margin = -float(np.quantile(reached, _GUARD_QUANTILE))
        return model.with_guard(GuardHead(name="guard", network=guard, margin=margin, coverage=1.0))


class Cycles:
    """Cycles of control that follow one another: the plant does what the model says, and a little else.

    Setpoints are where some MVs inside their limits lead, so that they can be reached, and wander.
    """

    def __init__(self, case: Case) -> None:
        self.model = case.model()
        self._generator = np.random.default_rng((case.seed, 1))
        rest = _rest_points(self.model, self._generator, 16)
        safe = self.model.guard(rest)[:, 0] <= 0.0
        start, goal = rest[safe][:2]
        self._span = 100.0
        self.problem = self._first(start, goal)

    def _first(self, start: torch.Tensor, goal: torch.Tensor) -> ControlProblem:
        model = self.model
        problem = control_problem(model, latent=start.numpy(), last_mv=np.full(len(model.plant.mvs), 50.0))
        reached = model.engineering(model.readout(goal), model.output_names)
        tracked = np.isfinite(problem.target[0])
        target = np.where(tracked, np.clip(reached, 15.0, 85.0), np.nan)
        return replace(problem, target=np.broadcast_to(target, problem.target.shape))

    def follow(self, plan: Plan) -> ControlProblem:
        """The next cycle's problem, after the first move of `plan`."""
        model, problem, generator = self.model, self.problem, self._generator
        mv = model.tensor(plan.mv[:1], names_of(model.plant.mvs))
        latent = model.predictor(torch.as_tensor(problem.latent)[None], mv, mv.new_zeros((1, 0)))[0].numpy()
        wander = _SETPOINT_NOISE * self._span * generator.standard_normal(problem.target.shape[1])
        self.problem = replace(
            problem,
            latent=latent + _LATENT_NOISE * generator.standard_normal(latent.shape),
            last_mv=plan.mv[0],
            target=problem.target + wander,
        )
        return self.problem


def _rest_points(
    model: WorldModel, generator: np.random.Generator, count: int
) -> Float[torch.Tensor, "batch latent"]:
    """Where constant MVs inside their limits lead."""
    mvs = names_of(model.plant.mvs)
    mv = model.tensor(generator.uniform(20.0, 80.0, (count, len(mvs))), mvs)
    latent = mv.new_zeros((count, model.readout.in_features))
    for _ in range(100):
        latent = model.predictor(latent, mv, mv.new_zeros((count, 0)))
    return latent


def _assign(parameter: torch.Tensor, values: Float[np.ndarray, "..."]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(values))


def default_cases() -> Iterator[Case]:
    """From 1 MV and 1 CV to 10 MVs and 30 CVs; growth with horizon and with MVs has a series each."""
    yield Case(mvs=1, cvs=1, horizon=10)
    yield Case(mvs=2, cvs=3, horizon=20)
    for horizon in (10, 20, 40, 60):
        yield Case(mvs=3, cvs=5, horizon=horizon)
    for mvs in (1, 6, 10):
        yield Case(mvs=mvs, cvs=3 * mvs, horizon=20)
    for case in (
        Case(mvs=1, cvs=1, horizon=10),
        Case(mvs=3, cvs=5, horizon=20),
        Case(mvs=6, cvs=18, horizon=20),
    ):
        yield replace(case, curved=True)
    for curved in (False, True):
        yield Case(mvs=3, cvs=5, horizon=20, hidden=(256, 256), curved=curved)
    yield Case(mvs=10, cvs=30, horizon=60)
    yield Case(mvs=10, cvs=30, horizon=60, hidden=(256, 256))
