"""Containers with a load that is known: what runs in them, and what the figures have to be.

A load is known in two ways. Some figures are what its program does and no more: bytes sent,
threads started. Others the program only causes, and the kernel counts them for its process as well
as for its container: CPU time and anonymous memory in /proc/PID (proc(5)), pages of a file that are
in memory (mincore(2)). No statistics are made of those.

Two things come on top. What is sent is known without headers and acknowledgements, which are about
a percent; and the kernel's own memory for a container counts, about a megabyte.
"""

import ctypes
import mmap
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .measure import wait_until
from .setting import Bench, Service

MIB = 1024**2
ALLOCATED = 200 * MIB
CACHED = 200 * MIB
SENT = 100 * MIB
BLOCKS = 64 * MIB
THREADS = 60
CACHE_FILE = "/tmp/cached"

# Each says that it is ready, and goes on for ever. Their first lines are the same.
_BEGIN = "import mmap, os, socket, sys, threading, time\n"
_WAIT = "print('ready', flush=True)\nwhile True: time.sleep(3600)\n"

_BUSY = "print('ready', flush=True)\nwhile True: pass\n"
_ALLOCATE = f"kept = b'1' * {ALLOCATED}\n"
# Written once and not read again, or the kernel would take it for something that is in use.
_CACHE = f"""
with open('{CACHE_FILE}', 'wb', buffering=0) as file:
    for _ in range({CACHED // MIB}):
        file.write(bytes({MIB}))
    os.fsync(file.fileno())
"""
# To the listener at the gateway, which is this host; and as much back.
_NETWORK = f"""
routes = [line.split() for line in open('/proc/net/route').readlines()[1:]]
gateway = next(route[2] for route in routes if route[1] == '00000000')
address = socket.inet_ntoa(bytes.fromhex(gateway)[::-1])
with socket.create_connection((address, int(sys.argv[1]))) as c:
    for _ in range({SENT // MIB}):
        c.sendall(bytes({MIB}))
    left = {SENT}
    while left:
        left -= len(c.recv(65536))
"""
# Past the page cache, so that all of it reaches the device.
_BLOCKS = f"""
buffer = mmap.mmap(-1, {MIB})
file = os.open('/tmp/blocks', os.O_RDWR | os.O_CREAT | os.O_DIRECT)
for _ in range({BLOCKS // MIB}):
    os.write(file, buffer)
os.lseek(file, 0, os.SEEK_SET)
for _ in range({BLOCKS // MIB}):
    os.readv(file, [buffer])
"""
_START_THREADS = f"""
for _ in range({THREADS}):
    threading.Thread(target=time.sleep, args=(3600,)).start()
"""


@dataclass(frozen=True)
class Load:
    name: str
    program: str
    # What it does, by the name of the figure (docker_stats.Figures): bytes, a number of tasks, or
    # percent of a CPU.
    does: Mapping[str, float] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)  # of the create


ONE_CORE = Load("one core busy", _BUSY, {"cpu_percent": 100})
HALF_A_CORE = Load("busy, --cpus 0.5", _BUSY, {"cpu_percent": 50}, {"cpus": 0.5})
MEMORY = Load("200 MiB allocated", _ALLOCATE + _WAIT, {"memory": ALLOCATED})
CACHE = Load("200 MiB of page cache", _CACHE + _WAIT, {"memory_cache": CACHED})
NETWORK = Load(
    "100 MiB sent and received", _NETWORK + _WAIT, {"network_tx": SENT, "network_rx": SENT}
)
BLOCK_IO = Load(
    "64 MiB written and read", _BLOCKS + _WAIT, {"block_write": BLOCKS, "block_read": BLOCKS}
)
MANY_THREADS = Load(
    f"{THREADS} threads and the first", _START_THREADS + _WAIT, {"pids": THREADS + 1}
)
IDLE = Load("idle", _WAIT, {"cpu_percent": 0, "pids": 1})

# They run at the same time, and no more than one of them is busy: two cores are enough.
TOGETHER = (ONE_CORE, MEMORY, CACHE, NETWORK, BLOCK_IO, MANY_THREADS, IDLE)


@dataclass
class Loaded:
    """A container under its load."""

    load: Load
    full_id: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Bytes of anonymous memory of its only process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["RssAnon"].split()[0]) * 1024

    def cached(self) -> int:
        """Bytes of its file that are in the page cache. The kernel may drop some at any time."""
        path = Path(f"/proc/{self.process.pid}/root{CACHE_FILE}")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as pages:
            inside = (ctypes.c_ubyte * (len(pages) // mmap.PAGESIZE))()
            start = ctypes.c_char.from_buffer(pages)
            failed = ctypes.CDLL(None, use_errno=True).mincore(
                ctypes.byref(start), ctypes.c_size_t(len(pages)), inside
            )
            del start  # or the pages could not be unmapped
            if failed:
                raise OSError(ctypes.get_errno(), "mincore")
            return sum(each & 1 for each in inside) * mmap.PAGESIZE


def start(made: Bench, api: Service, load: Load, port: int) -> Loaded:
    """Returns at once; `port` is that of a listener. Without an init process, so that the load is
    all that the container has.
    """
    command = ["python3", "-I", "-S", "-c", _BEGIN + load.program, str(port)]
    answer = api.create(command=command, **({"memory": "512m", "init": False} | dict(load.body)))
    if answer.is_error:
        raise SystemExit(f"a create failed: {answer.text}")
    found = made.client.api.inspect_container(answer.json()["id"])
    return Loaded(load, found["Id"], psutil.Process(found["State"]["Pid"]))


def wait_for(made: Bench, loaded: Loaded) -> None:
    """Until the load is there."""

    def is_ready() -> bool:
        said: bytes = made.client.api.logs(loaded.full_id)
        if not loaded.process.is_running() or b"Error" in said:
            raise SystemExit(f"{loaded.load.name}: {said.decode(errors='replace')}")
        return b"ready" in said

    wait_until(is_ready, 60, f"the load is there: {loaded.load.name}", every=0.1)


@contextmanager
def listening() -> Iterator[int]:
    """A listener on this host that takes what is sent to it, and sends as much back. Its port."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # closed
            return
        with connection:
            left = SENT
            while left and (got := len(connection.recv(65536))):
                left -= got
            for _ in range(SENT // MIB):
                connection.sendall(bytes(MIB))
