"""Finds the credentials for a pull: those that came with a request, or those in the login file of
this process's user, as `docker login` wrote it.

The file is read for each pull, and only the entry of the pull's registry is looked at: whatever is
wrong with the rest of it concerns nobody. What is wrong with that entry is a complaint, not an
error, for the image may be there for everybody.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.auth import (
    INDEX_NAME,
    INDEX_URL,
    AuthConfig,
    resolve_index_name,
    resolve_repository_name,
)
from docker.errors import DockerException
from docker.utils.config import find_config_file

from ..models import RegistryAuth

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """What a pull sends to the engine for its registry; nothing where nobody has logged in."""

    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    complaint: str | None = None  # why the login file's entry cannot be used


def login_for(reference: str) -> Credentials:
    """The credentials for the registry of an image, by the login file. Blocks: it may run the
    credential helper that the file names. Raises nothing.
    """
    try:
        registry, _ = resolve_repository_name(reference)
    except DockerException:
        return Credentials()
    try:
        file = find_config_file()
        if not isinstance(file, str):
            return Credentials()
        config = json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        return _unusable("the login file cannot be read", error)
    if not isinstance(config, dict):
        return _unusable("the login file is no JSON object")
    entry = "credsStore"
    try:
        helpers = config.get("credHelpers")
        named = INDEX_URL if registry == INDEX_NAME else registry
        store = helpers.get(named) if isinstance(helpers, dict) else None
        store = store or config.get("credsStore")
        if isinstance(store, str) and store:
            entry = f"credential helper {store}"
            found = AuthConfig({"credsStore": store}).resolve_authconfig(registry)
            if found:
                return Credentials(found)
        auths = config.get("auths")
        for name, value in (auths if isinstance(auths, dict) else {}).items():
            if resolve_index_name(name) == registry:
                entry = f'entry "{name}"'
                return _of_entry(name, value)
    except (DockerException, ValueError, TypeError, AttributeError, OSError) as error:
        return _unusable(f"the {entry} of the login file cannot be used", error)
    return Credentials()


def logins_of(auth: RegistryAuth, reference: str) -> list[Credentials]:
    """What to try with the login that came with a request, one after the other: a token may be one
    that the registry's token service takes, or one for the registry itself.
    """
    username, password, token = auth.revealed()
    if token:
        return [Credentials({"identitytoken": token}), Credentials({"registrytoken": token})]
    fields = {"username": username, "password": password}
    with suppress(DockerException):
        fields["serveraddress"] = resolve_repository_name(reference)[0]
    return [Credentials(fields)]


def _of_entry(name: str, value: Any) -> Credentials:
    """An empty one is what `docker logout` and credential stores leave: no login."""
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    if value.get("identitytoken") or value.get("auth"):
        filled = {key: each for key, each in value.items() if each}
        parsed = AuthConfig.parse_auth({name: filled}, raise_on_error=True)
        return Credentials(parsed[name])
    username, password = value.get("username"), value.get("password")
    if username and password:
        return Credentials({"username": username, "password": password, "serveraddress": name})
    return Credentials()


def _unusable(what: str, error: Exception | None = None) -> Credentials:
    # Not the error's own words, which may have what the file has.
    log.warning("%s%s", what[0].upper() + what[1:], f" ({type(error).__name__})" if error else "")
    return Credentials(complaint=f"{what}: log in again with `docker login`")
