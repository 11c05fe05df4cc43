"""Attacks an installation of this service over the network, and says what it tried and what it saw.

    python -m tests.security.attack http://127.0.0.1:8000 --key "$API_KEY"

It is for those who run the service, against an installation of their own: it takes addresses of
this
machine and of private networks only, unless `--i-run-this-service` is said. Each attack is bounded,
in how much it sends and in how long it takes; `--flood` sends 20,000 requests and aborts 30,000
more.
Containers are made only where the key lets it (or the service asks for none), under names with a
prefix by chance. They are removed at the end, also after an interruption.

It needs Python alone, and nothing of the service: it sees what any caller can see.

    registry    what an attack is, how one ends, and when one is skipped
    run         runs them one after the other, and looks after each whether the service still
    answers
    target      the installation: connections, keys, containers that were made
    answers     reads answers, and knows what no answer may be (a 500, a trace, a path, no problem)
    addresses   which addresses may be attacked
    process     what the service's process holds: memory and descriptors
    elsewhere   what cannot be tried from outside, and the test that holds it instead

    doors  framing  callers  creates  slots  flood      the attacks, by topic
"""
