"""The other controllers of the demo, each on the same simulated plant, in a process of their own."""

from pathlib import Path

from procwm.comparison.closed_loop import WARM_UP, ClosedLoopRun, ControllerFactory, closed_loop
from procwm.comparison.linear_model import identify_linear
from procwm.comparison.linear_mpc import LinearMpc
from procwm.comparison.oracle import OracleNmpc
from procwm.comparison.oracle_program import OracleProgram
from procwm.comparison.pi import ProportionalIntegral
from procwm.control.controller import Controller
from procwm.data.log import read_log
from procwm.errors import SpecError
from procwm.plant import registry
from procwm.plant.scenario import Scenario
from procwm.world.storage.model_files import load_model


def compared(
    name: str, scenario_name: str, *, seed: int, intervals: int, given: Path | None = None
) -> ClosedLoopRun:
    """What the controller called `name` does.

    Args:
        name: as in `summary.json`.
        scenario_name: of the plant.
        seed: of the plant.
        intervals: control intervals.
        given: the log that `linear_mpc` is identified from, or the model that `procwm_unguarded` has.
    """
    scenario = registry.scenario(scenario_name)
    return closed_loop(scenario, _factory(name, scenario, given), seed=seed, intervals=intervals)


def _factory(name: str, scenario: Scenario, given: Path | None) -> ControllerFactory:
    if name == "pi":
        pi = ProportionalIntegral.tuned(scenario)
        return lambda plant: pi
    if name in ("oracle_nmpc", "oracle_unguarded"):
        program = OracleProgram(scenario, guarded=name == "oracle_nmpc")
        return lambda plant: OracleNmpc(program, plant)
    if name == "linear_mpc" and given is not None:
        log = read_log(given, scenario.plant)
        linear = LinearMpc(identify_linear(scenario.plant, log, history=WARM_UP + 1))
        return lambda plant: linear
    if name == "procwm_unguarded" and given is not None:
        unguarded = Controller(scenario.plant, load_model(given, scenario.plant), despite_verdict=True)
        return lambda plant: unguarded
    raise SpecError(f"there is no controller {name} to compare with")
