"""Ticks of the past at once are the same ticks one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from linear_loop import HISTORY, INTERVAL_NS, LinearPlant, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.living_through import LivingThrough
from procwm.control.measurement import utc
from procwm.control.modes import Mode
from procwm.control.state import ControllerState
from procwm.plant.samples import Quality, Sample
from procwm.world.model import WorldModel

TICKS = 60
Change = Callable[[int, list[Sample]], list[Sample]]


def history(change: Change, noise: float = 0.3) -> list[Sample]:
    """What a plant reported while its operators moved both valves and its feed and load changed."""
    rng = np.random.default_rng(5)
    plant = LinearPlant(
        plant_spec(), noise=noise, load=lambda tick: (0.8 if tick > 40 else 0.0, 0.0), change=change
    )
    samples: list[Sample] = []
    for tick in range(TICKS):
        samples += plant.drain()
        plant.dv = 50.0 + rng.normal(0.0, 2.0, 1)
        if tick % 7 == 0:
            plant.enter({"V1": 50.0 + rng.uniform(-8, 8), "V2": 50.0 + rng.uniform(-8, 8)})
        plant.advance()
    return samples


def every(tick: int, samples: list[Sample]) -> list[Sample]:
    return samples


def valves_when_moved(tick: int, samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if not sample.tag.startswith("V") or tick % 7 == 1]


def feed_lost_and_a_valve_that_is_bad(tick: int, samples: list[Sample]) -> list[Sample]:
    bad = {"F1": range(30, 36), "V1": range(44, 50)}
    return [replace(one, quality=Quality.BAD) if tick in bad.get(one.tag, ()) else one for one in samples]


def a_level_without_news(tick: int, samples: list[Sample]) -> list[Sample]:
    return [one for one in samples if one.tag != "L1" or tick % 3 == 0]


def spiked(tick: int, samples: list[Sample]) -> list[Sample]:
    return [replace(one, value=95.0) if tick == 42 and one.tag == "L1" else one for one in samples]


def silent(tick: int, samples: list[Sample]) -> list[Sample]:
    return [] if tick in range(35, 45) else samples


def model(**changes: object) -> WorldModel:
    found = model_of(plant_spec())
    for name, value in changes.items():
        object.__setattr__(found.rule, name, value)
    return found


def looked(found: WorldModel, samples: Sequence[Sample]) -> ControllerState:
    controller = Controller(plant_spec(), found, mode=Mode.SHADOW)
    state = controller.start({"V1": 50.0, "V2": 50.0}, history=samples[:-5])
    return controller.observe(samples[-5:], state, time=utc(samples[-1].source_ns))


def same(one: ControllerState, other: ControllerState) -> None:
    for name in ("latent", "bias", "spread", "count"):
        found = [getattr(state.disturbance, name) for state in (one, other)]
        np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(one.foreseen, other.foreseen, rtol=1e-9, atol=1e-9)
    end_ns = one.time_ns
    assert end_ns is not None
    for window in (
        lambda state: state.buffer.window(end_ns),
        lambda state: state.buffer.window(end_ns + INTERVAL_NS),
    ):
        np.testing.assert_array_equal(window(one).values, window(other).values)
        np.testing.assert_array_equal(window(one).measured, window(other).measured)
    facts = ("in_force", "reported_ns", "lost_ns", "dv", "pace", "time_ns", "recent", "withheld", "steady")
    assert [getattr(one, name) for name in facts] == [getattr(other, name) for name in facts]


@pytest.mark.parametrize(
    ("change", "due_s", "at_once"),
    [
        (every, (), True),
        (valves_when_moved, (), True),
        (feed_lost_and_a_valve_that_is_bad, (), True),
        (a_level_without_news, (), True),
        (a_level_without_news, (15.0, 15.0, np.inf, np.inf, 15.0), False),
        (spiked, (), True),
        (silent, (), False),
    ],
)
def test_a_past_lived_through_at_once_leaves_what_one_tick_after_the_other_leaves(
    change: Change, due_s: tuple[float, ...], at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, samples = model(due_s=due_s), history(change)
    taken: list[bool] = []
    whole = LivingThrough.after

    def watched(self: LivingThrough, *told: object) -> ControllerState | None:
        lived = whole(self, *told)  # type: ignore[arg-type]
        taken.append(lived is not None)
        return lived

    monkeypatch.setattr(LivingThrough, "after", watched)
    together = looked(found, samples)
    assert taken == [at_once]
    monkeypatch.setattr(LivingThrough, "after", lambda self, *told: None)
    same(together, looked(found, samples))
    assert len(together.foreseen) == HISTORY
