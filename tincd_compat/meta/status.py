"""The status word of each connection in the dump (tinc 1.0.36 behaviour)."""

from __future__ import annotations

from enum import IntFlag


class Status(IntFlag):
    """The bits of the status word in the dump of connections."""

    PINGED = 0x001
    ACTIVE = 0x002
    CONNECTING = 0x004
    REMOVE = 0x010
    TIMEOUT = 0x020
    ENCRYPTOUT = 0x040
    DECRYPTIN = 0x080
    MST = 0x100
    PROXY_PASSED = 0x200
    TARPIT = 0x400
