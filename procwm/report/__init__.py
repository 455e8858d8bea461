"""Self-contained HTML reports: one file, no network, fit to be forwarded and printed."""

from procwm.report.content import ControlReport, Event, PlanTrace, Trajectory
from procwm.report.control_page import build_report
from procwm.report.model_page import model_page
from procwm.report.rehearsal_page import rehearsal_page
from procwm.report.replay_page import build_replay_report
from procwm.report.run_page import run_page

__all__ = [
    "ControlReport",
    "Event",
    "PlanTrace",
    "Trajectory",
    "build_replay_report",
    "build_report",
    "model_page",
    "rehearsal_page",
    "run_page",
]
