"""Case 09: a server that keeps few continuation points gives its whole history all the same."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from strangers import at, case, here, served

from procwm.cli import run
from procwm.data.log import read_log
from procwm.plant.plantfile.specfile import load_plant
from procwm_adapters.opcua.link.history_read import OpcUaHistory

pytestmark = here


@pytest.mark.parametrize(
    ("plant", "arguments"),
    [
        ("p2.toml", ("2", "1500", "1", "reset")),
        ("p2.toml", ("2", "1500", "1", "refuse")),
        ("plant.toml", ("12", "2500", "10", "reset")),
        ("plant.toml", ("12", "2500", "10", "refuse")),
    ],
)
def test_every_value_is_imported_however_few_points_the_server_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plant: str, arguments: tuple[str, ...]
) -> None:
    folder = case("09-history-continuation-points", tmp_path)
    period = ["--from", "2024-01-01T00:00Z", "--to", "2024-01-02T00:00Z"]
    with served(folder / "srv.py", *arguments) as server:
        plant_file, out = at(folder / plant, server), folder / "h.parquet"
        assert run(["import", str(plant_file), *period, "--out", str(out)]) == 0
    tags, values = int(arguments[0]), int(arguments[1])
    assert f"{tags * values} samples" in capsys.readouterr().err
    log = read_log(out, load_plant(plant_file))
    for tag in range(tags):
        expected = [tag * 1_000_000.0 + number for number in range(values)]
        assert log.series[f"T{tag}"].value.tolist() == expected


async def test_a_server_that_is_busy_with_an_answer_is_waited_for(tmp_path: Path) -> None:
    """Stopped for longer than a server of a controller may take to say that it lives."""
    folder = case("09-history-continuation-points", tmp_path)
    with served(folder / "srv.py", "2", "10", "0", "reset") as server:
        async with OpcUaHistory(load_plant(at(folder / "p2.toml", server))) as history:
            os.kill(server.pid, signal.SIGSTOP)
            reading = asyncio.create_task(anext(history.read(1_704_067_200 * 10**9, 1_704_153_600 * 10**9)))
            await asyncio.sleep(5.0)
            os.kill(server.pid, signal.SIGCONT)
            assert len(await reading) == 20
