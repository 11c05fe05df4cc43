"""A login for a registry, as a create brings it along for its pull.

It is used for that pull, and is then forgotten: nothing writes it down or shows it.
"""

import base64
import json
import re
from typing import Annotated, Any
from urllib.parse import quote, quote_plus

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from .model import Model

_FORMS = (
    '{"username": "…", "password": "…"}, or {"token": "…"}, each a text that is not empty, and'
    " nothing else"
)


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("a NUL or half a surrogate pair cannot be passed on")
    return value


_Secret = Annotated[
    SecretStr, Field(min_length=1, max_length=16384, strict=True), AfterValidator(_secret)
]


class RegistryAuth(Model):
    """A user name and a password, or a token."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "oneOf": [{"required": ["username", "password"]}, {"required": ["token"]}]
        },
    )

    username: _Secret | None = None
    password: _Secret | None = None
    token: _Secret | None = Field(
        None,
        description="One that `docker login` would keep as `identitytoken`, or a bearer token for"
        " the registry.",
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "RegistryAuth":
        named = [self.username is not None, self.password is not None, self.token is not None]
        if named not in ([True, True, False], [False, False, True]):
            raise ValueError(_FORMS)
        return self

    def revealed(self) -> tuple[str, str, str]:
        """User name, password and token as they are; empty where there is none."""
        user, word, token = (
            each.get_secret_value() if each is not None else ""
            for each in (self.username, self.password, self.token)
        )
        return user, word, token

    def hidden_in(self, text: str) -> str:
        """A text without what is in here, in any way in which HTTP and JSON write it."""
        user, word, token = self.revealed()
        pair = f"{user}:{word}".encode() if user else b""
        secrets = {word, token, base64.b64encode(pair).decode().rstrip("=")}
        secrets |= {base64.urlsafe_b64encode(pair).decode().rstrip("=")}
        secrets |= {each for secret in secrets for each in (quote(secret), quote_plus(secret))}
        secrets |= {json.dumps(secret)[1:-1] for secret in secrets}
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        if user:  # which may be part of other words
            names = "|".join(re.escape(each) for each in {user, quote(user), quote_plus(user)})
            text = re.sub(rf"(?<!\w)(?:{names})(?!\w)", "***", text)
        return text


def _told_without_it(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Says what would do, and not where something is wrong: names of fields may be secrets too."""
    try:
        return handler(value)
    except ValidationError:
        pass
    raise ValueError(f"a login for a registry is {_FORMS}")


RegistryLogin = Annotated[RegistryAuth, WrapValidator(_told_without_it)]
