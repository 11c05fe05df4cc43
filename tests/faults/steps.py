"""What the fault tests do and assert again and again."""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from tests.conftest import Service, wait_until
from tests.engine.support import assert_sentence

from .consistency import consistent, is_managed, told
from .private_engine import PrivateEngine
from .proxy import Action, CutError, Exchange

# The longest that a leftover may stay once the engine is back: found out, or a husk and cleaned up.
LEFTOVER_SECONDS = 15.0
# Writes 32 MB, with nothing but sh: there is no more in the image.
GROWING = (
    "x=0123456789abcdef; i=0; while [ $i -lt 20 ]; do x=$x$x; i=$((i+1)); done;"
    ' printf %s "$x$x" > /grown'
)


def assert_not_now(answer: httpx.Response) -> None:
    """The answer says in a problem document that this cannot be done now, and when to try again."""
    assert answer.status_code in (503, 504), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert_sentence(answer.json()["detail"])


def assert_done_or_not_now(answer: httpx.Response) -> bool:
    """Whether it is done."""
    if answer.is_success:
        return True
    assert_not_now(answer)
    return False


def managed(engine: PrivateEngine) -> dict[str, str]:
    """The containers of the services on an engine: id -> state."""
    return {each["Id"][:12]: each["State"] for each in engine.containers() if is_managed(each)}


def is_husk(entry: dict[str, Any]) -> bool:
    """Whether an entry of the listing should have been started, and was not."""
    return (
        is_managed(entry)
        and entry["State"] == "created"
        and entry["Labels"].get("orchestration-api.start") != "false"
    )


def wait_for_no_husks(engine: PrivateEngine, seconds: float) -> None:
    wait_until(
        lambda: not any(is_husk(entry) for entry in engine.containers()),
        seconds,
        "containers that should have been started, and were not, are removed",
    )


def only_these_stay(
    service: Service, engine: PrivateEngine, wanted: set[str], seconds: float = LEFTOVER_SECONDS
) -> None:
    """These containers exist, and what else there was of ours goes within `seconds`."""
    states: dict[str, str] = {}

    def settled() -> bool:
        states.clear()
        states.update(managed(engine))
        return states.keys() == wanted

    with suppress(BaseException):  # pytest's Failed is none of Exception's children
        wait_until(settled, seconds)
    left = {key: state for key, state in states.items() if key not in wanted}
    assert not left, f"left behind: {left}\n" + "\n".join(told(service))
    assert states.keys() == wanted, "a container is lost\n" + "\n".join(told(service))


def only_these_stay_and_all_agrees(
    service: Service, engine: PrivateEngine, wanted: set[str], seconds: float = LEFTOVER_SECONDS
) -> None:
    only_these_stay(service, engine, wanted, seconds)
    consistent(service, engine)


def kill(service: Service) -> None:
    """`kill -9` of the process; returns when it has gone."""
    assert service.process is not None
    with suppress(ProcessLookupError):
        service.process.send_signal(signal.SIGKILL)
    service.process.wait(10)


def killing(service: Service) -> Action:
    """For a proxy: kills the service, and cuts its connection, so that nothing more happens."""

    def do(_: Exchange) -> None:
        kill(service)
        raise CutError

    return do


class InBackground(threading.Thread):
    """A call that is made while the test goes on; `result` waits for what it returns."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._result = error

    @property
    def result(self) -> Any:
        """What the call returned, or the exception that it raised."""
        self.join(60)
        assert not self.is_alive()
        return self._result
