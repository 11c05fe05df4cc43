"""Who may do what with whose container, for each value of ALLOW_UNMANAGED."""

from collections.abc import Callable

import pytest

from orchestrator.callers import Caller
from orchestrator.errors import InsufficientScope, NotManaged
from orchestrator.models import Container
from orchestrator.policy import Access
from orchestrator.policy import access as module
from orchestrator.settings import Unmanaged

from ..examples import container

OURS = container("a1" * 32, name="web")
THEIRS = container("b2" * 32, name="db", managed=False)
OWN = container("c3" * 32, name="api", managed=False)
OWN_AND_OURS = container("c3" * 32, name="api")


def access(unmanaged: Unmanaged) -> Access:
    return Access(unmanaged, OWN.full_id)


def is_refused(check: Callable[[Container], None], found: Container) -> bool:
    try:
        check(found)
    except NotManaged as error:
        refusal = error
    else:
        return False
    assert (refusal.fields["id"], refusal.fields["name"]) == (found.id, found.name)
    assert refusal.message.startswith(f'Container "{found.name}" ')
    return True


@pytest.mark.parametrize(
    ("unmanaged", "read", "changed"),
    [("false", False, False), ("read", True, False), ("true", True, True)],
)
def test_what_may_be_done_with_containers_of_others(
    unmanaged: Unmanaged, read: bool, changed: bool
) -> None:
    it = access(unmanaged)
    assert it.may_read(THEIRS) == read
    assert is_refused(it.require_read, THEIRS) != read
    assert is_refused(it.require_change, THEIRS) != changed
    assert is_refused(it.require_values, THEIRS)


@pytest.mark.parametrize("unmanaged", ["false", "read", "true"])
def test_all_may_be_done_with_ours(unmanaged: Unmanaged) -> None:
    it = access(unmanaged)
    assert it.may_read(OURS)
    for check in (it.require_read, it.require_change, it.require_values):
        assert not is_refused(check, OURS)


@pytest.mark.parametrize("own", [OWN, OWN_AND_OURS], ids=["not managed", "managed"])
@pytest.mark.parametrize("unmanaged", ["false", "read", "true"])
def test_the_services_own_container_is_never_changed(unmanaged: Unmanaged, own: Container) -> None:
    it = access(unmanaged)
    assert is_refused(it.require_change, own)
    assert is_refused(it.require_values, own)
    assert it.may_read(own) == (unmanaged != "false")
    assert is_refused(it.require_read, own) == (unmanaged == "false")


def test_the_reasons_differ() -> None:
    it = access("false")
    for check in (it.require_read, it.require_change):
        with pytest.raises(NotManaged) as own:
            check(OWN)
        with pytest.raises(NotManaged) as other:
            check(THEIRS)
        assert "this service runs in" in own.value.message
        assert "was not created by this service" in other.value.message


def test_values_need_the_scope_write() -> None:
    with pytest.raises(InsufficientScope, match='"dash" may only read'):
        module.require_write_scope(Caller("dash", "read", "-"))
    module.require_write_scope(Caller("ci", "write", "-"))
