"""A long log of a plant with many tags, written week by week: most of its hours teach nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from jaxtyping import Float64, Int64
from scipy.signal import lfilter

from procwm.plant.tags import PlantSpec, Role, Tag

INTERVAL_S = 60.0
YEAR_ROWS = 525_600
_START_NS = 1_735_689_600_000_000_000
_CHUNK = 10_080
"""Rows that are made at once, a week."""
_UNIT = 6
"""Tags of one section of the plant: two MVs, a DV, two CVs and a PV."""
_CONTROLLED = 4
"""Sections whose MVs and CVs are those of a whole plant; of the others all tags are PVs."""
_LAG = 12.0
_STEPS_APART = 2_880
"""Rows between two moves of an MV, about, outside of campaigns."""
_CAMPAIGN = 1_440
_CAMPAIGNS_APART = 30_240
"""Rows: a day of many moves every three weeks."""
_BUSY_APART = 40


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Something wrong that was put into a long log.

    Attributes:
        kind: in one word.
        tag: that it is seen at.
        first, last: rows from which to which it lasts, the latter excluded.
        size: what is added to the tag, in noise; unused where nothing is added.
    """

    kind: str
    tag: str
    first: int
    last: int
    size: float = 0.0


@dataclass
class _Carried:
    """What a section's next stretch begins with."""

    mv: Float64[np.ndarray, " two"]
    lagged: list[Float64[np.ndarray, " one"]]
    slow: list[Float64[np.ndarray, " one"]]
    rng: np.random.Generator = field(repr=False)


def names(tags: int) -> tuple[str, ...]:
    """Tags of the plant, section by section."""
    kinds = ("MV1", "MV2", "DV1", "CV1", "CV2", "PV1")
    return tuple(f"U{number // _UNIT + 1:02d}.{kinds[number % _UNIT]}" for number in range(tags))


def long_plant(tags: int) -> PlantSpec:
    """A plant of the first `tags` of them, at one-minute intervals."""
    made = [_tag(name, number // _UNIT < _CONTROLLED) for number, name in enumerate(names(tags))]
    return PlantSpec(name=f"{tags} tags", interval_s=INTERVAL_S, tags=tuple(made))


def _tag(name: str, controlled: bool) -> Tag:
    kind = Role(name[4:6]) if controlled else Role.PV
    if kind is Role.MV:
        return Tag(name=name, role=kind, unit="%", range=(0.0, 100.0), limits=(10.0, 90.0), max_move=5.0)
    if kind is Role.CV:
        return Tag(name=name, role=kind, unit="degC", range=(0.0, 200.0), setpoint=100.0)
    return Tag(name=name, role=kind, unit="degC", range=(0.0, 200.0))


def stretches(
    tags: int, rows: int, *, seed: int = 0, planted: tuple[Planted, ...] = ()
) -> Iterator[tuple[Int64[np.ndarray, " row"], Float64[np.ndarray, "row tag"]]]:
    """Times and values of the plant, a week at a time; NaN where there is no sample."""
    carried = [_begin(np.random.default_rng((seed, unit))) for unit in range(-(-tags // _UNIT))]
    frozen: dict[Planted, float] = {}
    for first in range(0, rows, _CHUNK):
        count = min(_CHUNK, rows - first)
        values = np.concatenate([_section(one, first, count) for one in carried], axis=1)[:, :tags]
        for wrong in planted:
            _spoil(values, wrong, first, names(tags).index(wrong.tag), frozen)
        time_ns = _START_NS + round(INTERVAL_S * 1e9) * np.arange(first, first + count, dtype=np.int64)
        yield time_ns, values.round(3)


def _begin(rng: np.random.Generator) -> _Carried:
    zero = [np.zeros(1) for _ in range(4)]
    return _Carried(mv=np.array([50.0, 50.0]), lagged=zero[:2], slow=[*zero[2:], np.zeros(1)], rng=rng)


def _section(state: _Carried, first: int, count: int) -> Float64[np.ndarray, "row tag"]:
    rng = state.rng
    busy = (np.arange(first, first + count) % _CAMPAIGNS_APART) < _CAMPAIGN
    moves = rng.random((count, 2)) < np.where(busy, 1 / _BUSY_APART, 1 / _STEPS_APART)[:, None]
    mv = np.empty((count, 2))
    for column in range(2):
        level = np.where(moves[:, column], rng.uniform(35.0, 65.0, count), np.nan)
        level[0] = state.mv[column] if np.isnan(level[0]) else level[0]
        known = np.maximum.accumulate(np.where(np.isnan(level), 0, np.arange(count)))
        mv[:, column] = level[known]
    state.mv = mv[-1]
    slow = []
    for number, share in enumerate((0.995, 0.999, 0.999)):
        noise = rng.normal(0.0, np.sqrt(1 - share**2), count)
        made, state.slow[number] = lfilter([1.0], [1.0, -share], noise, zi=state.slow[number])
        slow.append(made)
    dv = 100.0 + 5.0 * slow[0]
    cvs = []
    for number, gains in enumerate(((0.8, -0.3, 0.5), (0.2, 0.6, -0.4))):
        # What is done in an interval is seen at its end.
        drive = gains[0] * (mv[:, 0] - 50.0) + gains[1] * (mv[:, 1] - 50.0) + gains[2] * (dv - 100.0)
        keep = float(np.exp(-1.0 / (_LAG * (1 + number))))
        made, state.lagged[number] = lfilter([1.0 - keep], [1.0, -keep], drive, zi=state.lagged[number])
        cvs.append(100.0 + made + 1.0 * slow[1 + number] + rng.normal(0.0, 0.1, count))
    pv = 100.0 + 0.5 * (cvs[0] - 100.0) - 0.25 * (cvs[1] - 100.0) + rng.normal(0.0, 0.1, count)
    dv = dv + rng.normal(0.0, 0.05, count)
    return np.column_stack((mv, dv, *cvs, pv))


def _spoil(
    values: Float64[np.ndarray, "row tag"],
    wrong: Planted,
    first: int,
    column: int,
    frozen: dict[Planted, float],
) -> None:
    """Put what of `wrong` falls into a stretch into its `values`."""
    start, stop = max(wrong.first - first, 0), min(wrong.last - first, len(values))
    if start >= stop:
        return
    part = slice(start, stop)
    if wrong.kind == "gap":
        values[part, column] = np.nan
    elif wrong.kind == "frozen":
        values[part, column] = frozen.setdefault(wrong, float(values[start, column]))
    elif wrong.kind == "outside":
        values[part, column] = 250.0
    elif wrong.kind == "drift":
        ramp = (np.arange(first + start, first + stop) - wrong.first) / (wrong.last - wrong.first)
        values[part, column] += wrong.size * ramp
    else:
        values[part, column] += wrong.size


def write_long_log(
    path: Path, tags: int, rows: int, *, wide: bool, seed: int = 0, planted: tuple[Planted, ...] = ()
) -> None:
    """Write the plant's log to `path`, Parquet or CSV by its suffix, one week after the other."""
    schema = _schema(tags, wide)
    opened = pq.ParquetWriter if path.suffix == ".parquet" else arrow_csv.CSVWriter
    with opened(path, schema) as writer:
        for time_ns, values in stretches(tags, rows, seed=seed, planted=planted):
            writer.write_table(_table(time_ns, values, schema))


def _schema(tags: int, wide: bool) -> pa.Schema:
    time = ("time", pa.timestamp("ns", tz="UTC"))
    if wide:
        return pa.schema([time, *((name, pa.float64()) for name in names(tags))])
    return pa.schema([time, ("tag", pa.string()), ("value", pa.float64()), ("quality", pa.string())])


def _table(
    time_ns: Int64[np.ndarray, " row"],
    values: Float64[np.ndarray, "row tag"],
    schema: pa.Schema,
) -> pa.Table:
    tags = values.shape[1]
    if "tag" not in schema.names:
        columns = [pa.array(column, from_pandas=True) for column in np.ascontiguousarray(values.T)]
        return pa.table([pa.array(time_ns, schema[0].type), *columns], schema=schema)
    known = np.isfinite(values).ravel()
    named = pa.DictionaryArray.from_arrays(
        np.tile(np.arange(tags, dtype=np.int32), len(values))[known], names(tags)
    )
    return pa.table(
        [
            pa.array(np.repeat(time_ns, tags)[known], schema[0].type),
            named.cast(pa.string()),
            pa.array(values.ravel()[known]),
            pa.array(["Good"]).take(pa.array(np.zeros(int(known.sum()), dtype=np.int32))),
        ],
        schema=schema,
    )
