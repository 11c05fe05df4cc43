"""Reads a file out of an archive that the engine gives. Pure.

What is in it comes from an image: it may be no archive at all.
"""

import io
import tarfile


def first_file(archive: bytes) -> bytes | None:
    """The content of the first entry, where that is a file; None for anything else."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            entry = tar.next()
            content = tar.extractfile(entry) if entry is not None and entry.isreg() else None
            return None if content is None else content.read(len(archive))
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError):
        return None
