"""Of a long log, the stretches that teach something are learned from."""

from dataclasses import replace

import numpy as np
from learning_cases import INTERVAL_NS, PLANT, QUICK, START_NS, record

from procwm.data.series import Log, TagSeries
from procwm.data.window import Grid, WindowRule, grid
from procwm.learning.dataset.telling_stretches import telling, telling_sentence
from procwm.learning.identification.preparation import prepare
from procwm.plant.tags import PlantSpec, Role, Tag

ROWS = 100_000
TWO = PlantSpec(
    name="two pumps",
    interval_s=10.0,
    tags=(
        Tag(name="L", role=Role.CV, range=(0.0, 20.0)),
        Tag(name="P", role=Role.MV, range=(0.0, 10.0)),
        Tag(name="Q", role=Role.MV, range=(0.0, 10.0)),
    ),
)


def year(moves: dict[str, list[int]]) -> Grid:
    """A log in which each pump moves at those rows alone."""
    time_ns = START_NS + INTERVAL_NS * np.arange(ROWS)
    good = np.zeros(ROWS, dtype=np.int8)
    values = {"L": np.random.default_rng(0).normal(5.0, 1.0, ROWS), "P": np.zeros(ROWS), "Q": np.zeros(ROWS)}
    for name, rows in moves.items():
        values[name] = np.searchsorted(rows, np.arange(ROWS), side="right") % 2 + 3.0
    series = {name: TagSeries(time_ns, value, good) for name, value in values.items()}
    rule = WindowRule(tags=("L", "P", "Q"), interval_s=10.0, history=1, hold_s=(np.inf,) * 3)
    return grid(Log(series=series, mv_names=("P", "Q")), rule)


BUSY = {"P": list(range(20_000, 30_000, 40)), "Q": [71_000]}


def test_a_log_that_is_not_long_is_learned_from_as_a_whole() -> None:
    assert telling(year(BUSY), TWO, ROWS).all()


def test_stretches_in_which_mvs_move_are_taken_even_where_one_moves_once() -> None:
    kept = telling(year(BUSY), TWO, 20_000)
    assert kept.sum() <= 20_000
    assert kept[20_000:30_000].all()
    assert kept[70_600:71_500].all()
    assert kept[:20_000].any()
    assert kept[90_000:].any()


def test_a_log_in_which_nothing_moves_is_taken_at_even_distances() -> None:
    kept = telling(year({}), TWO, 20_000)
    assert 15_000 < kept.sum() <= 20_000
    assert all(kept[first : first + 10_000].any() for first in range(0, ROWS, 10_000))


def test_what_was_taken_is_told_with_its_times() -> None:
    rows = year(BUSY)
    kept = telling(rows, TWO, 20_000)
    sentence = telling_sentence(rows, kept)
    assert sentence.startswith(f"learned from {kept.sum()} of {ROWS} rows (19%), ")
    assert "the longest are 2023-11-1" in sentence
    alone = np.zeros(ROWS, dtype=np.bool_)
    alone[:7] = True
    assert telling_sentence(rows, alone).endswith("between: 2023-11-14T22:13:20Z to 2023-11-14T22:14:20Z")


def test_a_training_prepares_the_telling_stretches_and_says_so() -> None:
    log = record(3000).log
    prepared = prepare(PLANT, log, replace(QUICK, most_rows=2000))
    assert len(prepared.whole.part.grid) <= 2000
    (note,) = [note for note in prepared.notes if note.startswith("learned from")]
    assert " of 3000 rows" in note
    assert not any(note.startswith("learned from") for note in prepare(PLANT, log, QUICK).notes)
