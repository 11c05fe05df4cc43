import pytest

from orchestrator.models import Limits
from orchestrator.payloads import Capabilities

# Of engines 20.10, the rootless one on a host with control groups v1.
ROOTLESS = {
    "CgroupDriver": "none",
    "CgroupVersion": "1",
    "MemoryLimit": False,
    "CpuCfsQuota": False,
    "PidsLimit": False,
    "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
}
ROOTFUL = {
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "1",
    "MemoryLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "SecurityOptions": ["name=seccomp,profile=default"],
}


def test_limits_that_are_not_applied_are_no_limits() -> None:
    limits = Limits(memory=128 * 1024**2, cpus=0.5, pids=100)
    assert Capabilities.from_info(ROOTLESS, {}).applied(limits) == Limits()
    assert Capabilities.from_info(ROOTFUL, {}).applied(limits) == limits
    partly = Capabilities.from_info(ROOTFUL | {"CpuCfsQuota": False}, {})
    assert partly.missing == ("cpus",)
    assert partly.applied(limits) == Limits(memory=128 * 1024**2, pids=100)


@pytest.mark.parametrize(
    ("info", "counts"), [(ROOTLESS, False), (ROOTFUL, True), ({"CgroupDriver": "systemd"}, True)]
)
def test_without_control_groups_nothing_is_counted_for_a_container(
    info: dict[str, object], counts: bool
) -> None:
    assert Capabilities.from_info(info, {}).counts is counts


@pytest.mark.parametrize(
    ("version", "said", "filters"),
    [
        ("1.41", False, False),
        ("1.47", False, False),
        ("1.41", True, True),
        ("1.41", None, True),
        ("1.48", False, True),  # which always says so
        ("2.0", False, True),
        ("", False, True),
    ],
)
def test_whether_the_host_filters_what_goes_over_a_bridge(
    version: str, said: bool | None, filters: bool
) -> None:
    found = Capabilities.from_info({"BridgeNfIptables": said}, {"ApiVersion": version})
    assert found.filters is filters


def test_what_an_engine_does_not_say_counts_as_done() -> None:
    assert Capabilities.from_info({}, {}) == Capabilities()
    assert Capabilities() == Capabilities(missing=(), counts=True, apart=True)


@pytest.mark.parametrize(
    ("component", "apart"), [("Podman Engine", False), ("Engine", True), ("containerd", True)]
)
def test_podman_does_not_keep_the_containers_of_a_network_apart(
    component: str, apart: bool
) -> None:
    assert Capabilities.from_info({}, {"Components": [{"Name": component}]}).apart is apart


@pytest.mark.parametrize(
    ("driver", "status", "can"),
    [
        ("overlay2", [["Backing Filesystem", "extfs"]], False),  # of 20.10
        ("overlay2", [["Backing Filesystem", "xfs"], ["Supports d_type", "true"]], True),
        ("overlay", [["Backing Filesystem", "extfs"]], False),  # Podman's
        ("overlayfs", [["driver-type", "io.containerd.snapshotter.v1"]], False),  # of 28.5
        ("btrfs", [["Build Version", "Btrfs v6.2"], ["Library Version", "102"]], True),
        ("zfs", None, True),
        ("aufs", [["Backing Filesystem", "xfs"]], False),
        ("overlay2", "odd", True),
    ],
)
def test_which_storage_may_limit_what_a_container_writes(
    driver: str, status: object, can: bool
) -> None:
    assert Capabilities.from_info({"Driver": driver, "DriverStatus": status}, {}).disk is can


def test_what_an_engine_says_of_its_storage() -> None:
    info = {
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"]],
        "DockerRootDir": "/var/lib/docker",
        "Name": "host",
        "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    }
    found = Capabilities.from_info(info, {})
    assert found.storage == "overlay2 on extfs"
    assert (found.data_root, found.host_name) == ("/var/lib/docker", "host")
    within = Capabilities.from_info(info | {"OperatingSystem": "Docker Desktop"}, {})
    assert within.data_root is None
