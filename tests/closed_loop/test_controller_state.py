"""A controller's state leaves the process and comes back: bytes, pickles, threads, processes."""

import hashlib
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hand_clock import HandClock
from linear_loop import HISTORY, Loop, loop, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.measurement import utc
from procwm.control.state import ControllerState
from procwm.errors import ArtifactError
from procwm.plant.samples import Quality, Sample


@pytest.fixture(scope="module")
def run() -> Loop:
    """A loop that has seen and done everything a state can remember; nobody steps it further."""
    run = loop(noise=0.3, load=lambda tick: (0.2, 0.0))
    run.run(HISTORY + 3, setpoints={"L1": 55.0})
    return run


def inputs(run: Loop) -> tuple[list[Sample], int]:
    values = {"L1": 51.0, "L2": 50.5, "V1": 50.0, "V2": 50.0, "F1": 50.0}
    now_ns = run.plant.time_ns
    return [Sample(tag, value, Quality.GOOD, now_ns) for tag, value in values.items()], now_ns


def same(one: Decision, other: Decision) -> bool:
    assert one.setpoints is not None
    assert one.plan is not None
    assert other.plan is not None
    return (
        one.setpoints == other.setpoints
        and np.array_equal(one.plan.mv, other.plan.mv)
        and np.array_equal(one.plan.cv, other.plan.cv)
    )


def test_a_state_read_back_from_bytes_gives_the_same_decision_to_the_last_bit(run: Loop) -> None:
    samples, now_ns = inputs(run)
    controller: Controller = run.controller
    restored = controller.restore(run.state.to_bytes())
    assert restored.to_bytes() == run.state.to_bytes()
    assert restored.time_ns == run.state.time_ns
    first, _ = controller.step(samples, run.state, time=utc(now_ns))
    second, _ = Controller(run.plant.spec, model_of(run.plant.spec), clock=HandClock()).step(
        samples, restored, time=utc(now_ns)
    )
    assert same(first, second)


def test_a_state_before_its_first_step_survives_too(run: Loop) -> None:
    controller: Controller = run.controller
    history = (Sample("L1", float("nan"), Quality.BAD, 5), Sample("L2", 50.0, Quality.GOOD, 6))
    state = controller.restore(controller.start({"V1": 50.0, "V2": 50.0}, history=history).to_bytes())
    assert state.time_ns is None
    assert state.unseen[1] == history[1]
    assert np.isnan(state.unseen[0].value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-30], "cut short or altered"),
        (lambda data: data.replace(b'"healthy":0', b'"healthy":9'), "cut short or altered"),
        (lambda data: b"PK\x03\x04" + data, "no state"),
        (lambda data: b"", "no state"),
        (lambda data: data.replace(b"procwm-state 3", b"procwm-state 9"), "this version reads"),
        (lambda data: signed(data.partition(b"\n")[2].replace(b'"Mode"', b'"os"')), "cannot be read"),
        (lambda data: signed(data.partition(b"\n")[2].replace(b'"age"', b'"rage"')), "cannot be read"),
        (lambda data: signed(b"[1]"), "cannot be read"),
    ],
)
def test_a_state_that_was_tampered_with_is_refused_with_a_sentence(
    spoil: Callable[[bytes], bytes], said: str, run: Loop
) -> None:
    with pytest.raises(ArtifactError, match=said):
        run.controller.restore(spoil(run.state.to_bytes()))


def signed(body: bytes) -> bytes:
    return f"procwm-state 3 {hashlib.sha256(body).hexdigest()}\n".encode() + body


def test_a_state_of_another_model_or_plant_file_is_refused(run: Loop) -> None:
    spec = plant_spec()
    with pytest.raises(ArtifactError, match="another model"):
        Controller(spec, model_of(spec, guard_above=90.0)).restore(run.state.to_bytes())
    with pytest.raises(ArtifactError, match="another plant file"):
        Controller(plant_spec(mv_limits=(20.0, 80.0)), run.controller.model).restore(run.state.to_bytes())


def test_states_and_decisions_can_be_pickled(run: Loop) -> None:
    state = pickle.loads(pickle.dumps(run.state))
    assert isinstance(state, ControllerState)
    assert state.to_bytes() == run.state.to_bytes()
    assert run.decisions is not None
    decision = pickle.loads(pickle.dumps(run.decisions[-1]))
    assert same(decision, run.decisions[-1])
    with pytest.raises(TypeError):
        decision.setpoints["V1"] = 99.0


def _stepped(state: ControllerState, samples: list[Sample], now_ns: int) -> tuple[Decision, ControllerState]:
    spec = plant_spec()
    return Controller(spec, model_of(spec), clock=HandClock()).step(samples, state, time=utc(now_ns))


def test_another_process_takes_the_same_decision(run: Loop) -> None:
    samples, now_ns = inputs(run)
    here, _ = run.controller.step(samples, run.state, time=utc(now_ns))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there, state = pool.submit(_stepped, run.state, samples, now_ns).result()
    assert same(here, there)
    assert state.time_ns == now_ns


def test_threads_that_share_a_controller_decide_as_one_alone_would(run: Loop) -> None:
    shared: Controller = run.controller
    samples, now_ns = inputs(run)
    work = [[replace(s, value=s.value + shift) for s in samples] for shift in (0.0, 1.0, 2.0, 3.0)] * 2

    def decide(job: list[Sample]) -> Decision:
        return shared.step(job, run.state, time=utc(now_ns))[0]

    alone = [decide(job) for job in work[:4]] * 2
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(decide, work))
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_a_step_leaves_the_state_it_was_given_as_it_was(run: Loop) -> None:
    samples, now_ns = inputs(run)
    before = run.state.to_bytes()
    run.controller.step(samples, run.state, time=utc(now_ns))
    assert run.state.to_bytes() == before
    assert replace(run.state).to_bytes() == before
