"""What the kernel's files say about the host, and whose figures those are.

Where this process runs decides what is in its /proc; here each such place is a directory with the
few files that are looked at, as they were found in real ones.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from orchestrator.host import Reading, Traffic, find_reader
from orchestrator.host import figures as module
from orchestrator.host.figures import (
    CpuTimes,
    HostFiles,
    Memory,
    Scopes,
    mount_points,
    parse_cpu,
    parse_load,
    parse_meminfo,
    parse_traffic,
    read_with_psutil,
    root_file_system,
)

STAT = """\
cpu  1000 20 300 9000 50 6 7 8 100 10
cpu0 500 10 150 4500 25 3 4 4 50 5
cpu1 500 10 150 4500 25 3 3 4 50 5
intr 123456 0 9 0
ctxt 987654
btime 1767280000
"""
MEMINFO = """\
MemTotal:       24684084 kB
MemFree:        23764036 kB
MemAvailable:   23842176 kB
HugePages_Total:       0
Hugepagesize:       2048 kB
"""
HEAD = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
"""


def net_dev(**interfaces: tuple[int, int]) -> str:
    """The text of /proc/net/dev; `_` in a name stands for what a keyword cannot have."""
    return HEAD + "".join(
        f"{name.replace('__', '-').replace('_', '.'):>6}: {rx:7} 29 0 1 0 0 0 0 {tx:8} 10 0 2 0 0\n"
        for name, (rx, tx) in interfaces.items()
    )


HOST_NETWORK = net_dev(
    lo=(7, 7), eth0=(1000, 2000), docker0=(300, 400), veth12ab34=(310, 410), br__0f4c=(5, 6)
)
CONTAINER_NETWORK = net_dev(lo=(1, 1), eth0=(31, 41), eth1=(2, 3))

HOST_MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
"""
CONTAINER_MOUNTS = """\
218 165 0:72 / / rw,relatime master:8 - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
219 218 0:75 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
235 218 0:21 / {root} ro,relatime - proc proc rw
170 219 0:81 / /proc/acpi ro,relatime - tmpfs tmpfs ro
"""
LXCFS = "300 219 0:99 /proc/{name} {root}/{name} rw,nosuid - fuse.lxcfs lxcfs rw,user_id=0\n"


def has_processes_of_the_host(proc: Path, network: str = HOST_NETWORK) -> None:
    write(proc / "1/net/dev", network)
    write(proc / "1/mountinfo", HOST_MOUNTS)
    write(proc / "2/comm", "kthreadd\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Place:
    """Where the service runs: its own /proc, and the one that PROC_ROOT says."""

    def __init__(self, path: Path) -> None:
        self.own, self.mounted = path / "proc", path / "host/proc"
        self.hardware = path / "sys/devices/virtual/net"
        for proc in (self.own, self.mounted):
            write(proc / "stat", STAT)
            write(proc / "meminfo", MEMINFO)
            write(proc / "loadavg", "0.61 0.51 0.19 1/150 6973\n")
            write(proc / "uptime", "1293.60 2009.49\n")

    def is_a_host(self) -> None:
        has_processes_of_the_host(self.own)
        write(self.own / "self/mountinfo", HOST_MOUNTS)
        write(self.own / "sys/net/core/netdev_max_backlog", "1000\n")
        self._is_in(uts=4026531838, pid=4026531836)
        (self.own / "self/net").symlink_to(self.own / "1/net")

    def is_a_container(self) -> None:
        write(self.own / "1/net/dev", CONTAINER_NETWORK)
        write(self.own / "1/mountinfo", CONTAINER_MOUNTS.format(root=self.mounted))
        write(self.own / "self/mountinfo", CONTAINER_MOUNTS.format(root=self.mounted))
        self._is_in(uts=4026532404, pid=4026532406)
        (self.own / "self/net").symlink_to(self.own / "1/net")
        has_processes_of_the_host(self.mounted)

    def _is_in(self, **namespaces: int) -> None:
        directory = self.own / "self/ns"
        directory.mkdir(parents=True)
        for name, number in namespaces.items():
            (directory / name).symlink_to(f"{name}:[{number}]")

    def read(self, root: Path) -> Reading:
        return HostFiles(root).read()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    found = Place(tmp_path)
    monkeypatch.setattr(module, "OWN_PROC", found.own)
    monkeypatch.setattr(module, "_WITHOUT_HARDWARE", found.hardware)
    return found


# Scopes


def test_on_the_host_all_is_the_hosts(place: Place) -> None:
    place.is_a_host()
    reading = place.read(place.own)
    assert reading.scopes == Scopes()
    assert reading.networks == {"eth0": Traffic(1000, 2000)}


def test_in_a_container_name_disk_and_network_are_its_own(place: Place) -> None:
    place.is_a_container()
    reading = place.read(place.own)
    assert reading.scopes == Scopes(hostname="container", disk="container", network="container")
    assert reading.networks == {"eth0": Traffic(31, 41), "eth1": Traffic(2, 3)}


def test_with_the_hosts_proc_the_network_is_the_hosts(place: Place) -> None:
    place.is_a_container()
    reading = place.read(place.mounted)
    assert reading.scopes == Scopes(hostname="container", disk="container")
    assert reading.networks == {"eth0": Traffic(1000, 2000)}


def test_a_container_in_the_hosts_network_sees_the_hosts_traffic(place: Place) -> None:
    place.is_a_container()
    write(place.own / "1/net/dev", HOST_NETWORK)
    write(place.own / "sys/net/core/netdev_max_backlog", "1000\n")
    reading = place.read(place.own)
    assert reading.scopes == Scopes(hostname="container", disk="container")
    assert reading.networks == {"eth0": Traffic(1000, 2000)}


def test_a_container_among_the_hosts_processes_sees_the_hosts_traffic(place: Place) -> None:
    place.is_a_container()
    (place.own / "self/net").unlink()
    write(place.own / "self/net/dev", CONTAINER_NETWORK)
    has_processes_of_the_host(place.own)
    reading = place.read(place.own)
    assert reading.scopes == Scopes(hostname="container", disk="container")
    assert reading.networks == {"eth0": Traffic(1000, 2000)}


def test_what_lxcfs_covers_is_the_containers(place: Place) -> None:
    place.is_a_container()
    mounts = (place.own / "self/mountinfo").read_text()
    for name in ("stat", "meminfo", "uptime"):
        mounts += LXCFS.format(name=name, root=place.own)
    write(place.own / "self/mountinfo", mounts)
    scopes = place.read(place.own).scopes
    assert {scopes.cpu, scopes.memory, scopes.uptime} == {"container"}
    scopes = place.read(place.mounted).scopes
    assert {scopes.cpu, scopes.memory, scopes.uptime} == {"host"}


def test_on_a_host_that_hides_others_processes_all_is_still_the_hosts(place: Place) -> None:
    place.is_a_host()
    (place.own / "self/net").unlink()
    write(place.own / "self/net/dev", HOST_NETWORK)
    for name in ("1/net/dev", "1/mountinfo", "2/comm"):
        (place.own / name).unlink()
    reading = place.read(place.own)
    assert reading.scopes == Scopes()
    assert reading.networks == {"eth0": Traffic(1000, 2000)}


def test_a_network_namespace_of_its_own_on_the_host_does_not_hide_the_hosts(place: Place) -> None:
    place.is_a_host()
    (place.own / "self/net").unlink()
    write(place.own / "self/net/dev", CONTAINER_NETWORK)
    (place.own / "sys/net/core/netdev_max_backlog").unlink()
    reading = place.read(place.own)
    assert reading.scopes == Scopes()
    assert reading.networks == {"eth0": Traffic(1000, 2000)}


def test_an_engine_within_a_container_has_no_host_in_sight(place: Place) -> None:
    place.is_a_container()
    (place.mounted / "2/comm").unlink()
    reading = place.read(place.mounted)
    assert reading.scopes == Scopes(hostname="container", disk="container", network="container")


def test_a_container_without_a_network_knows_of_no_traffic(place: Place) -> None:
    place.is_a_container()
    write(place.own / "1/net/dev", net_dev(lo=(1, 1)))
    assert place.read(place.own).networks == {}


# Which files


def test_a_proc_root_that_is_none_is_not_used(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place.is_a_host()
    assert find_reader(tmp_path / "nowhere")().networks == {"eth0": Traffic(1000, 2000)}
    assert "PROC_ROOT" in caplog.text
    (place.mounted / "stat").write_text("something else\n")
    assert find_reader(place.mounted)().networks == {"eth0": Traffic(1000, 2000)}


def test_without_a_proc_psutil_does_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "OWN_PROC", tmp_path / "nowhere")
    assert find_reader(tmp_path / "nowhere") is read_with_psutil
    assert not caplog.records, "it is nothing unusual"


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc to compare with")
def test_psutil_and_the_files_agree() -> None:
    # `cpus` in /proc/stat are those online, as for psutil.
    ours, theirs = find_reader(Path("/proc"))(), read_with_psutil()
    assert ours.cpus == theirs.cpus
    assert ours.memory.total == theirs.memory.total
    assert ours.memory.available == pytest.approx(theirs.memory.available, rel=0.2)
    assert ours.load == pytest.approx(theirs.load, abs=1)
    assert ours.uptime == pytest.approx(theirs.uptime, abs=5)
    assert ours.hostname == theirs.hostname
    ticks = os.sysconf("SC_CLK_TCK")
    assert ours.cpu.total / ticks == pytest.approx(theirs.cpu.total, rel=0.01)


def test_psutil_counts_stolen_time_and_not_waiting_as_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    times = psutil.cpu_times()
    if not hasattr(times, "steal"):
        pytest.skip("only Linux tells of stolen time")
    fake = times._replace(
        user=10.0, nice=2.0, system=3.0, idle=90.0, iowait=1.0, irq=0.5, softirq=0.5, steal=4.0,
        guest=1.0, guest_nice=1.0,
    )  # fmt: skip
    monkeypatch.setattr(psutil, "cpu_times", lambda: fake)
    assert read_with_psutil().cpu == CpuTimes(20.0, 111.0)


# Texts


def test_cpu_times_are_added_up() -> None:
    busy = 1000 + 20 + 300 + 6 + 7 + 8
    assert parse_cpu(STAT) == (CpuTimes(busy, busy + 9000 + 50), 2)


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu 1 2 3\n", "cpux 1 2 3 4 5\n", "a b c d e f\n"])
def test_another_text_is_no_proc_stat(text: str) -> None:
    with pytest.raises((ValueError, LookupError)):
        parse_cpu(text)


def test_load_and_memory_are_read() -> None:
    assert parse_load("0.61 0.51 0.19 1/150 6973\n") == (0.61, 0.51, 0.19)
    assert parse_meminfo(MEMINFO) == Memory(24684084 * 1024, 23842176 * 1024)


def nothing(_: str) -> bool:
    return False


def test_traffic_of_containers_counts_once() -> None:
    assert parse_traffic(HOST_NETWORK, nothing) == {"eth0": Traffic(1000, 2000)}


def test_numbers_may_follow_the_colon_at_once() -> None:
    text = f"{HEAD}  eth0:12345678901 29 0 1 0 0 0 0 98765432109 10 0 2 0 0\n"
    assert parse_traffic(text, nothing) == {"eth0": Traffic(12345678901, 98765432109)}


@pytest.mark.parametrize(
    "name",
    ["lo", "docker0", "docker_gwbridge", "br-0f4c1d2a9b7e", "br0", "veth12ab34c", "virbr0", "vnet3",
     "bond0", "eth0.100", "tun0", "tap1", "wg0", "tailscale0", "cni0", "cali0f4c", "flannel.1",
     "ifb0", "dummy0", "sit0", "tunl0", "ip6tnl0", "utun3", "lo0", "bridge100"],
)  # fmt: skip
def test_what_others_carry_is_left_out(name: str) -> None:
    text = net_dev(eth0=(1, 2)) + f"{name}: 100 1 0 0 0 0 0 0 200 1 0 0 0 0\n"
    assert parse_traffic(text, nothing) == {"eth0": Traffic(1, 2)}


@pytest.mark.parametrize(
    "name", ["eth0", "eno1", "enp1s0", "ens3", "enx0a1b2c3d4e5f", "wlan0", "wlp2s0", "en0", "ib0",
             "wwan0", "usb0", "venet0", "long-name-1"],
)  # fmt: skip
def test_network_cards_count(name: str) -> None:
    text = f"{HEAD}{name}: 100 1 0 0 0 0 0 0 200 1 0 0 0 0\n"
    assert parse_traffic(text, nothing) == {name: Traffic(100, 200)}


def test_hardware_decides_where_there_is_some() -> None:
    text = net_dev(enp1s0=(10, 20), mybridge=(1, 2), wlan0=(3, 4))
    found = parse_traffic(text, lambda name: name == "mybridge")
    assert found == {"enp1s0": Traffic(10, 20), "wlan0": Traffic(3, 4)}
    assert parse_traffic(text, lambda _: True).keys() == {"enp1s0", "mybridge", "wlan0"}


def test_only_the_own_network_is_asked_for_hardware(place: Place) -> None:
    place.is_a_container()
    has_processes_of_the_host(place.mounted, net_dev(eth0=(1000, 2000), eth1=(5, 6)))
    (place.hardware / "eth0").mkdir(parents=True)  # the container's, not the host's of this name
    assert place.read(place.mounted).networks.keys() == {"eth0", "eth1"}


def test_mount_points_are_unescaped() -> None:
    line = r"31 23 0:28 / /mnt/a\040b\134c rw,relatime shared:1 - tmpfs tmpfs rw"
    assert mount_points(f"{HOST_MOUNTS}{line}\n") == {
        "/proc", "/", "/sys/fs/cgroup", r"/mnt/a b\c",
    }  # fmt: skip


def test_the_root_is_what_was_mounted_last() -> None:
    assert root_file_system(HOST_MOUNTS) == ("254:0", "/")
    above = HOST_MOUNTS + "40 27 0:50 /sub / rw - btrfs /dev/vdb rw\n"
    assert root_file_system(above) == ("0:50", "/sub")
    assert root_file_system("") is None


def test_reading_this_machine_says_something() -> None:
    readers: list[Callable[[], Reading]] = [find_reader(Path("/proc")), read_with_psutil]
    for read in readers:
        reading = read()
        assert reading.memory.total > reading.memory.available > 0
        assert reading.cpu.total > reading.cpu.busy > 0
        assert reading.disk.path == "/"
        assert reading.disk.total > 0
        assert reading.cpus >= 1
        assert reading.uptime > 0
