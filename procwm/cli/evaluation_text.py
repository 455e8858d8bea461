"""What `procwm evaluate` says of a model where nobody asked for JSON."""

from collections.abc import Iterator, Mapping
from typing import Any

from procwm.cli.output import emit_table, say


def emit_evaluation(found: Mapping[str, Any], curves: Mapping[str, Mapping[str, float]]) -> None:
    """Tables and sentences on stdout, last the verdict and what to do next.

    Args:
        found: `Evaluation.as_dict()`.
        curves: `Evaluation.curves`: the errors that the verdict goes by.
    """
    from procwm.report import words

    leads = list(curves["nrmse"])
    names = {"procwm": "nrmse", "linear model": "linear", "persistence": "persistence"}
    rows = [
        [name, *(f"{curves[key][lead]:.3f}" for lead in leads)]
        for name, key in names.items()
        if key in curves
    ]
    emit_table(["nRMSE", *(f"{lead} ahead" for lead in leads)], rows)
    emit_table(
        ["gain", "model, held", "dead time", "sign", "model, as moved", "log, as moved"],
        [_gain(gain) for gain in found["gains"]],
    )
    for sentence in (*_bands(found["band"]), *_soundness(found)):
        say(sentence)
    if found["surprised"] is not None:
        say(f"surprised in {found['surprised']:.2%} of the intervals")
    for sentence in found["unlike"]:
        say(f"warning: {sentence}")
    if (seen := words.seen_before(found["seen"])) is not None:
        say(seen)
    say(f"{found['moments']} moments; {found['verdict']}: {found['reason']}")
    say(f"next: {found['next']}")


def _gain(gain: Mapping[str, Any]) -> list[str]:
    share = max(gain["positive"], 1.0 - gain["positive"])
    sign = f"{'+' if gain['positive'] >= 0.5 else '-'} at {share:.0%}"
    known = f" (known: {gain['known']})" if gain["known"] else ""
    logged = "unknown" if gain["logged"] is None else f"{gain['logged']:.3g} ± {gain['error']:.2g}"
    name = f"{gain['output']} per {gain['mv']}"
    return [
        name,
        f"{gain['gain']:.3g}",
        f"{gain['dead_s']:g} s",
        sign + known,
        f"{gain['foreseen']:.3g}",
        logged,
    ]


def _bands(band: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for every lead whose error band is known."""
    for lead, widths in band["half_width"].items():
        inside = f"{band['coverage'][lead]:.0%} of the CVs within the {band['coverage_target']:.0%} band"
        yield f"{lead} ahead: {inside}: " + ", ".join(f"{tag} ±{width:.3g}" for tag, width in widths.items())


def _soundness(found: Mapping[str, Any]) -> Iterator[str]:
    """What the model is worth apart from its errors."""
    collapse, shuffled = found["collapse"], found["shuffled"]
    std = collapse["std"]
    yield (
        f"latent of {len(std)}: deviations {std[-1]:.2g} to {std[0]:.2g}, "
        f"effective rank {collapse['rank']:.1f}; it shows "
        + ", ".join(f"{tag} {share:.0%}" for tag, share in collapse["probe_r2"].items())
    )
    yield (
        f"errors are {_times(shuffled['moves'])} as large with the moves of other moments, "
        f"{_times(shuffled['window'])} with the past in another order"
    )
    foretold = (f"{white['output']} {white['foretold']:.0%}" for white in found["whiteness"])
    yield (
        "share of the errors one ahead, corrected as the controller does, that those before foretell: "
        + ", ".join(foretold)
    )


def _times(ratio: float | None) -> str:
    """A ratio in words; `None` where errors grew beyond all numbers."""
    return "infinitely many times" if ratio is None else f"{ratio:.3g} times"
