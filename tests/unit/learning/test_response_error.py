"""The standard error of step responses, against logs of a plant that is known."""

import copy
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from learning_cases import PLANT, QUICK, Record, record

from procwm.data.series import Log
from procwm.learning.identification.preparation import Material, prepare
from procwm.learning.identification.response_error import response_error


def material(log: Log) -> Material:
    return prepare(PLANT, log, QUICK).whole


def size(values: Float[torch.Tensor, "..."]) -> float:
    return float(values.square().mean().sqrt())


def level_per_volt(of: Material) -> float:
    """Engineering units of one of the scaled response of the level."""
    (_, level), (_, volt) = of.scaler.part(["LT.PV"]), of.scaler.part(["P.SP"])
    return float(level[0] / volt[0])


def test_the_error_is_about_what_responses_from_another_log_differ_by() -> None:
    logs = [material(record(1500, seed).log) for seed in range(4)]
    # Each log has a scale of its own.
    scales = [level_per_volt(of) for of in logs]
    responses = [of.reference.step_response(1, QUICK.horizon or 0)[..., 0] for of in logs]
    differ = size(torch.stack([r * s for r, s in zip(responses, scales, strict=True)]).std(dim=0))
    told = [size(response_error(of)[..., 0]) * s for of, s in zip(logs, scales, strict=True)]
    assert 0.5 < sum(told) / len(told) / differ < 2.0


def test_a_noisy_log_leaves_more_doubt_than_a_quiet_one() -> None:
    quiet, noisy = (response_error(material(Record(1000, noise=noise).log)) for noise in (0.02, 0.4))
    assert size(noisy) > 2.0 * size(quiet)


@pytest.mark.parametrize("rows", [150, 300])
def test_no_doubt_is_larger_than_the_response_itself(rows: int) -> None:
    of = material(Record(rows, noise=5.0).log)
    assert size(response_error(of)) <= 1.0001 * size(of.reference.step_response(1, QUICK.horizon or 0))
    hardly = copy.deepcopy(of.reference)
    hardly.step.weight.mul_(1e-3)
    told = size(response_error(replace(of, reference=hardly)))
    assert told == pytest.approx(size(hardly.step_response(1, QUICK.horizon or 0)))


def test_the_error_is_the_same_each_time() -> None:
    of = material(record(600).log)
    assert torch.equal(response_error(of), response_error(of))
