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
    LogError,
    OutcomeUnknownError,
    ProcwmError,
    SimulationError,
    SpecError,
    TrainingError,
)

if TYPE_CHECKING:
    from procwm.control.controller import Controller
    from procwm.control.decision import Decision
    from procwm.control.health import Permits
    from procwm.control.modes import Mode
    from procwm.control.state import ControllerState
    from procwm.data.log import read_log
    from procwm.data.series import Log
    from procwm.data.writer import write_log
    from procwm.planning.ensemble import EnsemblePlanner
    from procwm.planning.planner import MpcPlanner
    from procwm.plant.registry import scenario, scenarios
    from procwm.plant.samples import Quality, Sample
    from procwm.plant.specfile import dump_plant, load_plant
    from procwm.plant.tags import PlantSpec, Role, Tag
    from procwm.runtime.replay import replay
    from procwm.training.config import TrainingConfig
    from procwm.training.evaluation import evaluate
    from procwm.training.guardrail import learn_guardrail
    from procwm.training.label_times import suggest_label_times
    from procwm.training.labels import Labels, read_labels
    from procwm.training.soft_sensor import learn_soft_sensor
    from procwm.training.trainer import train
    from procwm.world.model import WorldModel
    from procwm.world.storage import load_model

_HOMES = {
    "Controller": "procwm.control.controller",
    "ControllerState": "procwm.control.state",
    "Decision": "procwm.control.decision",
    "EnsemblePlanner": "procwm.planning.ensemble",
    "Labels": "procwm.training.labels",
    "Log": "procwm.data.series",
    "Mode": "procwm.control.modes",
    "MpcPlanner": "procwm.planning.planner",
    "Permits": "procwm.control.health",
    "PlantSpec": "procwm.plant.tags",
    "Quality": "procwm.plant.samples",
    "Role": "procwm.plant.tags",
    "Sample": "procwm.plant.samples",
    "Tag": "procwm.plant.tags",
    "TrainingConfig": "procwm.training.config",
    "WorldModel": "procwm.world.model",
    "dump_plant": "procwm.plant.specfile",
    "evaluate": "procwm.training.evaluation",
    "learn_guardrail": "procwm.training.guardrail",
    "learn_soft_sensor": "procwm.training.soft_sensor",
    "load_model": "procwm.world.storage",
    "load_plant": "procwm.plant.specfile",
    "read_labels": "procwm.training.labels",
    "read_log": "procwm.data.log",
    "replay": "procwm.runtime.replay",
    "scenario": "procwm.plant.registry",
    "scenarios": "procwm.plant.registry",
    "suggest_label_times": "procwm.training.label_times",
    "train": "procwm.training.trainer",
    "write_log": "procwm.data.writer",
}

__all__ = [
    "ArtifactError",
    "Controller",
    "ControllerState",
    "Decision",
    "EnsemblePlanner",
    "Labels",
    "LinkError",
    "Log",
    "LogError",
    "Mode",
    "MpcPlanner",
    "OutcomeUnknownError",
    "Permits",
    "PlantSpec",
    "ProcwmError",
    "Quality",
    "Role",
    "Sample",
    "SimulationError",
    "SpecError",
    "Tag",
    "TrainingConfig",
    "TrainingError",
    "WorldModel",
    "dump_plant",
    "evaluate",
    "learn_guardrail",
    "learn_soft_sensor",
    "load_model",
    "load_plant",
    "read_labels",
    "read_log",
    "replay",
    "scenario",
    "scenarios",
    "suggest_label_times",
    "train",
    "write_log",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module procwm has no attribute {name}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
