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

# The `detail` of a problem, by its code.
DETAILS: dict[str, str] = {
    "unauthenticated": "A key is needed. Send it as Authorization: Bearer KEY, or to a browser as"
    " the password.",
    "insufficient-scope": 'The key "dashboard" may only read. Use one with the scope write.',
    "host-not-allowed": "This service does not answer to that name in the Host header. Call it by"
    " its address, or add the name to the setting ALLOWED_HOSTS.",
    "from-container": "This service does not answer to the containers it has made. The setting"
    " ALLOW_FROM_CONTAINERS lets them in.",
    "cross-origin": "A page of another origin may not change anything here. The setting"
    " CORS_ORIGINS lets origins in.",
    "unsupported-media-type": "The body must be JSON, sent with the header Content-Type:"
    " application/json.",
    "invalid-request": 'memory: memory is a number with a unit, like "512m" or "1g", or bytes.',
    "port-out-of-range": "Port 80 is outside 8001-8999. Pin one of these, or leave `port` out and"
    " the service picks a free one.",
    "idempotency-key-reused": "This Idempotency-Key came with another body before, which made"
    ' "web-1". Use a new key for a new container.',
    "start-refused": 'The container cannot start: "/srv/app" is missing or cannot be run in this'
    " image. Check `command`, and that the image was built for this host.",
    "container-not-found": 'There is no container "web-9". GET /containers lists all there are.',
    "image-not-found": 'Image "nginx:0.0" could not be pulled: its registry does not have it. Check'
    " its name and tag.",
    "port-not-found": "Port 80 is outside 8001-8999, the ports that this service gives out.",
    "ambiguous-id": '"0f" is the beginning of 2 ids. Give more characters.',
    "name-in-use": 'A container named "web-1" exists already. Remove it or choose another name.',
    "port-in-use": 'Port 8001 is in use by container "web-1". Pin another one, or leave `port` out'
    " and the service picks a free one.",
    "port-given-away": 'Port 8001 of this container was given to "web-2" while it was stopped.'
    ' Remove "web-2", or create this container anew to get another port.',
    "container-not-running": 'Container "web-1" does not run, so it uses nothing. Start it first.',
    "container-paused": 'Container "web-1" is paused, which this API does not undo. Restart it, or'
    " run `docker unpause`.",
    "container-busy": "The engine is busy with this container, perhaps removing it. Try again in a"
    " moment.",
    "not-managed": 'Container "db" was not created by this service, which leaves it alone. Use'
    " docker, or set ALLOW_UNMANAGED=true.",
    "malformed-request": "This is not HTTP/1.1 as it should be, so the connection is closed. Look"
    " at what the client or a proxy in between has sent.",
    "request-too-slow": "The request was not here in full within 30 seconds. Send it again in one"
    " go.",
    "body-too-large": "The body is larger than 65536 bytes. Send less, or raise MAX_BODY.",
    "url-too-long": "The URL is longer than 8192 bytes. Shorten the path or the query.",
    "headers-too-large": "The request has more than 100 headers, or more than 32768 bytes of them."
    " Leave out what is not needed.",
    "too-many-streams": "50 streams of yours are open, and no more are given. Close one, or raise"
    " MAX_STREAMS.",
    "overloaded": "500 requests are under way, and no more are taken. Try again in a few seconds,"
    " or raise MAX_REQUESTS.",
    "too-many-connections": "All connections that the service takes are at work. Try again in a few"
    " seconds, or raise MAX_CONNECTIONS.",
    "image-not-allowed": 'Image "nginx:1.27" is not one that this service may clone. Ask for'
    " another one, or have the operator add it to ALLOWED_IMAGES.",
    "volume-not-managed": 'Volume "db-data" was not made by this service, or is more than a plain'
    " local volume. Use another name, or set ALLOW_UNMANAGED=true.",
    "over-limit": "A container may have 1024.00 MB of memory at most, and this one is to have"
    " 2048.00 MB of memory. Ask for less, or have the operator raise MAX_MEMORY.",
    "quota-exceeded": 'The key "ci" may have 20 containers, and has 20. Remove one, or have the'
    " operator raise CONTAINERS_PER_KEY, or the key's own number in API_KEY_FILE.",
    "ports-exhausted": "All ports of 8001-8999 are taken: 0 left, 1 wanted. Remove or stop a"
    " container, or widen PORT_RANGE.",
    "too-busy": "256 changes are under way or waiting, and no more are taken. Try again in a few"
    " seconds, or raise MUTATION_QUEUE.",
    "shutting-down": "The service is being stopped. Try again when it is back; containers keep"
    " running.",
    "network-full": "No network of the engine can take another container, and it has no subnet left"
    " for a new network. Stop or remove containers, or unused networks (`docker network prune`), or"
    " give dockerd more subnets (default-address-pools).",
    "network-missing": "A network that the container is on was removed. Make it again and connect"
    " the container to it with `docker network connect`, or create the container anew.",
    "engine-unavailable": "The Docker engine cannot be reached. See that it runs, that this service"
    " may use its socket, and that DOCKER_HOST is right; the service reconnects by itself.",
    "engine-failed": "The Docker engine reported an error of its own; this service's log has its"
    " words under the request's id. Try again; if it stays, look at the engine's log.",
    "image-pull-failed": 'Image "nginx:1.27" could not be pulled: the engine cannot reach its'
    " registry. Build or load it on the engine, or try again later.",
    "engine-timeout": "The Docker engine did not answer within 20 seconds. Look at GET /health, and"
    " at GET /containers for what has happened meanwhile.",
}
