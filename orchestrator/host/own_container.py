"""Finds out in which container this process runs, lest somebody has the service remove itself.

The kernel says it in two places, and neither is always there: the control groups of the process
have the id in their names, unless the container has a cgroup namespace of its own (the default of
engines on cgroup v2); and the engine mounts files of its own over /etc/hostname and others, from
a directory that is called by the id.
"""

import re
from pathlib import Path

_ID = "[0-9a-f]{64}"
# The path in a line of cgroup(7): /docker/ID, /system.slice/docker-ID.scope, /kubepods/…/ID.
_IN_PATH = re.compile(rf"(?<![0-9a-f]){_ID}(?![0-9a-f])")
# The directory of a mount's file: Docker's, and Podman's with one more below it.
_IN_ROOT = re.compile(rf"containers/({_ID})/(?:userdata/)?(?:hostname|hosts|resolv\.conf)")
# In this order: one that shares another's network has that one's three files, and its hostname.
_MOUNTED = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")


def container_id(cgroup: str, mountinfo: str) -> str | None:
    """Returns the full id of the container that a process is in, by its /proc/PID/cgroup and
    /proc/PID/mountinfo (proc(5)); None when it is in none, or does not know.

    Of a container within a container, the inner one. Where only the mounts say it, the id is that
    of the container whose network this one shares, if it does.
    """
    for line in cgroup.splitlines():
        if found := _IN_PATH.findall(line.rpartition(":")[2]):
            return str(found[-1])
    roots: dict[str, str] = {}  # mount point -> path within what is mounted
    for fields in map(str.split, mountinfo.splitlines()):
        if len(fields) > 4:
            roots[fields[4]] = fields[3]
    for place in _MOUNTED:
        if match := _IN_ROOT.search(roots.get(place, "")):
            return match[1]
    return None


def own_container_id() -> str | None:
    """Returns the full id of the container that this process is in, if it is in one."""
    return container_id(_text("/proc/self/cgroup"), _text("/proc/self/mountinfo"))


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:  # there is no /proc, as on macOS
        return ""
