"""What a caller sends is Asked: it has no field that is not known, and null means left out."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.config import JsonDict
from pydantic_core import CoreSchema

# What stays beside the types of a field when one more is added to them.
_ABOUT = ("title", "description", "default", "examples", "deprecated")


class Asked(BaseModel):
    """A body, a part of one, or a query. A field that has a default takes null for it, whatever
    its type; the JSON schema says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        fields = cls.model_fields
        return {
            name: each
            for name, each in value.items()
            if each is not None or name not in fields or fields[name].is_required()
        }

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonDict:
        schema = handler(core_schema)
        described = handler.resolve_ref_schema(schema)
        required = described.get("required", ())
        for name, field in described.get("properties", {}).items():
            if name not in required:
                described["properties"][name] = _or_null(field)
        return schema


def _or_null(field: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a field that may be null as well."""
    kinds = field.get("anyOf", ())
    if {"type": "null"} in kinds:
        return field
    about = {name: field[name] for name in _ABOUT if name in field}
    kind = {name: each for name, each in field.items() if name not in _ABOUT}
    return {"anyOf": [*(kinds if set(kind) == {"anyOf"} else [kind]), {"type": "null"}], **about}
