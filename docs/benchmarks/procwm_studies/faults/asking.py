"""What operators of the campaign ask for that is refused, and the one thing that is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from procwm.plant.request import Request
from procwm_studies.faults.catalogue import Fault
from procwm_studies.faults.link import FaultyLink

COMMANDING = "\x1b[2J\x1b]0;all is well\x07<script>alert(1)</script>\r\n\u202e \x00 \udcff |"
"""Words that clear a terminal, run in a page, turn what follows round, and are no text to some files."""

_ASKED = Request(who="operator", why="injected")


def asked(link: FaultyLink, rng: np.random.Generator) -> Sequence[Request]:
    """The requests of the cycle that `link` is in."""
    mv, cv = link.spec.mvs[0], link.cv
    requests: list[Request] = []
    if link.acts("operator asks to widen limits"):
        widest = {tag.name: tag.range for tag in link.spec.mvs}
        requests += [replace(_ASKED, limits=widest), replace(_ASKED, limits={"no tag": (0.0, 1.0)})]
    if link.acts("operator asks with wrong types"):
        wrong = _wrong(mv.name, cv.name)
        requests.append(replace(_ASKED, **wrong[int(rng.integers(len(wrong)))]))
    if link.acts("operator asks for no mode that there is"):
        none: Sequence[Any] = ("manual", "AUTO", "", 3, COMMANDING, ["auto"])
        requests.append(replace(_ASKED, mode=none[int(rng.integers(len(none)))]))
    if link.acts("operator asks in somebody's name that commands a screen"):
        requests.append(replace(_ASKED, who=COMMANDING, why=COMMANDING, setpoints={cv.name: 1e9}))
    return [*requests, *_switched(link.faults, link.tick, cv.name)]


def _switched(faults: Sequence[Fault], tick: int, name: str) -> list[Request]:
    """The CV off when the fault begins, and on again after it."""
    own = [fault for fault in faults if fault.kind.name == "operator switches the critical CV off"]
    return [
        replace(_ASKED, on={name: on})
        for fault in own
        for at, on in ((fault.first, False), (fault.last + 1, True))
        if tick == at
    ]


def _wrong(mv: str, cv: str) -> Sequence[dict[str, Any]]:
    """Fields of requests, none of which can be carried out."""
    huge = 10**400
    limits = [("low", "high"), None, (np.nan, np.nan), (-huge, huge), 3.0, (1.0,), {"low": 1.0}, (None, True)]
    setpoints = ["12.5", None, np.nan, np.inf, huge, True, [12.5], 1j]
    return [
        *({"limits": {mv: given}} for given in limits),
        *({"zones": {cv: given}} for given in (*limits[:-1], (None, None))),
        *({"setpoints": {cv: given}} for given in setpoints),
        *({"on": {cv: given}} for given in ("yes", 1, None)),
        *({field: given} for field in ("limits", "zones", "setpoints", "on") for given in ("all", [cv], 7)),
        {"setpoints": {3: 1.0}},
        {"setpoints": {cv: 1e9}, "why": 7},
    ]
