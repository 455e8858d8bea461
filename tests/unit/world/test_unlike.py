"""Tags that are swapped, or come in another unit, are told of; ordinary operation is not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from learning_cases import Record, trained

from procwm.data.series import Log, TagSeries
from procwm.data.window import grid
from procwm.learning.evaluation.evaluate import evaluate
from procwm.world.scaler import Scaler
from procwm.world.unlike import unlike


def changed(log: Log, **how: Callable[[TagSeries], TagSeries]) -> Log:
    names = {"level": "LT.PV", "pump": "P.SP", "pressure": "PT.PV"}
    series = {**log.series, **{names[key]: change(log.series[names[key]]) for key, change in how.items()}}
    return Log(series=series, mv_names=log.mv_names)


def times(factor: float, offset: float = 0.0) -> Callable[[TagSeries], TagSeries]:
    return lambda series: replace(series, value=factor * series.value + offset)


def said(log: Log) -> tuple[str, ...]:
    model = trained()
    return unlike(grid(log, model.rule), model.scaler)


def test_ordinary_operation_is_like_itself() -> None:
    assert said(Record(600, seed=7).log) == ()


@pytest.mark.parametrize(("factor", "words"), [(10.0, "10 times as large"), (0.001, "a 1000th of it")])
def test_a_tag_in_another_unit_is_told_of_with_the_factor(factor: float, words: str) -> None:
    (sentence,) = said(changed(Record(600, seed=7).log, pressure=times(factor)))
    assert sentence.startswith("PT.PV is about")
    assert words in sentence


def test_a_tag_that_is_no_multiple_of_itself_is_taken_for_another() -> None:
    (sentence,) = said(changed(Record(600, seed=7).log, pressure=times(1.0, 500.0)))
    assert sentence.endswith("as if it were another tag, or in another unit")


def test_two_tags_that_changed_places_are_told_of_as_one() -> None:
    log = Record(600, seed=7).log
    far = changed(log, pressure=times(1.0, 100.0))
    model = trained()
    centers = model.scaler.center.copy()
    centers[model.scaler.tags.index("PT.PV")] += 100.0
    scaler = Scaler(model.scaler.tags, centers, model.scaler.width)
    assert unlike(grid(far, model.rule), scaler) == ()
    swapped = changed(far, level=lambda _: far.series["PT.PV"], pressure=lambda _: far.series["LT.PV"])
    (sentence,) = unlike(grid(swapped, model.rule), scaler)
    assert sentence.startswith("LT.PV and PT.PV look swapped")


def test_an_evaluation_tells() -> None:
    found = evaluate(trained(), changed(Record(600, seed=7).log, pressure=times(1000.0)))
    assert len(found.unlike) == 1
    assert found.as_dict()["unlike"] == list(found.unlike)
    assert np.isfinite(found.nrmse[1])
