from dataclasses import replace

import torch
from learning_cases import PLANT, QUICK, record

from procwm.learning.dataset.tensors import LogTensors
from procwm.learning.identification.preparation import Part, prepare
from procwm.learning.identification.relevance import companions, informative


def _part() -> Part:
    return prepare(PLANT, record(1500).log, QUICK).whole.part


def _with(part: Part, others: torch.Tensor) -> LogTensors:
    return replace(
        part.tensors,
        others=others,
        others_valid=torch.ones_like(others),
        other_columns=torch.zeros(others.shape[1], dtype=torch.long),
    )


def _drifts(rows: int, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn((rows, count), generator=generator)
    drift = torch.zeros(rows, count)
    for row in range(1, rows):
        drift[row] = 0.99 * drift[row - 1] + 0.14 * steps[row]
    return drift


def test_a_pv_that_moves_with_the_process_belongs_to_it() -> None:
    part = _part()
    late = torch.roll(part.tensors.outputs[:, 1:], 2, dims=0)
    noisy = late + 0.2 * torch.randn(late.shape, generator=torch.Generator().manual_seed(1))
    assert companions(_with(part, noisy), part.moments).tolist() == [0]


def test_drifts_and_noise_of_their_own_do_not_belong_to_the_process() -> None:
    part = _part()
    noise = torch.randn((len(part.tensors.values), 20), generator=torch.Generator().manual_seed(2))
    others = torch.cat((_drifts(len(noise), 20), noise), dim=1)
    assert companions(_with(part, others), part.moments).tolist() == []


def test_a_plant_without_other_pvs_has_no_companions() -> None:
    part = _part()
    assert part.tensors.others.shape[1] == 0
    assert companions(part.tensors, part.moments).tolist() == []


def test_a_flow_that_follows_its_setpoint_is_no_companion() -> None:
    part = _part()
    assert companions(_with(part, part.tensors.mv.clone()), part.moments).tolist() == []


def test_a_pv_that_tells_of_what_is_to_come_is_looked_at_and_noise_is_not() -> None:
    part = _part()
    rows = len(part.tensors.values)
    drift = _drifts(rows, 1)
    outputs = part.tensors.outputs + 2.0 * torch.roll(drift, 2, dims=0)
    noise = torch.randn((rows, 10), generator=torch.Generator().manual_seed(2))
    others = torch.cat((drift, noise, _drifts(rows, 12)[:, 2:]), dim=1)
    log = replace(_with(part, others), outputs=outputs)
    assert informative(log, part.moments, 8).tolist() == [0]
