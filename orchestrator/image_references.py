"""Says what an image's reference leads to: to one that an operator's patterns allow, to one by its
id, to one that a move has made. Pure.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

# Images that moves make have names here, while containers are made of them, and such a comment.
MOVED_REPOSITORY = "orchestration-api-moved"
COMMITTED, MADE_ANEW = "orchestration-api: moved", "orchestration-api: moved, made anew"

_PATTERN = re.compile(r"[a-zA-Z0-9._/:@*?-]+")

# Registries that everybody knows. Any other name may lead anywhere, to the engine's own host too.
_PUBLIC = re.compile(
    r"docker\.io|(index|registry-1)\.docker\.io|ghcr\.io|quay\.io|([a-z0-9-]+\.)?gcr\.io"
    r"|[a-z0-9-]+-docker\.pkg\.dev|registry\.k8s\.io|mcr\.microsoft\.com|public\.ecr\.aws"
    r"|registry\.gitlab\.com|registry\.access\.redhat\.com|registry\.redhat\.io|nvcr\.io"
    r"|docker\.elastic\.co"
)


@dataclass(frozen=True)
class Reference:
    """An image's reference in full, or a pattern for some; `tag` and `digest` may be missing."""

    name: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """`nginx:1.27` is docker.io/library/nginx and 1.27, as for the engine."""
        rest, _, digest = text.partition("@")
        path, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:  # the colon of a port
            path, tag = rest, ""
        domain, slash, remainder = path.partition("/")
        if domain.startswith("**"):  # a pattern for any registry
            return cls(path, tag or None, digest or None)
        if not slash or not (
            set(domain) & set(".:") or domain == "localhost" or domain != domain.lower()
        ):
            domain, remainder = "docker.io", path
        if domain == "index.docker.io":
            domain = "docker.io"
        if domain == "docker.io" and "/" not in remainder and not remainder.startswith("**"):
            remainder = f"library/{remainder}"
        return cls(f"{domain}/{remainder}", tag or None, digest or None)

    @property
    def full(self) -> "Reference":
        """The engine takes `latest` where there is neither tag nor digest."""
        return self if self.tag or self.digest else Reference(self.name, "latest", None)


@dataclass(frozen=True)
class ImagePolicy:
    """The references that are allowed; without patterns, all are."""

    patterns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ImagePolicy":
        """From "nginx,registry.example/team/**"; ValueError for what is no pattern."""
        patterns = tuple(part.strip() for part in text.split(","))
        if not all(_PATTERN.fullmatch(pattern) for pattern in patterns):
            raise ValueError(
                'patterns of image references are wanted, like "nginx,registry.example/team/**"'
            )
        return cls(patterns)

    def allows(self, reference: str) -> bool:
        """Whether a pattern matches. One with a tag allows no reference with a digest unless it
        has a digest too: the engine goes by the digest, and a tag beside it proves nothing.
        """
        wanted = Reference.parse(reference).full
        return not self.patterns or any(
            _allows(Reference.parse(pattern), wanted) for pattern in self.patterns
        )


def found_by_id(reference: str, image_id: str, names: Iterable[str]) -> bool:
    """Whether the engine found an image by its id rather than by one of its names, which have a tag
    or a digest. It takes "0f4c1d", "sha256:0f4c1d…", and the beginning of an id for a tag.
    """
    wanted = Reference.parse(reference).full
    if any(Reference.parse(name).full == wanted for name in names):
        return False
    digits = image_id.removeprefix("sha256:")
    return digits.startswith(reference.removeprefix("sha256:")) or bool(
        wanted.tag and not wanted.digest and digits.startswith(wanted.tag)
    )


def is_of_a_move(comment: str, names: Collection[str]) -> bool:
    """Whether an image, or one below it, was made by a move: it holds the files of a container."""
    return comment in (COMMITTED, MADE_ANEW) or any(map(is_name_of_a_move, names))


def is_name_of_a_move(reference: str) -> bool:
    """Whether a reference is a name that moves give to images."""
    return Reference.parse(reference).name == Reference.parse(MOVED_REPOSITORY).name


def is_public(reference: str) -> bool:
    """Whether an image is of a registry that everybody knows, and at no port of its own."""
    return bool(_PUBLIC.fullmatch(Reference.parse(reference).name.partition("/")[0]))


def _allows(pattern: Reference, wanted: Reference) -> bool:
    if not _matches(pattern.name, wanted.name):
        return False
    if pattern.digest is not None:
        return wanted.digest is not None and _matches(pattern.digest, wanted.digest)
    if pattern.tag is not None:
        return wanted.digest is None and _matches(pattern.tag, wanted.tag or "")
    return True


def _matches(pattern: str, text: str) -> bool:
    """`*` and `?` stand for what has no slash, `**` for anything."""
    parts = re.split(r"(\*\*+|\*|\?)", pattern)
    signs = {"*": "[^/]*", "?": "[^/]"}
    expression = "".join(
        ".*" if part.startswith("**") else signs.get(part) or re.escape(part) for part in parts
    )
    return re.fullmatch(expression, text) is not None
