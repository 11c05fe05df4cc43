"""Why a pull failed, by the engine's words. Pure: text in, one of our errors out.

A text is read from its beginning, once the engine's own prefixes are off: what comes after may be
a registry's own words, in which anything may stand. Those of 20.10 and 28.5 are recorded, see
tests/unit/record_pulls.py; those of the containerd image store and of Podman are read in their
sources.
"""

import re

from .. import errors
from ..image_references import is_public

# What the engine says first of where it was.
_PREFIX = re.compile(
    r'(Get|Head|Post) "[^"]*": '
    r"|error pulling image configuration: "
    r"|download failed after attempts=\d+: "
    r'|failed to resolve reference "[^"]*": (failed to do request: )?'  # containerd
    r"|failed to copy: (httpReadSeeker: failed open: )?"
    r"|(initializing source|reading manifest \S+ in|pinging container registry) \S+: ",  # Podman
    re.IGNORECASE,
)
_NO_SPACE = re.compile(r": no space left on device$", re.IGNORECASE)
_PLATFORM = re.compile(
    r"no matching manifest for (?P<platform>[a-z0-9]+/[a-z0-9/]+)[^:]* in the manifest list entries"
    r"|no match for platform in manifest"
    r'|image operating system "\w+" cannot be used on this platform'
    r"|choosing an image from manifest list \S+ no image found in (manifest list|image index)",
    re.IGNORECASE,
)
_LIMITED = re.compile(
    r"toomanyrequests(: |$)"
    r"|error parsing HTTP 429 response body: "
    r"|unexpected status (code|from \w+ request to) \S+: 429 ",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"pull access denied(,| for \S+, )"
    r"|(unauthorized|denied)(: |$)"
    r"|no basic auth credentials$"
    r"|error parsing HTTP 40[13] response body: "
    r"|unexpected status (code|from \w+ request to) \S+: 40[13] ",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"(manifest|name) unknown(: |$)"
    r"|manifest for \S+ not found(: |$)"
    r"|repository \S+ not found(: |$)"
    r"|\S+: not found$"  # containerd
    r"|no such image(: |$)",
    re.IGNORECASE,
)
_NO_REFERENCE = re.compile(
    r"invalid reference format|could not parse reference|invalid tag format", re.IGNORECASE
)
_BROKEN = re.compile(
    r"filesystem layer verification failed for digest "
    r"|(image config|manifest) verification failed for digest "
    r"|failed to register layer: "
    r"|layers from manifest don't match image configuration"
    r"|error unmarshalling content: |unexpected end of JSON input$|invalid character "
    r"|missing signature key$|unsupported (schema version|manifest|media type) "
    r"|(unknown blob|blob unknown)(: |$)"
    r"|failed commit on ref \S+ unexpected commit (digest|size) ",
    re.IGNORECASE,
)
_UNTRUSTED = re.compile(
    r"(tls: failed to verify certificate: )?x509: |remote error: tls: ", re.IGNORECASE
)
_PLAIN = re.compile(
    r"tls: first record does not look like a TLS handshake$"
    r"|http: server gave HTTP response to HTTPS client$",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"received unexpected HTTP status: \d{3}"
    r"|error parsing HTTP \d{3} response body: "
    r"|unexpected status (code|from \w+ request to) \S+: 5\d\d "
    r"|unknown(: |$)"
    r"|net/http: HTTP/1\.x transport connection broken: "
    r"|missing or empty Content-Type header$"
    r"|authorization server did not include a token in the response$",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"dial (tcp|udp)[: ]|lookup \S+"
    r"|(read|write) (tcp|udp) "
    r"|net/http: (TLS handshake timeout|request canceled|timeout awaiting response headers)"
    r"|context deadline exceeded|i/o timeout$|proxyconnect tcp: "
    r"|(unexpected )?EOF$",
    re.IGNORECASE,
)

# What only a registry says, or the engine of what a registry gave it. An engine repeats the page of
# another web server in the same words ("denied: <html>").
_OF_A_REGISTRY = re.compile(
    r"(pull access denied for \S+, repository does not exist or may require 'docker login': )?"
    r"(toomanyrequests|unauthorized|denied|(manifest|name) unknown)(: (?![<{\[])|$)"
    r"|pull access denied, |repository \S+ not found: name unknown"
    r"|manifest for \S+ not found(: |$)|\S+: not found$|no such image(: |$)"
    r"|no basic auth credentials$"
    r"|(filesystem layer|image config|manifest) verification failed for digest "
    r"|failed to register layer: |layers from manifest don't match image configuration"
    r"|(unknown blob|blob unknown)(: |$)|failed commit on ref \S+ unexpected commit ",
    re.IGNORECASE,
)

_ELSEWHERE = "or build or load the image on the engine"
# The first that fits the text is why.
_RULES: tuple[tuple[re.Pattern[str], type[errors.OrchestratorError], str, str], ...] = (
    (
        _LIMITED,
        errors.RegistryLimit,
        "its registry limits how much is downloaded, and asks to wait",
        "Try again later, or send a login as `registry_auth`, which may have more",
    ),
    (
        _DENIED,
        errors.ImagePullDenied,
        "its registry does not give it out. It has no such image, wants a login, or does not take"
        " the one that it got",
        "Check the name, and send a login as `registry_auth`, or have the operator run"
        " `docker login`",
    ),
    (_MISSING, errors.ImageNotFound, "its registry does not have it", "Check its name and tag"),
    (
        _BROKEN,
        errors.ImageBroken,
        "what its registry has under that name is damaged, or no image that the engine can run",
        "Push it again, or ask for another one",
    ),
    (
        _UNTRUSTED,
        errors.RegistryFailed,
        "the engine does not trust its registry's certificate",
        f"The operator adds its authority on the engine's host, {_ELSEWHERE}",
    ),
    (
        _PLAIN,
        errors.RegistryFailed,
        "its registry does not speak TLS",
        f"The operator adds it to the engine's insecure-registries, if that may be, {_ELSEWHERE}",
    ),
    (
        _FAILED,
        errors.RegistryFailed,
        "its registry answers with an error of its own, or not as a registry does",
        f"Look at the registry, {_ELSEWHERE}",
    ),
    (
        _UNREACHABLE,
        errors.RegistryUnreachable,
        "the engine cannot reach its registry",
        "Build or load it on the engine, or try again later",
    ),
)


def pull_failure(image: str, text: str, complaint: str | None = None) -> errors.OrchestratorError:
    """Makes our error of the engine's words about a pull that failed. `complaint` is what is wrong
    with the login for the image's registry, which counts where one is wanted.
    """
    said = _without_prefix(text)
    failed = f'Image "{image}" could not be pulled'
    if _NO_SPACE.search(said):  # at the end: a path stands before it
        return errors.ImagePullFailed(
            f"{failed}: the disk of the Docker engine is full. Free some space there, for example"
            " with `docker image prune`, and try again.",
            image=image,
        )
    if found := _PLATFORM.match(said):
        platform = found["platform"]
        return errors.ImagePlatform(
            f"{failed}: it is not built for {platform or 'the processor of this machine'}, which"
            " is wanted here. Ask for another tag, or build it for that platform.",
            image=image,
            platform=platform,
        )
    if _NO_REFERENCE.match(said):
        return errors.InvalidRequest(f'"{image}" is not an image reference.', image=image)
    if not (is_public(image) or _OF_A_REGISTRY.match(said)):
        # One sentence: it must not tell which ports of the engine's host and network are open.
        return errors.RegistryUnreachable(
            f"{failed}: the engine got no answer of a registry there. See that one listens at that"
            " address, and that the engine trusts it; this service's log has the engine's words"
            " under the request's id. Or build or load the image on the engine.",
            image=image,
        )
    for pattern, kind, reason, advice in _RULES:
        if pattern.match(said):
            more = f". What is more, {complaint}" if complaint and pattern is _DENIED else ""
            return kind(f"{failed}: {reason}. {advice}{more}.", image=image)
    return errors.ImagePullFailed(
        f"{failed}: the engine could not download it. This service's log has its words under the"
        " request's id. Try again later, or build or load the image on the engine.",
        image=image,
    )


def _without_prefix(text: str) -> str:
    text = text.strip()
    while prefix := _PREFIX.match(text):
        text = text[prefix.end() :]
    return text
