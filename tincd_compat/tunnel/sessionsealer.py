"""The outgoing end of a session, as delivery knows the sealers of tinc 1.0.

Datagrams have the IDs of two nodes in front: ``destination || author``, and zeros for
the destination where the author sends straight to it.  (protocol 17.7, tinc 1.1
behaviour)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tincd_compat.crypto.sptps.derivation import DIRECT, NODE_ID_SIZE
from tincd_compat.tunnel.sptpscodec import SptpsSealer
from tincd_compat.tunnel.sptpspure import FIRST_NUMBER, OVERHEAD
from tincd_compat.tunnel.traffic import Traffic

IDS_SIZE: Final = 2 * NODE_ID_SIZE


class SessionSealer:
    """Seals frames for one node; ``own`` is our node's ID, ``peer`` that node's."""

    def __init__(self, sealer: SptpsSealer, own: bytes, peer: bytes) -> None:
        #: What seals, without IDs.
        self.bare = sealer
        #: What is in front of datagrams that go straight to the node.
        self.straight = DIRECT + own
        self._relayed = peer + own

    @property
    def exhausted(self) -> bool:
        """Tell whether there is no number left in this session."""
        return self.bare.exhausted

    @property
    def sequence(self) -> int:
        """How many datagrams were made, but for the two plain ones."""
        return self.bare.number - FIRST_NUMBER

    @property
    def sent(self) -> Traffic:
        """The frames that were sealed, probes among them."""
        return self.bare.sent

    def seal_train(self, frames: Sequence[bytes | bytearray]) -> list[bytes]:
        """Return datagrams that go straight to the node; fewer if numbers run out."""
        return self.bare.seal_train(frames, self.straight)

    def seal_relayed(self, frames: Sequence[bytes | bytearray]) -> list[bytes]:
        """Return datagrams that another node passes on."""
        return self.bare.seal_train(frames, self._relayed)

    def seal_bare(self, frames: Sequence[bytes | bytearray]) -> list[bytes]:
        """Return datagrams without IDs, for lines over meta connections."""
        return self.bare.seal_train(frames)


def data_length(datagram: bytes) -> int:
    """Return the length of the data in a datagram with IDs in front."""
    return len(datagram) - IDS_SIZE - OVERHEAD
