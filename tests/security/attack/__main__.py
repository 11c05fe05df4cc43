"""The command: `python -m tests.security.attack URL`.

Exit code 0 if all held or was skipped, 1 if anything did not hold, 2 for wrong usage or where
nothing answers, 130 after an interruption.
"""

import argparse
import json
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from . import __doc__ as about
from . import process, run
from .elsewhere import ELSEWHERE
from .target import Target, Unusable


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.security.attack",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", nargs="?", metavar="URL", help="of the service")
    parser.add_argument("--key", help="an API key; without one, what needs it is skipped")
    parser.add_argument("--other-key", help="a second key, for what is between two callers")
    parser.add_argument("--image", help="what containers are made of; else the service's own")
    parser.add_argument("--only", metavar="NAME", help="those with this in their name")
    parser.add_argument("--list", action="store_true", help="say what would be tried, and end")
    parser.add_argument("--flood", action="store_true", help="20,000 requests and 30,000 aborted")
    parser.add_argument("--pid", type=int, help="of the service, where it cannot be found")
    parser.add_argument(
        "--json",
        action="store_true",
        help="a line of JSON for each attack, after one about the run",
    )
    parser.add_argument(
        "--i-run-this-service",
        action="store_true",
        help="the address is neither of this machine nor private, and yet yours to attack",
    )
    given = parser.parse_args(arguments)
    if given.url is None and not given.list:
        parser.error("the URL of a service is needed")
    if not run.chosen(given.only):
        parser.error(f"no attack has {given.only!r} in its name; --list shows them")
    return given


def _list(only: str | None) -> None:
    for each in run.chosen(only):
        print(f"{each.name:<36} {each.tries}")
    _say_what_is_held_elsewhere()


def _say_what_is_held_elsewhere() -> None:
    print("\nNot tried from outside, for it needs the engine or the host itself:")
    for what, test in ELSEWHERE.items():
        print(f"  {what}: {test}")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    if given.list:
        _list(given.only)
        return 0
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        target = Target(
            given.url,
            key=given.key,
            other_key=given.other_key,
            image=given.image,
            pid=given.pid,
            full=given.flood,
            anywhere=given.i_run_this_service,
        )
        lacking = target.look()
    except Unusable as error:
        print(f"python -m tests.security.attack: {error}", file=sys.stderr)
        return 2
    pid = process.find(target)
    if given.json:
        about_it = {"attacked": target.netloc, "process": pid, "prefix": target.prefix}
        print(json.dumps(about_it), flush=True)
    else:
        print(f"Attacking {target.netloc} (process {pid or 'unknown'}); {lacking}.")
        print(f"Names of what is made begin with {target.prefix}.", flush=True)
    seen: Counter[str] = Counter()

    def tell(outcome: run.Outcome) -> None:
        seen[outcome.outcome] += 1
        if given.json:
            print(json.dumps(asdict(outcome)), flush=True)
        else:
            told = "skipped: " if outcome.outcome == run.SKIPPED else ""
            print(
                f"{outcome.outcome:<8} {outcome.attack}: {outcome.tried} — {told}{outcome.saw}"
                f" ({outcome.seconds:g} s)",
                flush=True,
            )

    interrupted = False
    try:
        for outcome in run.outcomes(target, run.chosen(given.only)):
            tell(outcome)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted; what was made is removed", file=sys.stderr)
    finally:
        left = target.clean_up()
    if left:
        what = f"containers of this run could not be removed: {', '.join(left)}"
        tell(run.Outcome("clean-up", "What was made is removed", run.FAULT, what, 0))
    if interrupted:
        return 130
    if not given.json:
        _say_what_is_held_elsewhere()
        print(", ".join(f"{seen[kind]} {kind}" for kind in (run.HELD, run.FAULT, run.SKIPPED)))
    return 1 if seen[run.FAULT] else 0


if __name__ == "__main__":
    sys.exit(main())
