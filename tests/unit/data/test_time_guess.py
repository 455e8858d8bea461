"""How a file writes its times, found out where nobody has said."""

from pathlib import Path

import pytest

from procwm.data.drafting.time_guess import guessed
from procwm.data.tabular.tables import read_header
from procwm.errors import LogError
from procwm.plant.log_settings import LogSettings


def guess(folder: Path, times: list[str], heading: str = "Time stamp") -> LogSettings:
    path = folder / "log.csv"
    lines = [f"X;{heading};Y", *(f"{number};{time};1" for number, time in enumerate(times))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return guessed(read_header(path), LogSettings(), column=True, form=True)


@pytest.mark.parametrize(
    ("times", "form"),
    [
        (["2024-01-31T06:05:00Z"], "iso"),
        (["2024-01-31 06:05"], "iso"),
        (["01.02.2024 06:05"], "%d.%m.%Y %H:%M"),
        (["01.02.24 06:05:30.250"], "%d.%m.%y %H:%M:%S.%f"),
        (["01/31/2024 06:05:00 PM"], "%m/%d/%Y %I:%M:%S %p"),
        (["31/01/2024 06:05"], "%d/%m/%Y %H:%M"),
        (["2024/01/31 06:05"], "%Y/%m/%d %H:%M"),
        (["31-Jan-24 06:05:00"], "%d-%b-%y %H:%M:%S"),
        (["31.01.2024 06:05 +0100"], "%d.%m.%Y %H:%M %z"),
        (["1706681100"], "epoch s"),
        (["1706681100123"], "epoch ms"),
        (["1706681100123456789"], "epoch ns"),
        (["45322.25"], "excel"),
        (["45322,25", "45322,5"], "excel"),
        # The 1st of two months, an hour apart: only one order ascends.
        (["01/02/2024 23:30", "02/02/2024 00:30", "03/02/2024 00:30", "01/03/2024 00:30"], "%d/%m/%Y %H:%M"),
    ],
)
def test_the_format_is_found_in_the_times_themselves(tmp_path: Path, times: list[str], form: str) -> None:
    assert guess(tmp_path, times) == LogSettings(time_column="Time stamp", time_format=form)


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (["03/04/2024 10:00", "03/05/2024 10:00"], "may have the day first or the month; say which by"),
        (["0", "1", "2"], "counts from 0 to 2, which are no times"),
        (["early"], "line 2: .*'early', which is no time that procwm knows"),
    ],
)
def test_what_cannot_be_told_is_asked(tmp_path: Path, times: list[str], sentence: str) -> None:
    with pytest.raises(LogError, match=sentence):
        guess(tmp_path, times)
