"""Logs from files: long or wide, Parquet or CSV, UTC.

Long files have the columns `time, tag, value, quality` (and may have `unit`); wide ones have `time` and one
column for every tag, where a blank cell is no sample. A time without a zone is taken as UTC. Fields of a CSV
are separated by commas, semicolons or tabs; numbers are written in one of the ways of `number_format`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from procwm.data.joining import LogPart, joined
from procwm.data.log_files import listed, missing, read_part
from procwm.data.log_folders import files_of
from procwm.data.series import QUALITIES, Log, TagSeries
from procwm.data.writer import LogWriter, write_log
from procwm.errors import LogError
from procwm.plant.tags import PlantSpec, names_of

__all__ = ["Log", "LogWriter", "TagSeries", "read_log", "write_log"]


def read_log(path: str | Path | Sequence[str | Path], plant: PlantSpec) -> Log:
    """The samples of `plant`'s tags in one file, or in several that hold stretches of time.

    Uncertain samples of a tag with `use_uncertain` are Good in it, as they are to the controller.

    A recording that is still being written, or whose writer was killed, is read as far as it got. Exact
    repetitions of a sample are dropped and counted.

    Raises:
        LogError: where a file is missing, damaged or empty, lacks a tag, states another unit, goes back in
            time, has two values for one time or text for a number, or has no Good sample of a tag; where
            files hold different samples of one stretch of time.
    """
    named = [Path(path)] if isinstance(path, str | Path) else [Path(item) for item in path]
    if not named:
        raise LogError("no log file was named")
    parts = sorted((read_part(item, plant) for item in files_of(named)), key=lambda part: part.start_ns)
    files = ", ".join(str(part.path) for part in parts)
    found = tuple(dict.fromkeys(name for part in parts for name in part.found))
    whole = {name: joined(name, parts) for name in plant.names}
    for tag in plant.tags:
        if tag.use_uncertain:
            series, dropped = whole[tag.name]
            whole[tag.name] = (series.uncertain_believed, dropped)
    absent = [name for name, (series, _) in whole.items() if not len(series)]
    if absent:
        raise missing(files, absent, found)
    for name, (series, _) in whole.items():
        if not len(series.usable):
            counts = ", ".join(
                f"{count} {quality}"
                for code, quality in enumerate(QUALITIES)
                if (count := int((series.quality == code).sum()))
            )
            advice = "mend the log or drop the tag"
            if "Uncertain" in counts:
                advice += ", or set use_uncertain = true for it in the plant file"
            raise LogError(f"{files}: {name} has no Good sample ({counts}); {advice}")
    used = frozenset().union(*(part.used for part in parts))
    return Log(
        series={name: series for name, (series, _) in whole.items()},
        mv_names=names_of(plant.mvs),
        ignored=tuple(name for name in found if name not in used),
        duplicates=sum(part.duplicates for part in parts) + sum(dropped for _, dropped in whole.values()),
        notes=(*(note for part in parts for note in part.notes), *_lacking(parts, plant)),
    )


def _lacking(parts: Sequence[LogPart], plant: PlantSpec) -> Iterator[str]:
    """What some of several files have no samples of."""
    for name in plant.names:
        without = [part.path.name for part in parts if name not in part.series]
        if without:
            yield f"{name} is not in {len(without)} of {len(parts)} files: {listed(without)}"
