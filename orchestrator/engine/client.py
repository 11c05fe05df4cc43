"""Adapts the SDK's client: to the deadline of each call, to one pool of connections, no logins."""

import time
from typing import Any

import docker
import requests

from .threads import deadline_of_this_thread


class Client(docker.APIClient):
    """The SDK's client, bound to the deadline of the call that the thread works on, if any.

    So a thread is never held for longer than its caller waits; the SDK's own time-out would begin
    anew with each request, and a pull has none. (Of a stream it bounds the pauses.)

    It knows nobody's logins: the SDK would read them as soon as it is made, and fail with whatever
    it does not understand of the file. See credentials.
    """

    @property
    def _general_configs(self) -> dict[str, Any]:
        """What the SDK keeps of the user's file: only the headers that requests are to have."""
        kept: dict[str, Any] = self.__dict__["_kept_configs"]
        return kept

    @_general_configs.setter
    def _general_configs(self, read: Any) -> None:
        headers = read.get("HttpHeaders") if isinstance(read, dict) else None
        usable = isinstance(headers, dict) and all(
            isinstance(text, str) for pair in headers.items() for text in pair
        )
        # Not empty, or the SDK would look for the file once more.
        self.__dict__["_kept_configs"] = {"HttpHeaders": headers if usable else {}}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        deadline = deadline_of_this_thread()
        if deadline is not None:
            options["timeout"] = deadline - time.monotonic()
            if options["timeout"] <= 0:
                raise requests.exceptions.Timeout("too late to begin", request=request)
        return super().send(request, **options)

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Prefers the engine's own authority to one that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names
        for all the rest: `requests` would take theirs, and no certificate of the engine would hold.
        """
        if verify is None and isinstance(self.verify, str):
            verify = self.verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


def use_one_pool(adapter: Any) -> None:
    """Makes the adapter of a Unix socket keep one connection pool for every URL.

    The SDK's keeps a pool for each, so that nearly every call opens a connection of its own.
    """
    get_connection = adapter.get_connection
    adapter.get_connection = lambda url, proxies=None: get_connection("http+docker://", proxies)
