"""What the runtime watches around the controller: the link, the plant's heartbeat, the loops below MVs."""

import math
from collections.abc import Mapping, Sequence

from procwm.control.health import Permits
from procwm.plant.contract import PLANT_HEARTBEAT, cascade_signal
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Tag
from procwm.runtime.delivery import Delivery

_SILENT_INTERVALS = 5
_STILL_INTERVALS = 3


class Watch:
    """Turns signals and the state of the link into what the controller may do in a cycle."""

    def __init__(self, plant: PlantSpec) -> None:
        self._plant = plant
        control, interval_s = plant.control, plant.interval_s
        self._silent_s = control.silent_for_s or _SILENT_INTERVALS * interval_s
        self._still_s = control.plant_heartbeat_s or _STILL_INTERVALS * interval_s
        self._signals: dict[str, Sample] = {}
        self._changed_ns: int | None = None
        self._down_ns: int | None = None
        self._failing_ns: int | None = None

    def permits(
        self, signals: Sequence[Sample], now_ns: int, *, connected: bool, delivery: Delivery
    ) -> Permits:
        """What is allowed at the tick `now_ns`.

        Args:
            signals: received since the tick before.
            now_ns: UTC.
            connected: whether the link reaches the plant.
            delivery: knows what came of the writes so far.
        """
        self._changed_ns = now_ns if self._changed_ns is None else self._changed_ns
        for sample in sorted(signals, key=lambda signal: signal.source_ns):
            before = self._signals.get(sample.tag)
            if sample.tag == PLANT_HEARTBEAT and _reads(sample) and not _same(before, sample):
                self._changed_ns = now_ns
            if before is None or sample.source_ns >= before.source_ns:
                self._signals[sample.tag] = sample
        reasons = (
            self._silence(now_ns, connected),
            self._failure(now_ns, delivery),
            self._standstill(now_ns, self._changed_ns),
            delivery.disputed(now_ns),
        )
        return Permits(shed=next((reason for reason in reasons if reason), ""), held=self._held())

    def _silence(self, now_ns: int, connected: bool) -> str:
        self._down_ns = None if connected else now_ns if self._down_ns is None else self._down_ns
        if self._down_ns is None or now_ns - self._down_ns < 1e9 * self._silent_s:
            return ""
        return f"the plant has not been reached for {(now_ns - self._down_ns) / 1e9:g} s"

    def _failure(self, now_ns: int, delivery: Delivery) -> str:
        self._failing_ns = (
            None if delivery.healthy else now_ns if self._failing_ns is None else self._failing_ns
        )
        if self._failing_ns is None or now_ns - self._failing_ns < 1e9 * self._silent_s:
            return ""
        # A shed controller writes nothing, so it would never learn that writing works again.
        delivery.forgive()
        return f"no write has got through for {(now_ns - self._failing_ns) / 1e9:g} s"

    def _standstill(self, now_ns: int, changed_ns: int) -> str:
        if self._plant.control.plant_heartbeat_node is None or now_ns - changed_ns <= 1e9 * self._still_s:
            return ""
        return f"the plant's heartbeat has stood still for {(now_ns - changed_ns) / 1e9:g} s"

    def _held(self) -> Mapping[str, str]:
        found = {tag.name: self._not_in_cascade(tag) for tag in self._plant.mvs}
        return {name: why for name, why in found.items() if why}

    def _not_in_cascade(self, tag: Tag) -> str:
        if tag.cascade_node is None:
            return ""
        mode = self._signals.get(cascade_signal(tag.name))
        if mode is None or not _reads(mode):
            return "the mode of the loop below it is not known"
        if mode.value != tag.cascade_value:
            return f"the loop below it is in mode {mode.value:g}, not in {tag.cascade_value:g}"
        return ""


def _reads(sample: Sample) -> bool:
    return sample.quality is Quality.GOOD and math.isfinite(sample.value)


def _same(before: Sample | None, sample: Sample) -> bool:
    return before is not None and before.value == sample.value
