import numpy as np
import torch

from procwm.data.series import Log, TagSeries
from procwm.data.window import Grid, grid
from procwm.learning.calibration.feedback import SHARES, arriving_errors, chosen_feedback
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.model import WorldModel

POLE, GAIN, HORIZON, ROWS = 0.8, 0.5, 6, 1500


def model() -> WorldModel:
    plant = PlantSpec(
        name="one level",
        interval_s=1.0,
        tags=(
            Tag(name="L", role=Role.CV, unit="%", range=(-100.0, 100.0), setpoint=0.0),
            Tag(name="V", role=Role.MV, unit="%", range=(-100.0, 100.0)),
        ),
    )
    return exact_model(
        plant, state_matrix=np.array([[POLE]]), input_matrix=np.array([[GAIN]]), horizon=HORIZON
    )


def operated(of: WorldModel, *, noise: float, load: float) -> Grid:
    """A log of that plant: white measurement noise, and a load that is a random walk."""
    rng = np.random.default_rng(3)
    moves = np.repeat(rng.normal(0.0, 5.0, ROWS // 50), 50)
    walk = np.cumsum(load * rng.standard_normal(ROWS))
    level = np.zeros(ROWS)
    for row in range(1, ROWS):
        level[row] = POLE * level[row - 1] + GAIN * moves[row] + walk[row]
    time_ns = np.arange(ROWS, dtype=np.int64) * 1_000_000_000
    good = np.zeros(ROWS, dtype=np.int8)
    readings = level + noise * rng.standard_normal(ROWS)
    log = Log(
        series={"L": TagSeries(time_ns, readings, good), "V": TagSeries(time_ns, moves, good)},
        mv_names=("V",),
    )
    return grid(log, of.rule)


def test_noise_alone_is_hardly_believed() -> None:
    learned = model()
    chosen = chosen_feedback(arriving_errors(learned, operated(learned, noise=1.0, load=0.0)))
    assert chosen.shape == (HORIZON, 1)
    lasting = 1.0 - np.exp(-1.0 / HORIZON)
    assert torch.allclose(chosen, torch.full_like(chosen, lasting), rtol=0.01)


def test_an_output_that_is_measured_seldom_is_believed_more_each_time() -> None:
    learned = model()
    arriving = arriving_errors(learned, operated(learned, noise=1.0, load=0.0))
    arriving[np.arange(len(arriving)) % 3 != 0] = np.nan
    chosen = chosen_feedback(arriving)
    assert torch.allclose(chosen, torch.full_like(chosen, 1.0 - np.exp(-3.0 / HORIZON)), rtol=0.02)


def test_a_load_that_wanders_without_noise_is_believed_at_once() -> None:
    learned = model()
    chosen = chosen_feedback(arriving_errors(learned, operated(learned, noise=0.0, load=0.3)))
    assert float(chosen[0, 0]) == SHARES[-1]


def test_a_longer_lead_is_never_believed_more() -> None:
    learned = model()
    chosen = chosen_feedback(arriving_errors(learned, operated(learned, noise=0.3, load=0.1)))
    assert bool((torch.diff(chosen, dim=0) <= 0).all())
