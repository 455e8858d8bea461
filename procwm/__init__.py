"""Process control with a learned world model: give it a plant file and an operating log.

    plant = procwm.load_plant("plant.toml")
    model = procwm.train(plant, procwm.read_log("history.parquet", plant))
    controller = procwm.Controller(plant, model)

The public names are loaded when they are first asked for, so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from procwm.errors import (
    ArtifactError,
    LinkError,
    LinkRefusedError,
    LinkTimeoutError,
    LogError,
    OutcomeUnknownError,
    ProcwmError,
    SimulationError,
    SpecError,
    TrainingError,
)

if TYPE_CHECKING:
    from procwm.comparison.rehearsal import rehearse
    from procwm.control.controller import Controller
    from procwm.control.decision import Decision
    from procwm.control.health import Permits
    from procwm.control.modes import Mode
    from procwm.control.state import ControllerState
    from procwm.data.log import read_log
    from procwm.data.series import Log
    from procwm.data.writer import write_log
    from procwm.learning.config import TrainingConfig
    from procwm.learning.evaluation.evaluate import evaluate
    from procwm.learning.labelled.guardrail import learn_guardrail
    from procwm.learning.labelled.label_times import suggest_label_times
    from procwm.learning.labelled.labels import Labels, read_labels
    from procwm.learning.labelled.soft_sensor import learn_soft_sensor
    from procwm.learning.sensing.array_learning import learn_arrays
    from procwm.learning.sensing.array_model import ArrayModel
    from procwm.learning.sensing.laboratory_head import LaboratoryHead, learn_laboratory_head
    from procwm.learning.sensing.latent_objective import ArrayTraining
    from procwm.learning.train import train
    from procwm.planning.ensemble_planner import EnsemblePlanner
    from procwm.planning.planner import MpcPlanner
    from procwm.planning.prediction import Evaluator
    from procwm.planning.problem import ControlProblem, Plan, Planner, PlanStatus
    from procwm.plant.link import Clock, PlantLink
    from procwm.plant.plantfile.specfile import dump_plant, load_plant
    from procwm.plant.registry import scenario, scenarios
    from procwm.plant.request import Request
    from procwm.plant.samples import Quality, Sample
    from procwm.plant.scenario import Equations, Scenario
    from procwm.plant.tags import PlantSpec, Role, Tag
    from procwm.report.model_page import model_page
    from procwm.report.rehearsal_page import rehearsal_page
    from procwm.report.run_page import run_page
    from procwm.runtime.assembly import OpenRun, open_run
    from procwm.runtime.folder import check_run
    from procwm.runtime.recorder import read_decisions
    from procwm.runtime.replay import replay
    from procwm.runtime.tally import RunSummary
    from procwm.runtime.verify import verify
    from procwm.world.encoders.encoder import EncoderSpec
    from procwm.world.heads import HeadSpec
    from procwm.world.model import WorldModel
    from procwm.world.parts.layers import read_layers
    from procwm.world.parts.specs import StepShape, WindowShape
    from procwm.world.predictors.residual import PredictorSpec
    from procwm.world.storage.catalogue import register
    from procwm.world.storage.model_files import load_model

_HOMES = {
    "ArrayModel": "procwm.learning.sensing.array_model",
    "ArrayTraining": "procwm.learning.sensing.latent_objective",
    "Clock": "procwm.plant.link",
    "ControlProblem": "procwm.planning.problem",
    "Controller": "procwm.control.controller",
    "ControllerState": "procwm.control.state",
    "Decision": "procwm.control.decision",
    "EncoderSpec": "procwm.world.encoders.encoder",
    "EnsemblePlanner": "procwm.planning.ensemble_planner",
    "Equations": "procwm.plant.scenario",
    "Evaluator": "procwm.planning.prediction",
    "HeadSpec": "procwm.world.heads",
    "Labels": "procwm.learning.labelled.labels",
    "LaboratoryHead": "procwm.learning.sensing.laboratory_head",
    "Log": "procwm.data.series",
    "Mode": "procwm.control.modes",
    "MpcPlanner": "procwm.planning.planner",
    "OpenRun": "procwm.runtime.assembly",
    "Permits": "procwm.control.health",
    "Plan": "procwm.planning.problem",
    "PlanStatus": "procwm.planning.problem",
    "Planner": "procwm.planning.problem",
    "PlantLink": "procwm.plant.link",
    "PlantSpec": "procwm.plant.tags",
    "PredictorSpec": "procwm.world.predictors.residual",
    "Quality": "procwm.plant.samples",
    "Request": "procwm.plant.request",
    "Role": "procwm.plant.tags",
    "RunSummary": "procwm.runtime.tally",
    "Sample": "procwm.plant.samples",
    "Scenario": "procwm.plant.scenario",
    "StepShape": "procwm.world.parts.specs",
    "Tag": "procwm.plant.tags",
    "TrainingConfig": "procwm.learning.config",
    "WindowShape": "procwm.world.parts.specs",
    "WorldModel": "procwm.world.model",
    "check_run": "procwm.runtime.folder",
    "dump_plant": "procwm.plant.plantfile.specfile",
    "evaluate": "procwm.learning.evaluation.evaluate",
    "learn_arrays": "procwm.learning.sensing.array_learning",
    "learn_guardrail": "procwm.learning.labelled.guardrail",
    "learn_laboratory_head": "procwm.learning.sensing.laboratory_head",
    "learn_soft_sensor": "procwm.learning.labelled.soft_sensor",
    "load_model": "procwm.world.storage.model_files",
    "load_plant": "procwm.plant.plantfile.specfile",
    "model_page": "procwm.report.model_page",
    "open_run": "procwm.runtime.assembly",
    "read_decisions": "procwm.runtime.recorder",
    "read_labels": "procwm.learning.labelled.labels",
    "read_layers": "procwm.world.parts.layers",
    "read_log": "procwm.data.log",
    "register": "procwm.world.storage.catalogue",
    "rehearsal_page": "procwm.report.rehearsal_page",
    "rehearse": "procwm.comparison.rehearsal",
    "replay": "procwm.runtime.replay",
    "run_page": "procwm.report.run_page",
    "scenario": "procwm.plant.registry",
    "scenarios": "procwm.plant.registry",
    "suggest_label_times": "procwm.learning.labelled.label_times",
    "train": "procwm.learning.train",
    "verify": "procwm.runtime.verify",
    "write_log": "procwm.data.writer",
}

__all__ = [
    "ArrayModel",
    "ArrayTraining",
    "ArtifactError",
    "Clock",
    "ControlProblem",
    "Controller",
    "ControllerState",
    "Decision",
    "EncoderSpec",
    "EnsemblePlanner",
    "Equations",
    "Evaluator",
    "HeadSpec",
    "Labels",
    "LaboratoryHead",
    "LinkError",
    "LinkRefusedError",
    "LinkTimeoutError",
    "Log",
    "LogError",
    "Mode",
    "MpcPlanner",
    "OpenRun",
    "OutcomeUnknownError",
    "Permits",
    "Plan",
    "PlanStatus",
    "Planner",
    "PlantLink",
    "PlantSpec",
    "PredictorSpec",
    "ProcwmError",
    "Quality",
    "Request",
    "Role",
    "RunSummary",
    "Sample",
    "Scenario",
    "SimulationError",
    "SpecError",
    "StepShape",
    "Tag",
    "TrainingConfig",
    "TrainingError",
    "WindowShape",
    "WorldModel",
    "check_run",
    "dump_plant",
    "evaluate",
    "learn_arrays",
    "learn_guardrail",
    "learn_laboratory_head",
    "learn_soft_sensor",
    "load_model",
    "load_plant",
    "model_page",
    "open_run",
    "read_decisions",
    "read_labels",
    "read_layers",
    "read_log",
    "register",
    "rehearsal_page",
    "rehearse",
    "replay",
    "run_page",
    "scenario",
    "scenarios",
    "suggest_label_times",
    "train",
    "verify",
    "write_log",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module procwm has no attribute {name}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
