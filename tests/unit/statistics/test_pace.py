"""How often what is sampled, from questions at given times."""

import pytest

from orchestrator.statistics import Interest
from orchestrator.statistics.pace import EVERYTHING, HOT, IDLE, LOOKING_SECONDS, OFTEN_SECONDS, WARM


def test_before_anybody_asks_all_is_sampled_seldom() -> None:
    assert Interest(0.2).interval("web", 0.0) == IDLE


def test_one_question_makes_everything_warm_and_nothing_hot() -> None:
    interest = Interest(0.2)
    interest.asked("web", 100.0)
    assert interest.interval("web", 100.0) == WARM
    assert interest.interval("other", 100.0) == WARM


def test_a_second_question_soon_after_makes_one_hot_for_a_while() -> None:
    interest = Interest(0.2)
    interest.asked("web", 100.0)
    interest.asked("web", 103.0)
    assert interest.interval("web", 103.0) == HOT
    assert interest.interval("other", 103.0) == WARM
    assert interest.interval("web", 103.0 + OFTEN_SECONDS) == WARM


def test_questions_far_apart_are_not_often() -> None:
    interest = Interest(0.2)
    for time in (100.0, 107.0, 114.0):
        interest.asked("web", time)
        assert interest.interval("web", time) == WARM


def test_questions_about_everything_count_for_each() -> None:
    interest = Interest(0.2)
    interest.asked(EVERYTHING, 100.0)
    interest.asked(EVERYTHING, 101.0)
    assert interest.interval("web", 101.0) == HOT


def test_when_nobody_has_asked_for_long_all_cools_down() -> None:
    interest = Interest(0.2)
    interest.asked("web", 100.0)
    assert interest.interval("web", 100.0 + LOOKING_SECONDS) == WARM
    assert interest.interval("web", 101.0 + LOOKING_SECONDS) == IDLE


@pytest.mark.parametrize("key", ["web", EVERYTHING])
def test_what_a_stream_follows_is_hot_as_long_as_it_does(key: str) -> None:
    interest = Interest(0.2)
    with interest.following(key), interest.following(key):
        assert interest.interval("web", 1e6) == HOT
    assert interest.interval("web", 1e6) == IDLE


def test_a_stream_about_one_keeps_the_others_warm() -> None:
    interest = Interest(0.2)
    with interest.following("web"):
        assert interest.interval("other", 1e6) == WARM


def test_who_asked_long_ago_is_forgotten() -> None:
    interest = Interest(0.2)
    for number in range(1000):
        interest.asked(f"container-{number}", float(number))
        interest.asked(f"container-{number}", float(number))
    assert len(interest._asked) <= OFTEN_SECONDS + 2
    assert len(interest._hot_until) <= OFTEN_SECONDS + 2


# The budget


def test_within_the_budget_intervals_are_as_wanted() -> None:
    interest = Interest(0.2)
    interest.cost("cgroup-v2", 1000, 0.05)  # 50 us each
    interest.fit({"cgroup-v2": 999.0})
    assert interest.stretch == 1.0


def test_beyond_the_budget_all_intervals_grow_by_what_is_too_much() -> None:
    interest = Interest(0.1)
    interest.cost("engine", 100, 0.2)  # 2 ms each
    interest.fit({"engine": 100.0})
    assert interest.stretch == pytest.approx(2.0)
    interest.fit({"engine": 50.0})
    assert interest.stretch == pytest.approx(1.0)


def test_the_cost_of_all_sources_counts() -> None:
    interest = Interest(0.1)
    interest.cost("engine", 100, 0.2)
    interest.cost("cgroup-v1", 100, 0.01)
    interest.fit({"engine": 50.0, "cgroup-v1": 1000.0, "": 10.0})
    assert interest.stretch == pytest.approx(2.0)


def test_the_cost_follows_what_samples_cost_of_late() -> None:
    interest = Interest(0.1)
    interest.cost("engine", 1, 1.0)
    for _ in range(100):
        interest.cost("engine", 1, 0.001)
    interest.fit({"engine": 100.0})
    assert interest.stretch == pytest.approx(1.0, abs=0.05)


def test_no_samples_cost_nothing() -> None:
    interest = Interest(0.1)
    interest.cost("engine", 0, 1.0)
    interest.fit({"engine": 100.0})
    assert interest.stretch == 1.0
