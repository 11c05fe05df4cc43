"""Turns the engine's refusals into our errors. Pure: text in, one of our errors out.

The texts were read off engines 20.10, 26.1 and 28.5, and Podman 4.3; "ports are not available" is
Docker Desktop's. They may carry paths and addresses, so only what is plainly harmless is passed on.
"""

import re

from .. import errors
from .runtime_refusals import runtime_refusal

_PORT_TAKEN = re.compile(
    r" failed: port is already allocated|(?:bind|host port(?: for)? \S+): address already in use"
    r"|^ports are not available: |all ports are allocated"
)
# Behind an address, which of IPv6 has colons of its own; in brackets, but where it says "Bind for".
_PORT_NUMBER = re.compile(r":(\d{1,5})(?::| |/|$)")
_BIND_FOR = re.compile(r"Bind for \S*:(\d{1,5}) failed")
_BRACKETED = re.compile(r"\[[0-9a-fA-F:.]*\]")
# Of a volume or working directory, also one that the image brings along; see runtime_refusals for
# those of which the path is told.
_BAD_PATH = re.compile(
    r"cannot mount volume over existing file|evalsymlinksinscope: too many links"
    r"|lstat .*: (file name too long|not a directory)",
    re.DOTALL,
)
# Of a bridge with 1,023 ports, of a network without addresses; then of an engine without subnets,
# 20.10 and 28.5.
_NETWORK_FULL = re.compile(
    r"exchange full|no available ipv4 addresses on this network"
    r"|non-overlapping ipv4 address pool|address pools have been fully subnetted"
)
_NAME_IN_USE = re.compile(r"the container name \S+ is already in use by")
# Of Podman 4.3, which answers with 500 where Docker has 404.
_PODMAN_GONE = re.compile(
    r"does not exist in database: no such container|no container with name or"
)
# Of 20.10 and 28.5, at a start, about another container: the one that starts shares a namespace of
# it, or is linked to it.
_DEPENDENCY_GONE = re.compile(
    r"(joining network namespace of container|failed to join (ipc|pid) namespace"
    r"|can't join ipc of container \S+|cannot join pid of a non running container: \S+)"
    r": no such container: "
)
_DEPENDENCY_STOPPED = re.compile(
    r"cannot join network( namespace)? of a non running container: "
    r"|failed to join (ipc|pid) namespace: container \S+ is not running"
    r"|can't join ipc of container \S+: container \S+ is not running"
    r"|cannot link to a non running container: "
)
# Which may be another one's id: see refused_for_another.
_NAMES_CONTAINER = re.compile(
    r"no such container: (?P<gone>[0-9a-z_.-]+)"
    r"|container (?P<stopped>[0-9a-f]{64}) is (not running|restarting, wait until)"
)
_PAUSED = re.compile(r"\ba paused container\b|\bcontainer (\S+ )?is paused\b")
_VOLUME_IN_USE = re.compile(r"\bvolume is in use\b")
_VOLUME_MISSING = re.compile(r"\bno such volume\b")
_IMAGE_IN_USE = re.compile(r"conflict: unable to (remove repository reference|delete) ")
_NETWORK_EXISTS = re.compile(r"network with name \S+ already exists|networks have same bridge name")
_NETWORK_MISSING = re.compile(r"network \S+ not found")
_NO_SUCH_ADDRESS = re.compile(
    r"(?:bind|host port(?: for)? \S+|listen \S+ \S+): cannot assign requested address"
)
# Of overlay2 (20.10 and 28.5, with 500), of other storage, and of Podman's.
_NO_DISK_LIMIT = re.compile(
    r"--storage-opt is (?:not )?supported|storage option .* not supported"
    r"|does not support, or has not enabled quotas"
)
_NO_SUCH_PROTOCOL = re.compile(
    r"(?:userland proxy|host port|port mapping).*: protocol not supported"
)
_CALLERS = re.compile(r"^(?:container create: )?invalid |minimum memory limit")
_REVEALING = re.compile(r"(?<![\w.-])/|\\|\d+\.\d+\.\d+\.\d+|::")


def refusal(*, status: int, text: str, image_missing: bool = False) -> errors.OrchestratorError:
    """Finds our error for an answer of the engine with an error status and its text."""
    if (meaning := runtime_refusal(text)) is not None:
        return meaning
    low = text.lower()
    if _PORT_TAKEN.search(low):
        number = _BIND_FOR.search(text) or _PORT_NUMBER.search(_BRACKETED.sub("", text))
        return errors.PortRefused("The port is taken.", int(number[1]) if number else None)
    if _NETWORK_FULL.search(low):
        return errors.NetworkFull(
            "The container's network is full: its bridge takes no more ports, or it has no address"
            " left. Stop or remove containers that are on it."
        )
    if _NETWORK_EXISTS.search(low):
        return errors.NameInUse("The name is in use by another network.")
    if status == 404 and _NETWORK_MISSING.search(low):
        return errors.NetworkMissing(
            "A network that the container is on was removed. Make it again and connect the"
            " container to it with `docker network connect`, or create the container anew."
        )
    if "restrict inter-container communication" in low:  # read in its source, not met
        return errors.EngineFailed(
            "The engine cannot keep the containers of a network apart. The operator loads the"
            " kernel module br_netfilter on its host, or lets them talk with ALLOW_ICC=true."
        )
    if _NO_SUCH_ADDRESS.search(low):
        return errors.EngineFailed(
            "The host does not have the address that containers are published on. The operator"
            " sets it with PUBLISH_ADDRESS."
        )
    if "address family not supported" in low or "cannot map from ipv6" in low:
        return errors.EngineFailed(
            "The engine cannot publish containers on an IPv6 address: its host has no IPv6, or the"
            " engine runs without its proxy. The operator leaves IPv6 out of PUBLISH_ADDRESS."
        )
    if "cannot expose privileged port" in low:  # its advice is for the host
        return errors.EngineFailed(
            "The Docker engine is rootless and may not publish ports this low, which are those"
            " below 1024 by default. The operator sets another PORT_RANGE, or lowers"
            " net.ipv4.ip_unprivileged_port_start on its host."
        )
    if _DEPENDENCY_GONE.search(low):
        return _needs_another(gone=True)
    if _DEPENDENCY_STOPPED.search(low):
        return _needs_another(gone=False)
    if status == 409 and _VOLUME_IN_USE.search(low):
        return errors.VolumeInUse("A container uses the volume, running or stopped.")
    if status == 404 and _VOLUME_MISSING.search(low):
        return errors.VolumeNotFound("There is no such volume.")
    if status == 409 and _IMAGE_IN_USE.search(low):
        return errors.ImageInUse("A container is made from the image.")
    if "error while mounting volume" in low:
        return errors.EngineFailed(
            "The engine cannot mount a volume of the container: its host, or the share that the"
            " volume is on, does not let it. This service's log has its words under the request's"
            " id; `docker volume inspect` shows what the volume is."
        )
    if image_missing or "no such image" in low:
        return errors.ImageNotFound("There is no such image on the engine.")
    if (status == 404 and "no such container" in low) or _PODMAN_GONE.search(low):
        return errors.ContainerNotFound("The container does not exist any more.")
    if _NAME_IN_USE.search(low):
        return errors.NameInUse("The name is in use by another container.")
    if status == 409 and _PAUSED.search(low):
        return errors.ContainerPaused(
            "The container is paused. Stop or restart it, or run `docker unpause`."
        )
    if status == 409 or "removal of container" in low or "marked for removal" in low:
        return errors.ContainerBusy(
            "The engine is busy with this container, perhaps removing it. Try again in a moment."
        )
    # Of a cgroup the kernel says the same, where disk space does not help.
    if ": no space left on device" in low and "/sys/fs/cgroup/" not in low:
        return errors.EngineFailed(
            "The disk of the Docker engine is full. `docker system df` shows what takes the space;"
            " free some, for example with `docker image prune` or `docker builder prune`, and try"
            " again."
        )
    if _NO_DISK_LIMIT.search(low):
        return errors.DiskLimitUnsupported(
            "This engine's storage cannot limit what a container writes; overlay2 on XFS with the"
            " mount option pquota, btrfs and zfs can. Leave `disk` out."
        )
    if "disk quota exceeded" in low:  # of btrfs, at a create
        return errors.StartRefused(
            "The container does not fit into its `disk`: on this engine's storage its image counts,"
            " too, and so does what it wrote before a move. Create it with more `disk`."
        )
    if _NO_SUCH_PROTOCOL.search(low):  # by the kernel, when the engine opens the port
        return errors.StartRefused(
            "The container cannot start: the engine's host does not know the protocol of one of its"
            " ports. Create it without its SCTP ports, or load the kernel module sctp there."
        )
    if _BAD_PATH.search(low):
        return errors.StartRefused(
            "The container cannot be made: one of its volumes, or its working directory, is at a"
            " path where there can be none. Check `volumes`, and VOLUME and WORKDIR of the image."
        )
    if "environment variable name can't" in low or "environment variable value can't" in low:
        return errors.StartRefused(
            "The container cannot start: a variable of its environment has no name, or a zero byte"
            " in its value. Look at what the image sets with ENV; such a one cannot be used."
        )
    if status == 400 and "oci runtime create failed: " in low:
        return errors.StartRefused(
            "The container cannot start: the engine's runtime refuses what the image and the"
            " request come to. This service's log has its words under the request's id."
        )
    if status in (400, 404, 406, 422) or _CALLERS.search(low):
        reason = "" if _REVEALING.search(text) or len(text) > 300 else f": {text.rstrip('.')}"
        return errors.InvalidRequest(f"The Docker engine refused the request{reason}.")
    return errors.EngineFailed(
        "The Docker engine reported an error of its own; this service's log has its words under"
        " the request's id. Try again; if it stays, look at the engine's log."
    )


def refused_for_another(text: str, container_id: str) -> errors.OrchestratorError | None:
    """Finds our error where the engine refuses to start a container, by its full id, for the sake
    of another one that it names in its text; None where it does not.
    """
    for found in _NAMES_CONTAINER.finditer(text.lower()):
        if (found["gone"] or found["stopped"]) != container_id:
            return _needs_another(gone=bool(found["gone"]))
    return None


def _needs_another(*, gone: bool) -> errors.DependencyNotRunning:
    if gone:
        return errors.DependencyNotRunning(
            "The container shares the network, or another namespace, of a container that was"
            " removed, and cannot start without it. Create it anew."
        )
    return errors.DependencyNotRunning(
        "The container shares the network, or another namespace, of a container that does not run,"
        " or is linked to it. Start that one first."
    )


def tunnel_failure(text: str) -> errors.EngineUnavailable:
    """Finds our error for what ssh said (of OpenSSH 9.2) when it made no tunnel to the engine."""
    low = text.lower()
    if "no such program" in low:
        reason = (
            "there is no program `ssh` here, which a DOCKER_HOST with ssh:// needs. Install"
            " OpenSSH's client, or forward the engine's socket by other means"
        )
    elif re.search(r"host key|host identification", low):
        reason = (
            "ssh does not know the host key of the engine's host, or knows another one. If it is"
            " the right host, put its key into the file known_hosts of the service's user"
        )
    elif "permission denied" in low or "too many authentication failures" in low:
        reason = (
            "its host does not let the service in. ssh needs a user that exists there and a key"
            " that it may use without asking for a passphrase"
        )
    elif "open failed" in low:  # sshd does not say which of these it is
        reason = (
            "SSH works, but the engine's socket over there does not open. See that an engine runs"
            " at it, that the user may use it, and that sshd allows to forward it, which is its"
            " AllowStreamLocalForwarding. Another socket is named as in"
            " ssh://user@host/path/of/docker.sock"
        )
    else:
        reason = (
            "no SSH connection to its host comes about. See that `ssh` gets there from here; this"
            " service's log has its words"
        )
    return errors.EngineUnavailable(f"The Docker engine cannot be reached: {reason}.")
