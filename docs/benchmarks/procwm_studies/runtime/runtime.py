"""`procwm bench runtime`: the controller over OPC UA in wall time: jitter, missed cycles, CPU, memory."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from procwm.errors import SpecError
from procwm_studies import Progress
from procwm_studies.results import command_line, table, write_results
from procwm_studies.runtime.plant import INTERVAL_S
from procwm_studies.runtime.processes import Measured, measure

_WHICH = ("median", "p99", "worst")
_SETTLED = 0.2
"""Of a run: memory that grows before is that of caches and pools being filled."""


def run_runtime(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
    minutes: float = 30.0,
    tags: int = 200,
) -> Path:
    """Run the controller in AUTO with its own server off and on, and write `out/runtime.json` and `.md`.

    Args:
        out: folder.
        scenarios: not used: the plant is made for the count of tags.
        seeds: of the plant's noise; 0 where empty.
        hours: not used: see `minutes`.
        progress: told what is going on.
        minutes: of each run.
        tags: of the plant, all of which change in every interval.

    Raises:
        SpecError: `scenarios` or `hours` are given, or this is no Linux.
        LinkError: a process of the measurement ended.
    """
    if scenarios or hours is not None:
        raise SpecError("bench runtime takes no --scenario and no --hours; it takes --minutes and --tags")
    if not sys.platform.startswith("linux"):
        raise SpecError("bench runtime reads its memory from /proc, which Linux has")
    tell = progress or (lambda text: None)
    rows = []
    for seed in seeds or [0]:
        for served in (False, True):
            tell(f"{tags} tags, own server {'on' if served else 'off'}: {minutes:g} minutes")
            intervals = max(1, round(60.0 * minutes / INTERVAL_S))
            rows.append(_row(measure(tags, seed, intervals, served), tags, seed, served))
    command = f"{command_line('runtime', seeds=seeds)} --minutes {minutes:g} --tags {tags}"
    return write_results(out, "runtime", rows, _text(rows, command))


def _row(measured: Measured, tags: int, seed: int, served: bool) -> dict[str, Any]:
    settled = measured.rss_mb[int(_SETTLED * len(measured.rss_mb)) :]
    hours = np.arange(len(settled)) * INTERVAL_S / 3600.0
    return {
        "tags": tags,
        "seed": seed,
        "served": served,
        "interval_s": INTERVAL_S,
        "cycles": len(measured.late_ms),
        "moved": measured.moved,
        "missed": measured.missed,
        **_spread("late_ms", measured.late_ms),
        **_spread("done_ms", measured.done_ms),
        "cpu_share": measured.cpu_share,
        "server_ready_s": measured.server_ready_s,
        "rss_start_mb": float(measured.rss_mb[0]),
        "rss_settled_mb": float(settled[0]),
        "rss_end_mb": float(settled[-1]),
        "rss_slope_mb_per_h": float(np.polyfit(hours, settled, 1)[0]) if len(settled) > 1 else float("nan"),
    }


def _spread(name: str, values: Any) -> dict[str, float]:
    return {
        f"{name}_median": float(np.median(values)),
        f"{name}_p99": float(np.quantile(values, 0.99)),
        f"{name}_worst": float(np.max(values)),
    }


def _text(rows: Sequence[dict[str, Any]], command: str) -> str:
    header = (
        "own server",
        "cycles",
        "with a move",
        "missed",
        "late ms, median",
        "p99",
        "worst",
        "done ms, median",
        "p99",
        "worst",
        "CPU of one core",
        "RSS MB, start",
        "after a fifth",
        "end",
        "slope MB/h",
    )
    lines = [
        [
            "on, followed" if row["served"] else "off",
            *(str(row[name]) for name in ("cycles", "moved", "missed")),
            *(f"{row[f'{part}_ms_{which}']:.1f}" for part in ("late", "done") for which in _WHICH),
            f"{row['cpu_share']:.1%}",
            *(f"{row[f'rss_{when}_mb']:.1f}" for when in ("start", "settled", "end")),
            f"{row['rss_slope_mb_per_h']:+.2f}",
        ]
        for row in rows
    ]
    return (
        "# The controller in wall time\n\n"
        f"    {command}\n\n"
        f"{table(header, lines)}\n"
        "A plant of so many tags, all of which change in every interval, is served over OPC UA by a process "
        "of its own. The controller, with the exact model, is in AUTO and recorded. `late` is from the tick "
        "to the start of its cycle, `done` from the tick until moves are written, read back and recorded; "
        "`missed` are ticks that were skipped. With its own server on, another process reads all of that "
        "server's nodes in every cycle. The slope is that of the last four fifths.\n"
    )
