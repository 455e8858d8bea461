"""Whether somebody else writes the MVs of a running controller: read-backs that are nobody's of ours."""

from collections import deque
from collections.abc import Collection

from procwm.plant.samples import Sample, Setpoints
from procwm.plant.tags import PlantSpec

_ECHOES = 3
"""Read-backs of what was written from which on a plant is known to show setpoints as they are."""
_ROUNDING = 1e-6
_MOVED = 1e-3
"""Of an MV's span: a read-back that is further from what was written than this is of another write."""
_WITHIN = 10
"""Control intervals within which so many such read-backs mean another writer, and not an operator's move."""
_MOVES = 3


class OtherWriter:
    """Compares what MVs read with what was written to them last, and before that.

    Only of MVs that have read back exactly what was written before: many plants show where a valve is, and
    not where it was sent. An MV that is not written for a while may be moved by whoever has it then.
    """

    def __init__(self, plant: PlantSpec) -> None:
        self._spans = {tag.name: tag.span for tag in plant.mvs}
        self._interval_ns = round(plant.interval_s * 1e9)
        self._ours: dict[str, tuple[float, ...]] = {}
        self._written_ns: dict[str, int] = {}
        self._echoes: dict[str, int] = {}
        self._moves: deque[tuple[int, str]] = deque(maxlen=_MOVES)

    def wrote(self, accepted: Setpoints, tick_ns: int) -> None:
        """The plant accepted a write of the tick `tick_ns`."""
        for name, value in accepted.items():
            self._ours[name] = (value, *self._ours.get(name, ())[:1])
            self._written_ns[name] = tick_ns

    def doubted(self, names: Collection[str]) -> None:
        """Nobody knows what became of a write to `names`."""
        for name in names:
            self._ours.pop(name, None)

    def read(self, sample: Sample, tick_ns: int) -> None:
        """An MV reads `sample`, which arrived by the tick `tick_ns`."""
        name, ours = sample.tag, self._ours.get(sample.tag)
        if ours is None or tick_ns - self._written_ns[name] > 2 * self._interval_ns:
            return
        apart = min(abs(sample.value - value) for value in ours) / self._spans[name]
        if apart <= _ROUNDING:
            self._echoes[name] = self._echoes.get(name, 0) + 1
        elif apart > _MOVED and self._echoes.get(name, 0) >= _ECHOES:
            read = f"it read {sample.value:g} after {ours[0]:g} was written"
            self._moves.append((tick_ns, f"{name}: somebody else writes it, too; {read}"))

    def reason(self, tick_ns: int) -> str:
        """Why the plant must be given back at the tick `tick_ns`; empty where nobody else writes."""
        recent = [move for move in self._moves if tick_ns - move[0] <= _WITHIN * self._interval_ns]
        return recent[-1][1] if len(recent) == _MOVES else ""
