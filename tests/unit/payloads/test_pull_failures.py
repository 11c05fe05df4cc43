"""What real engines said of pulls that failed (record_pulls.py), and what a caller gets."""

import json

import pytest

from orchestrator import errors
from orchestrator.errors import OrchestratorError
from orchestrator.http.problems import retry_after, status_of
from orchestrator.payloads import pull_failure

from ..examples import ENGINES, payload
from .test_refusals import ADDRESS

# By the first word of a case.
EXPECTED: dict[str, tuple[type[OrchestratorError], int]] = {
    "platform": (errors.ImagePlatform, 422),
    "missing": (errors.ImageNotFound, 404),
    "denied": (errors.ImagePullDenied, 403),
    "limited": (errors.RegistryLimit, 503),
    "unreachable": (errors.RegistryUnreachable, 503),
    "broken": (errors.ImageBroken, 502),
    "failed": (errors.RegistryFailed, 502),
}
RECORDED = [
    (engine, case, text)
    for engine in ENGINES
    for case, text in payload(f"engine-{engine}-pulls").items()
]
IMAGE = "some/image:tag"


def said(error: OrchestratorError) -> str:
    """All that a caller gets to read."""
    return error.message + json.dumps(error.fields)


@pytest.mark.parametrize(("engine", "case", "text"), RECORDED)
def test_why_a_pull_failed(engine: str, case: str, text: str) -> None:
    kind, status = EXPECTED[case.partition("-")[0]]
    error = pull_failure(IMAGE, text)
    assert type(error) is kind, text
    assert status_of(kind) == status
    assert (retry_after(error) is not None) == (status == 503)
    assert error.fields["image"] == IMAGE
    assert IMAGE in error.message
    assert not ADDRESS.search(said(error))
    assert "html" not in error.message


def test_all_kinds_are_recorded_of_each_engine() -> None:
    cases = {engine: {case for name, case, _ in RECORDED if name == engine} for engine in ENGINES}
    assert len(set(map(frozenset, cases.values()))) == 1
    for found in cases.values():
        assert {case.partition("-")[0] for case in found} == set(EXPECTED)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_platform_that_is_missing_is_named(engine: str) -> None:
    error = pull_failure(IMAGE, payload(f"engine-{engine}-pulls")["platform"])
    assert error.fields == {"image": IMAGE, "platform": "linux/amd64"}
    assert "linux/amd64" in error.message


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("pull access denied for some/image, repository does not exist or may require 'docker"
         " login': denied: requested access to the resource is denied", errors.ImagePullDenied, ""),
        ("manifest for nginx:nope not found: manifest unknown: manifest unknown",
         errors.ImageNotFound, ""),
        ("invalid reference format", errors.InvalidRequest, "not an image reference"),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries",
         errors.ImagePlatform, "linux/arm64/v8"),
        ("no matching manifest for windows/amd64 10.0.17763 in the manifest list entries",
         errors.ImagePlatform, "windows/amd64"),
        ('image operating system "windows" cannot be used on this platform', errors.ImagePlatform,
         "this machine"),
        ('Get "https://10.1.2.3/v2/": http: server gave HTTP response to HTTPS client',
         errors.RegistryFailed, "insecure-registries"),
        ('Get "https://10.1.2.3/v2/": x509: certificate signed by unknown authority',
         errors.RegistryFailed, "trust"),
        ("failed to register layer: write /usr/lib/x: no space left on device",
         errors.ImagePullFailed, "disk of the Docker engine is full"),
        ("failed to register layer: write /usr/lib/python3/denied.py: no space left on device",
         errors.ImagePullFailed, "disk of the Docker engine is full"),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device",
         errors.ImagePullFailed, "disk of the Docker engine is full"),
        ("net/http: request canceled while waiting for connection (Client.Timeout exceeded)",
         errors.RegistryUnreachable, ""),
        ("unexpected EOF", errors.RegistryUnreachable, ""),
        ('Get "https://r/v2/": net/http: TLS handshake timeout', errors.RegistryUnreachable, ""),
        ('Get "https://r/v2/": proxyconnect tcp: dial tcp 10.1.2.3:3128: connect: no route to host',
         errors.RegistryUnreachable, ""),
        ("something else at /var/lib/docker", errors.ImagePullFailed, "could not download"),
        # The containerd image store, and Podman
        ('failed to resolve reference "docker.io/library/nope:1": pull access denied, repository'
         " does not exist or may require authorization: server message: insufficient_scope:"
         " authorization failed", errors.ImagePullDenied, ""),
        ('failed to resolve reference "registry.test/team/app:2": registry.test/team/app:2: not'
         " found", errors.ImageNotFound, ""),
        ('failed to resolve reference "registry.test/a:1": failed to do request: Head'
         ' "https://registry.test/v2/a/manifests/1": dial tcp: lookup registry.test: no such host',
         errors.RegistryUnreachable, ""),
        ("failed to copy: httpReadSeeker: failed open: unexpected status code"
         " https://registry.test/v2/a/blobs/sha256:00: 429 Too Many Requests",
         errors.RegistryLimit, ""),
        ('failed to resolve reference "registry.test/a:1": unexpected status from HEAD request to'
         " https://registry.test/v2/a/manifests/1: 503 Service Unavailable",
         errors.RegistryFailed, ""),
        ("initializing source docker://registry.test/a:2: reading manifest 2 in registry.test/a:"
         " manifest unknown", errors.ImageNotFound, ""),
    ],
)  # fmt: skip
def test_other_words(text: str, expected: type[OrchestratorError], words: str) -> None:
    error = pull_failure(IMAGE, text)
    assert type(error) is expected
    assert words in error.message
    assert IMAGE in error.message
    for inside in ("/var", "/usr", "10.1.2.3", "registry.test"):
        assert inside not in said(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("denied: manifest unknown", errors.ImagePullDenied),
        ("toomanyrequests: access denied, dial tcp", errors.RegistryLimit),
        ("unknown: toomanyrequests: unauthorized", errors.RegistryFailed),
        ("manifest unknown: no matching manifest for linux/amd64 in the manifest list entries",
         errors.ImageNotFound),
        ('Head "http://r/v2/denied: /unauthorized: x": received unexpected HTTP status: 500 denied',
         errors.RegistryFailed),
        ("not what is known: denied: x509: dial tcp", errors.ImagePullFailed),
    ],
)  # fmt: skip
def test_what_a_registry_adds_of_its_own_decides_nothing(
    text: str, expected: type[OrchestratorError]
) -> None:
    assert type(pull_failure(IMAGE, text)) is expected


def test_what_is_wrong_with_the_login_file_is_said_where_a_login_is_wanted() -> None:
    complaint = 'the entry "x" of the login file cannot be used'
    assert complaint in pull_failure(IMAGE, "unauthorized", complaint).message
    assert complaint not in pull_failure(IMAGE, "manifest unknown", complaint).message


# Of a registry at an address, or by a name that is not one of those that everybody knows


def by_a_registry(case: str, text: str) -> bool:
    """Whether a recorded case is what a registry said, and could not be another server's answer."""
    if case == "denied-401-page" and "<html>" not in text:
        return True  # an engine 20.10 tells it as a registry's
    if "page" in case or "<html>" in text:
        return False
    if case in ("broken-manifest", "broken-config", "broken-chart"):
        return False
    return case.startswith(("platform", "missing", "denied", "limited", "broken")) and (
        "signature" not in text
    )


@pytest.mark.parametrize(
    "image",
    [
        "127.0.0.1:5000/team/app:1", "localhost/a", "localhost:22/a", "10.0.0.1:80/a",
        "169.254.169.254:80/a", "192.168.1.1/a", "8.8.8.8:53/a", "registry:5000/a",
        "points-anywhere.example/a", "evil.ghcr.io/a", "ghcr.io.example:22/a", "docker.io:22/a",
        "GHCR.io.internal/a",
    ],
)  # fmt: skip
def test_whatever_is_no_registry_s_own_answer_is_one_sentence(image: str) -> None:
    told = set()
    for _, case, text in RECORDED:
        error = pull_failure(image, text, "the login file is broken")
        if not by_a_registry(case, text):
            told.add((type(error), said(error)))
        else:
            assert type(error) is type(pull_failure(IMAGE, text)), case
    assert len(told) == 1
    ((kind, words),) = told
    assert kind is errors.RegistryUnreachable
    assert "login file" not in words


@pytest.mark.parametrize(
    "image", ["nginx", "team/app", "docker.io/a/b:1", "ghcr.io/a/b", "quay.io/a@sha256:00"]
)
def test_registries_that_everybody_knows_are_told_apart(image: str) -> None:
    for _, case, text in RECORDED:
        assert type(pull_failure(image, text)) is EXPECTED[case.partition("-")[0]][0]
