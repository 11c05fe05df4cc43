"""The only code that talks to Docker. Gives our types; its JSON, texts and exceptions stop here.

engine      the face: connect, ping, and the calls of those below by noun
connection  connects, and makes calls within deadlines
client      the SDK's client, adapted      translate   its exceptions become errors of ours
credentials whose login a pull uses
containers  images  networks  volumes  the engine's calls, by noun
events      which containers something has happened to
threads     bounded pools of threads for calls that block
tunnel      the socket of an engine on another machine, through ssh
"""

from .engine import Engine

__all__ = ["Engine"]
