"""The measurements behind `docs/benchmarks.md`: closed loops, comparators, metrics and studies."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast, runtime_checkable

from procwm.errors import SpecError

Progress = Callable[[str], None]
"""Told in a few words what is being done."""
PLANTS = ("cstr", "quadruple_tank")
"""Simulated plants of studies that would take days on all that are installed, where none are named."""


@runtime_checkable
class Study(Protocol):
    """A set of measurements that writes `OUT/NAME.json` and `OUT/NAME.md`."""

    def __call__(
        self,
        out: Path,
        *,
        scenarios: Sequence[str] = (),
        seeds: Sequence[int] = (),
        hours: float | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Measure, write and return the path of the JSON file; empty selections mean the study's own."""
        ...


STUDIES: Mapping[str, str] = MappingProxyType(
    {
        "ablation": "procwm_studies.model.ablation:run_ablation",
        "control": "procwm_studies.control.control:run_control",
        "adaptation": "procwm_studies.control.adaptation:run_adaptation",
        "critic": "procwm_studies.planner.critic:run_critic",
        "encoders": "procwm_studies.model.encoders:run_encoders",
        "faults": "procwm_studies.faults.faults:run_faults",
        "habits": "procwm_studies.control.crews:run_habits",
        "model": "procwm_studies.model.model:run_model",
        "objectives": "procwm_studies.model.objectives:run_objectives",
        "perception": "procwm_studies.perception.perception:run_perception",
        "planner": "procwm_studies.planner.planner:run_planner",
        "pretraining": "procwm_studies.model.pretraining:run_pretraining",
        "replay": "procwm_studies.runtime.replay:run_replay",
        "runtime": "procwm_studies.runtime.runtime:run_runtime",
        "search": "procwm_studies.planner.search:run_search",
        "surprise": "procwm_studies.model.surprise:run_surprise",
        "uncertainty": "procwm_studies.model.uncertainty:run_uncertainty",
        "wrongmodels": "procwm_studies.control.wrong_models:run_wrong_models",
    }
)
"""Where each study is, imported only when asked for: studies need every library there is."""


def study(name: str, **options: Any) -> Study:
    """The study called `name`; `SpecError` where there is none.

    Args:
        name: as in `STUDIES`.
        options: of this study alone, such as the folder of real `logs` that `model` takes; `None` is not
            given.
    """
    if name not in STUDIES:
        raise SpecError(f"there is no benchmark {name}; there are {', '.join(sorted(STUDIES))}")
    module, function = STUDIES[name].split(":")
    found = getattr(import_module(module), function)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in signature(found).parameters:
            raise SpecError(f"bench {name} takes no --{option}")
    if "plants" in given and "logs" not in given:
        raise SpecError("--plants belongs to --logs")
    return cast(Study, partial(found, **given) if given else found)
