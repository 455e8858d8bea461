"""A guardrail for the linear MPC: a linear soft sensor from the same judged moments, held below a limit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from procwm.comparison.linear_model import filled
from procwm.data.series import CODES, Log, TagSeries
from procwm.data.window import Grid
from procwm.learning.labelled.guardrail import AVERAGED_ROWS
from procwm.learning.labelled.label_regression import RIDGES
from procwm.learning.labelled.labels import Labels
from procwm.plant.samples import Quality
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.world.conformal import symmetric_margin


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftSensor:
    """`value = weights @ features + offset`; the features are means of every tag over the last rows.

    Attributes:
        name: of the guardrail.
        weights, offset: engineering units.
        margin: conformal, of the stated coverage.
        spread: of the labels.
    """

    name: str
    weights: Float[np.ndarray, " feature"]
    offset: float
    margin: float
    spread: float

    def read(self, values: Float[np.ndarray, "row tag"]) -> Float[np.ndarray, " row"]:
        """Its value at every row; NaN until every tag has been seen."""
        readings: np.ndarray = _features(values) @ self.weights + self.offset
        return readings

    @property
    def tag(self) -> Tag:
        """The sensor as a PV whose upper limit is the guardrail, margin included."""
        width = 10.0 * self.spread + self.margin
        return Tag(
            name=self.name,
            role=Role.PV,
            unit="1",
            range=(-width, width),
            limits=(-width, -self.margin),
        )


def fit_soft_sensor(rows: Grid, labels: Labels, *, name: str, coverage: float) -> SoftSensor:
    """Ridge regression on the labels, its weight and its margin by leaving labels out.

    Args:
        rows: of the log that the labels belong to.
        coverage: share of new moments whose true value must not be understated.
    """
    features = _features(rows.values)
    known = np.isfinite(features).all(axis=1)
    center, scale = features[known].mean(axis=0), features[known].std(axis=0) + 1e-9
    at = np.searchsorted(rows.time_ns, labels.time_ns, side="right") - 1
    inputs = (features[at] - center) / scale
    residuals = {weight: _left_out(inputs, labels.value, weight) for weight in RIDGES}
    weight = min(residuals, key=lambda each: float(np.square(residuals[each]).mean()))
    coefficients, constant = _ridge(inputs, labels.value, weight)
    weights = coefficients / scale
    return SoftSensor(
        name=name,
        weights=weights,
        offset=constant - float(weights @ center),
        margin=symmetric_margin(residuals[weight][:, None], coverage),
        spread=float(labels.value.std(ddof=1)),
    )


def _ridge(
    inputs: Float[np.ndarray, "label feature"], values: Float[np.ndarray, " label"], weight: float
) -> tuple[Float[np.ndarray, " feature"], float]:
    """Coefficients and constant of ridge regression, `weight` relative to unit variance of a feature."""
    mean, middle = inputs.mean(axis=0), float(values.mean())
    centered = inputs - mean
    gram = centered.T @ centered / len(values) + weight * np.eye(inputs.shape[1])
    coefficients = np.linalg.solve(gram, centered.T @ (values - middle) / len(values))
    return coefficients, middle - float(coefficients @ mean)


def _left_out(
    inputs: Float[np.ndarray, "label feature"], values: Float[np.ndarray, " label"], weight: float
) -> Float[np.ndarray, " label"]:
    """The error at each label of a fit to the others."""
    errors = np.empty(len(values))
    for label in range(len(values)):
        others = np.arange(len(values)) != label
        coefficients, constant = _ridge(inputs[others], values[others], weight)
        errors[label] = values[label] - inputs[label] @ coefficients - constant
    return errors


def with_sensors(
    plant: PlantSpec, log: Log, labels: Mapping[str, Labels], *, rows: Grid, coverage: Mapping[str, float]
) -> tuple[PlantSpec, Log, tuple[SoftSensor, ...]]:
    """Plant file and log with a soft sensor's tag for every guardrail, and the sensors.

    Args:
        rows: of the log, over the plant's tags.
        coverage: asked for, by guardrail.
    """
    sensors = tuple(
        fit_soft_sensor(rows, judged, name=name, coverage=coverage[name]) for name, judged in labels.items()
    )
    series = dict(log.series)
    for sensor in sensors:
        value = sensor.read(rows.values)
        known = np.isfinite(value)
        good = np.full(int(known.sum()), CODES[Quality.GOOD], dtype=np.int8)
        series[sensor.name] = TagSeries(rows.time_ns[known], value[known], good)
    wider = replace(plant, tags=(*plant.tags, *(sensor.tag for sensor in sensors)))
    return wider, replace(log, series=series), sensors


def _features(values: Float[np.ndarray, "row tag"]) -> Float[np.ndarray, "row feature"]:
    """Trailing means of every tag, missing values replaced by the one before them."""
    known = filled(values)
    first = len(values) - len(known)
    total = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(known, axis=0)])
    means = []
    for count in AVERAGED_ROWS:
        end = np.arange(1, len(total))
        begin = np.maximum(end - count, 0)
        mean = (total[end] - total[begin]) / (end - begin)[:, None]
        means.append(np.vstack([np.full((first, values.shape[1]), np.nan), mean]))
    return np.hstack(means)
