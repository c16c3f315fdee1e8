"""What a step of the handshake asks its connection to do, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from tincd_compat.crypto.streamciphers import StreamCipher
from tincd_compat.dataclass import dataclass
from tincd_compat.meta.events import Activated, DecryptNeeded, KeysExchanged
from tincd_compat.meta.messages import Message

if TYPE_CHECKING:
    from tincd_compat.meta.recordstream import RecordStream


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Queue this request."""

    message: Message


@dataclass(frozen=True, slots=True)
class StartEncryption:
    """Encrypt whatever is queued from now on."""

    cipher: StreamCipher = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartDecryption:
    """Decrypt whatever follows the METAKEY line."""

    cipher: StreamCipher = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartSession:
    """Go on in records: ``begin(received, unsent)`` returns the stream of them.

    ``received`` is what has come behind the peer's ID, ``unsent`` what was queued.
    """

    begin: Callable[[bytes, bytes], RecordStream] = field(repr=False)


Action: TypeAlias = (
    SendMessage
    | StartEncryption
    | StartDecryption
    | StartSession
    | DecryptNeeded
    | Activated
    | KeysExchanged
)
