"""Encoders, predictors and heads by kind: the built-in ones, and those that other packages offer.

A new built-in one is a file with its spec, and a line here. From outside a spec is offered in one of two
ways: an installed package names the class in the entry-point group `procwm.encoders`, `procwm.predictors` or
`procwm.heads`, under its kind; a script calls `procwm.register` before it loads a model.

    @procwm.register
    @dataclass(frozen=True, kw_only=True)
    class MovingMean(procwm.EncoderSpec):
        kind: ClassVar[str] = "moving mean"
        rows: int = 4

        def network(self, shape: procwm.WindowShape) -> nn.Module:
            return MovingMeanNetwork(shape, self.rows)

    model = procwm.train(plant, log, config=procwm.TrainingConfig(encoder=MovingMean(rows=8)))
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from procwm.errors import SpecError
from procwm.world.encoders.encoder import EncoderSpec
from procwm.world.encoders.gru import GruEncoder
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.encoders.patch import PatchEncoder
from procwm.world.encoders.tcn import TcnEncoder
from procwm.world.heads import GuardHeadSpec, HeadSpec, SensorHeadSpec
from procwm.world.parts.specs import PartSpec, spec_from
from procwm.world.predictors.mean import MeanPredictor
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.predictors.residual import PredictorSpec
from procwm.world.predictors.scheduled import ScheduledPredictor

S = TypeVar("S", bound=PartSpec)


class Catalogue(Generic[S]):
    """Specs of one kind of part, by the name that a saved model knows them by."""

    def __init__(self, part: str, base: type[Any], built_in: Sequence[type[S]]) -> None:
        """Args: part: what they are, in the singular; the entry-point group is `procwm.` and its plural."""
        self.part, self.base, self.group = part, base, f"procwm.{part}s"
        self._registered = {spec.kind: spec for spec in built_in}

    @property
    def kinds(self) -> tuple[str, ...]:
        """All that are known, the built-in ones first."""
        offered = (entry.name for entry in entry_points(group=self.group))
        return tuple(dict.fromkeys((*self._registered, *sorted(offered))))

    def register(self, spec: type[S]) -> None:
        """Know `spec` by its kind.

        Raises:
            SpecError: another class has that kind.
        """
        known = self._registered.setdefault(spec.kind, spec)
        if _name(known) != _name(spec):
            raise SpecError(
                f"{_name(spec)}: there is already {self.part} {spec.kind}, {_name(known)}; "
                "give it a kind of its own"
            )
        # A cell of a notebook that is run again defines the class anew.
        self._registered[spec.kind] = spec

    def find(self, kind: str) -> type[S]:
        """The class of that kind.

        Raises:
            SpecError: nobody offers it.
        """
        if kind not in self._registered:
            self.register(self._offered(kind))
        return self._registered[kind]

    def read(self, config: Mapping[str, Any]) -> S:
        """The spec that `as_config` gave.

        Raises:
            SpecError: nobody offers its kind, or its fields are nonsense.
        """
        fields = dict(config)
        return spec_from(self.find(str(fields.pop("kind", None))), fields)

    def _offered(self, kind: str) -> type[S]:
        for entry in entry_points(group=self.group, name=kind):
            return self._loaded(entry)
        raise SpecError(
            f"there is no {self.part} {kind}; there are {', '.join(self.kinds)}: install the package that "
            "offers it, or call procwm.register with its spec first"
        )

    def _loaded(self, entry: EntryPoint) -> type[S]:
        try:
            found: type[S] = entry.load()
        except (ImportError, AttributeError) as error:
            raise SpecError(
                f"{self.group}: {entry.name} ({entry.value}) cannot be loaded: {error}"
            ) from error
        if not (isinstance(found, type) and issubclass(found, self.base) and found.kind == entry.name):
            raise SpecError(
                f"{self.group}: {entry.name} ({entry.value}) is not a {self.base.__name__} of that kind"
            )
        return found


ENCODERS = Catalogue[EncoderSpec]("encoder", EncoderSpec, (MlpEncoder, GruEncoder, TcnEncoder, PatchEncoder))
PREDICTORS = Catalogue[PredictorSpec](
    "predictor", PredictorSpec, (MlpPredictor, ScheduledPredictor, MeanPredictor)
)
HEADS = Catalogue[HeadSpec]("head", HeadSpec, (GuardHeadSpec, SensorHeadSpec))


def register(spec: type[S]) -> type[S]:
    """Offer `spec`, a class of encoders, predictors or heads, to models that are loaded; returns it.

    Raises:
        SpecError: it is no such class, or another one has its kind.
    """
    catalogues: tuple[Catalogue[Any], ...] = (ENCODERS, PREDICTORS, HEADS)
    for catalogue in catalogues:
        if issubclass(spec, catalogue.base):
            catalogue.register(spec)
            return spec
    raise SpecError(f"{_name(spec)} is no EncoderSpec, PredictorSpec or HeadSpec, and cannot be registered")


def _name(spec: type) -> str:
    return f"{spec.__module__}.{spec.__qualname__}"
