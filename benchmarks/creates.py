"""What it takes until a container runs: the service beside the engine, the SDK and `docker run`.

In turns, one at a time, each removed before the next is made. The engine is asked twice: as
`docker run` asks it, and for what the service gives a container, which is a network apart from
docker0's, limits, and an init process; so what the service adds itself can be told from what its
defaults cost.
"""

import subprocess
from collections.abc import Callable
from typing import Any

from .measure import show_times, step
from .setting import LABEL, Bench, Service, bench, parser, service

CONTAINER_PORT = "5000/tcp"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--count", type=int, default=30, help="of each kind (default: 30)")
    chosen = arguments.parse_args()
    if not 1 <= chosen.count <= 1000:
        arguments.error("--count is from 1 to 1000")
    with bench(private=chosen.private) as made, service(made, PORT_RANGE="21001-21999") as api:
        measure(made, api, chosen.count)


def measure(made: Bench, api: Service, count: int) -> None:
    # What the service asks the engine for, network, limits and all, taken from one that it made.
    model = by_service(api)
    given = made.client.api.inspect_container(model)["HostConfig"]
    made.client.api.remove_container(model, force=True, v=True)
    kinds: dict[str, Callable[[], str]] = {
        "engine": lambda: by_engine(made, {}),
        "engine, on a network of the service": lambda: by_engine(made, only_network(given)),
        "engine, with all that the service gives": lambda: by_engine(made, given),
        "SDK": lambda: by_sdk(made),
        "`docker run -d`": lambda: by_command(made),
        "service, without an init process": lambda: by_service(api, init=False),
        "service": lambda: by_service(api),
    }
    with step(f"making {count} of each of {len(kinds)} kinds"):
        seconds = made.time_creates(kinds, count)
    show_times(f"Until a container runs, {count} of each", seconds, "engine")


def only_network(given: dict[str, Any]) -> dict[str, Any]:
    return {"NetworkMode": given["NetworkMode"]}


def by_engine(made: Bench, host: dict[str, Any]) -> str:
    """`POST /containers/create` and `/start`, with a port that the engine picks."""
    body = {
        "Image": made.image,
        "Labels": {LABEL: made.label},
        "ExposedPorts": {CONTAINER_PORT: {}},
        "HostConfig": host | {"PortBindings": {CONTAINER_PORT: [{"HostPort": ""}]}},
    }
    found = made.client.api.create_container_from_config(body)  # type: ignore[no-untyped-call]
    made.client.api.start(found["Id"])
    return str(found["Id"])


def by_sdk(made: Bench) -> str:
    container = made.client.containers.run(
        made.image, detach=True, labels={LABEL: made.label}, ports={CONTAINER_PORT: None}
    )
    return str(container.id)


def by_command(made: Bench) -> str:
    command = ["docker", "run", "-d", "--label", f"{LABEL}={made.label}", "-p", "5000", made.image]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def by_service(api: Service, **wishes: Any) -> str:
    answer = api.create(**wishes)
    if answer.status_code != 201:
        raise SystemExit(f"a create failed: {answer.text}")
    return str(answer.json()["id"])


if __name__ == "__main__":
    main()
