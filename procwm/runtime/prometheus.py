"""A controller's facts for Prometheus: text exposition format 0.0.4 over HTTP."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from procwm.errors import LinkError, SpecError
from procwm.plant.front import MODES, Facts

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_RATIOS = {
    "service_factor": ("procwm_service_ratio", "Share of cycles that wrote moves."),
    "mv_utilisation": ("procwm_mv_utilisation_ratio", "Share of MVs that were on and free to move."),
    "model_quality": (
        "procwm_model_quality_ratio",
        "1 is a perfect prediction one interval ahead, 0 no better than no change.",
    ),
}
_ACTIVITY = "constraint_activity."
_TOTALS = {
    "cycles": ("procwm_cycles", "Control cycles of this run."),
    "guardrail_interventions": ("procwm_guardrail_interventions", "Cycles in which a guardrail decided."),
}


class FactCollector:
    """What one scrape is answered with; a collector of `prometheus_client`.

    Attributes:
        host, port: where it is offered.
    """

    def __init__(self, facts: Facts, host: str, port: int) -> None:
        """Args: facts: told until there are others. host, port: where it is offered."""
        self._facts = facts
        self.host, self.port = host, port

    def show(self, facts: Facts) -> None:
        """Tell `facts` from now on."""
        self._facts = facts

    def collect(self) -> "Iterable[Metric]":
        """All metrics of the newest cycle; a number that there is none of is left out."""
        facts = self._facts
        plant = [facts.plant]
        yield _gauge("procwm_cycle_timestamp_seconds", "Time of the last cycle.", facts.time_ns / 1e9)
        yield _gauge("procwm_interval_seconds", "Control interval.", facts.interval_s)
        yield _gauge("procwm_step_seconds", "Wall time of the controller's last step.", facts.step_s)
        yield _gauge("procwm_alarms", "What an operator should know besides.", float(len(facts.alarms)))
        yield _labelled("procwm_info", "The plant.", ("plant",), [(plant, 1.0)])
        for name, text, mode in (
            ("procwm_mode", "1 for the mode in force.", facts.actual),
            ("procwm_mode_requested", "1 for the mode asked for.", facts.requested),
        ):
            yield _labelled(name, text, ("mode",), [([known], float(known == mode)) for known in MODES])
        yield from _of_variables(facts)
        yield _labelled(
            "procwm_guardrail_worst",
            "Largest predicted value over the horizon; safe where <= 0.",
            ("guardrail",),
            [([name], guardrail.worst) for name, guardrail in facts.guardrails.items()],
        )
        yield from _of_kpis(facts)


def _of_variables(facts: Facts) -> "Iterator[Metric]":
    variables = facts.variables.items()
    figures = {
        "value": ("Newest Good measurement.", [v.value for _, v in variables]),
        "setpoint": ("Setpoint in force.", [v.setpoint for _, v in variables]),
        "limit_low": ("Low limit in force.", [v.limits[0] for _, v in variables]),
        "limit_high": ("High limit in force.", [v.limits[1] for _, v in variables]),
        "zone_low": ("Low end of the zone in force.", [v.zone[0] for _, v in variables]),
        "zone_high": ("High end of the zone in force.", [v.zone[1] for _, v in variables]),
        "prediction_end": (
            "Predicted, or planned, at the end of the horizon.",
            [v.prediction[-1] if v.prediction else math.nan for _, v in variables],
        ),
        "move": ("What the last cycle wrote, or would have written.", [v.move for _, v in variables]),
        "on": ("Whether it is switched on.", [float(v.on) for _, v in variables]),
    }
    labels = [[name, variable.role.value, variable.unit] for name, variable in variables]
    for name, (text, values) in figures.items():
        yield _labelled(
            f"procwm_variable_{name}",
            f"{text} In the engineering unit that the label tells." if name != "on" else text,
            ("tag", "role", "unit"),
            list(zip(labels, values, strict=True)),
        )


def _of_kpis(facts: Facts) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily

    rest = dict(facts.kpis)
    for name, (metric, text) in _RATIOS.items():
        yield _gauge(metric, text, rest.pop(name, math.nan))
    for name, (metric, text) in _TOTALS.items():
        value = rest.pop(name, math.nan)
        if math.isfinite(value):
            yield CounterMetricFamily(metric, text, value=value)
    activity = {name: rest.pop(name) for name in list(rest) if name.startswith(_ACTIVITY)}
    yield _labelled(
        "procwm_constraint_activity_ratio",
        "Share of cycles at a limit.",
        ("tag",),
        [([name.removeprefix(_ACTIVITY)], value) for name, value in activity.items()],
    )
    yield _labelled("procwm_kpi", "Other figures.", ("kpi",), [([name], v) for name, v in rest.items()])


def _gauge(name: str, text: str, value: float) -> "Metric":
    return _labelled(name, text, (), [([], value)])


def _labelled(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]]
) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    metric = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        if math.isfinite(value):
            metric.add_metric(values, value)
    return metric


@contextmanager
def exposed(facts: Facts, port: int, *, host: str = "127.0.0.1") -> Iterator[FactCollector]:
    """Answer Prometheus at `http://host:port/metrics` while entered, from threads of its own.

    Args:
        facts: told until there are others.
        port: to listen on; 0 takes any that is free.
        host: whose connections are taken; the default is this machine alone.

    Raises:
        SpecError: `prometheus_client` is not installed.
        LinkError: the port cannot be had.
    """
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError:
        raise SpecError('metrics need prometheus_client; run: pip install "procwm[metrics]"') from None
    collector = FactCollector(facts, host, port)
    registry = CollectorRegistry()
    registry.register(collector)
    server: Any
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise LinkError(
            f"{host}:{port}: metrics cannot be offered there: {error.strerror or error}"
        ) from None
    try:
        collector.port = server.server_port
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
