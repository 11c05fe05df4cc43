"""Every error says what it is: to programs, to people, and to the documentation."""

from collections.abc import Iterator

from orchestrator import errors
from orchestrator.errors import OrchestratorError


def children(kind: type[OrchestratorError]) -> Iterator[type[OrchestratorError]]:
    for child in kind.__subclasses__():
        yield child
        yield from children(child)


RAISED = [kind for kind in children(OrchestratorError) if not kind.__subclasses__()]


def test_every_error_has_a_code_a_title_and_an_example_of_its_own() -> None:
    assert len({kind.code for kind in RAISED}) == len(RAISED)
    assert len({kind.example for kind in RAISED}) == len(RAISED)
    assert all({"code", "title", "example"} <= vars(kind).keys() for kind in RAISED)
    for kind in RAISED:
        assert kind.title not in ("", OrchestratorError.title)
        assert kind.example.endswith("."), "an example is a sentence, as `detail` is"


def test_every_error_is_one_of_the_face() -> None:
    assert {kind.__name__ for kind in children(OrchestratorError)} | {"OrchestratorError"} == set(
        errors.__all__
    )


def test_fields_that_are_not_known_are_left_out() -> None:
    error = errors.PortInUse("taken", port=8001, container_id=None, held_by="")
    assert error.fields == {"port": 8001, "held_by": ""}
    assert str(error) == error.message == "taken"
