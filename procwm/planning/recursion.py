"""A transcript's dynamics arranged for running interval after interval with few calls for each."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from procwm.planning.network import function_of
from procwm.planning.transcription import Transcript
from procwm.world.parts.layers import Affine


class Recursion:
    """`z' = [z + linear + network](z, mv, dv)`, read from `transcript` once.

    What MVs, DVs and constants add to the linear part and to the first layer is one product for all
    intervals; what the state adds to both is one product an interval. So it is on the way back.

    Attributes:
        straight: the next state by the inputs, but for the network.
    """

    def __init__(self, transcript: Transcript) -> None:
        size, mvs, linear = transcript.latent, transcript.mv, transcript.linear
        first, *later = (layer for layer in transcript.network if isinstance(layer, Affine))
        functions = [function_of(layer) for layer in transcript.network if not isinstance(layer, Affine)]
        if not later:
            # A network without hidden layers has one that changes nothing.
            later, functions = [Affine(np.eye(size), np.zeros(size))], [np.positive]
        self._size, self._last = size, functions[-1]
        self._inner = [
            (function, np.ascontiguousarray(layer.weight.T), layer.bias)
            for function, layer in zip(functions, later, strict=True)
        ][:-1]
        self._out = np.ascontiguousarray(later[-1].weight.T)
        self.straight = linear.weight + np.eye(size, linear.weight.shape[1])
        both = np.ascontiguousarray(np.vstack((self.straight, first.weight)).T)
        self._by_state = both[:size]
        self._by_mv = both[size : size + mvs] / transcript.mv_width[:, None]
        self._by_dv = both[size + mvs :] / transcript.dv_width[:, None]
        # The last layer's bias is no different from the linear part's.
        self._constant = (
            np.concatenate((linear.bias + later[-1].bias, first.bias))
            - transcript.mv_center @ self._by_mv
            - transcript.dv_center @ self._by_dv
        )
        self._back = np.hstack((self.straight[:, :size], later[-1].weight))
        self._back_inner = [layer.weight for layer in reversed(later[:-1])]
        self._back_out = np.ascontiguousarray(first.weight[:, :size])

    def states(
        self,
        latent: Float[np.ndarray, " latent"],
        mv: Float[np.ndarray, "batch horizon mv"],
        dv: Float[np.ndarray, "horizon dv"],
    ) -> Float[np.ndarray, "batch horizon latent"]:
        """Latent states under each MV trajectory from `latent`; MVs and DVs in engineering units."""
        batch, constant, size = len(mv), self._constant, self._size
        if dv.size:
            constant = dv.dot(self._by_dv) + constant
        drive = mv.dot(self._by_mv)
        drive += constant
        # One trajectory is a vector: its products take half the time of those of a matrix with one row.
        if batch > 1:
            drive, latent = drive.swapaxes(0, 1), np.broadcast_to(latent, (batch, size))
        else:
            drive = drive[0]
        states = np.empty((*drive.shape[:-1], size))
        by_state, layers, last, out = self._by_state, self._inner, self._last, self._out
        for row, driven in zip(states, drive, strict=True):
            moved = latent.dot(by_state)
            moved += driven
            inner = moved[..., size:]
            for function, weight, bias in layers:
                inner = function(inner).dot(weight)
                inner += bias
            latent = np.add(moved[..., :size], last(inner).dot(out), row)
        return states.swapaxes(0, 1) if batch > 1 else states[None]

    def pulled_back(
        self,
        own: Float[np.ndarray, "horizon latent"],
        slopes: Sequence[Float[np.ndarray, "horizon _"]],
    ) -> None:
        """Add to each row of `own`, gradients by the states, what it is worth through later states.

        Args:
            own: changed; the last row stays as it is.
            slopes: of the hidden layers' activations, first layer first.
        """
        size, slopes = self._size, slopes or [np.ones_like(own)]
        last, *others = reversed(slopes)
        after = own[-1]
        for row in range(len(own) - 1, 0, -1):
            both = after.dot(self._back)
            inner = both[size:]
            inner *= last[row]
            for weight, slope in zip(self._back_inner, others, strict=True):
                inner = inner.dot(weight)
                inner *= slope[row]
            after = own[row - 1]
            after += both[:size]
            after += inner.dot(self._back_out)


@lru_cache(maxsize=32)
def recursion(transcript: Transcript) -> Recursion:
    """That of `transcript`, arranged once."""
    return Recursion(transcript)
