"""latentplant beside procwm: the same moments and the same errors. A stand-in takes its place."""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from learning_cases import PLANT, QUICK, Record, record, trained

from procwm.data.checks.screening import screen
from procwm.data.series import Log, TagSeries
from procwm.data.window import grid
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import Scoring, scoring
from procwm.learning.train import train
from procwm_studies.model import model as bench
from procwm_studies.model.cases import Case

TEST = Record(300, seed=7).log


@dataclass(frozen=True)
class Spec:
    name: str
    role: str
    unit: str
    lo: float
    hi: float
    update_seconds: float | None


@dataclass(frozen=True)
class Schema:
    tags: tuple[Spec, ...]
    row_seconds: float

    def index(self, *roles: str) -> list[int]:
        return [column for column, tag in enumerate(self.tags) if tag.role in roles]

    def observation_index(self) -> list[int]:
        return self.index("observation", "target")

    def observation_names(self) -> list[str]:
        return [self.tags[column].name for column in self.observation_index()]


class DivergedError(RuntimeError):
    pass


class Last:
    """Foresees that nothing changes, and remembers what it was given."""

    given: ClassVar[list[tuple[np.ndarray, ...]]] = []
    epochs: ClassVar[list[int]] = []

    def __init__(self, n_obs: int, n_act: int, n_exo: int) -> None:
        assert (n_obs, n_act, n_exo) == (2, 1, 1)

    def fit(self, windows: Any, *, epochs: int = 3, seed: int = 0) -> None:
        assert all(np.isfinite(values).all() for values in windows.values)
        self.epochs.append(epochs)

    def rollout(self, *given: np.ndarray, seed: int) -> SimpleNamespace:
        self.given.append(given)
        return SimpleNamespace(mean=np.repeat(given[0][:, -1:], given[3].shape[1], axis=1))


class Diverging(Last):
    def fit(self, windows: Any, *, epochs: int = 3, seed: int = 0) -> None:
        raise DivergedError


def split_on_gaps(schema: Schema, values: np.ndarray, seconds: np.ndarray) -> list[np.ndarray]:
    return np.split(values, np.flatnonzero(np.diff(seconds) > 3.0 * schema.row_seconds) + 1)


def make_windows(schema: Schema, episodes: list[np.ndarray], *, context: int, horizon: int) -> Any:
    assert (context, horizon) == (24, 20)
    return SimpleNamespace(values=episodes, n_obs=2, n_act=1, n_exo=1)


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, with the stand-in for its library."""
    library, models, base = (ModuleType(f"latentplant{end}") for end in ("", ".models", ".models.base"))
    library.__spec__ = ModuleSpec("latentplant", None)
    vars(library).update(
        RSSM=Diverging,
        ProbabilisticEnsemble=Last,
        PlantSchema=Schema,
        TagSpec=Spec,
        WindowSet=Any,
        WorldModel=Any,
        make_windows=make_windows,
        split_on_gaps=split_on_gaps,
    )
    vars(base).update(TrainingDiverged=DivergedError)
    for module in (library, models, base):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    name = "procwm_studies.model.latentplant"
    monkeypatch.delitem(sys.modules, name, raising=False)
    Last.given.clear()
    Last.epochs.clear()
    yield import_module(name)
    sys.modules.pop(name, None)


def held_to(log: Log) -> Scoring:
    return scoring(trained(), grid(screen(log, PLANT).trusted(), trained().rule))


def test_a_model_that_foresees_no_change_errs_as_persistence_does(rivals: Any) -> None:
    first, _ = rivals.rivals(trained(), record(1500).log, TEST, held_to(TEST), seed=0)
    persistence = evaluate(trained(), TEST).persistence
    assert first.kind == "ensemble"
    assert first.nrmse == pytest.approx({lead: persistence[lead] for lead in (1, 5, 20)})


def test_actions_and_disturbances_are_those_that_led_to_the_row(rivals: Any) -> None:
    list(rivals.rivals(trained(), record(1500).log, TEST, held_to(TEST), seed=0))
    asked = held_to(TEST)
    coming = asked.rows.values[asked.moments.numpy()[:, None] + np.arange(1, 21)]
    past, _, _, actions, exogenous = (np.concatenate(parts) for parts in zip(*Last.given, strict=True))
    np.testing.assert_array_equal(actions[..., 0], coming[..., asked.rows.rule.tags.index("P.SP")])
    np.testing.assert_array_equal(exogenous[..., 0], coming[..., asked.rows.rule.tags.index("TD.PV")])
    # The first moments have fewer rows before them than its context: the first row stands for those.
    level = np.append(np.full(23, asked.rows.column("LT.PV")[0]), asked.rows.column("LT.PV"))
    assert asked.moments[0] < 23
    np.testing.assert_array_equal(past[..., 0], level[asked.moments.numpy()[:, None] + np.arange(24)])


def test_training_that_diverges_has_no_error(rivals: Any) -> None:
    _, second = rivals.rivals(trained(), record(1500).log, TEST, held_to(TEST), seed=0)
    assert second.kind == "rssm"
    assert all(math.isnan(error) for error in second.nrmse.values())


def test_a_training_that_would_take_too_long_has_fewer_epochs(
    rivals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole, _) = rivals.rivals(trained(), record(1500).log, TEST, held_to(TEST), seed=0)
    monkeypatch.setattr(rivals, "LONGEST_S", 0.0)
    (short, _) = rivals.rivals(trained(), record(1500).log, TEST, held_to(TEST), seed=0)
    assert (whole.epochs, short.epochs) == (3, 1)
    assert Last.epochs == [1, 3, 1, 1]


def test_rows_on_which_a_tag_is_missing_are_not_learned_from_but_foreseen(rivals: Any) -> None:
    def lost(log: Log, first: int, last: int) -> Log:
        series = log.series["PT.PV"]
        quality = series.quality.copy()
        quality[first:last] = 2
        return replace(log, series={**log.series, "PT.PV": TagSeries(series.time_ns, series.value, quality)})

    test = lost(TEST, 0, 60)
    list(rivals.rivals(trained(), lost(record(1500).log, 500, 600), test, held_to(test), seed=0))
    assert all(np.isfinite(part).all() for given in Last.given for part in given)


def test_rows_and_tables_name_every_model_and_phase(
    rivals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(QUICK, steps=2)
    monkeypatch.setattr(bench, "train", lambda *args, **options: train(*args, config=few, **options))
    rows = bench.measured(Case(name="tanks", plant=PLANT, taught=record(1500).log, test=TEST, seed=0))
    path = bench.write_results(tmp_path, "model", rows, bench.report(rows, "procwm bench model"))
    read = json.loads(path.read_text())
    assert [row["model"] for row in read[::3]] == ["procwm", "linear", "persistence", *["latentplant"] * 2]
    assert [row["nrmse"] for row in read if row.get("kind") == "rssm"] == [None] * 3
    phases = read[0]["phases"]
    assert phases["trial"] > 0.0
    assert sum(phases.values()) == pytest.approx(read[0]["train_s"], rel=0.5)
    assert sum(phases.values()) <= read[0]["train_s"]
    text = path.with_suffix(".md").read_text()
    for line in (
        "| procwm |",
        "| latentplant ensemble |",
        "| latentplant rssm | – | – | – |",
        "| all of it |",
    ):
        assert line in text


def test_the_library_itself_takes_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("latentplant")
    module = import_module("procwm_studies.model.latentplant")
    monkeypatch.setattr(module, "LONGEST_S", 0.0)
    short = Record(80, seed=7).log
    found = list(module.rivals(trained(), record(150).log, short, held_to(short), seed=0))
    assert [(rival.kind, rival.epochs) for rival in found] == [("ensemble", 1), ("rssm", 1)]
    assert all(0.0 < error < math.inf for rival in found for error in rival.nrmse.values())
