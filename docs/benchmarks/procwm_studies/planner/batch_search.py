"""Sampling searches for many problems at once: scenarios, or plants that share a model, in one batch.

All of it is torch on the model's own device, so it runs on a GPU as it does on a CPU. One loop makes three
methods, which differ in their settings: plain cross-entropy (Rubinstein and Kroese, 2004), the improved one
(Pinneri et al., CoRL 2020) and path integrals (Williams et al., J. Guidance, Control, and Dynamics 40, 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from procwm.errors import SpecError
from procwm.planning.moves import MoveBlocks, MoveSpace
from procwm.planning.objective import objective
from procwm.planning.prediction import GUARD_TOLERANCE
from procwm.planning.problem import ControlProblem
from procwm.planning.sampling import SamplingConfig, block_moves, first_spread
from procwm.plant.tags import names_of
from procwm.world.model import WorldModel


@dataclass(frozen=True, kw_only=True)
class BatchMethod(SamplingConfig):
    """How to search every problem; there is no deadline, so all rounds are made.

    Attributes:
        temperature: of the weights `exp(-cost / temperature)` of the next mean, relative to the spread of
            costs; the spread of moves then stays as it is. `None` takes the elites' mean and spread.
        at_once: trajectories that are rolled out together: memory does not grow beyond that.
    """

    temperature: float | None = None
    at_once: int = 4096


IMPROVED_CROSS_ENTROPY = BatchMethod()
CROSS_ENTROPY = BatchMethod(candidates=172, decay=1.0, kept=1, colour=0.0)
PATH_INTEGRAL = BatchMethod(candidates=172, decay=1.0, kept=1, temperature=0.1)


@dataclass(frozen=True, eq=False)
class BatchFound:
    """The best candidate of each problem.

    Attributes:
        knots: engineering units; the start where no candidate has a finite prediction.
        cost: +inf where none has.
        safe: whether guardrails are kept along it.
        tried: count of candidates of each problem.
    """

    knots: Float[np.ndarray, "problem knot mv"]
    cost: Float[np.ndarray, " problem"]
    safe: Bool[np.ndarray, " problem"]
    tried: int


class BatchSearch:
    """Problems of one model, posed once and searched with any method."""

    def __init__(self, model: WorldModel, problems: Sequence[ControlProblem], blocks: MoveBlocks) -> None:
        """Args: problems: of the model and of one horizon, one or more. blocks: the moves of all of them."""
        if {problem.horizon for problem in problems} != {blocks.horizon}:
            raise SpecError(f"problems of a batch must all have the horizon of its moves, {blocks.horizon}")
        self._model, self._problems = model, problems
        self._spaces = [MoveSpace(blocks, problem) for problem in problems]
        wanted = [objective(problem) for problem in problems]
        outputs = (len(problems), blocks.horizon, len(model.output_names))
        stacked = {
            name: np.stack([np.broadcast_to(getattr(one, name), outputs[1:]) for one in wanted])
            for name in ("goal_low", "goal_high", "goal_weight", "low", "high", "limit_weight")
        }
        self._wanted = {name: self._tensor(values)[:, None] for name, values in stacked.items()}
        self._bias = self._tensor(np.stack([problem.bias for problem in problems]))[:, None]
        self._move_weight = self._tensor(np.stack([one.move_weight for one in wanted]))[:, None, None]
        self._rest = self._tensor(np.stack([one.rest for one in wanted]))[:, None, None]
        self._rest_weight = self._tensor(np.stack([one.rest_weight for one in wanted]))[:, None]
        self._latent = self._tensor(np.stack([problem.latent for problem in problems]))
        self._dv = torch.stack([model.tensor(p.dv, names_of(model.plant.dvs)) for p in problems])
        self._last = self._tensor(np.stack([problem.last_mv for problem in problems]))[:, None, None]
        self._low, self._high, self._reach = (
            self._tensor(np.stack([getattr(space, name) for space in self._spaces]))[:, None]
            for name in ("low", "high", "reach")
        )
        self._shares = self._tensor(blocks.matrix)
        self._mv_scale = tuple(self._tensor(part) for part in model.scaler.part(names_of(model.plant.mvs)))
        self._cv_scale = tuple(self._tensor(part) for part in model.scaler.part(model.output_names))

    @torch.inference_mode()
    def found(
        self,
        method: BatchMethod,
        generator: torch.Generator,
        starts: Float[np.ndarray, "problem knot mv"] | None = None,
    ) -> BatchFound:
        """The best candidate of each problem.

        All problems see the same noise, so a problem's answer does not depend on the others beside it.

        Args:
            method: how to search.
            generator: of all randomness, on the model's device.
            starts: to draw the first round around, such as the last plans one interval later; MVs at rest
                where `None`.
        """
        if starts is None:
            starts = np.stack([space.hold for space in self._spaces])
        mean = self._tensor(np.stack([block_moves(s, k) for s, k in zip(self._spaces, starts, strict=True)]))
        spread = self._tensor(np.stack([first_spread(space) for space in self._spaces]))
        best = self._within(self._tensor(starts)[:, None])
        score, cost = self._scores(best, method.at_once)
        count, tried = method.candidates, 1
        for _ in range(method.rounds):
            noise = _coloured(generator, count, mean.shape[1:], method.colour, mean)
            drawn = mean[:, None] + spread[:, None] * noise
            drawn[:, 0] = mean
            knots = self._within(self._last + torch.cumsum(drawn, dim=2))
            found = self._scores(knots, method.at_once)
            tried += count
            knots = torch.cat((best, knots), dim=1)
            score, cost = torch.cat((score, found[0]), dim=1), torch.cat((cost, found[1]), dim=1)
            order = score.argsort(dim=1, stable=True)
            mean, spread = self._drawn_around(method, knots, score, cost, order, mean, spread)
            kept = order[:, : method.kept]
            best, score, cost = _picked(knots, kept), score.gather(1, kept), cost.gather(1, kept)
            count = max(2 * method.elites, int(count / method.decay))
        return BatchFound(
            best[:, 0].double().cpu().numpy(),
            cost[:, 0].cpu().numpy(),
            (score[:, 0] == cost[:, 0]).cpu().numpy() & np.isfinite(cost[:, 0].cpu().numpy()),
            tried,
        )

    def _drawn_around(
        self,
        method: BatchMethod,
        knots: Float[Tensor, "problem candidate knot mv"],
        score: Float[Tensor, "problem candidate"],
        cost: Float[Tensor, "problem candidate"],
        order: Int[Tensor, "problem candidate"],
        mean: Float[Tensor, "problem knot mv"],
        spread: Float[Tensor, "problem knot mv"],
    ) -> tuple[Float[Tensor, "problem knot mv"], Float[Tensor, "problem knot mv"]]:
        """Mean and spread of the next round; as they were where no prediction was finite."""
        moves = torch.diff(knots, dim=2, prepend=self._last.expand(-1, knots.shape[1], 1, -1))
        share = torch.zeros_like(score).scatter(1, order[:, : method.elites], 1.0) * score.isfinite()
        if method.temperature is not None:
            safe = (score == cost) & score.isfinite()
            least = torch.where(safe, cost, torch.inf).amin(dim=1, keepdim=True)
            over = torch.where(safe, cost - least, 0.0)
            scale = method.temperature * (over**2).mean(dim=1, keepdim=True).sqrt() + 1e-12
            share = torch.where(safe, torch.exp(-over / scale), 0.0)
        any_share = (share.sum(dim=1) > 0.0)[:, None, None]
        weights = (share / share.sum(dim=1, keepdim=True).clamp(min=1e-300)).to(moves)[:, :, None, None]
        centre = (weights * moves).sum(dim=1)
        width = (weights * (moves - centre[:, None]) ** 2).sum(dim=1).sqrt()
        if method.temperature is not None:
            return torch.where(any_share, centre, mean), spread
        centre = method.momentum * mean + (1.0 - method.momentum) * centre
        width = method.momentum * spread + (1.0 - method.momentum) * width
        return torch.where(any_share, centre, mean), torch.where(any_share, width, spread)

    def _within(
        self, knots: Float[Tensor, "problem candidate knot mv"]
    ) -> Float[Tensor, "problem candidate knot mv"]:
        """The nearest knots within limits, taken one after the other, as `MoveSpace.clip` does."""
        before, kept = self._last[:, :, 0].expand(-1, knots.shape[1], -1), []
        for block in range(knots.shape[2]):
            reach, low, high = (part[:, :, block] for part in (self._reach, self._low, self._high))
            near = torch.minimum(torch.maximum(knots[:, :, block], before - reach), before + reach)
            before = torch.minimum(torch.maximum(near, low), high)
            kept.append(before)
        return torch.stack(kept, dim=2)

    def _scores(
        self, knots: Float[Tensor, "problem candidate knot mv"], at_once: int
    ) -> tuple[Float[Tensor, "problem candidate"], Float[Tensor, "problem candidate"]]:
        """Smaller is better, and costs: unsafe ones come after all safe ones, and +inf is not finite."""
        portion = max(1, at_once // len(knots))
        parts = [self._predicted(part) for part in torch.split(knots, portion, dim=1)]
        cost, broken = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        finite = cost.isfinite() & broken.isfinite()
        cost = torch.where(finite, cost, torch.inf)
        return torch.where(finite & (broken > 0.0), _UNSAFE + broken, cost), cost

    def _predicted(
        self, knots: Float[Tensor, "problem candidate knot mv"]
    ) -> tuple[Float[Tensor, "problem candidate"], Float[Tensor, "problem candidate"]]:
        """Cost, and what guardrails are exceeded by, of each candidate."""
        problems, count = knots.shape[:2]
        rest = (1.0 - self._shares.sum(dim=1))[:, None]
        mv = rest * self._last + torch.einsum("hk,pckm->pchm", self._shares, knots)
        center, width = self._mv_scale
        rollout = self._model.rollout(
            self._latent.repeat_interleave(count, dim=0),
            ((mv - center) / width).flatten(0, 1),
            self._dv.repeat_interleave(count, dim=0),
        )
        center, width = self._cv_scale
        cv = (rollout.cv * width + center).reshape(problems, count, *rollout.cv.shape[1:]) + self._bias
        wanted = self._wanted
        goal = wanted["goal_weight"] * _excess(cv, wanted["goal_low"], wanted["goal_high"]) ** 2
        limits = wanted["limit_weight"] * _excess(cv, wanted["low"], wanted["high"]) ** 2
        moves = torch.diff(mv, dim=2, prepend=self._last.expand(-1, count, 1, -1))
        by_mv = self._move_weight * moves**2 + self._rest_weight * (mv - self._rest) ** 2
        cost = (goal + limits).double().sum(dim=(2, 3)) + by_mv.double().sum(dim=(2, 3))
        guard = rollout.guard.double()
        broken = torch.where(guard > GUARD_TOLERANCE, guard, 0.0 * guard).sum(dim=(1, 2))
        return cost, broken.reshape(problems, count)

    def _tensor(self, values: Float[np.ndarray, "..."]) -> Float[Tensor, "..."]:
        weight = self._model.readout.weight
        return torch.as_tensor(values, dtype=weight.dtype, device=weight.device)


_UNSAFE = 1e12
"""Added to what an unsafe candidate exceeds guardrails by, so that it comes after every safe one."""


def _excess(value: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return value - torch.minimum(torch.maximum(value, low), high)


def _picked(
    knots: Float[Tensor, "problem candidate knot mv"], which: Int[Tensor, "problem kept"]
) -> Float[Tensor, "problem kept knot mv"]:
    return knots.gather(1, which[:, :, None, None].expand(-1, -1, *knots.shape[2:]))


def _coloured(
    generator: torch.Generator, count: int, shape: torch.Size, colour: float, like: Tensor
) -> Float[Tensor, "1 candidate knot mv"]:
    """Noise of unit variance whose power falls as `1 / frequency^colour` along the knots.

    Timmer and Koenig, On generating power law noise (Astronomy and Astrophysics 300, 1995).
    """
    knots, mvs = shape
    if knots < 2:
        return torch.randn(1, count, knots, mvs, generator=generator, dtype=like.dtype, device=like.device)
    frequency = torch.fft.rfftfreq(knots, dtype=like.dtype, device=like.device)
    amplitude = frequency.clamp(min=1.0 / knots) ** (-colour / 2.0)
    parts = torch.randn(
        2, count, mvs, len(frequency), generator=generator, dtype=like.dtype, device=like.device
    )
    noise = torch.fft.irfft(amplitude * torch.complex(parts[0], parts[1]), n=knots, dim=-1)
    coloured: Tensor = (noise / noise.std()).swapaxes(1, 2)[None]
    return coloured
