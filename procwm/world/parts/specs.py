"""What a part of a world model is built from: a spec says of which kind and how large, and is saved."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from procwm.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class PartSpec(ABC):
    """Kind and sizes of a part: from them an untrained one is built, into which its weights are loaded.

    The fields of a subclass, which is a frozen dataclass too, are all that a saved model keeps of the part
    beside its weights: numbers, texts, and tuples or dataclasses of such. `__post_init__` raises `SpecError`
    where they are nonsense.

    Attributes:
        kind: name that a saved model knows the class by.
        rate_divisor: how many times smaller than configured the learning rate of its network is.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: ClassVar[str]
    rate_divisor: ClassVar[float] = 1.0

    def as_config(self) -> dict[str, Any]:
        """Kind and fields as JSON holds them."""
        return {"kind": self.kind, **asdict(self)}


S = TypeVar("S", bound=PartSpec)


def spec_from(kind: type[S], fields: Mapping[str, Any]) -> S:
    """The spec of that class whose `as_config` gave `fields`, and its kind.

    Raises:
        SpecError: a field is missing, unknown or nonsense.
    """
    try:
        return TypeAdapter(kind).validate_python(dict(fields))
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(str(part) for part in wrong["loc"])
        raise SpecError(f"{kind.kind}: {place}: {wrong['msg']}") from None


def check_count(kind: str, name: str, count: int) -> None:
    """`SpecError` where `count`, the field `name` of a part of this `kind`, is below 1."""
    if count < 1:
        raise SpecError(f"{kind}: {name} is {count}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class WindowShape:
    """Sizes that an encoder is given: rows and tags of a window, and numbers of a latent state."""

    history: int
    tags: int
    latent: int

    @property
    def features(self) -> int:
        """Numbers of a flattened window: every value, and whether it is missing."""
        return 2 * self.history * self.tags


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """Sizes that a predictor is given: numbers of a latent state, MVs, DVs and outputs."""

    latent: int
    mv: int
    dv: int
    outputs: int

    @property
    def inputs(self) -> int:
        """Latent, MVs and DVs together."""
        return self.latent + self.mv + self.dv
