"""Offset-free prediction: what the model got wrong at every lead, learned as the plant runs.

Latents of past ticks are carried along open loop, each advanced by the MVs and DVs that came to pass. At tick
`t` the one from `t - j` says what the model predicted `j` intervals ahead, so

    e_j = y(t) - y_hat(t | t - j)

is the model's error at lead `j`, and `bias_j`, a filtered `e_j`, is added to the planned outputs at that
lead. With a constant load (or gain error) and MVs at rest every `e_j` is constant, `bias_j` tends to it, and
the corrected prediction of holding still is exact at every lead: a controller that rests away from its
setpoint sees that it does. A single bias for all leads, as in dynamic matrix control, has not got this
property when the latent itself has absorbed part of the load (Pannocchia and Rawlings 2003, AIChE J. 49(2),
426-437).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from procwm.errors import SpecError
from procwm.plant.tags import names_of
from procwm.world.averaging import gain
from procwm.world.model import WorldModel

_OUTLIER = 6.0
"""An error further from its bias than this many mean absolute deviations is clipped to it."""
_UNCLIPPED = 3
"""Errors at a lead before any of them can be told to be an outlier."""
_SPREAD_SHARE = 0.1
"""Of a new deviation, in their mean."""
_SMALLEST_SPREAD = 1e-3
"""Of the span of an output; an instrument that repeats its value must not make every change an outlier."""


@dataclass(frozen=True, eq=False)
class Disturbance:
    """The estimate after some tick; a value.

    Attributes:
        latent: row `j` is the latent of `j + 1` ticks ago, advanced open loop to the present.
        bias: row `j` belongs to the lead of `j + 1` intervals, engineering units.
        spread: mean absolute deviation of the errors from `bias`.
        count: how many errors went into each `bias`.
    """

    latent: Float[np.ndarray, "origin latent"]
    bias: Float[np.ndarray, "horizon output"]
    spread: Float[np.ndarray, "horizon output"]
    count: Float[np.ndarray, "horizon output"]


class DisturbanceEstimator:
    """From predictions and what came of them to a bias for every lead.

    Args:
        model: whose predictions are to be corrected. Its `feedback` is the share of a new error that goes
            into the bias; small is smooth, large is quick.

    Attributes:
        share: `feedback` as an array.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model, self._horizon = model, model.horizon
        self.share = model.feedback.cpu().numpy()
        if not ((self.share > 0.0) & (self.share <= 1.0)).all():
            raise SpecError(
                f"plant {model.plant.name}: the model's feedback leaves the interval above 0 and up to 1; "
                "train it anew"
            )
        self._span = np.array([tag.span for tag in model.plant.outputs])

    def start(self) -> Disturbance:
        """Nothing known: no correction."""
        leads = (self._horizon, len(self._span))
        latents = self._model.readout.in_features
        return Disturbance(np.zeros((0, latents)), np.zeros(leads), np.zeros(leads), np.zeros(leads))

    def at_rest(
        self,
        *,
        latent: Float[np.ndarray, " latent"],
        mv: Float[np.ndarray, " mv"],
        dv: Float[np.ndarray, " dv"],
        output: Float[np.ndarray, " output"],
    ) -> Disturbance:
        """The estimate for a plant that has been at rest: what is predicted to come of that is in error.

        Where nothing is known of the past, dynamic matrix control begins so too (Cutler and Ramaker 1980,
        Joint Automatic Control Conference, WP5-B). Each lead counts as learned from one error, so those that
        come soon take its place.

        Args:
            latent: of a window in which nothing moves.
            mv, dv: in force.
            output: measured; NaN where there is no valid measurement.
        """
        state = self.start()
        for _ in range(self._horizon):
            state = self._tick(state, latent, mv, dv, output)
        return Disturbance(state.latent, state.bias, state.spread, np.minimum(state.count, 1.0))

    def taken_in(
        self,
        state: Disturbance,
        *,
        before: tuple[Float[np.ndarray, " latent"], Float[np.ndarray, " dv"]],
        now: tuple[Float[np.ndarray, " latent"], Float[np.ndarray, " dv"]],
        mv: Float[np.ndarray, " mv"],
        output: Float[np.ndarray, " output"],
    ) -> Disturbance:
        """The estimate when the model is shown a tag that it had not heard before.

        What is foreseen with the MVs held stays as it was: the change of the model's mind goes into the bias,
        and what comes of it is learned from then on.

        Args:
            state: that belongs to the view `before`.
            before, now: latent and DVs without and with that tag.
            mv: in force.
            output: measured where the output is heard for the first time, and taken to be at rest; else NaN.
        """
        old, new = self._held(*before, mv), self._held(*now, mv)
        first = np.isfinite(output)
        return Disturbance(
            now[0][None],
            np.where(first, output - new, state.bias + old - new),
            np.where(first, 0.0, state.spread),
            np.where(first, 1.0, state.count),
        )

    def _held(
        self,
        latent: Float[np.ndarray, " latent"],
        dv: Float[np.ndarray, " dv"],
        mv: Float[np.ndarray, " mv"],
    ) -> Float[np.ndarray, "horizon output"]:
        """What the model foresees from `latent` on while nothing moves."""
        origin, foreseen = latent[None], []
        for _ in range(self._horizon):
            origin, predicted = self._advance(origin, mv, dv)
            foreseen.append(predicted[0])
        return np.array(foreseen)

    def restart(self, state: Disturbance) -> Disturbance:
        """Forget the latents under way, after a gap in time; what was learned about the plant stays."""
        return Disturbance(state.latent[:0], state.bias, state.spread, state.count)

    def foreseen(
        self, state: Disturbance, mv: Float[np.ndarray, " mv"], dv: Float[np.ndarray, " dv"]
    ) -> Float[np.ndarray, " output"]:
        """Outputs at the end of the interval that follows `state`, corrected; NaN where there is no latent.

        Args:
            state: of the tick before.
            mv, dv: of the interval.
        """
        if not len(state.latent):
            return np.full(len(self._span), np.nan)
        _, predicted = self._advance(state.latent[:1], mv, dv)
        corrected: Float[np.ndarray, " output"] = predicted[0] + state.bias[0]
        return corrected

    def errors(
        self,
        state: Disturbance,
        mv: Float[np.ndarray, " mv"],
        dv: Float[np.ndarray, " dv"],
        output: Float[np.ndarray, " output"],
    ) -> Float[np.ndarray, "origin output"]:
        """What is wrong, by lead, with all that was foreseen for the end of the interval after `state`.

        Args:
            state: of the tick before.
            mv, dv: of the interval.
            output: measured at its end; NaN where there is no valid measurement.
        """
        _, predicted = self._advance(state.latent, mv, dv)
        wrong: Float[np.ndarray, "origin output"] = output - predicted - state.bias[: len(predicted)]
        return wrong

    def update(
        self,
        state: Disturbance,
        *,
        latent: Float[np.ndarray, " latent"],
        mv: Float[np.ndarray, "row mv"],
        dv: Float[np.ndarray, "row dv"],
        output: Float[np.ndarray, "row output"],
    ) -> Disturbance:
        """The estimate one row later, or several where ticks were missed.

        Args:
            state: of the tick before.
            latent: encoded now; ticks that were missed have none, and nothing was predicted from them.
            mv, dv: of the intervals since; the last row is that of the interval that ends now.
            output: measured at the end of each; NaN where there is no valid measurement, which then teaches
                nothing.
        """
        unknown = np.full_like(latent, np.nan)
        for row in range(len(mv)):
            origin = latent if row == len(mv) - 1 else unknown
            state = self._tick(state, origin, mv[row], dv[row], output[row])
        return state

    def lived_through(
        self,
        *,
        latent: Float[np.ndarray, "tick latent"],
        mv: Float[np.ndarray, "tick mv"],
        dv: Float[np.ndarray, "tick dv"],
        output: Float[np.ndarray, "tick output"],
    ) -> tuple[Disturbance, Float[np.ndarray, "tick output"]]:
        """The estimate after ticks before which nothing is known, and what was foreseen for each, corrected.

        What as many calls of `update` come to, with latents carried along for all ticks at once.
        """
        predicted, carried = self._carried(latent, mv, dv)
        state, foreseen = self.start(), np.full_like(output, np.nan)
        for tick in range(1, len(latent)):
            known = predicted[tick, : min(tick, self._horizon)]
            foreseen[tick] = known[0] + state.bias[0]
            state = self._corrected(state, known, output[tick])
        return Disturbance(carried, state.bias, state.spread, state.count), foreseen

    def _carried(
        self,
        latent: Float[np.ndarray, "tick latent"],
        mv: Float[np.ndarray, "tick mv"],
        dv: Float[np.ndarray, "tick dv"],
    ) -> tuple[Float[np.ndarray, "tick horizon output"], Float[np.ndarray, "origin latent"]]:
        """Outputs predicted for each tick by lead, and what `latent` of the last ticks have become."""
        ticks = len(latent)
        predicted = np.full((ticks, self._horizon, len(self._span)), np.nan)
        arrived, carried = latent, [latent[-1]]
        for lead in range(1, min(ticks, self._horizon + 1)):
            arrived, predicted[lead:, lead - 1] = self._advance(arrived[: ticks - lead], mv[lead:], dv[lead:])
            carried.append(arrived[-1])
        return predicted, np.stack(carried[: self._horizon])

    def _tick(
        self,
        state: Disturbance,
        latent: Float[np.ndarray, " latent"],
        mv: Float[np.ndarray, " mv"],
        dv: Float[np.ndarray, " dv"],
        output: Float[np.ndarray, " output"],
    ) -> Disturbance:
        arrived, predicted = self._advance(state.latent, mv, dv)
        carried = np.concatenate((latent[None], arrived))[: self._horizon]
        learned = self._corrected(state, predicted, output)
        return Disturbance(carried, learned.bias, learned.spread, learned.count)

    def _corrected(
        self,
        state: Disturbance,
        predicted: Float[np.ndarray, "origin output"],
        output: Float[np.ndarray, " output"],
    ) -> Disturbance:
        """`state` with what `output` teaches, beside what was `predicted` for it by lead; latents stay."""
        leads = len(predicted)
        bias, spread, count = state.bias.copy(), state.spread.copy(), state.count.copy()
        error = output - predicted
        known = np.isfinite(error)
        innovation = np.where(known, error - bias[:leads], 0.0)
        reach = _OUTLIER * np.maximum(spread[:leads], _SMALLEST_SPREAD * self._span)
        clipped = np.where(count[:leads] >= _UNCLIPPED, innovation.clip(-reach, reach), innovation)
        bias[:leads] += gain(self.share[:leads], count[:leads]) * clipped
        weight = np.where(known, gain(_SPREAD_SHARE, count[:leads]), 0.0)
        spread[:leads] += weight * (np.abs(clipped) - spread[:leads])
        count[:leads] += known
        return Disturbance(state.latent, _extended(bias, count > 0), spread, count)

    def _advance(
        self,
        latent: Float[np.ndarray, "origin latent"],
        mv: Float[np.ndarray, "*origin mv"],
        dv: Float[np.ndarray, "*origin dv"],
    ) -> tuple[Float[np.ndarray, "origin latent"], Float[np.ndarray, "origin output"]]:
        model, weight = self._model, self._model.readout.weight
        with torch.inference_mode():
            arrived = model.predictor(
                torch.as_tensor(latent, dtype=weight.dtype, device=weight.device),
                model.tensor(mv, model.plant.mv_names).expand(len(latent), -1),
                model.tensor(dv, names_of(model.plant.dvs)).expand(len(latent), -1),
            )
            predicted = model.engineering(model.readout(arrived), model.output_names)
        return arrived.cpu().numpy().astype(np.float64), predicted


def _extended(
    bias: Float[np.ndarray, "horizon output"], known: Bool[np.ndarray, "horizon output"]
) -> Float[np.ndarray, "horizon output"]:
    """Leads that no latent has reached yet take the bias of the longest one that is known."""
    rows = np.arange(len(bias))[:, None]
    last = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(bias, np.maximum(last, 0), axis=0), 0.0)
