"""How the logs of a plant write their times, where they do not do so as procwm does."""

import re
import zoneinfo
from dataclasses import dataclass

from procwm.errors import SpecError
from procwm.plant.texts import check_plain

ISO, EXCEL = "iso", "excel"
EPOCHS = {"epoch s": 1_000_000_000, "epoch ms": 1_000_000, "epoch us": 1_000, "epoch ns": 1}
"""Times as numbers since 1970, and how many nanoseconds one of them is."""
UTC = "UTC"


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """The column with the times of a log, and what stands in it.

    Attributes:
        time_column: its heading, whatever its case.
        time_format: `iso`; a pattern such as `%d.%m.%Y %H:%M:%S`; `epoch s`, `epoch ms`, `epoch us` or
            `epoch ns`; or `excel`, the days that spreadsheets count.
        time_zone: of times that do not say how far they are from UTC, such as `Europe/Berlin`.
        blank_texts: what stands where no number was had, such as `I/O Timeout`; no sample then.
    """

    time_column: str = "time"
    time_format: str = ISO
    time_zone: str = UTC
    blank_texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_plain("[log]: time_column", self.time_column)
        check_plain("[log]: time_format", self.time_format)
        if not self.time_column.strip():
            raise SpecError("[log]: time_column is empty; it is the heading of the column with the times")
        known = (ISO, EXCEL, *EPOCHS)
        if self.time_format not in known and not re.search(r"%[a-zA-Z]", self.time_format):
            raise SpecError(
                f'[log]: time_format is "{self.time_format}"; it must be one of {", ".join(known)}, or a '
                "pattern such as %d.%m.%Y %H:%M:%S"
            )
        if self.time_zone != UTC and not _is_zone(self.time_zone):
            raise SpecError(
                f'[log]: time_zone is "{self.time_zone}"; it must be a name such as UTC or Europe/Berlin'
            )

    @property
    def counted(self) -> bool:
        """Whether times are counted from 1970 on, which is in UTC."""
        return self.time_format in EPOCHS

    @property
    def tells_utc(self) -> bool:
        """Whether each time is known to be one of UTC, or how far it is from it."""
        return self.counted or "%z" in self.time_format or self.time_zone != UTC


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
