"""`procwm bench faults`: faults injected into closed loops in accelerated time, and what came of each."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from procwm.data.files import write_json, write_text
from procwm.errors import SpecError
from procwm_studies import PLANTS, Progress
from procwm_studies.faults.catalogue import KINDS, SERVED_KINDS, Fault, Kind, schedule
from procwm_studies.faults.judge import Verdict
from procwm_studies.faults.kills import PHASES, killed
from procwm_studies.faults.opcua import INTERVAL_S, survived_served
from procwm_studies.faults.run import setting, survived
from procwm_studies.faults.states import STATES
from procwm_studies.results import command_line, table

_SEEDS = (0, 1)
_ROUNDS = 9
"""Faults of each kind, for each scenario and seed."""
_SERVED_ROUNDS = 1
"""The same of the kinds that take a server of its own, and wall time."""
_PER_RUN = 12
"""Faults in one run."""
_FINDINGS = ("writes_outside_limits", "exceptions", "rows_lost", "rows_doubled", "late_sheds", "bumps")
_MORE = ("not_recovered", "untold")


@dataclass(kw_only=True, eq=False)
class Tally:
    """What came of all faults of one kind."""

    injected: int = 0
    sheds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Count one fault."""
        self.injected += 1
        self.sheds += verdict.sheds
        self.counts += verdict.counts
        self.examples += verdict.examples

    @property
    def row(self) -> dict[str, int]:
        """The counts by name."""
        named = {name: self.counts[name] for name in (*_FINDINGS, *_MORE)}
        return {"injected": self.injected, "sheds_due": self.sheds, **named}


def run_faults(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Run the campaign and write `out/faults.json` and `out/faults.md`.

    Args:
        out: folder.
        scenarios: to inject into; `PLANTS` where empty.
        seeds: of everything random; 0 and 1 where empty.
        hours: not used: faults are counted, not timed.
        progress: told what is going on.

    Raises:
        SpecError: `hours` is given.
    """
    if hours is not None:
        raise SpecError("bench faults takes no --hours; narrow it with --scenario and --seed")
    names = list(scenarios or PLANTS)
    command = command_line("faults", scenarios, seeds)
    seeds = list(seeds) or list(_SEEDS)
    began = time.perf_counter()
    tallies: dict[str, Tally] = {}
    # What an interrupted campaign has found is kept; the count of faults says how far it came.
    with contextlib.suppress(KeyboardInterrupt):
        served_campaign(names, seeds, rounds=_SERVED_ROUNDS, progress=progress, tallies=tallies)
        campaign(names, seeds, rounds=_ROUNDS, progress=progress, tallies=tallies)
    result = summary(tallies)
    write_text(out / "faults.md", _text(result, tallies, command, names, time.perf_counter() - began))
    write_json(out / "faults.json", result)
    return out / "faults.json"


def campaign(
    scenarios: Sequence[str],
    seeds: Sequence[int],
    *,
    rounds: int,
    kinds: Sequence[Kind] = KINDS,
    kills: int | None = None,
    progress: Progress | None = None,
    tallies: dict[str, Tally] | None = None,
) -> dict[str, Tally]:
    """What came of `rounds` faults of each of `kinds`, kills and restarts, per scenario and seed.

    They are counted in `tallies` where that is given.
    """
    tell = progress or (lambda text: None)
    tallies = {} if tallies is None else tallies
    tallies |= {kind.name: Tally() for kind in kinds}
    for seed in seeds:
        for scenario in scenarios:
            made = setting(scenario, seed)
            rng = np.random.default_rng(seed)
            injected = 0
            with _quiet():
                for faults in _runs(kinds, rounds, rng, made.every):
                    for fault, verdict in zip(faults, survived(made, faults, rng), strict=True):
                        tallies[fault.kind.name].add(verdict)
                    injected += len(faults)
                    tell(f"{scenario}, seed {seed}: {injected} of {rounds * len(kinds)} faults")
                for _ in range(rounds if kills is None else kills):
                    for phase in PHASES:
                        tell(f"{scenario}, seed {seed}: SIGKILL {phase}")
                        tallies.setdefault(f"SIGKILL {phase}", Tally()).add(killed(made, phase, rng))
                    for state in STATES:
                        tell(f"{scenario}, seed {seed}: restart from a state {state}")
                        verdict = killed(made, PHASES[0], rng, state=state)
                        tallies.setdefault(f"restart from a state {state}", Tally()).add(verdict)
    return tallies


def served_campaign(
    scenarios: Sequence[str],
    seeds: Sequence[int],
    *,
    rounds: int,
    tallies: dict[str, Tally],
    kinds: Sequence[Kind] = SERVED_KINDS,
    progress: Progress | None = None,
) -> None:
    """Count in `tallies` what came of `rounds` faults of OPC UA servers, all scenarios side by side."""
    tell = progress or (lambda text: None)
    tallies |= {kind.name: Tally() for kind in kinds}
    for seed in seeds:
        with _quiet():
            rows = asyncio.run(_side_by_side(scenarios, seed, kinds, rounds, tell))
        for fault, verdict in rows:
            tallies[fault.kind.name].add(verdict)


async def _side_by_side(
    scenarios: Sequence[str], seed: int, kinds: Sequence[Kind], rounds: int, tell: Progress
) -> list[tuple[Fault, Verdict]]:
    stray: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: stray.append(str(context.get("exception") or context["message"]))
    )

    async def of(scenario: str) -> list[tuple[Fault, Verdict]]:
        made = setting(scenario, seed, interval_s=INTERVAL_S)
        rng = np.random.default_rng(seed)
        drawn = [kinds[index] for _ in range(rounds) for index in rng.permutation(len(kinds))]
        faults = schedule(drawn, rng, every=made.every)
        verdicts = await survived_served(made, faults, rng, lambda text: tell(f"{scenario}: {text}"))
        return list(zip(faults, verdicts, strict=True))

    rows = [row for found in await asyncio.gather(*map(of, scenarios)) for row in found]
    for text in stray:
        rows[0][1].find("exceptions", f"outside every run: {text}")
    return rows


def _runs(
    kinds: Sequence[Kind], rounds: int, rng: np.random.Generator, every: int
) -> Iterator[tuple[Fault, ...]]:
    drawn = [kinds[index] for _ in range(rounds) for index in rng.permutation(len(kinds))]
    for first in range(0, len(drawn), _PER_RUN):
        yield schedule(drawn[first : first + _PER_RUN], rng, every=every)


def summary(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """`faults.json`: totals, and the same by fault."""
    rows = {name: tally.row for name, tally in tallies.items()}
    totals = Counter[str]()
    for row in rows.values():
        totals.update(row)
    return {**totals, "by_fault": rows}


def _text(
    result: Mapping[str, Any], tallies: Mapping[str, Tally], command: str, names: Sequence[str], took_s: float
) -> str:
    header = ("injected", "sheds_due", *_FINDINGS, *_MORE)
    rows = [
        [name, *(str(row[column]) for column in header)]
        for name, row in (*result["by_fault"].items(), ("all", result))
    ]
    examples = [example for tally in tallies.values() for example in tally.examples][:40]
    return (
        "# Injected faults\n\n"
        f"    {command}\n\n"
        f"{result['injected']} faults in closed loops of {', '.join(names)}, {took_s:.0f} s.\n\n"
        f"{table(('fault', *(name.replace('_', ' ') for name in header)), rows)}\n"
        "`sheds due` counts faults that outlasted what the plant file grants; `late sheds` those after which "
        "the controller had not shed two intervals later. A bump is a move of more than `max_move` from what "
        "the plant held. `not recovered`: not in AUTO again 16 intervals after the end. `untold`: without a "
        "line in the audit log.\n"
        + ("\nFindings:\n\n" + "".join(f"- {example}\n" for example in examples) if examples else "")
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the runtime says about faults is in its audit log, a thousand times over."""
    logger = logging.getLogger("procwm")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
