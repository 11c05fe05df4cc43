"""Serves containers over HTTP, each with a host port of its own. The wings, from the top down:

    routes        what can be asked at which path, by noun
    service       puts the parts together
    housekeeping  what the service does by itself, again and again
    containers    changes of containers      statistics  what containers and the host use
    inside        what is in a container     images      images to clone from
    policy        what may be done, by whom, with how much of the host
    state         what the engine holds, in memory, kept equal to it
    engine        talks to Docker            ports       which container has which port
    http          what happens to every request
    payloads      the engine's JSON and texts, both ways
    host          what this machine tells
    models        the types that travel
    settings      the settings, from the environment
    errors        what can go wrong
    callers  labels  quantities  addresses  image_references

A module imports from its own wing and from those below it; each wing's `__init__` is its promise,
the map of its modules and its face. Rules of the linter hold that: see pyproject.toml.

Invariants: the engine is the only truth, and all memory can be rebuilt from it. All state belongs
to the event loop and is touched from it alone. Two containers never get one port, and no port
outlives what it is held for. A container that this service did not create is never changed.
"""

__version__ = "0.1.0"
