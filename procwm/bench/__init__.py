"""The measurements behind `docs/benchmarks.md`: closed loops, comparators, metrics and studies."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast, runtime_checkable

from procwm.errors import SpecError

Progress = Callable[[str], None]
"""Told in a few words what is being done."""


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
        "control": "procwm.bench.control:run_control",
        "faults": "procwm.bench.faults:run_faults",
        "model": "procwm.bench.model:run_model",
        "planner": "procwm.bench.planner:run_planner",
        "search": "procwm.bench.search:run_search",
        "uncertainty": "procwm.bench.uncertainty:run_uncertainty",
    }
)
"""Where each study is, imported only when asked for: studies need every library there is."""

REAL = ("model", "uncertainty")
"""Studies that measure on logs of real plants, too."""


def study(name: str, *, logs: Path | None = None, plants: Path | None = None) -> Study:
    """The study called `name`; `SpecError` where there is none.

    Args:
        name: as in `STUDIES`.
        logs: folder of real logs for a study that takes them, as those of `REAL` do.
        plants: folder of their plant files, where not beside them.
    """
    if name not in STUDIES:
        raise SpecError(f"there is no benchmark {name}; there are {', '.join(sorted(STUDIES))}")
    module, function = STUDIES[name].split(":")
    found = getattr(import_module(module), function)
    if logs is None and plants is None:
        return cast(Study, found)
    if name not in REAL or logs is None:
        takers = " and ".join(f"`procwm bench {real}`" for real in REAL)
        raise SpecError(f"--logs belongs to {takers}, and --plants to --logs")
    return cast(Study, partial(found, logs=logs, plants=plants))
