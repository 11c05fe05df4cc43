"""Tells what it means that the engine cannot make or start what an image and a create come to: its
program, its user, its directories, its limits. Pure: text in, one of our errors out, or none.

The texts have paths and words of the caller in them, which may say anything ("port is already
allocated" is a fine name for a program). So each is told by its whole form, and these before all
others; a word alone decides nothing.

    runtime     "OCI runtime create failed: …" of runc, and Podman's "…: OCI runtime error"
    engine      "unable to find user …", "Cannot mkdir: …", "lstat …: not a directory"
"""

import re

from .. import errors
from ..models import Spec

# Where the engine puts its init process, and which paths hide it when something is mounted there.
_INIT = "/sbin/docker-init"
_HIDES_INIT = ("/sbin", "/usr/sbin", "/usr", _INIT, f"/usr{_INIT}")

_QUOTED = r'\\?"((?:[^"\\]|\\.)*?)\\?"'
_RUNTIME = re.compile(r"oci runtime|container process|^exec:? ")
_MOUNT = re.compile(rf"mounting {_QUOTED} to rootfs(?: {_QUOTED})? at {_QUOTED}(.*)", re.DOTALL)
# Of a mount: what is there already, or the path itself, is why. All else is the engine's business.
_NOT_THERE = re.compile(
    r"not a directory|is inside /proc|not of type proc|file name too long|no such file or directory"
    r"|too many levels of symbolic links|read-only file system"
)
_OVER_ALL = re.compile(r'" is on the top of rootfs "[^"]*"(?:: unknown)?\W*$')
_VOLUME = re.compile(r"/([a-zA-Z0-9][a-zA-Z0-9_.-]+)/_data$")
_EXEC = re.compile(
    r"exec:? (?:" + _QUOTED + r"|(/\S*)):.*"
    r"(?:no such file or directory|not found in|permission denied|exec format error"
    r"|is a directory|not a directory|argument list too long|operation not permitted"
    r"|input/output error|text file busy|invalid argument|too many levels of symbolic links)",
    re.DOTALL,
)
# Of Docker where its program is looked for, and of Podman.
_NO_INIT = re.compile(r'^exec: "[^"]*docker-init": |^(?:[a-z ]+: )*container-init binary not found')
_FULL = re.compile(r": no space left on device(?:: unknown)?\W*$")
_USER = re.compile(
    r"unable to find (?:user|group) .*: no matching entries in (?:passwd|group) file"
    r"|^(?:unable to find (?:user|group)|no matching entries in (?:passwd|group) file)"
    r"|^uids and gids must be in range",
    re.DOTALL,
)
_DIRECTORY = re.compile(
    r"chdir to cwd|cwd must be an absolute path|^cannot mkdir: (?!.*no space left)", re.DOTALL
)
_RLIMIT = re.compile(r"setting rlimit")
# Of the engine itself, at a create: a path below the directory of the container's files.
_BELOW_ROOT = re.compile(
    r"^(?:source|lstat|stat|open|mkdir) \S*?/[0-9a-f]{12,64}(?:-init)?(?:/merged|/diff|/rootfs)?"
    r"(/.+?)(?:: not a directory| is not directory|: file name too long"
    r"|: too many levels of symbolic links)$",
    re.DOTALL,
)
_CANNOT_MKDIR = re.compile(r"^cannot mkdir: (/.+) is not a directory$", re.DOTALL | re.IGNORECASE)
_VOLUME_NAME = re.compile(r"^create \S+: .*mkdir \S+: file name too long$", re.DOTALL)
# Docker 20.10, and 28.5.
_PLATFORM = re.compile(r"^image with reference \S+ was found but .*platform")


def runtime_refusal(text: str) -> errors.OrchestratorError | None:
    """Finds our error for what the engine says of a container that it cannot make or start; none
    for what is about something else, or no fault of the request.
    """
    low = text.lower()
    if _PLATFORM.search(low):
        return errors.ImageNotFound(
            "The image on the engine is for another platform than the one that was asked for."
        )
    if below := _BELOW_ROOT.search(text) or _CANNOT_MKDIR.search(text):
        return _no_place(below[1])
    if _VOLUME_NAME.search(low):
        return errors.InvalidRequest("volumes: the name of a volume is longer than 255 characters.")
    if _NO_INIT.search(low):
        return _no_init()
    runtime = bool(_RUNTIME.search(low))
    # Each may be part of the other, in a name or path: the first is what it is about.
    mount, program = (_MOUNT.search(text), _EXEC.search(text)) if runtime else (None, None)
    if program and (mount is None or program.start() < mount.start()):
        name = program[1] if program[1] is not None else program[2]
        return _init_is_hidden() if name == _INIT else cannot_be_run(name[:200])
    if _FULL.search(low):
        return None
    if mount:
        return _of_mount(mount[1], mount[3], mount[4].lower())
    if _USER.search(low) or _DIRECTORY.search(low):
        return cannot_be_run(None)
    if runtime and _RLIMIT.search(low):
        return errors.StartRefused(
            "The container cannot start: its ulimits are more than the engine's host lets a"
            " container have. Ask for less in `ulimits`, or leave them out."
        )
    return None


def cannot_be_run(program: str | None) -> errors.StartRefused:
    """Makes the error for a container whose program, if it is known which one, cannot be run."""
    what = f'"{program}"' if program is not None else "its command, user or working directory"
    return errors.StartRefused(
        f"The container cannot start: {what} is missing or cannot be run in this image."
        " Check `command`, and that the image was built for this host.",
        program=program,
    )


def about_spec(error: errors.StartRefused, spec: Spec) -> errors.StartRefused:
    """The same error with the volume, tmpfs or working directory that it is about, where a Spec
    asks for one there.
    """
    path = error.fields.get("path")
    if not isinstance(path, str):
        return error
    hides = [each for place in _HIDES_INIT for each in spec.mounts_at(place)]
    if path == _INIT and hides:
        field, shown = hides[0]
        why = (
            "hides the init process of the container. Mount it somewhere else, or create the"
            ' container with "init": false'
        )
    elif found := spec.below(path):
        field, shown = found
        why = (
            "cannot be there: in this image the path, or a part of it, is no directory. Choose"
            " another one"
        )
    else:
        return error
    return errors.StartRefused(f"{field}: {shown} {why}.", field=field, path=path)


def _of_mount(source: str, path: str, rest: str) -> errors.OrchestratorError | None:
    if path in (_INIT, "/dev/init", "/run/podman-init"):
        return _no_init() if f"stat {source.lower()}: no such file" in rest else _init_is_hidden()
    volume = _VOLUME.search(source)
    if _OVER_ALL.search(rest):
        return errors.StartRefused(
            "The container cannot have a volume or tmpfs in the place of its whole file system."
            " Name a directory; VOLUME of the image names this one, if the request does not.",
            path=path[:60],
            volume=volume[1] if volume else None,
        )
    if (volume or source == "tmpfs") and _NOT_THERE.search(rest):
        return _no_place(path, volume[1] if volume else None)
    return None


def _no_place(path: str, volume: str | None = None) -> errors.StartRefused:
    shown = path if len(path) <= 60 else f"{path[:57]}..."
    what = f'volume "{volume}"' if volume else "a volume, a tmpfs or the working directory"
    return errors.StartRefused(
        f'The container cannot have {what} at "{shown}": in this image the path, or a part of it,'
        " is no directory. Choose another one; VOLUME and WORKDIR of the image name some as well.",
        path=shown,
        volume=volume,
    )


def _init_is_hidden() -> errors.StartRefused:
    return errors.StartRefused(
        f"A volume or tmpfs hides the init process of the container, which is at {_INIT}. Mount it"
        ' somewhere else, or create the container with "init": false.',
        path=_INIT,
    )


def _no_init() -> errors.StartRefused:
    return errors.StartRefused(
        'The engine has no init process to give. Create the container with "init": false; the'
        " operator installs docker-init on the engine's host, or sets DEFAULT_INIT=false.",
        program=None,
    )
