"""The only code that talks to Docker. Gives our types; its JSON, texts and exceptions stop here."""

from .engine import (
    Engine,
    EngineInfo,
)

__all__ = [
    "Engine",
    "EngineInfo",
]
