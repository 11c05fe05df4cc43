"""The id of the container that a process runs in, from what kernels have said about processes."""

import pytest

from orchestrator.host import own_container_id
from orchestrator.host.own_container import container_id

ID = "4b5c1f0e" * 8
OTHER = "09fe77aa" * 8

# Engine 20.10, cgroup v1, no cgroup namespace.
CGROUP_V1 = f"""\
12:pids:/docker/{ID}
11:memory:/docker/{ID}
10:cpu,cpuacct:/docker/{ID}
1:name=systemd:/docker/{ID}
0::/docker/{ID}
"""
CGROUP_V1_SYSTEMD = f"""\
5:memory:/system.slice/docker-{ID}.scope
1:name=systemd:/system.slice/docker-{ID}.scope
0::/system.slice/docker-{ID}.scope
"""
CGROUP_V1_POD = f"4:memory:/kubepods/burstable/pod1b2c3d4e-0000-4444-8888-123456789abc/{ID}\n"
CGROUP_V2_OF_THE_HOST = f"0::/system.slice/docker-{ID}.scope\n"
CGROUP_V2 = "0::/\n"  # with a cgroup namespace
CGROUP_V1_WITH_NAMESPACE = "12:pids:/\n11:memory:/\n0::/\n"

DIRECTORY = f"/var/lib/docker/containers/{ID}"
MOUNTS = f"""\
1203 1029 0:117 / / rw,relatime master:398 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l
1204 1203 0:120 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
1208 1207 0:123 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
1210 1205 0:122 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
1211 1203 8:1 {DIRECTORY}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/sda1 rw
1212 1203 8:1 {DIRECTORY}/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw
1213 1203 8:1 {DIRECTORY}/hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw
"""
# What is mounted as a root there is not known to the process; /var/lib is a file system of its own.
MOUNTS_OF_A_FILE_SYSTEM_APART = MOUNTS.replace("/var/lib/docker/", "/docker/")
MOUNTS_OF_PODMAN = (
    "693 690 0:24 /containers/storage/overlay-containers/"
    f"{ID}/userdata/hostname /etc/hostname rw,nosuid,nodev,relatime - tmpfs tmpfs rw,mode=755\n"
)
# A machine on which containers run.
MOUNTS_OF_A_HOST = f"""\
25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
26 25 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
310 25 0:61 / /var/lib/docker/containers/{OTHER}/mounts/shm rw shared:201 - tmpfs shm rw
311 25 0:62 / /var/lib/docker/overlay2/{OTHER}/merged rw,relatime shared:202 - overlay overlay rw
"""
CGROUP_OF_A_HOST = "0::/user.slice/user-1000.slice/session-3.scope\n"


@pytest.mark.parametrize(
    ("cgroup", "mounts"),
    [
        (CGROUP_V1, MOUNTS),
        (CGROUP_V1, ""),
        (CGROUP_V1_SYSTEMD, ""),
        (CGROUP_V1_POD, ""),
        (CGROUP_V2_OF_THE_HOST, ""),
        (CGROUP_V2, MOUNTS),
        (CGROUP_V2, MOUNTS_OF_A_FILE_SYSTEM_APART),
        (CGROUP_V2, MOUNTS_OF_PODMAN),
        (CGROUP_V1_WITH_NAMESPACE, MOUNTS),
        ("", MOUNTS),
    ],
)
def test_a_process_in_a_container(cgroup: str, mounts: str) -> None:
    assert container_id(cgroup, mounts) == ID


@pytest.mark.parametrize("cgroup", [CGROUP_OF_A_HOST, CGROUP_V2, CGROUP_V1_WITH_NAMESPACE, ""])
@pytest.mark.parametrize("mounts", [MOUNTS_OF_A_HOST, "", "broken\n\n1 2 3\n"])
def test_a_process_in_none(cgroup: str, mounts: str) -> None:
    assert container_id(cgroup, mounts) is None


def test_of_a_container_in_a_container_it_is_the_inner_one() -> None:
    assert container_id(f"0::/docker/{OTHER}/docker/{ID}\n", "") == ID
    assert container_id(f"4:memory:/docker/{ID}/init.scope\n", "") == ID


def test_what_is_longer_than_an_id_is_none() -> None:
    assert container_id(f"0::/docker/{ID}0\n", "") is None
    assert container_id(f"0::/docker/{ID[:63]}\n", "") is None


def test_a_directory_of_containers_that_is_mounted_elsewhere_says_nothing() -> None:
    mount = f"99 1 8:1 /var/lib/docker/containers/{OTHER}/hostname /mnt/hostname rw - ext4 a rw\n"
    assert container_id(CGROUP_V2, mount) is None
    assert container_id(CGROUP_V2, MOUNTS + mount) == ID


def test_groups_count_before_mounts_which_may_be_those_of_a_shared_network() -> None:
    assert container_id(CGROUP_V1, MOUNTS.replace(ID, OTHER)) == ID


def test_this_process_can_be_asked() -> None:
    found = own_container_id()
    assert found is None or len(found) == 64
