"""What the service is told on its command line: where it listens; all else is in its environment.

Values stay texts here, so that settings refuse a bad one just as they do from the environment.
"""

import argparse
from collections.abc import Sequence

from . import __version__

PROGRAM = "docker-orchestration-api"


def parse_arguments(arguments: Sequence[str] | None = None) -> dict[str, str]:
    """The settings that the command line has, by name; without `arguments`, of this process.

    An empty one counts as left out, as an empty variable does.
    --help and --version are answered, and what is not known is refused, by ending the process.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Docker containers over HTTP, each with a host port of its own.",
        epilog="Every setting is an environment variable; what is given here wins over it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        help="the address to listen on (HOST; 127.0.0.1 without either)",
    )
    parser.add_argument(
        "--port", metavar="NUMBER", help="the port to listen on (PORT; 8000 without either)"
    )
    given = vars(parser.parse_args(arguments))
    return {name: value for name, value in given.items() if value}
