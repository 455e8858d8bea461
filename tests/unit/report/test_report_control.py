"""The report of a closed-loop run."""

import copy
import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from report_cases import PLANT, SUMMARY, control_report

from procwm.learning.evaluation.error_differences import ErrorDifference
from procwm.report import build_report, words


@pytest.fixture(scope="module")
def document() -> str:
    return build_report(control_report())


def figures(document: str) -> list[dict[str, Any]]:
    """Data and layout of every figure, as the page's script would parse them."""
    return [
        json.loads(text)
        for text in re.findall(r"<script type=application/json[^>]*>(.*?)</script>", document)
    ]


def without_library(document: str) -> str:
    """The document without plotly's own code."""
    return re.sub(r"<script>.*?</script>\n</head>", "</head>", document, count=1, flags=re.DOTALL)


def test_the_report_needs_no_network(document: str) -> None:
    assert "Plotly.react" in document
    assert not re.findall(r"https?:|src=|href=|@import|url\(", without_library(document))


def test_a_tag_cannot_end_a_script_or_write_markup(document: str) -> None:
    assert PLANT.name not in without_library(document)
    assert "two &lt;/script&gt; levels" in document


def test_every_panel_names_its_unit_above_the_numbers(document: str) -> None:
    outputs, moves, *_ = figures(document)
    titles = [note["text"].partition("</b>")[0] for note in outputs["layout"]["annotations"]]
    assert titles[:2] == ["<b>LT1.PV (CV), cm", "<b>LT2.PV (CV), mm"]
    assert outputs["layout"]["xaxis"]["title"]["text"] == "time (UTC)"
    assert moves["layout"]["annotations"][0]["text"] == "<b>P1.SP (MV), V</b> limits 1 to 6, largest move 0.5"


def test_every_controller_is_drawn_and_listed(document: str) -> None:
    names = {trace["name"] for trace in figures(document)[0]["data"]}
    assert {"procwm", "PI", "NMPC", "measured", "setpoint"} <= names
    for name in SUMMARY["controllers"]:
        assert words.CONTROLLERS[name] in document


def test_a_missing_measurement_is_a_break_in_the_line(document: str) -> None:
    measured = next(trace for trace in figures(document)[0]["data"] if trace["name"] == "measured")
    assert measured["y"][7] is None
    assert measured["y"][8] is not None


def test_an_output_without_a_setpoint_has_no_setpoint_line(document: str) -> None:
    second = [trace["name"] for trace in figures(document)[0]["data"] if trace["yaxis"] == "y2"]
    assert "setpoint" not in second


def test_predictions_are_set_beside_what_came(document: str) -> None:
    fan = next(figure for figure in figures(document) if figure["data"][-1]["name"].startswith("predicted"))
    predicted = next(trace for trace in fan["data"] if trace["name"].startswith("predicted"))
    # A plan is drawn from what was measured when it was made; its first row lies one interval later.
    came = fan["data"][0]
    assert predicted["x"][:2] == came["x"][:2]
    assert predicted["y"][0] == came["y"][0]
    assert predicted["y"][1] == pytest.approx(12.25)
    rows = re.search(r"<td>LT2.PV</td><td>([\d.]+)</td>", document)
    assert rows is not None
    assert float(rows[1]) == pytest.approx(0.25)


def test_a_report_stands_without_plans_and_without_guardrails() -> None:
    content = control_report()
    bare = dataclasses.replace(
        content,
        plans=(),
        plan_guard_names=(),
        guard_names=(),
        summary={key: value for key, value in SUMMARY.items() if key != "guardrails"},
        trajectories=[
            dataclasses.replace(run, guard=np.zeros((len(run.time_ns), 0))) for run in content.trajectories
        ],
    )
    document = build_report(bare)
    assert "<h2>Guardrails" not in document
    assert "<h2>Predictions" not in document


@pytest.mark.parametrize(
    ("gap", "cost", "said"),
    [
        (0.04, 1.0, "within 4% of an NMPC that knows the equations and at 25% of PI control's cost"),
        (0.001, 1.0, "at the same cost as an NMPC"),
        (-0.1, 1.0, "at a cost 10% below that of an NMPC"),
        (
            4.0,
            8.0,
            "at 5.0 times the cost of an NMPC that knows the equations and at 2.0 times PI control's cost",
        ),
        (float("nan"), 1.0, "two levels at 25% of PI control's cost"),
    ],
)
def test_the_headline_says_how_it_went(gap: float, cost: float, said: str) -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["controllers"]["procwm"] |= {"gap": gap, "cost": cost}
    summary["controllers"]["pi"]["cost"] = 4.0
    assert said in words.headline(summary)


def test_violations_are_not_hidden() -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["controllers"]["procwm"]["violations"] = 7
    summary["controllers"]["procwm_unguarded"] = dict(summary["controllers"]["procwm"], violations=40)
    assert words.violations(summary) == (
        "It broke a limit or a guardrail 7 times; "
        "the same controller without the learned guardrails did 40 times."
    )


def test_a_guardrail_is_kept_only_if_none_was_broken() -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["controllers"]["procwm"] |= {"violations": 3, "guard_violations": 2, "guard_deepest": 0.314}
    summary["controllers"]["procwm"]["limit_violations"] = 1
    summary["controllers"]["pi"] |= {"guard_violations": 12, "guard_deepest": 1.25}
    columns, rows = words.comparison(summary)
    column = columns.index("guardrails")
    told = {row[0]: row[column] for row in rows}
    assert told["procwm (learned)"] == "broken 2 times, by up to 0.31"
    assert told["NMPC (knows the plant)"] == "kept"
    assert told["decentralised PI"] == "unknown to it, broken 12 times, by up to 1.2"
    assert words.violations(summary) == "It broke a limit once and a guardrail 2 times, by up to 0.31."


def test_a_difference_within_chance_is_not_called_one() -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["controllers"]["procwm"] |= {"gap": 0.04, "gap_error": 0.03}
    assert "as far as one run can tell (+4% ± 6%)" in words.headline(summary)
    summary["controllers"]["procwm"]["gap_error"] = 0.01
    assert "within 4% of" in words.headline(summary)


def test_a_linear_mpc_that_was_cheaper_is_named() -> None:
    summary = copy.deepcopy(SUMMARY)
    rows = summary["controllers"]
    rows["procwm_unguarded"] = dict(rows["procwm"], gap=0.10, gap_error=0.01)
    rows["linear_mpc"] = dict(rows["procwm"], gap=0.045, gap_error=0.01)
    said = "A linear MPC identified from the same log was cheaper by 5%, both without guardrails."
    assert said in words.told(summary)
    rows["linear_mpc"]["gap_error"] = 0.04
    assert words.cheaper(summary) is None


def test_it_is_said_when_training_found_nothing_that_helps() -> None:
    assert "the linear model that it started from" not in words.learning(SUMMARY)
    assert "the linear model that it started from" in words.learning(SUMMARY | {"linear_start_kept": True})


def test_figures_in_a_column_have_as_many_digits() -> None:
    assert [words.figure(value) for value in (0.17, 0.171, 1.1, 100.0, None)] == [
        "0.170",
        "0.171",
        "1.10",
        "100",
        "–",
    ]


def test_a_model_is_ranked_only_where_the_log_tells_a_difference() -> None:
    scores = {"nrmse": {"1": 0.02, "20": 0.113}}
    beside = {
        "linear": ErrorDifference(difference=-0.0004, chance=0.01),
        "persistence": ErrorDifference(difference=-0.4, chance=0.1),
    }
    assert words.foresaw(scores, beside) == (
        "The model foresaw the CVs 20 intervals ahead with an nRMSE of 0.113, ahead of persistence, as well "
        "as the linear model, as far as this log tells."
    )
    short = {"linear": ErrorDifference(difference=0.2, chance=float("nan"))}
    assert "as well as the linear model" in words.foresaw(scores, short)
    behind = {"linear": ErrorDifference(difference=0.2, chance=0.1)}
    assert "behind the linear model" in words.foresaw(scores, behind)
