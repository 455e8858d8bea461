"""Self-contained HTML reports: one file, no network, fit to be forwarded and printed."""

from procwm.report.content import ControlReport, Event, PlanTrace, Trajectory
from procwm.report.control import build_report
from procwm.report.replay import build_replay_report

__all__ = [
    "ControlReport",
    "Event",
    "PlanTrace",
    "Trajectory",
    "build_replay_report",
    "build_report",
]
