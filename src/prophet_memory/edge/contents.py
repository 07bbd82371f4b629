"""What a path or an address holds, if it is what its checksum says."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path

from prophet_memory.edge.command import ConfigurationError

REMOTE = ("https://", "http://")


def content_of(place: str, sha256: str | None) -> bytes:
    """The bytes at a place.

    Args:
        place: a path, or a URL.
        sha256: that they must have; None for a file that is taken as it is.

    Raises:
        ConfigurationError: where nothing can be read, where something else is read, and for a URL without a checksum.
    """
    if sha256 is None and place.startswith(REMOTE):
        raise ConfigurationError(f"{place}: sha256: null; allowed: the checksum of what the address holds")
    try:
        content = urllib.request.urlopen(place).read() if place.startswith(REMOTE) else Path(place).read_bytes()  # noqa: S310
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{place}: file: {problem}; allowed: a path or URL that can be read") from None
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise ConfigurationError(f"{place}: sha256: {found} of what is there; allowed: {sha256}, as asked")
    return bytes(content)
