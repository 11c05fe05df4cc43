"""Samples from the kernel's files: their texts, and trees of them as engines lay them out.

The texts are shortened ones of real containers. Whether the figures are right is seen on real
containers, in tests/engine/test_statistics.py.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.host import CgroupReader, cgroups
from orchestrator.host.cgroup_files import parse_host_cpu, parse_interfaces
from orchestrator.models import Container, Limits, Sample

from ..examples import container

ID, OTHER = "a1" * 32, "b2" * 32
PID = 4242

STAT = b"""cpu  42997 10 11721 188969 898 20 241 110 7 3
cpu0 21000 5 6000 94000 400 10 120 55 3 1
cpu1 21997 5 5721 94969 498 10 121 55 4 2
intr 12345 0 0
ctxt 99
"""
NET_DEV = b"""Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo:     999       9    0    0    0     0          0         0      999       9    0    0
 tunl0:       0       0    0    0    0     0          0         0        0       0    0    0
  eth0:  104857     200    1    2    0     0          0         0     5000      50    3    4
  eth1:       7       1    0    0    0     0          0         0        8       1    0    0
"""
V1 = {
    "cpuacct/cpuacct.usage": "723499232\n",
    "cpu/cpu.stat": "nr_periods 14\nnr_throttled 3\nthrottled_time 250000000\nnr_bursts 0\n",
    "memory/memory.usage_in_bytes": "8167424\n",
    "memory/memory.stat": "cache 1\nrss 2\nswap 3\ninactive_file 4\nhierarchical_memory_limit 5\n"
    "total_cache 4722688\ntotal_rss 2678784\ntotal_swap 4096\ntotal_inactive_file 2449408\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "254:0 Read 4096\n254:0 Write 8192\n"
    "254:0 Sync 1\n254:0 Total 12288\n254:16 Read 1\nTotal 12289\n",
    "pids/pids.current": "5\n",
}
V2 = {
    "cpu.stat": "usage_usec 723499\nuser_usec 700000\nsystem_usec 23499\nnr_periods 14\n"
    "nr_throttled 3\nthrottled_usec 250000\nnr_bursts 0\nburst_usec 0\n",
    "memory.current": "8167424\n",
    "memory.stat": "anon 2678784\nfile 4722688\nkernel 9\ninactive_anon 5\ninactive_file 2449408\n",
    "memory.swap.current": "4096\n",
    "memory.events": "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n",
    "io.stat": "254:0 rbytes=4096 wbytes=8192 rios=1 wios=1 dbytes=7 dios=1\n"
    "254:16 rbytes=1 wios=1\n",
    "pids.current": "5\n",
}


class Host:
    """A host's files, with the groups of containers where the test puts them."""

    def __init__(self, root: Path, version: int) -> None:
        self.cgroup, self.proc, self.version = root / "cgroup", root / "proc", version
        self.write(self.proc / "stat", STAT.decode())
        self.write(self.proc / "meminfo", "MemTotal:       24684084 kB\nMemFree: 1 kB\n")
        self.cgroup.mkdir()
        if version == 2:
            self.write(self.cgroup / "cgroup.controllers", "cpu io memory pids\n")
        else:
            for file in V1:
                (self.cgroup / file).parent.mkdir(exist_ok=True)

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, place: str, full_id: str = ID, pid: int = PID) -> None:
        """The group of a running container."""
        for file, text in (V2 if self.version == 2 else V1).items():
            controller, _, name = file.rpartition("/")
            self.write(self.cgroup / controller / place / name, text)
        self.write(self.proc / str(pid) / "net/dev", NET_DEV.decode())
        groups = f"0::/{place}\n" if self.version == 2 else f"4:memory:/{place}\n"
        self.write(self.proc / str(pid) / "cgroup", groups)

    def file(self, place: str, name: str) -> Path:
        files = V2 if self.version == 2 else V1
        (file,) = (file for file in files if file.rpartition("/")[2] == name)
        return self.cgroup / file.rpartition("/")[0] / place / name


@pytest.fixture(params=[1, 2])
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Host:
    return Host(tmp_path, request.param)


@pytest.fixture
def make_reader(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], CgroupReader]]:
    """Readers that may keep files open, whatever the shell's limit is."""
    monkeypatch.setattr(cgroups, "files_allowed", lambda: 1000)
    readers: list[CgroupReader] = []

    def make() -> CgroupReader:
        readers.append(CgroupReader(host.cgroup, host.proc))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@pytest.fixture
def reader(make_reader: Callable[[], CgroupReader]) -> CgroupReader:
    return make_reader()


def running(full_id: str = ID, pid: int | None = PID, network: str = "bridge") -> Container:
    networks = (network,) if network else ()
    return container(full_id, pid=pid, networks=networks, limits=Limits(memory=512 * 1024**2))


def read(reader: CgroupReader, of: Container) -> Sample | None:
    (sample,) = reader.read([of])
    return sample


# What the texts say


def test_a_sample_says_what_the_files_say(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    sample = read(reader, running())
    assert sample is not None
    assert sample.source == f"cgroup-v{host.version}"
    assert sample.cpu_ns == (723499232 if host.version == 1 else 723499000)
    assert sample.host_cpu_ns == (42997 + 10 + 11721 + 188969 + 898 + 20 + 241) * 10_000_000
    assert sample.cpus == 2
    assert (sample.cpu_periods, sample.cpu_throttled_periods) == (14, 3)
    assert sample.cpu_throttled_ns == 250_000_000
    assert sample.memory_total == 8167424
    assert sample.memory == 8167424 - 2449408
    assert sample.memory_cache == 2449408
    assert (sample.memory_rss, sample.memory_page_cache) == (2678784, 4722688)
    assert sample.memory_swap == 4096
    assert sample.memory_limit == 512 * 1024**2
    assert sample.oom_kills == 2
    assert (sample.network_rx, sample.network_tx) == (104864, 5008)
    assert (sample.block_read, sample.block_write) == (4097, 8192)
    assert sample.pids == 5


def test_without_a_limit_the_limit_is_the_hosts_memory(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    for limits in (Limits(), Limits(memory=2**50)):
        sample = read(reader, running().model_copy(update={"limits": limits}))
        assert sample is not None
        assert sample.memory_limit == 24684084 * 1024


def test_a_page_cache_larger_than_the_usage_is_not_taken_off(
    host: Host, reader: CgroupReader
) -> None:
    host.add(f"docker/{ID}")
    name = "memory.usage_in_bytes" if host.version == 1 else "memory.current"
    host.file(f"docker/{ID}", name).write_text("4096\n")
    sample = read(reader, running())
    assert sample is not None
    assert (sample.memory, sample.memory_cache) == (4096, 2449408)


@pytest.mark.parametrize("host", [1], indirect=True)
def test_block_io_that_a_v1_kernel_does_not_count_is_unknown(
    host: Host, reader: CgroupReader
) -> None:
    host.add(f"docker/{ID}")
    name = "blkio.throttle.io_service_bytes_recursive"
    host.file(f"docker/{ID}", name).write_text("Total 0\n")
    sample = read(reader, running())
    assert sample is not None
    assert (sample.block_read, sample.block_write) == (None, None)


@pytest.mark.parametrize("host", [2], indirect=True)
def test_a_v2_kernel_counts_always_so_that_no_device_is_no_io(
    host: Host, reader: CgroupReader
) -> None:
    host.add(f"docker/{ID}")
    host.file(f"docker/{ID}", "io.stat").write_text("")
    sample = read(reader, running())
    assert sample is not None
    assert (sample.block_read, sample.block_write) == (0, 0)


@pytest.mark.parametrize("host", [2], indirect=True)
def test_what_controllers_that_are_off_do_not_say_is_unknown(
    host: Host, reader: CgroupReader
) -> None:
    """As for a rootless engine that was given only some of them."""
    host.add(f"docker/{ID}")
    for name in V2.keys() - {"cpu.stat"}:
        host.file(f"docker/{ID}", name).unlink()
    host.file(f"docker/{ID}", "cpu.stat").write_text("usage_usec 5\nuser_usec 4\nsystem_usec 1\n")
    sample = read(reader, running())
    assert sample is not None
    assert sample.cpu_ns == 5000
    unknown = (
        sample.memory, sample.memory_total, sample.memory_cache, sample.memory_rss,
        sample.memory_swap, sample.oom_kills, sample.block_read, sample.pids,
        sample.cpu_periods, sample.cpu_throttled_ns,
    )  # fmt: skip
    assert set(unknown) == {None}


def test_the_hosts_cpu_time_is_what_the_engine_counts() -> None:
    host = parse_host_cpu(STAT)
    assert (host.ns, host.cpus) == (244856 * 10_000_000, 2)
    with pytest.raises(ValueError, match="stat"):
        parse_host_cpu(b"intr 1 2 3\n")


def test_interfaces_are_all_but_the_loopback_and_the_kernels_own() -> None:
    found = parse_interfaces(NET_DEV)
    assert found is not None
    assert list(found) == ["eth0", "eth1"]
    assert found["eth0"].model_dump() == {
        "rx_bytes": 104857, "rx_packets": 200, "rx_errors": 1, "rx_dropped": 2,
        "tx_bytes": 5000, "tx_packets": 50, "tx_errors": 3, "tx_dropped": 4,
    }  # fmt: skip
    assert parse_interfaces(b"\n".join(NET_DEV.splitlines()[:4])) is None


# Where the files are


@pytest.mark.parametrize(
    "place",
    [
        "docker/{}",
        "system.slice/docker-{}.scope",
        "engine-2/{}",
        "a/deep/place/for/{}",
        "user.slice/user-1000.slice/user@1000.service/user.slice/docker-{}.scope",
        "machine.slice/libpod-{}.scope",
        "odd{{name}}/{{0}}/{}",
    ],
)
def test_a_group_is_found_wherever_the_engine_puts_it(
    host: Host, reader: CgroupReader, place: str
) -> None:
    host.add(place.format(ID))
    assert read(reader, running()) is not None


def test_groups_within_containers_are_not_looked_through(
    host: Host, make_reader: Callable[[], CgroupReader]
) -> None:
    """An engine within a container has a container of its own; it is not this engine's."""
    host.add(f"elsewhere/{OTHER}/docker/{ID}")
    assert read(make_reader(), running()) is None


def test_the_tree_is_not_searched_for_every_container(
    host: Host, reader: CgroupReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[str] = []
    search = cgroups._groups_below

    def counted(base: Path, place: str, depth: int) -> Iterator[tuple[str, str]]:
        searches.extend([place] if place == "" else [])
        return search(base, place, depth)

    monkeypatch.setattr(cgroups, "_groups_below", counted)
    for full_id in (ID, OTHER, "c3" * 32):
        host.add(f"engine-2/{full_id}", full_id, pid=PID)
        assert read(reader, running(full_id)) is not None
    assert len(searches) == 1, "the first one shows where the others are"
    for _ in range(3):
        assert read(reader, running("d4" * 32)) is None
    assert len(searches) == 1, "and what is nowhere is not looked for all the time"


@pytest.mark.parametrize("host", [1], indirect=True)
def test_controllers_that_are_mounted_together_are_found(tmp_path: Path, host: Host) -> None:
    (host.cgroup / "cpuacct").rmdir()
    (host.cgroup / "cpu").rmdir()
    host.add(f"docker/{ID}")
    (host.cgroup / "cpuacct/docker" / ID / "cpuacct.usage").rename(
        host.cgroup / "cpu/docker" / ID / "cpuacct.usage"
    )
    for left in (f"cpuacct/docker/{ID}", "cpuacct/docker", "cpuacct"):
        (host.cgroup / left).rmdir()
    (host.cgroup / "cpu").rename(host.cgroup / "cpu,cpuacct")
    reader = CgroupReader(host.cgroup, host.proc)
    sample = read(reader, running())
    reader.close()
    assert sample is not None
    assert (sample.cpu_ns, sample.cpu_periods) == (723499232, 14)


@pytest.mark.parametrize("root", ["nothing", "no/such/directory"])
def test_without_control_groups_there_is_nothing_to_read(
    host: Host, tmp_path: Path, root: str
) -> None:
    (tmp_path / "nothing").mkdir()
    reader = CgroupReader(tmp_path / root, host.proc)
    assert reader.version is None
    assert reader.read([running(), running()]) == [None, None]


def test_a_container_of_another_host_is_not_found(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{OTHER}", OTHER)
    first, second = reader.read([running(ID), running(OTHER)])
    assert first is None
    assert second is not None


def test_where_each_container_has_a_place_of_its_own_few_places_are_remembered(
    host: Host, reader: CgroupReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "SEARCH_SECONDS", 0.0)
    for number in range(cgroups.KNOWN_PLACES + 5):
        full_id = f"{number:064x}"
        host.add(f"pods/pod-{number}/{full_id}", full_id)
        assert read(reader, running(full_id)) is not None
    assert len(reader._places) == cgroups.KNOWN_PLACES


def test_files_that_make_no_sense_are_no_sample(host: Host, reader: CgroupReader) -> None:
    """Then the engine is asked; and all other containers have theirs."""
    host.add(f"docker/{ID}")
    host.add(f"docker/{OTHER}", OTHER, PID + 1)
    host.file(f"docker/{ID}", "pids.current").write_text("a few\n")
    first, second = reader.read([running(), running(OTHER, PID + 1)])
    assert first is None
    assert second is not None
    host.write(host.proc / str(PID + 1) / "net/dev", "\n\n eth0: 1 2\n")
    assert read(reader, running(OTHER, PID + 1)) is None


# Whose traffic it is


def test_the_hosts_network_is_not_the_containers(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    sample = read(reader, running(network="host"))
    assert sample is not None
    assert sample.networks is None


def test_without_an_interface_there_is_no_traffic_to_know(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    lines = NET_DEV.decode().splitlines(keepends=True)[:3]
    host.write(host.proc / str(PID) / "net/dev", "".join(lines))
    sample = read(reader, running(network="none"))
    assert sample is not None
    assert sample.networks is None


def test_a_process_of_another_container_is_not_taken_for_ones_own(
    host: Host, reader: CgroupReader
) -> None:
    """Its number was given to another one, or belongs to another namespace of processes. Better
    the engine is asked than half a sample taken.
    """
    host.add(f"docker/{ID}")
    host.write(host.proc / str(PID) / "cgroup", f"4:memory:/docker/{OTHER}\n")
    assert read(reader, running()) is None
    assert reader.open_files == 0


@pytest.mark.parametrize("host", [2], indirect=True)
@pytest.mark.parametrize(
    ("groups", "member", "found"),
    [("0::/\n", True, True), ("0::/\n", False, False), ("0::/../other.scope\n", True, False)],
)
def test_the_services_own_container_is_known_without_its_id(
    host: Host, reader: CgroupReader, groups: str, member: bool, found: bool
) -> None:
    """In a namespace of control groups, what is in one's own is told as "/"."""
    host.add(f"system.slice/docker-{ID}.scope")
    host.write(host.proc / "self/cgroup", "0::/\n")
    host.write(host.proc / str(PID) / "cgroup", groups)
    members = f"1\n{os.getpid() if member else 2}\n"
    host.write(host.cgroup / f"system.slice/docker-{ID}.scope/cgroup.procs", members)
    assert (read(reader, running()) is not None) is found


def test_a_group_whose_process_is_not_there_yet_is_no_sample(
    host: Host, reader: CgroupReader
) -> None:
    """The engine makes the group first, when it starts a container again."""
    host.add(f"docker/{ID}")
    host.file(f"docker/{ID}", "pids.current").write_text("0\n")
    assert read(reader, running(network="none")) is None
    assert reader.open_files == 0


@pytest.mark.parametrize("pid", [None, 99])
def test_a_process_that_is_not_here_makes_half_a_sample_which_is_none(
    host: Host, reader: CgroupReader, pid: int | None
) -> None:
    host.add(f"docker/{ID}")
    assert read(reader, running(pid=pid)) is None
    assert read(reader, running(pid=pid, network="none")) is not None


# Open files


def test_files_are_kept_open_until_the_container_is_gone(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    host.add(f"docker/{OTHER}", OTHER, PID + 1)
    both = [running(), running(OTHER, PID + 1)]
    reader.read(both)
    opened = reader.open_files
    assert opened == 2 * 8
    reader.read(both)
    assert reader.open_files == opened
    reader.keep({OTHER})
    assert reader.open_files == opened / 2
    reader.close()
    assert reader.open_files == 0


def test_new_values_are_read_from_open_files(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    read(reader, running())
    host.file(f"docker/{ID}", "pids.current").write_text("77\n")
    sample = read(reader, running())
    assert sample is not None
    assert sample.pids == 77


def test_a_container_that_was_started_again_is_read_anew(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    read(reader, running())
    for path in sorted((host.cgroup).rglob("*.*")):
        if path.is_file() and ID in str(path):
            path.unlink()  # the old group stays readable through its open files
    host.add(f"docker/{ID}", pid=PID + 1)
    host.file(f"docker/{ID}", "pids.current").write_text("9\n")
    sample = read(reader, running(pid=PID + 1))
    assert sample is not None
    assert sample.pids == 9


def test_where_the_limit_of_files_leaves_no_room_they_are_opened_each_time(
    host: Host, make_reader: Callable[[], CgroupReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "files_allowed", lambda: 8)
    reader = make_reader()
    host.add(f"docker/{ID}")
    host.add(f"docker/{OTHER}", OTHER, PID + 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        samples = reader.read([running(), running(OTHER, PID + 1)])
        assert None not in samples
        assert reader.open_files == 8
        assert len(list(Path("/proc/self/fd").iterdir())) == before + 8


def test_a_long_text_is_read_to_its_end(host: Host, reader: CgroupReader) -> None:
    host.add(f"docker/{ID}")
    many = "".join(f" eth{number}: 1 0 0 0 0 0 0 0 2 0 0 0\n" for number in range(2, 4000))
    host.write(host.proc / str(PID) / "net/dev", NET_DEV.decode() + many)
    sample = read(reader, running())
    assert sample is not None
    assert sample.network_rx == 104864 + 3998
