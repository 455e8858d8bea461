"""Figures put into words, the same in the report and at the end of `procwm demo`."""

import math
from collections.abc import Mapping
from typing import Any

from procwm.learning.evaluation.error_differences import ErrorDifference
from procwm.world.fitness import Fitness, Verdict

CONTROLLERS = {
    "procwm": "procwm (learned)",
    "procwm_unguarded": "procwm without guardrails",
    "pi": "decentralised PI",
    "linear_mpc": "linear MPC (identified)",
    "oracle_nmpc": "NMPC (knows the plant)",
    "oracle_unguarded": "NMPC without guardrails",
}
"""What the names in `summary.json` stand for."""

SHORT = {
    "procwm": "procwm",
    "procwm_unguarded": "procwm unguarded",
    "pi": "PI",
    "linear_mpc": "linear MPC",
    "oracle_nmpc": "NMPC",
}
"""The same, short enough for a legend."""

KEEPS_GUARDRAILS = ("procwm", "oracle_nmpc")
"""The others do not know of them: keeping one costs something, so they are not to be compared with these."""

MODELS = {"nrmse": "procwm", "procwm": "procwm", "linear": "linear model", "persistence": "persistence"}

CORRECTED = "with the correction that the controller applies"
"""Of errors: what their figures on pages include."""

_OTHERS = {"linear": "the linear model", "persistence": "persistence"}
_SURE = 2.0
"""Standard errors that a difference must exceed to be called one."""


def headline(summary: Mapping[str, Any]) -> str:
    """One sentence: how the learned controller did."""
    plant = str(summary.get("plant", summary["scenario"])).replace("_", " ")
    own = summary["controllers"]["procwm"]
    others = []
    if (gap := _finite(own.get("gap"))) is not None:
        others.append(_beside_oracle(gap, _SURE * (_finite(own.get("gap_error")) or 0.0)))
    pi = summary["controllers"].get("pi", {})
    if (cost_pi := _finite(pi.get("cost"))) and (cost := _finite(own.get("cost"))) is not None:
        others.append(_beside_pi(cost / cost_pi))
    return f"The learned controller ran the {plant} {' and '.join(others)}".rstrip() + "."


def _beside_oracle(gap: float, chance: float) -> str:
    """Args: chance: how far apart two controllers that are alike may come out."""
    oracle = "an NMPC that knows the equations"
    if abs(gap) < 0.005:
        return f"at the same cost as {oracle}"
    if abs(gap) <= chance:
        return f"at the cost of {oracle}, as far as one run can tell ({gap:+.0%} ± {chance:.0%})"
    if gap > 1.0:
        return f"at {1 + gap:.1f} times the cost of {oracle}"
    if gap < 0:
        return f"at a cost {-gap:.0%} below that of {oracle}"
    return f"within {gap:.0%} of {oracle}"


def _beside_pi(ratio: float) -> str:
    if ratio > 1.005:
        return f"at {ratio:.1f} times PI control's cost"
    return f"at {ratio:.0%} of PI control's cost"


def cheaper(summary: Mapping[str, Any]) -> str | None:
    """A sentence where the linear MPC was cheaper by more than chance; `None` where it was not."""
    rows = summary["controllers"]
    # Like is compared with like: the linear MPC knows no guardrails.
    own, linear = rows.get("procwm_unguarded", rows["procwm"]), rows.get("linear_mpc", {})
    gaps = [_finite(row.get("gap")) for row in (own, linear)]
    if gaps[0] is None or gaps[1] is None:
        return None
    chance = _SURE * math.hypot(*(_finite(row.get("gap_error")) or 0.0 for row in (own, linear)))
    saved = (gaps[0] - gaps[1]) / (1.0 + gaps[0])
    if gaps[0] - gaps[1] <= chance or saved < 0.005:
        return None
    return f"A linear MPC identified from the same log was cheaper by {saved:.0%}, both without guardrails."


def violations(summary: Mapping[str, Any]) -> str:
    """One sentence on limits and guardrails."""
    controllers = summary["controllers"]
    own = controllers["procwm"]
    sentence = "It broke no limit and no guardrail"
    if own["violations"]:
        parts = [
            f"{what} {times(int(own.get(key, 0)))}"
            for what, key in (("a limit", "limit_violations"), ("a guardrail", "guard_violations"))
            if own.get(key)
        ]
        broken = " and ".join(parts) or f"a limit or a guardrail {times(int(own['violations']))}"
        sentence = f"It broke {broken}{_deep(own)}"
    without = int(controllers.get("procwm_unguarded", {}).get("violations", 0))
    if without:
        sentence += f"; the same controller without the learned guardrails did {times(without)}"
    return sentence + "."


def _deep(row: Mapping[str, Any]) -> str:
    """How far a guardrail was broken, in its own unit."""
    deepest = _finite(row.get("guard_deepest"))
    return f", by up to {deepest:.2g}" if deepest else ""


def _kept(name: str, row: Mapping[str, Any]) -> str:
    """What became of the guardrails under the controller called `name`."""
    broken = int(row.get("guard_violations") or 0)
    known = "" if name in KEEPS_GUARDRAILS else "unknown to it, "
    return f"{known}broken {times(broken)}{_deep(row)}" if broken else f"{known}kept"


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"


def speed(summary: Mapping[str, Any]) -> str:
    """One sentence on the time a controller step takes."""
    own = summary["controllers"]["procwm"]
    return (
        f"A whole controller step takes {own['plan_ms_median']:.0f} ms (99 % of them at most "
        f"{own['plan_ms_p99']:.0f} ms) of a control interval of {summary['interval_s']:g} s."
    )


def learning(summary: Mapping[str, Any]) -> str:
    """One sentence on what the model was learned from."""
    sentence = (
        f"The model was learned in {summary['train_s']:.0f} s from {summary['log_hours']:.1f} h of "
        f"routine operation recorded over OPC UA."
    )
    if summary.get("linear_start_kept"):
        sentence += " Nothing that training found surely helped: it is the linear model that it started from."
    return sentence


def told(summary: Mapping[str, Any]) -> list[str]:
    """What happened, a sentence each."""
    sentences = (headline, cheaper, violations, learning, speed)
    return [said for sentence in sentences if (said := sentence(summary)) is not None]


def foresaw(scores: Mapping[str, Mapping[str, float]], beside: Mapping[str, ErrorDifference]) -> str:
    """How well a model foresaw a log, and what it was better or worse than by more than chance.

    Args:
        scores: `Evaluation.curves`.
        beside: `Evaluation.beside`.
    """
    own = scores["nrmse"]
    far = max(own, key=int)
    ahead, behind, level = (
        " and ".join(_OTHERS[name] for name, found in beside.items() if _place(found) == place)
        for place in (-1, 1, 0)
    )
    parts = [
        f"The model foresaw the CVs {far} intervals ahead with an nRMSE of {figure(own[far])}",
        f"ahead of {ahead}" if ahead else "",
        f"behind {behind}" if behind else "",
        f"as well as {level}, as far as this log tells" if level else "",
    ]
    return ", ".join(filter(None, parts)) + "."


def _place(found: ErrorDifference) -> int:
    return int(math.copysign(1, found.difference)) if found.told else 0


def unfit(verdict: Verdict) -> str:
    """What to know of moves suggested by a model that is not fit for control; empty where it is."""
    if verdict.fitness is Fitness.CONTROL:
        return ""
    fit = "fit for advice, not for control" if verdict.fitness is Fitness.ADVICE else "not fit for anything"
    return f"The model is {fit}: {verdict.reason}. Do not make a move that it suggests without other reasons."


def comparison(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the comparison table: those that keep the guardrails first."""
    controllers = summary["controllers"]
    names = sorted(controllers, key=lambda name: name not in KEEPS_GUARDRAILS)
    columns = ["controller", "guardrails", "cost", "gap", "recovered", "violations", "step ms", "99 %"]
    rows = [
        [
            CONTROLLERS.get(name, name),
            _kept(name, row),
            figure(row.get("cost")),
            percent(row.get("gap")),
            figure(row.get("recovered"), 2),
            str(row.get("violations", "")),
            figure(row.get("plan_ms_median"), 1),
            figure(row.get("plan_ms_p99"), 1),
        ]
        for name in names
        for row in [controllers[name]]
    ]
    return columns, rows


def figure(value: Any, digits: int | None = None) -> str:
    """A number for a table: three significant digits, or so many decimals; a dash where there is none."""
    known = _finite(value)
    if known is None:
        return "–"
    return f"{known:#.3g}".removesuffix(".") if digits is None else f"{known:.{digits}f}"


def signed(value: float) -> str:
    """An effect: three significant digits and its sign."""
    return f"{value:+#.3g}".removesuffix(".")


def duration(hours: float) -> str:
    """A length of time in the unit that suits it."""
    return f"{hours:.1f} h" if hours >= 1.0 else f"{hours * 60:.0f} min"


def seen_before(share: float | None) -> str | None:
    """A sentence where a model is scored on what it was learned from; `None` where it is not, or unknown."""
    if share is None or not share > 0.0:
        return None
    part = "This log is" if share > 0.995 else f"{max(share, 0.01):.0%} of this log is"
    return f"{part} what the model was learned from: errors there say little of another day."


def percent(value: Any) -> str:
    """A share for a table, or a dash."""
    known = _finite(value)
    # Adding 0.0 turns -0.0, which is what rounding leaves of a small negative share, into 0.0.
    return "–" if known is None else f"{round(known, 3) + 0.0:+.1%}"


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
