"""Containers over HTTP, each with a host port of its own.

    errors       what can go wrong, in the service's words; knows no HTTP
    quantities   "512m", "8001-8999", "45.23 MB"
    image_policy  which images may be cloned: patterns for references; pure
    ssh_address  the parts of DOCKER_HOST=ssh://…; pure
    settings     the settings, from the environment
    models       the types that travel, from the engine's answer to ours
    queries      what may be asked for in a query; pure
    labels       what this service writes on containers: its only database
    create_schema  what the texts of a create look like, for validators and OpenAPI; pure
    create_request  what may be asked of a create, field by field
    confinement  what a container is held to: limits, capabilities, logs, init; pure
    problems     errors as problem documents
    examples     what answers look like, for the documentation
    refusals     what the engine's error texts mean; pure
    port_record  what is known about one port
    ports        which container has which port; pure, no I/O
    payloads     the engine's JSON, both ways; pure
    stats        two samples of a container's counters become figures; pure
    history      figures over time, in bounded memory; pure
    interest     what is asked for how often, and is therefore sampled how often; pure
    selection    many containers' figures in one answer; pure
    meters       requests and calls of the engine, counted for Prometheus as they happen
    pools        threads for calls that block, with deadlines
    enforcement  which limits an engine applies, by what it says of itself; pure
    tunnel       the socket of an engine on another machine, as one here, through ssh
    engine       the only module that talks to Docker
    inventory    what the engine holds, in memory
    host_files   what the host uses, in the kernel's files, and whose figures those are
    system       the host's statistics: the last sample, and a history
    host_ports   the host's ports that processes listen on
    callers      who asks: the key, and the address
    keys         the keys there are, as digests, from the environment and a file
    own_bridges  which callers are containers on networks of ours
    security     who is let in: keys, names of this service, pages of other origins
    limits       what a request may weigh, and how many there may be at once
    connections  how many, how slow to write and to read; what cannot be read is answered
    audit        a line for each change that was asked for
    logs         log lines, as text or JSON
    request_ids  an id for each request, in answers and log lines
    cgroup_files  what the kernel's files about a container say; pure
    cgroups      where those files are, and samples from them
    watcher      list + watch: inventory and ports equal to the engine
    access       what may be done with which container
    own_container  which container this process runs in
    programs     whether a program is in a container, before it is started
    images       images to clone from, pulled when they are missing
    rebuild      a container's inspection as a create of the same once more; pure
    refused_ports  ports that the engine refused, and who has them
    mutations    changes under way: so many at once, one at a time for a container
    leftovers    what failures and crashes left, found out and taken away
    quotas       what one container, all of them and those of a key may have at most
    creates      a clone, on one port after the other until the engine agrees
    environments  the values of a container's environment, for those who may see them
    moves        a container made once more, on another port
    networks     on which network of ours a container goes, apart from all others
    lifecycle    create, start, stop, restart, remove
    idempotency  creates that happen once for a key
    sources      samples from the kernel's files or from the engine, and what they cost
    sampler_counts  what the sampler counts about itself
    samples      what was sampled of containers: the newest, and a bounded history
    sampler      when samples are taken, who is answered with them, streams
    metrics      what Prometheus is told: containers, ports, the sampler, what was counted
    service      how these are put together

Invariants: the engine is the only truth, and all memory can be rebuilt from it. All state belongs
to the event loop and is touched from it alone. Two containers never get one port, and no port
outlives what it is held for. A container that this service did not create is never changed.
"""

__version__ = "0.1.0"
