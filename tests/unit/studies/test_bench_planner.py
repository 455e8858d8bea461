"""The planning benchmark: its rows, its verdicts, and what it refuses."""

import json
from pathlib import Path

import pytest

from procwm.errors import SpecError
from procwm_studies import study
from procwm_studies.planner import planner
from procwm_studies.planner.problems import Case, default_cases
from procwm_studies.planner.text import planner_text

SMALL = Case(mvs=1, cvs=2, horizon=4, hidden=(8, 8))


def test_a_run_writes_a_row_for_every_solver_and_a_page_with_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "default_cases", lambda: iter([SMALL]))
    monkeypatch.setattr(planner, "_CYCLES", 3)
    monkeypatch.setattr(planner, "missing", lambda solver: "it is away" if solver == "do_mpc" else None)
    path = study("planner")(tmp_path)
    rows = {row["solver"]: row for row in json.loads(path.read_text())}
    assert rows.keys() == {"procwm", "real_time", "ipopt"}
    assert rows["real_time"]["followed"] == pytest.approx(rows["procwm"]["followed"], rel=0.1)
    assert {"problem", "n_mv", "n_cv", "horizon", "ms_median", "ms_p99", "violation"} <= rows["ipopt"].keys()
    assert rows["procwm"]["cost"] == pytest.approx(rows["ipopt"]["cost"], rel=1e-3)
    assert rows["procwm"]["violation"] <= 1e-5
    assert "do_mpc is not in the table: it is away" in path.with_suffix(".md").read_text()
    assert "Plotly.newPlot" in (tmp_path / "planner.html").read_text()


def test_verdicts_name_the_problems_that_miss_a_bar() -> None:
    def row(problem: str, solver: str, ms: float, excess: float) -> dict[str, object]:
        return {
            "problem": problem,
            "seed": 0,
            "solver": solver,
            "ms_median": ms,
            "ms_p99": 2.0 * ms,
            "violation": 0.0,
            "excess_mean": excess,
            "excess_worst": excess,
            "hidden": 64,
        }

    rows = [row("quick", "procwm", 1.0, 0.0), row("quick", "ipopt", 10.0, 0.0)]
    rows += [row("slow", "procwm", 1.0, 0.01), row("slow", "ipopt", 9.0, 0.0)]
    text = planner_text(rows, {}, "procwm bench planner --out DIR")
    assert "| 10 times faster than IPOPT | 1 of 2; not slow |" in text
    assert "| cost at most 0.1 % above IPOPT's | 1 of 2; not slow |" in text
    assert "| p99 at most 3 times the median | 2 of 2 |" in text


def test_problems_reach_from_one_mv_to_ten_and_from_ten_intervals_to_sixty() -> None:
    cases = list(default_cases())
    assert (min(case.mvs for case in cases), max(case.mvs for case in cases)) == (1, 10)
    assert (min(case.horizon for case in cases), max(case.horizon for case in cases)) == (10, 60)
    assert any(case.curved for case in cases)
    assert len({case.name for case in cases}) == len(cases)


def test_a_problem_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no planning problem 9x9; there are 1x1 h10 2x64"):
        study("planner")(tmp_path, scenarios=["9x9"])
