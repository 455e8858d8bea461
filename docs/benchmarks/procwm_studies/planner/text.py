"""What a planning benchmark found, as Markdown."""

from collections.abc import Callable, Mapping, Sequence

from procwm_studies.planner.solvers import REAL_TIME
from procwm_studies.results import Row, table

_SAME_OPTIMUM = 1e-3
_ROUNDING = 1e-5


def planner_text(rows: Sequence[Row], absent: Mapping[str, str], command: str) -> str:
    """The page `planner.md`."""
    by_problem: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        by_problem.setdefault((row["problem"], row["seed"]), {})[row["solver"]] = row
    problems = list(by_problem.values())
    header = [
        "MVs x CVs, horizon, network",
        "procwm ms",
        "p99 / median",
        "IPOPT ms",
        "times faster",
        "cost against IPOPT, mean (worst cycle)",
        "violation, procwm / IPOPT",
        "do-mpc ms",
        "times faster",
    ]
    return (
        "# Planning time\n\n"
        f"`{command}`\n\n"
        "Medians of processor time on one thread, warm: every solver answers the same cycles from the same "
        "start, the last plan shifted, and all of them before the next solver begins. procwm is its whole "
        "planner, checks included; IPOPT is the solver alone on the same transcription, with exact "
        "derivatives; do-mpc has the same network, cost and limits, and every interval's MVs free. Costs "
        "of a plan are compared as the model predicts them.\n\n"
        + table(header, [_line(found) for found in problems])
        + "\n"
        + "".join(f"- {solver} is not in the table: {why}.\n" for solver, why in absent.items())
        + "- l4casadi is not in the table: it compiles C++ when it is installed and when it runs.\n\n"
        + table(["bar", "problems that meet it"], [_verdict(name, met, problems) for name, met in _BARS])
        + _real_time_text(problems)
    )


def _real_time_text(problems: Sequence[Mapping[str, Row]]) -> str:
    header = [
        "MVs x CVs, horizon, network",
        "ms",
        "p99 / median",
        "IPOPT: times faster",
        "do-mpc: times faster",
        "cost against IPOPT, mean",
        "violation",
        "closed loop, cost against plans that are finished",
    ]
    lines = [_real_time_line(found) for found in problems if "real_time" in found]
    if not lines:
        return ""
    return (
        "\n## Real-time iteration\n\n"
        f"The same cycles with `MpcPlanner(model, iterations={REAL_TIME})`, and what it costs in closed loop "
        "to follow its plans: tracking and moves, relative to those of plans that end at an optimum.\n\n"
        + table(header, lines)
    )


def _real_time_line(found: Mapping[str, Row]) -> list[str]:
    own, ipopt, other = found["real_time"], found.get("ipopt"), found.get("do_mpc")
    return [
        own["problem"],
        f"{own['ms_median']:.2f}",
        f"{own['ms_p99'] / own['ms_median']:.1f}",
        f"{_ratio(own, ipopt):.0f}" if ipopt else "–",
        f"{_ratio(own, other):.0f}" if other else "–",
        f"{own['excess_mean']:+.3%}" if ipopt else "–",
        f"{own['violation']:.1g}",
        f"{own['followed'] / found['procwm']['followed'] - 1.0:+.1%}",
    ]


def _line(found: Mapping[str, Row]) -> list[str]:
    own, ipopt, other = found["procwm"], found.get("ipopt"), found.get("do_mpc")
    return [
        own["problem"],
        f"{own['ms_median']:.2f}",
        f"{own['ms_p99'] / own['ms_median']:.1f}",
        f"{ipopt['ms_median']:.0f}" if ipopt else "–",
        f"{_ratio(own, ipopt):.0f}" if ipopt else "–",
        f"{own['excess_mean']:+.3%} ({own['excess_worst']:+.3%})" if ipopt else "–",
        f"{own['violation']:.1g} / {ipopt['violation']:.1g}" if ipopt else f"{own['violation']:.1g}",
        f"{other['ms_median']:.0f}" if other else "–",
        f"{_ratio(own, other):.0f}" if other else "–",
    ]


def _ratio(own: Row, other: Row) -> float:
    return float(other["ms_median"] / own["ms_median"])


def _faster(solver: str, factor: float, *, wide: bool = False) -> Callable[[Mapping[str, Row]], bool | None]:
    def met(found: Mapping[str, Row]) -> bool | None:
        if solver not in found or (wide and found["procwm"]["hidden"] < 256):
            return None
        return _ratio(found["procwm"], found[solver]) >= factor

    return met


def _optimal(found: Mapping[str, Row]) -> bool | None:
    return found["procwm"]["excess_mean"] <= _SAME_OPTIMUM if "ipopt" in found else None


def _feasible(found: Mapping[str, Row]) -> bool | None:
    if "ipopt" not in found:
        return None
    return bool(found["procwm"]["violation"] <= found["ipopt"]["violation"] + _ROUNDING)


def _steady(found: Mapping[str, Row]) -> bool | None:
    return bool(found["procwm"]["ms_p99"] <= 3.0 * found["procwm"]["ms_median"])


def _quick(found: Mapping[str, Row]) -> bool | None:
    return bool(found["procwm"]["ms_median"] <= 100.0)


_BARS: Sequence[tuple[str, Callable[[Mapping[str, Row]], bool | None]]] = (
    ("10 times faster than IPOPT", _faster("ipopt", 10.0)),
    ("100 times with a 2x256 network", _faster("ipopt", 100.0, wide=True)),
    ("cost at most 0.1 % above IPOPT's", _optimal),
    ("no larger violation than IPOPT's", _feasible),
    ("p99 at most 3 times the median", _steady),
    ("20 times faster than do-mpc", _faster("do_mpc", 20.0)),
    ("inside 100 ms", _quick),
)


def _verdict(
    name: str, met: Callable[[Mapping[str, Row]], bool | None], problems: Sequence[Mapping[str, Row]]
) -> list[str]:
    verdicts = {found["procwm"]["problem"]: met(found) for found in problems}
    known = {problem: verdict for problem, verdict in verdicts.items() if verdict is not None}
    failed = [problem for problem, verdict in known.items() if not verdict]
    missed = f"; not {', '.join(failed)}" if failed else ""
    return [name, f"{len(known) - len(failed)} of {len(known)}{missed}"]
