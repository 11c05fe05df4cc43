"""Which references a list of patterns allows."""

import pytest

from orchestrator.image_references import ImagePolicy, found_by_id

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


@pytest.mark.parametrize(
    ("patterns", "reference"),
    [
        ("nginx", "nginx"),
        ("nginx", "nginx:1.27"),
        ("nginx", f"nginx@{DIGEST}"),
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx", "index.docker.io/library/nginx"),
        ("nginx", "docker.io/nginx"),
        ("docker.io/library/nginx", "nginx"),
        ("nginx:latest", "nginx"),
        ("nginx:1.*", "nginx:1.27"),
        ("redis, nginx", "nginx"),
        ("team/*", "team/app:2"),
        ("registry.example:5000/**", "registry.example:5000/team/app"),
        ("registry.example/*/app", "registry.example/team/app"),
        ("localhost/app", "localhost/app:1"),
        ("**", "registry.example/team/app:1"),
        ("**/app", "registry.example/team/app:1"),
        (f"nginx@{DIGEST}", f"nginx@{DIGEST}"),
        (f"nginx@{DIGEST}", f"nginx:1.27@{DIGEST}"),
        (f"nginx:1.27@{DIGEST}", f"nginx@{DIGEST}"),
    ],
)
def test_allowed(patterns: str, reference: str) -> None:
    assert ImagePolicy.parse(patterns).allows(reference)


@pytest.mark.parametrize(
    ("patterns", "reference"),
    [
        ("nginx", "redis"),
        ("nginx", "team/nginx"),
        ("nginx", "nginx-evil"),
        ("nginx", "registry.example/library/nginx"),
        ("nginx", "evil.example/docker.io/library/nginx"),
        ("nginx:1.27", "nginx"),
        ("nginx:1.27", "nginx:1.26"),
        ("nginx:1.27", f"nginx@{DIGEST}"),
        ("nginx:1.27", f"nginx:1.27@{DIGEST}"),
        ("nginx:*", f"nginx@{DIGEST}"),
        (f"nginx@{DIGEST}", "nginx"),
        (f"nginx@{DIGEST}", f"nginx@{OTHER}"),
        (f"nginx:1.27@{DIGEST}", f"nginx:1.27@{OTHER}"),
        ("*", "team/app"),
        ("team/*", "team/sub/app"),
        ("registry.example/*", "registry.example/team/app"),
        ("registry.example/team/**", "registry.example/teams/app"),
        ("registry.example/**", "registryXexample/team"),
        ("localhost:5000/app", "localhost:5001/app"),
    ],
)
def test_not_allowed(patterns: str, reference: str) -> None:
    assert not ImagePolicy.parse(patterns).allows(reference)


def test_without_patterns_everything_is_allowed() -> None:
    assert ImagePolicy().allows("registry.example/team/app:1")


@pytest.mark.parametrize("text", ["nginx,,redis", ",", "ng inx", "nginx;redis", "[a-z]", "nginx,"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="patterns of image references"):
        ImagePolicy.parse(text)


def test_an_image_that_was_found_by_its_id() -> None:
    names = ("nginx:1.27", "abab:latest", "nginx:ab", f"nginx@{OTHER}")
    for reference in (DIGEST, "ab" * 32, "ababab", "sha256:abab", "nginx:abab"):
        assert found_by_id(reference, DIGEST, names), reference
    for reference in ("nginx:1.27", "abab", "nginx:ab", f"nginx@{OTHER}", "docker.io/nginx:1.27"):
        assert not found_by_id(reference, DIGEST, names), reference
    assert found_by_id("ab", DIGEST, ())
