"""Super-packets: segments of one flow that travel as one frame.

A super-packet is a frame in Ethernet layout whose lengths cover all its segments and
whose transport checksum is not finished: it holds the sum of the pseudo header alone.
Kinds are those of ``struct virtio_net_hdr`` (virtio 1.2, 5.1.6); offsets count from the
first byte of the frame.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tincd_compat.checksums import Buffer

TCPV4: Final = 1
TCPV6: Final = 4
UDP: Final = 5

#: Bytes of the largest IP packet; a piece is never longer.
MAX_IP_PACKET: Final = 65535
#: Datagrams in one piece, as many as the kernel itself puts into one.
MAX_DATAGRAMS: Final = 64
#: Frames in one piece: with its headers, not more than one writev() gathers.
MAX_MERGED: Final = 1000
#: Segments that one piece is cut into, more than any sender makes of it: the smallest
#: MSS that Linux agrees to, 48 bytes with options (tcp_min_snd_mss), fills the largest
#: packet with 1819.  A guest may claim one byte for each, and all others would wait
#: until thousands are sealed.
MAX_CUTS: Final = 2048
#: Payload of the smallest segments that Linux makes of a longer stream of TCP (48 bytes
#: of MSS, without the longest options), and how many smaller ones there may be: a train
#: of datagrams (UDP_MAX_SEGMENTS), or what a network card merges at a time.
SMALL: Final = 8
MAX_SMALL_CUTS: Final = 128

ETHERNET_SIZE: Final = 14
IPV4_SIZE: Final = 20
IPV6_SIZE: Final = 40
TCP_SIZE: Final = 20
UDP_SIZE: Final = 8

PROTOCOL_TCP: Final = 6
PROTOCOL_UDP: Final = 17

#: The flag of TCP that may differ between the segments of a piece.
PSH: Final = 0x08
#: Flags that a piece may have, AE in the byte before: they are a counter (accurate ECN,
#: RFC 9768) or stay until they are answered (RFC 3168), so all segments have them.  CWR
#: is part of both, but whoever cuts a piece leaves it to the first segment alone.
ECE: Final = 0x40
AE: Final = 0x01


class SuperPacket(NamedTuple):
    """Segments of one flow in one frame.

    ``size`` is the payload of each segment in bytes, of which the last may have less;
    ``start`` is where the TCP or UDP header begins.
    """

    frame: Buffer
    kind: int
    size: int
    start: int

    @property
    def header_size(self) -> int:
        """Bytes of headers in front of each segment's payload."""
        frame, start = self.frame, self.start
        if self.kind == UDP:
            return start + UDP_SIZE
        return start + (frame[start + 12] >> 4) * 4 if len(frame) > start + 12 else 0

    @property
    def segments(self) -> int:
        """How many segments there are."""
        return max(1, -(-(len(self.frame) - self.header_size) // max(1, self.size)))

    @property
    def is_too_fine(self) -> bool:
        """Whether no sender cuts so: a frame of it would be fifty times as long."""
        return self.size < SMALL and self.segments > MAX_SMALL_CUTS

    @property
    def frame_size(self) -> int:
        """Bytes of the longest frame that the segments make."""
        return min(self.header_size + self.size, len(self.frame))

    @property
    def total_size(self) -> int:
        """Bytes of all frames that the segments make."""
        return len(self.frame) + (self.segments - 1) * self.header_size
