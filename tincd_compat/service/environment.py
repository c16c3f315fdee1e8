"""The environment of this process as its scripts see it, without Python's additions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def without_coercion(environment: Mapping[str, str], given: bytes) -> dict[str, str]:
    """Return ``environment`` without what Python has put into it.

    ``given`` is the content of ``/proc/self/environ``.  In the C locale Python sets
    LC_CTYPE for its children (PEP 538).
    """
    kept = dict(environment)
    if not any(entry.startswith(b"LC_CTYPE=") for entry in given.split(b"\0")):
        kept.pop("LC_CTYPE", None)
    return kept


def original_environment() -> dict[str, str]:
    """Return the environment for scripts."""
    try:
        given = Path("/proc/self/environ").read_bytes()
    except OSError:
        return dict(os.environ)
    return without_coercion(os.environ, given)
