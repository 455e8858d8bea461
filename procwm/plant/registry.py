"""Links, scenarios, servers, clocks and historians by name, as installed packages offer them.

A package adds a link with the entry-point group `procwm.plants` (a class or function that takes a
`PlantSpec`), a scenario with `procwm.scenarios` (a `Scenario`), a server of simulated plants with
`procwm.servers` (takes a `SimulatedPlant`), a clock that follows one with `procwm.clocks` (takes a link),
a reader of a plant's historian with `procwm.histories` (takes a `PlantSpec`), what looks through a server
with `procwm.browsers` (takes `OpcUaSettings`) and the certificates of a
link with `procwm.certificates` (takes a folder), a server of the controller with `procwm.front_servers`
(takes a `Desk`) and a client of one with `procwm.front_clients` (takes `OpcUaSettings`). A scenario offered
to `procwm.demo`, too, is shown where none is asked for.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from procwm.errors import SpecError
from procwm.plant.browsing import PlantBrowser
from procwm.plant.certificates import CertificateStore
from procwm.plant.front import FrontClient, FrontServer
from procwm.plant.history import PlantHistory
from procwm.plant.link import Clock, PlantLink
from procwm.plant.scenario import OperatorHabits, Scenario, Staffed
from procwm.plant.serving import PlantServer
from procwm.plant.tags import PlantSpec

LINKS = "procwm.plants"
SCENARIOS = "procwm.scenarios"
DEMO = "procwm.demo"
SERVERS = "procwm.servers"
CLOCKS = "procwm.clocks"
HISTORIES = "procwm.histories"
BROWSERS = "procwm.browsers"
CERTIFICATES = "procwm.certificates"
FRONT_SERVERS = "procwm.front_servers"
FRONT_CLIENTS = "procwm.front_clients"


def link(name: str) -> Callable[..., PlantLink]:
    """The link called `name`; `SpecError` where none is installed."""
    made: Callable[..., PlantLink] = _load(_entry(LINKS, "link", name))
    return made


def open_link(name: str | PlantLink, plant: PlantSpec) -> AbstractAsyncContextManager[PlantLink]:
    """A link to `plant`, to be entered; one that is always up is entered as it is.

    Args:
        name: of one that is installed, or a link of the caller's own.
        plant: of the link.
    """
    made = link(name)(plant) if isinstance(name, str) else name
    return made if isinstance(made, AbstractAsyncContextManager) else nullcontext(made)


def scenarios(names: Sequence[str] = (), *, habits: str | None = None) -> dict[str, Scenario]:
    """Scenarios by name: those of `names`, all that are installed where it is empty.

    Args:
        names: of scenarios.
        habits: of their operators, as in `scenario`.

    Raises:
        SpecError: one is not installed, or its operators have no such habits.
    """
    return {name: scenario(name, habits=habits) for name in names or _entries(SCENARIOS)}


def scenario(name: str, *, habits: str | None = None) -> Scenario:
    """The scenario called `name`.

    Args:
        name: of the entry point.
        habits: of its operators: `lively`, `ordinary`, `quiet` or `cascade`; its own where `None`.

    Raises:
        SpecError: none of this name is installed, or its operators have no such habits.
    """
    found = _scenario(_entry(SCENARIOS, "scenario", name))
    return found if habits is None else _staffed(found, habits)


def shown_scenario() -> str:
    """Name of the scenario that a demo shows where none is asked for; `SpecError` where none is installed."""
    for offered in (*_entries(DEMO), *_entries(SCENARIOS)):
        return offered
    raise SpecError("there is no scenario to show; installed are none")


def server(name: str) -> Callable[..., PlantServer]:
    """The server of simulated plants called `name`; `SpecError` where none is installed."""
    made: Callable[..., PlantServer] = _load(_entry(SERVERS, "server", name))
    return made


def clock(name: str) -> Callable[..., Clock]:
    """The clock called `name` of simulations behind a link; `SpecError` where none is installed."""
    made: Callable[..., Clock] = _load(_entry(CLOCKS, "clock", name))
    return made


def history(name: str) -> Callable[[PlantSpec], PlantHistory]:
    """The reader of historians called `name`; `SpecError` where none is installed."""
    made: Callable[[PlantSpec], PlantHistory] = _load(_entry(HISTORIES, "history", name))
    return made


def browser(name: str) -> PlantBrowser:
    """What looks through a server, called `name`; `SpecError` where none is installed."""
    made: PlantBrowser = _load(_entry(BROWSERS, "browser", name))
    return made


def certificates(name: str) -> Callable[[Path], CertificateStore]:
    """The folder of certificates of the link called `name`; `SpecError` where none is installed."""
    made: Callable[[Path], CertificateStore] = _load(_entry(CERTIFICATES, "link with certificates", name))
    return made


def front_server(name: str) -> Callable[..., FrontServer]:
    """The server of a controller called `name`; `SpecError` where none is installed."""
    made: Callable[..., FrontServer] = _load(_entry(FRONT_SERVERS, "server of a controller", name))
    return made


def front_client(name: str) -> Callable[..., FrontClient]:
    """The client of a served controller called `name`; `SpecError` where none is installed."""
    made: Callable[..., FrontClient] = _load(_entry(FRONT_CLIENTS, "client of a controller", name))
    return made


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


def _staffed(plant: Scenario, habits: str) -> Scenario:
    if habits not in list(OperatorHabits):
        raise SpecError(f"there are no habits {habits}; there are {', '.join(OperatorHabits)}")
    if not isinstance(plant, Staffed):
        raise SpecError(f"{plant.name}: its operators have habits of their own only, not {habits}")
    return plant.with_habits(OperatorHabits(habits))
