"""Encoders, predictors and heads of somebody else's: offered, trained, saved, loaded and planned with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from jaxtyping import Float
from learning_cases import PLANT, QUICK, record
from torch import Tensor, nn

import procwm
from procwm.data.window import grid
from procwm.errors import ArtifactError, SpecError
from procwm.planning.problem import Plan
from procwm.testing import check_world_model, control_problem, exact_model
from procwm.world.composition import Heads
from procwm.world.model import WorldModel
from procwm.world.parts.layers import Affine, Layers, affine, read_layers
from procwm.world.protocols import ModelInput, Predictor
from procwm.world.storage.catalogue import ENCODERS, HEADS, PREDICTORS

FEW = replace(QUICK, steps=6, check_every=3, members=1)


class LastRows(nn.Module):
    """The mean of the last rows, mixed."""

    def __init__(self, rows: int, tags: int, latent: int) -> None:
        super().__init__()
        self.rows, self.mix = rows, nn.Linear(tags, latent)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        mixed: Tensor = self.mix(torch.tanh(window.values[:, -self.rows :].mean(dim=1)))
        return mixed


@dataclass(frozen=True, kw_only=True)
class LastRowsEncoder(procwm.EncoderSpec):
    kind: ClassVar[str] = "last rows"
    rows: int = 2

    def network(self, shape: procwm.WindowShape) -> nn.Module:
        return LastRows(self.rows, shape.tags, shape.latent)


class Bent(nn.Module):
    """A predictor that shares nothing with the built-in ones but what the Protocol asks for."""

    def __init__(self, spec: "BentPredictor", shape: procwm.StepShape) -> None:
        super().__init__()
        self.spec, self.shape = spec, shape
        self.straight = nn.Linear(shape.inputs, shape.latent)
        self.inner, self.outer = nn.Linear(shape.inputs, spec.units), nn.Linear(spec.units, shape.latent)
        for layer in (self.straight, self.outer):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def identified(self) -> nn.Linear:
        return self.straight

    def parts(self) -> Sequence[Predictor]:
        return (self,)

    def forward(self, latent: Tensor, mv: Tensor, dv: Tensor) -> Tensor:
        inputs = torch.cat((latent, mv, dv), dim=-1)
        step: Tensor = self.straight(inputs) + self.outer(nn.functional.silu(self.inner(inputs)))
        return latent + step

    def change(self) -> tuple[Affine, Layers]:
        return affine(read_layers(self.straight)[0]), read_layers(
            nn.Sequential(self.inner, nn.SiLU(), self.outer)
        )


@dataclass(frozen=True, kw_only=True)
class BentPredictor(procwm.PredictorSpec):
    kind: ClassVar[str] = "bent"
    units: int = 5

    def network(self, shape: procwm.StepShape) -> nn.Module:
        raise AssertionError("a predictor that is built otherwise is not asked for a network")

    def build(self, shape: procwm.StepShape) -> Predictor:
        return Bent(self, shape)


class Above(nn.Module):
    """A guardrail on one latent direction: safe where it is below a limit."""

    def __init__(self, spec: "AboveHead", latent: int) -> None:
        super().__init__()
        self.spec, self.name, self.coverage = spec, spec.name, spec.coverage
        self.read = nn.Linear(latent, 1)

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 1"]:
        value: Tensor = self.read(latent)
        return value - self.spec.limit

    def layers(self) -> Layers:
        read = affine(read_layers(self.read)[0])
        return (Affine(read.weight, read.bias - self.spec.limit),)


@dataclass(frozen=True, kw_only=True)
class AboveHead(procwm.HeadSpec):
    kind: ClassVar[str] = "above"
    limit: float

    def build(self, latent: int) -> Above:
        return Above(self, latent)


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for catalogue in (ENCODERS, PREDICTORS, HEADS):
        monkeypatch.setattr(catalogue, "_registered", dict(catalogue._registered))


def planned(model: WorldModel, *, target: float = 6.0) -> Plan:
    rows = grid(record(400).log, model.rule)
    (moment,) = np.flatnonzero(rows.ready)[100:101].tolist()
    latent = model.encode(model.model_input(rows.windows([moment])))[0].numpy()
    problem = control_problem(model, latent=latent, last_mv=np.array([4.0]))
    problem = replace(problem, target=np.full_like(problem.target, target))
    return procwm.MpcPlanner(model).plan(problem, warm_start=None, deadline_s=60.0)


def checked(model: WorldModel, path: Path) -> None:
    """It keeps the contract, is loaded as it was saved, and plans."""
    rows = grid(record(400).log, model.rule)
    windows = rows.windows(np.flatnonzero(rows.ready)[:3].tolist())
    check_world_model(model, windows)
    model.save(path)
    loaded = procwm.load_model(path, PLANT)
    assert loaded.encoder.spec == model.encoder.spec
    assert loaded.predictor.spec == model.predictor.spec
    before, after = (each.encode(each.model_input(windows)) for each in (model, loaded))
    assert torch.equal(before, after)
    assert planned(loaded).status.usable
    assert planned(loaded).mv == pytest.approx(planned(model).mv)


def test_an_encoder_from_outside_learns_and_is_planned_with(tmp_path: Path) -> None:
    procwm.register(LastRowsEncoder)
    wild = replace(FEW, encoder=LastRowsEncoder(rows=3), encoder_network_rate=0.1)
    model = procwm.train(PLANT, record(1000).log, config=wild)
    assert model.encoder.spec == LastRowsEncoder(rows=3)
    if model.metrics["best_step"]:
        assert any(bool(weight.any()) for weight in model.encoder.network.parameters())
    checked(model, tmp_path / "model")


def test_a_predictor_from_outside_learns_and_is_planned_with(tmp_path: Path) -> None:
    procwm.register(BentPredictor)
    model = procwm.train(PLANT, record(1000).log, config=replace(FEW, predictor=BentPredictor(units=7)))
    assert isinstance(model.predictor, Bent)
    assert model.metrics["predictor"] == "bent"
    assert [member.predictor.spec for member in model.members] == [BentPredictor(units=7)]
    checked(model, tmp_path / "model")


def guarded(limit: float) -> WorldModel:
    """Two tanks whose level may not come above `limit`, says a guardrail of somebody else's."""
    model = exact_model(
        PLANT, state_matrix=np.diag([0.8, 0.5]), input_matrix=np.array([[0.4], [0.1]]), horizon=15
    )
    center, width = (float(part[0]) for part in model.scaler.part(("LT.PV",)))
    head = AboveHead(name="too high", coverage=0.9, limit=limit).build(2)
    with torch.no_grad():
        head.read.weight.copy_(torch.tensor([[width, 0.0]]))
        head.read.bias.fill_(center)
    return model.with_guard(head)


def test_a_guardrail_from_outside_is_kept_with_the_model_and_by_its_plans(tmp_path: Path) -> None:
    procwm.register(AboveHead)
    guarded(limit=9.0).save(tmp_path / "model")
    model = procwm.load_model(tmp_path / "model")
    assert model.guard_names == ("too high",)
    start = model.tensor(np.array([[6.0, 6.0]]), model.output_names)[0].numpy()
    problem = control_problem(model, latent=start, last_mv=np.array([3.0]))
    problem = replace(problem, target=np.full_like(problem.target, 12.0))
    plan = procwm.MpcPlanner(model).plan(problem, warm_start=None, deadline_s=60.0)
    assert plan.status.usable
    assert plan.cv[:, 0].max() == pytest.approx(9.0, abs=1e-3)
    assert plan.guard.max() <= 1e-6


@pytest.mark.parametrize(
    ("unknown", "said"),
    [("encoder", "no encoder last rows; there are mlp"), ("head", "no head above; there are guardrail")],
)
def test_a_part_that_nobody_offers_is_named_when_its_model_is_loaded(
    unknown: str, said: str, tmp_path: Path
) -> None:
    model = guarded(limit=9.0)
    if unknown == "encoder":
        shape = model.encoder.shape
        dynamics = replace(model.parts.dynamics, encoder=LastRowsEncoder().build(shape))
        model = WorldModel(replace(model.parts, dynamics=dynamics)).finished()
        procwm.register(AboveHead)
    model.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match=rf"config.json: there is {said}.*install the package"):
        procwm.load_model(tmp_path / "model")


def test_a_guardrail_that_no_plan_could_keep_is_refused() -> None:
    class Opaque(nn.Module):
        name, coverage, spec = "opaque", 0.9, AboveHead(name="opaque", coverage=0.9, limit=1.0)

    heads = Heads()
    # As nobody checks its type, and the tests do.
    object.__setattr__(heads, "guards", (Opaque(),))
    with pytest.raises(SpecError, match="guardrail opaque has no method layers"):
        replace(guarded(limit=9.0).parts, heads=heads)


def test_a_kind_belongs_to_one_class_and_a_registered_class_is_a_spec() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Mine(LastRowsEncoder):
        kind: ClassVar[str] = "mlp"

    with pytest.raises(SpecError, match=r"there is already encoder mlp, .*MlpEncoder; give it a kind"):
        procwm.register(Mine)
    with pytest.raises(SpecError, match="is no EncoderSpec, PredictorSpec or HeadSpec"):
        procwm.register(procwm.world.parts.specs.PartSpec)
