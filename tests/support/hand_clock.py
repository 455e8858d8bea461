"""Time that passes by what is done, however busy the machine is."""

from dataclasses import dataclass


@dataclass
class HandClock:
    """Seconds that pass when a test says so, and `reading_s` with every reading.

    Solvers read their clock between two pieces of work, so readings count work. With neither, time stands
    still and no deadline ever comes.
    """

    reading_s: float = 0.0
    now_s: float = 0.0

    def __call__(self) -> float:
        self.now_s += self.reading_s
        return self.now_s
