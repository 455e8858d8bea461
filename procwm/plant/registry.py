"""Links and scenarios by name, as installed packages offer them through entry points.

A package adds a link with the entry-point group `procwm.plants` (a class or function that takes a
`PlantSpec`) and a scenario with `procwm.scenarios` (a `Scenario`).
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from procwm.errors import SpecError
from procwm.plant.link import PlantLink
from procwm.plant.scenario import Scenario

LINKS = "procwm.plants"
SCENARIOS = "procwm.scenarios"


def links() -> dict[str, Callable[..., PlantLink]]:
    """All installed links by name; calling one with a `PlantSpec` makes the link."""
    return {name: _load(entry) for name, entry in _entries(LINKS).items()}


def link(name: str) -> Callable[..., PlantLink]:
    """The link called `name`; `SpecError` where none is installed."""
    made: Callable[..., PlantLink] = _load(_entry(LINKS, "link", name))
    return made


def scenarios() -> dict[str, Scenario]:
    """All installed scenarios by name."""
    return {name: _scenario(entry) for name, entry in _entries(SCENARIOS).items()}


def scenario(name: str) -> Scenario:
    """The scenario called `name`; `SpecError` where none is installed."""
    return _scenario(_entry(SCENARIOS, "scenario", name))


def _entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def _entry(group: str, kind: str, name: str) -> EntryPoint:
    entries = _entries(group)
    if name not in entries:
        raise SpecError(f"there is no {kind} {name}; installed are {', '.join(entries) or 'none'}")
    return entries[name]


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise SpecError(f"{entry.group}: {entry.name} ({entry.value}) cannot be loaded: {error}") from error


def _scenario(entry: EntryPoint) -> Scenario:
    offered = _load(entry)
    # Not isinstance: it would evaluate every property, and a scenario's equations take a while to build.
    if not hasattr(offered, "simulate"):
        raise SpecError(f"{entry.group}: {entry.name} ({entry.value}) is not a scenario")
    made: Scenario = offered
    return made
