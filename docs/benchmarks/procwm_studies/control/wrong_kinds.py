"""What can be wrong with a model: a draw of each kind is a plant, and what its model takes it for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from procwm.data.series import Log
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel
from procwm_studies.control.delayed_plants import (
    MIDDLE,
    DelayedPlant,
    exact,
    looped,
    mirrored,
    operated,
    plant_file,
    with_errors_of,
)

ROWS, HELD = 900, 12.0
"""Of a log, and intervals for which operators leave an MV alone."""
LOAD = 3.0
"""Standard deviation of the load in a log."""
_TENFOLD = (5.0, 15.0)
ABOUT_RIGHT, LEARNED_FROM_A_LOOP = "about right", "learned from a PI loop"


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A plant and a model of it.

    Attributes:
        true: the plant.
        believed: what the model takes it for.
        horizon: of the model, about three time constants.
        taught: log that it was learned from; one of a plant that is as it believes where `None`.
    """

    true: DelayedPlant
    believed: DelayedPlant
    horizon: int
    taught: Log | None = None

    def model(self, plant: PlantSpec, seed: int) -> WorldModel:
        """The model, with the errors that its log shows it to have."""
        log = self.taught or operated(self.believed, seed, rows=ROWS, held=HELD, load=LOAD)
        return with_errors_of(exact(self.believed, plant, self.horizon), log)


Draw = Callable[[np.random.Generator], Drawn]


def right(rng: np.random.Generator, loops: int | None = None) -> Drawn:
    """One or two loops that answer within a horizon, and a model that knows them."""
    loops = loops or int(rng.integers(1, 3))
    constant = rng.uniform(2.0, 4.5, loops)
    pole = np.exp(-1.0 / constant)
    gain = np.diag(rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.5, loops))
    if loops == 2:
        gain[0, 1], gain[1, 0] = rng.uniform(-0.4, 0.4, 2)
    dead = rng.integers(0, 3, loops)
    plant = DelayedPlant(pole=pole, drive=gain * (1.0 - pole)[:, None], dead=dead)
    return Drawn(true=plant, believed=plant, horizon=int(np.clip(round(3.0 * constant.max()), 8, 14)))


def about_right(rng: np.random.Generator) -> Drawn:
    """A model as wrong as a good one is: gains and time constants off by up to a third."""
    found = right(rng)
    drive, pole = found.true.drive * rng.uniform(0.75, 1.33), found.true.pole ** rng.uniform(0.75, 1.33)
    return replace(found, believed=replace(found.true, drive=drive, pole=pole))


def _at_pace(plant: DelayedPlant, power: float) -> DelayedPlant:
    """`plant` with the same gains and time constants `power` times shorter."""
    pole = plant.pole**power
    gain = plant.drive / (1.0 - plant.pole)[:, None]
    return replace(plant, pole=pole, drive=gain * (1.0 - pole)[:, None])


def _late(found: Drawn, rng: np.random.Generator, low: float, high: float) -> DelayedPlant:
    more = rng.integers(round(low * found.horizon), round(high * found.horizon) + 1, len(found.true.dead))
    return replace(found.true, dead=found.true.dead + more)


def _times(plant: DelayedPlant, factor: float | Float[np.ndarray, "output mv"]) -> DelayedPlant:
    return replace(plant, drive=plant.drive * factor)


def _acts_on_nothing(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, true=_times(found.true, 0.0))


def _knows_no_effect(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, believed=_times(found.true, rng.uniform(-0.02, 0.02)))


def _late_and_not_seen(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    late = _late(found, rng, 1.2, 2.5)
    believed = _times(found.true, 0.1 * rng.standard_normal(found.true.drive.shape))
    log = operated(late, int(rng.integers(2**31)), rows=ROWS, held=HELD, load=LOAD)
    return replace(found, true=late, believed=believed, taught=log)


def _late_and_not_known(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, true=_late(found, rng, 1.2, 2.5))


def _wrong_sign(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, believed=_times(found.true, -rng.uniform(0.3, 2.0)))


def _dead_time_too_short(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, true=_late(found, rng, 0.3, 1.0))


def _dead_time_too_long(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, believed=_late(found, rng, 0.3, 0.8))


def _gain_too_large(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, believed=_times(found.true, rng.uniform(*_TENFOLD)))


def _gain_too_small(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, believed=_times(found.true, 1.0 / rng.uniform(*_TENFOLD)))


def _too_quick(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, true=_at_pace(found.true, 1.0 / rng.uniform(*_TENFOLD)))


def _too_slow(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, true=_at_pace(found.true, rng.uniform(*_TENFOLD)))


def _mirrored(rng: np.random.Generator) -> Drawn:
    found = right(rng, 2)
    return replace(found, believed=mirrored(found.true))


def _learned_from_a_loop(rng: np.random.Generator) -> Drawn:
    """Least squares on a log in which a PI loop moved the MVs: it finds the loop and not the plant."""
    found = right(rng)
    log = looped(found.true, int(rng.integers(2**31)), rows=ROWS, load=LOAD)
    loops = len(found.true.pole)
    y, u = (
        np.stack([log.series[name.format(n)].value for n in range(loops)], axis=1) - MIDDLE
        for name in ("AI{}", "FC{}.SP")
    )
    pole, drive = np.zeros(loops), np.zeros((loops, loops))
    for row in range(loops):
        inputs = np.column_stack((y[:-1, row], u[:-1]))
        fitted = np.linalg.lstsq(inputs, y[1:, row], rcond=None)[0]
        pole[row], drive[row] = min(fitted[0], 0.99), fitted[1:]
    believed = DelayedPlant(pole=pole, drive=drive, dead=np.zeros(loops, dtype=np.int64))
    return replace(found, believed=believed, taught=log)


def _integrates_unknown(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    true = replace(found.true, pole=np.ones_like(found.true.pole))
    return replace(found, true=true, believed=_times(found.true, rng.uniform(0.7, 1.4)))


def _taken_for_integrating(rng: np.random.Generator) -> Drawn:
    found = right(rng)
    return replace(found, believed=replace(found.true, pole=np.ones_like(found.true.pole)))


WRONG: Mapping[str, Draw] = MappingProxyType(
    {
        "MVs act on nothing": _acts_on_nothing,
        "no effect known": _knows_no_effect,
        "dead time beyond the horizon, no effect seen": _late_and_not_seen,
        "dead time beyond the horizon, not known": _late_and_not_known,
        "wrong sign": _wrong_sign,
        "dead time too short": _dead_time_too_short,
        "dead time too long": _dead_time_too_long,
        "gain tenfold too large": _gain_too_large,
        "gain tenfold too small": _gain_too_small,
        "tenfold too quick": _too_quick,
        "tenfold too slow": _too_slow,
        "MVs mirrored": _mirrored,
        LEARNED_FROM_A_LOOP: _learned_from_a_loop,
        "integrator taken for a lag": _integrates_unknown,
        "lag taken for an integrator": _taken_for_integrating,
    }
)
"""By what is wrong."""


def drawn(kind: str, seed: int) -> tuple[Drawn, PlantSpec, np.random.Generator]:
    """The plant number `seed` of `kind`, its plant file, and what is left to be drawn."""
    rng = np.random.default_rng([seed, 7])
    found = about_right(rng) if kind == ABOUT_RIGHT else WRONG[kind](rng)
    return found, plant_file(rng, len(found.true.pole)), rng
