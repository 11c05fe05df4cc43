"""Which containers are ours, whatever their labels say."""

from typing import Any

import pytest

from orchestrator.payloads import image_behind_claim, is_husk, parse_container

from ..examples import payload

PREFIX = "orchestration-api."
OURS = {f"{PREFIX}managed": "true", f"{PREFIX}create": "c1", f"{PREFIX}idempotency-key": "k"}
CLEAN = {"maintainer": "me"}
COMMIT = {**CLEAN, **OURS, f"{PREFIX}ports": "8001"}


@pytest.fixture
def created() -> Any:
    found = payload("engine-20.10-container-created")["inspect"]
    found["HostConfig"]["PortBindings"] = {"5000/tcp": [{"HostIp": "", "HostPort": "8001"}]}
    return found


@pytest.mark.parametrize(
    ("labels", "inherited", "ours"),
    [
        ({**OURS}, CLEAN, True),
        ({**OURS}, {}, True),
        ({**COMMIT}, COMMIT, False),
        ({**COMMIT, "team": "blue"}, COMMIT, False),
        ({**COMMIT, f"{PREFIX}create": "c2"}, COMMIT, True),  # cloned from it, or moved
        ({f"{PREFIX}managed": "true"}, CLEAN, True),  # of the first versions
        ({f"{PREFIX}managed": "true"}, {f"{PREFIX}managed": "true"}, False),  # of a Dockerfile
        ({**OURS, f"{PREFIX}managed": "no"}, CLEAN, False),
        ({}, CLEAN, False),
        # Without its image, the ports tell.
        ({**COMMIT}, None, True),
        ({**COMMIT, f"{PREFIX}ports": "8002"}, None, False),
        ({**OURS}, None, False),
    ],
)
def test_what_proves_that_a_container_is_ours(
    created: Any, labels: dict[str, str], inherited: dict[str, str] | None, ours: bool
) -> None:
    created["Config"]["Labels"] = labels
    assert parse_container(created, inherited).managed is ours


def test_without_ports_and_image_nothing_is_proven(created: Any) -> None:
    created["HostConfig"]["PortBindings"] = {}
    created["Config"]["Labels"] = {**OURS, f"{PREFIX}ports": ""}
    assert not parse_container(created, None).managed


def test_of_one_that_is_not_ours_no_label_of_ours_counts(created: Any) -> None:
    moved = {f"{PREFIX}moved-from": "a" * 64, f"{PREFIX}image": "other:1", f"{PREFIX}request": "f"}
    created["Config"]["Labels"] = {**COMMIT, **moved, "team": "blue"}
    found = parse_container(created, {**COMMIT, **moved})
    assert found.labels == {"maintainer": "me", "team": "blue"}
    assert (found.earlier_ids, found.moved_image, found.fingerprint) == ((), None, None)
    assert found.image == created["Config"]["Image"]
    assert not is_husk(found)


def test_only_a_claim_needs_a_look_at_the_image(created: Any) -> None:
    created["Config"]["Labels"] = OURS
    assert image_behind_claim(created) == created["Image"]
    for labels in (None, {}, {"team": "blue"}, {f"{PREFIX}create": "c1"}):
        created["Config"]["Labels"] = labels
        assert image_behind_claim(created) is None
