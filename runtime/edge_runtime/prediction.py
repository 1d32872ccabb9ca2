"""`Prediction`: the answer to one row."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edge_runtime.contract.labels import Label

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


# Keys of any type, since type checkers take what unpacks for keys.
class Prediction(dict[Any, Any]):
    """The answer to one row. Its values are attributes, and `label, probability = prediction` unpacks them.

    It is a dict with the names as keys, because that is the one class that every JSON encoder writes with its names.
    Iteration alone is not a dict's: it gives the values. It also equals a tuple of them, has the same hash, and takes
    the positions 0 and 1.

    Attributes:
        label: the predicted class.
        probability: the probability of that label, a float from 0 to 1; NaN if the model returns NaN for the row.
    """

    __slots__ = ()
    __match_args__ = ("label", "probability")

    def __init__(self, label: Label, probability: float) -> None:
        super().__init__(label=label, probability=probability)

    @property
    def label(self) -> Label:
        """The predicted class."""
        return self["label"]  # type: ignore[no-any-return]

    @property
    def probability(self) -> float:
        """The probability of `label`."""
        return self["probability"]  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def __missing__(self, position: Any) -> Any:
        # As in a tuple of them.
        if isinstance(position, int):
            return tuple(self)[position]
        raise KeyError(position)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __eq__(self, other: object) -> bool:
        return tuple(self) == other if isinstance(other, tuple) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return f"Prediction(label={self.label!r}, probability={self.probability!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        # pydantic asks for this if a type is used in one of its models, or as what a function of FastAPI returns.
        from pydantic_core import core_schema

        label, probability = map(core_schema.typed_dict_field, (handler(Label), core_schema.float_schema()))
        names = core_schema.typed_dict_schema({"label": label, "probability": probability}, cls_name=cls.__name__)
        return core_schema.no_info_after_validator_function(lambda values: cls(**values), names)
