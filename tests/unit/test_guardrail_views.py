import torch
from learning_cases import record, trained

from procwm.data.window import grid
from procwm.training.tensors import LogTensors, log_tensors
from procwm.training.views import salient, tags_shown


def _log() -> tuple[LogTensors, torch.Tensor]:
    model = trained()
    rows = grid(record(1500).log, model.rule)
    moments = torch.arange(model.rule.history, len(rows) - 1, 5)
    return log_tensors(rows, model.plant, model.scaler, torch.float64), moments


def test_the_tags_that_the_latent_shows_are_the_measured_ones() -> None:
    log, moments = _log()
    shown = tags_shown(trained(), log, moments)(trained().encode(log.windows(moments)))
    level = trained().rule.tags.index("LT.PV")
    error = shown[:, level] - log.values[moments, level]
    assert float(error.std()) < 0.05


def test_a_salient_direction_is_one_that_the_outputs_follow() -> None:
    log, moments = _log()
    model = trained()
    view = salient(model, log, moments)
    latent = model.encode(log.windows(moments))
    assert torch.allclose(view(latent).mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=1e-9)
    assert abs(float(view(latent).var(dim=0).mean()) - 1.0) < 1e-9
    _, gains, directions = torch.linalg.svd(view.weight)
    chosen = moments[:20]
    mv, dv = (part[chosen][:, None].expand(-1, model.horizon, -1) for part in (log.mv, log.dv))

    def effect(direction: torch.Tensor) -> float:
        starts = latent[:20], latent[:20] + 0.1 * direction
        before, after = (model.readout(model.imagine(start, mv, dv)) for start in starts)
        return float((after - before).square().mean().sqrt())

    strong, weak = effect(directions[0]), effect(directions[-1])
    assert strong > 3.0 * weak
    assert gains[0] > gains[-1] > 0.0
