"""Gaps of the whole plant that one tag hides: it is reported by exception, and held for long."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from procwm.data.cadence import default_due_s, default_hold_s
from procwm.data.series import Log, iso_utc
from procwm.data.window import heard_stretches
from procwm.plant.tags import PlantSpec, Role


def silence_sentences(log: Log, plant: PlantSpec) -> Iterator[str]:
    """What to say of the time in which no tag was heard that is sampled regularly, while others were held."""
    due = dict(zip(plant.names, default_due_s(plant, log), strict=True))
    hold = dict(zip(plant.names, default_hold_s(plant, log), strict=True))
    measured = [tag.name for tag in plant.tags if tag.role is not Role.MV]
    regular = [name for name in measured if np.isfinite(due[name])]
    held = [name for name in measured if name not in regular]
    if not (regular and held):
        return
    stretches = heard_stretches((log.series[name].usable, hold[name]) for name in regular)
    gaps = [(before[1], after[0]) for before, after in pairwise(stretches)]
    if not gaps:
        return
    start_ns, end_ns = max(gaps, key=lambda gap: gap[1] - gap[0])
    again = "once" if len(gaps) == 1 else f"{len(gaps)} times"
    yield (
        f"{again} none of the {len(regular)} tags that are sampled regularly was heard, the longest "
        f"{(end_ns - start_ns) / 1e9:.12g} s from {iso_utc(start_ns)}; {', '.join(held[:4])} "
        f"{'is' if len(held) == 1 else 'are'} reported by exception, and what was held there says nothing"
    )
