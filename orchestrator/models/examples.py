"""What answers and problems look like, for the documentation: one example for each model and code.

They are kept apart from the models because they are read by people only. A test holds them to the
models, field by field.
"""

from typing import Any

_ID = "0f4c1d2a9b7e"

_COUNTS = {
    "total": 2,
    "running": 1,
    "paused": 0,
    "restarting": 0,
    "created": 0,
    "exited": 1,
    "removing": 0,
    "dead": 0,
    "managed": 2,
}

_PORT_SUMMARY = {
    "range": {"first": 8001, "last": 8999},
    "api_port": 8000,
    "total": 999,
    "available": 998,
    "in_use": 1,
    "reserved": 0,
    "remembered": 0,
    "external": 0,
}

_PORT_ROW = {
    "port": 8001,
    "state": "in_use",
    "container_id": _ID,
    "container_name": "web-1",
    "container_port": "5000/tcp",
    "since": "2026-01-02T15:04:05.456789Z",
    "held_by": None,
}

_STATS = {
    "container_id": _ID,
    "name": "web-1",
    "cpu_percent": 2.5,
    "memory_usage": "45.23 MB",
    "memory_limit": "512.00 MB",
    "memory_percent": 8.83,
    "network_rx": "1.25 MB",
    "network_tx": "0.75 MB",
    "timestamp": 1767366245.5,
    "cpu_percent_of_host": 0.63,
    "cpu_percent_of_limit": 5.0,
    "cpu_periods": 1200,
    "cpu_throttled_periods": 3,
    "cpu_throttled_s": 0.125,
    "memory_usage_bytes": 47427092,
    "memory_limit_bytes": 536870912,
    "memory_cache_bytes": 1048576,
    "oom_kills": 0,
    "network_rx_bytes": 1310720,
    "network_tx_bytes": 786432,
    "block_read_bytes": 0,
    "block_write_bytes": 4096,
    "pids": 2,
    "sampled_at": "2026-01-02T15:04:05.500000Z",
    "age_s": 0.412,
    "interval_s": 1.0,
    "source": "cgroup-v2",
    "networks": None,
}

_MEMORY = {
    "total": "8192.00 MB",
    "used": "2048.00 MB",
    "available": "6144.00 MB",
    "percent": 25.0,
    "total_bytes": 8589934592,
    "used_bytes": 2147483648,
    "available_bytes": 6442450944,
    "scope": "host",
}

_DISK = {
    "path": "/",
    "total": "102400.00 MB",
    "used": "40960.00 MB",
    "free": "61440.00 MB",
    "percent": 40.0,
    "total_bytes": 107374182400,
    "used_bytes": 42949672960,
    "free_bytes": 64424509440,
    "scope": "host",
}

_HOST = {
    "hostname": "host-1",
    "hostname_scope": "host",
    "cpu": {"percent": 12.5, "count": 4, "load_average": [0.5, 0.4, 0.3], "scope": "host"},
    "memory": _MEMORY,
    "disk": _DISK,
    "network": {
        "rx": "1.25 MB",
        "tx": "0.75 MB",
        "rx_bytes": 1310720,
        "tx_bytes": 786432,
        "interfaces": ["eth0"],
        "scope": "host",
    },
    "uptime_s": 86400.0,
    "uptime_scope": "host",
    "timestamp": 1767366245.5,
    "age_s": 0.412,
    "interval_s": 1.003,
}

_HOST_POINT = {
    "at": "2026-01-02T15:04:05.500000Z",
    "interval_s": 1.003,
    "cpu_percent": 12.5,
    "load_1m": 0.5,
    "memory_used_bytes": 2147483648,
    "memory_max_bytes": 2147483648,
    "memory_available_bytes": 6442450944,
    "disk_used_bytes": 42949672960,
    "network_rx_bytes_per_s": 2048.0,
    "network_tx_bytes_per_s": 1024.0,
}

# By the name of the model.
MODELS: dict[str, dict[str, Any]] = {
    "CreateRequest": {"env": {"GREETING": "hello"}, "memory": "256m"},
    "Container": {
        "id": _ID,
        "name": "web-1",
        "status": "running",
        "image": "base-api-server:latest",
        "ports": {"5000/tcp": "0.0.0.0:8001"},
        "created": "2026-01-02T15:04:05.123456Z",
        "state": "running",
        "health": "healthy",
        "started_at": "2026-01-02T15:04:05.456789Z",
        "finished_at": None,
        "exit_code": None,
        "labels": {"orchestration-api.managed": "true", "orchestration-api.ports": "8001"},
        "env": ["GREETING", "PATH"],
        "managed": True,
        "url": "http://localhost:8001",
        "limits": {"memory": 268435456, "cpus": 1.0, "pids": 512},
        "port_changed": False,
        "previous_ports": None,
        "previous_id": None,
    },
    "ContainerEnv": {
        "container_id": _ID,
        "name": "web-1",
        "env": {"GREETING": "hello", "PATH": "/usr/local/bin:/usr/bin:/bin"},
    },
    "RemovedContainer": {
        "id": _ID,
        "name": "web-1",
        "removed": True,
        "released_ports": [8001],
    },
    "ContainerStats": _STATS,
    "AllStats": {
        "count": 1,
        "totals": {
            "cpu_percent": 2.5,
            "cpu_percent_of_host": 0.63,
            "memory_usage": "45.23 MB",
            "network_rx": "1.25 MB",
            "network_tx": "0.75 MB",
            "memory_usage_bytes": 47427092,
            "memory_cache_bytes": 1048576,
            "network_rx_bytes": 1310720,
            "network_tx_bytes": 786432,
            "block_read_bytes": 0,
            "block_write_bytes": 4096,
            "pids": 2,
        },
        "containers": [_STATS],
    },
    "StatsHistory": {
        "container_id": _ID,
        "name": "web-1",
        "step_s": 60.0,
        "points": [
            {
                "at": "2026-01-02T15:04:59.500000Z",
                "interval_s": 60.0,
                "cpu_percent": 2.5,
                "cpu_throttled_s_per_s": 0.0,
                "memory_usage_bytes": 47427092,
                "memory_max_bytes": 52428800,
                "memory_cache_bytes": 1048576,
                "network_rx_bytes_per_s": 2184.5,
                "network_tx_bytes_per_s": 1310.7,
                "block_read_bytes_per_s": 0.0,
                "block_write_bytes_per_s": 68.3,
                "pids": 2,
            }
        ],
    },
    "PortRow": _PORT_ROW,
    "PortTable": {**_PORT_SUMMARY, "ports": [_PORT_ROW]},
    "SystemStats": {**_HOST, "containers": _COUNTS},
    "HostHistory": {"step_s": None, "points": [_HOST_POINT]},
    "Index": {
        "name": "Docker Orchestration API",
        "version": "0.1.0",
        "links": {"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json"},
        "endpoints": [
            {"method": "GET", "path": "/ports", "summary": "Every port that is not free"}
        ],
    },
    "Alive": {"status": "alive"},
    "Ready": {"status": "ready"},
    "Health": {
        "status": "healthy",
        "docker": {
            "status": "connected",
            "version": "28.5.2",
            "api_version": "1.51",
            "problem": None,
        },
        "containers": _COUNTS,
        "ports": _PORT_SUMMARY,
        "listing_age_s": 3.217,
        "uptime_s": 86400.0,
        "version": "0.1.0",
    },
}

METRICS = """\
# HELP container_cpu_usage_seconds_total CPU time.
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{cpu="total",id="0f4c…",image="nginx:1.27",name="web-1"} 12.5
# HELP orchestration_api_ports Host ports of the range, by state.
# TYPE orchestration_api_ports gauge
orchestration_api_ports{state="in_use"} 1.0
"""
