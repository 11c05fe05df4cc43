"""A type that travels is a Model: it cannot change, and the documentation shows its example."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict


class Model(BaseModel):
    """A type that travels: frozen, so that what is held in memory can be handed out as it is.

    What is a whole answer or body has an `example` for the documentation, with all fields in their
    order; a test holds it to them. It is no part of the JSON schema that pydantic makes: that one
    would sort its fields, and FastAPI would leave out those that are null.
    """

    model_config = ConfigDict(frozen=True)

    example: ClassVar[JsonDict]


def examples() -> dict[str, JsonDict]:
    """Tells the example of each type that has one, by its name in the OpenAPI description."""
    return {model.__name__: model.example for model in _children(Model) if "example" in vars(model)}


def _children(model: type[Model]) -> Iterator[type[Model]]:
    for child in model.__subclasses__():
        yield child
        yield from _children(child)
