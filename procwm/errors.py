"""Every error that procwm raises on purpose.

    ProcwmError
    ├── SpecError        a plant file, a tag, a limit or an option is wrong
    ├── LogError         a log cannot be read, or does not hold what the plant file asks for
    ├── ArtifactError    a model directory or a saved state is incomplete, altered, or made for another plant
    ├── TrainingError    a log cannot teach a model of this plant
    ├── LinkError        the plant cannot be reached, or a request came to nothing
    │   ├── LinkRefusedError      the plant, or the link itself, answered no: nothing was done
    │   ├── LinkTimeoutError      there was no answer in time
    │   └── OutcomeUnknownError   a write whose effect could not be read back
    └── SimulationError  a simulated plant diverged or was driven outside its equations

A message names the object, the value, the rule and, where there is one, the fix.
Expected outcomes of a control cycle (infeasible, diverged, late, stale) are not errors:
they are members of `PlanStatus` and sentences in `Decision.reason`.
"""


class ProcwmError(Exception):
    """Base of every error that procwm raises on purpose."""


class SpecError(ProcwmError):
    """A plant file, a tag, a limit or an option is wrong."""


class LogError(ProcwmError):
    """A log cannot be read, or does not hold what the plant file asks for."""


class ArtifactError(ProcwmError):
    """A model directory or a saved state is incomplete, altered, or made for another plant."""


class TrainingError(ProcwmError):
    """A log cannot teach a model of this plant."""


class LinkError(ProcwmError):
    """The plant cannot be reached, or a request came to nothing."""


class LinkRefusedError(LinkError):
    """The plant, or the link itself, refused a request: nothing was done, and asking again is no help."""


class LinkTimeoutError(LinkError):
    """The plant did not answer in time; where that was a write, it may or may not have happened."""


class OutcomeUnknownError(LinkError):
    """A write whose effect could not be read back: it may or may not have happened."""


class SimulationError(ProcwmError):
    """A simulated plant diverged or was driven outside its equations."""
