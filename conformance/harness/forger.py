"""Datagrams with any source address, and what it takes to make members' packets."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from conformance.harness.member import Member
from conformance.harness.netns import Namespace
from conformance.harness.waits import Failed
from tincd_compat.crypto.suites import Suite, find_cipher, find_digest
from tincd_compat.meta.messages import AnsKey
from tincd_compat.tunnel.pure import PureSealer

#: Host and port.
Place: TypeAlias = tuple[str, int]

_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_UDP: Final = struct.Struct("!HHHH")
_TTL: Final = 64
#: Bytes in a fragment: all but in the last a multiple of eight.
_FRAGMENT: Final = 1480
_MORE_FRAGMENTS: Final = 0x2000
#: A flood sleeps after so many seconds' worth: no sleep is as short as between two.
_SLICE: Final = 0.005


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a UDP datagram says, from where and to where."""

    source: Place
    target: Place
    payload: bytes

    def packet(self) -> bytes:
        """Return it as an IPv4 packet; the kernel fills in the header's checksum."""
        length = _UDP.size + len(self.payload)
        ends = socket.inet_aton(self.source[0]), socket.inet_aton(self.target[0])
        total = _IPV4.size + length
        header = _IPV4.pack(0x45, 0, total, 0, 0, _TTL, socket.IPPROTO_UDP, 0, *ends)
        # Without a checksum of its own, which IPv4 allows.
        ports = _UDP.pack(self.source[1], self.target[1], length, 0)
        return header + ports + self.payload


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of an IPv4 packet; ``offset`` counts the bytes of its data before."""

    whole: bytes
    identification: int
    offset: int

    @classmethod
    def cut(cls, datagram: Datagram, identification: int) -> list[Fragment]:
        """Return a datagram in fragments; all numbers in use at a time must differ."""
        whole = datagram.packet()
        offsets = range(0, len(whole) - _IPV4.size, _FRAGMENT)
        return [cls(whole, identification, offset) for offset in offsets]

    @property
    def target(self) -> Place:
        return socket.inet_ntoa(self.whole[16:20]), 0

    def packet(self) -> bytes:
        data = self.whole[_IPV4.size :][self.offset :]
        more = _MORE_FRAGMENTS * (len(data) > _FRAGMENT)
        header = bytearray(self.whole[: _IPV4.size])
        place = more | self.offset // 8
        struct.pack_into("!HHH", header, 2, 0, self.identification, place)
        return bytes(header) + data[:_FRAGMENT]


class Forger:
    """Sends datagrams from a namespace in anybody's name."""

    def __init__(self, namespace: Namespace) -> None:
        self._socket = namespace.open_socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW
        )

    def send(self, *datagrams: Datagram | Fragment) -> None:
        for datagram in datagrams:
            self._send(datagram.packet(), datagram.target[0])

    def flood(
        self,
        datagrams: Sequence[Datagram | Fragment],
        rate: int,
        seconds: float,
        *,
        even: bool = False,
    ) -> int:
        """Send the datagrams over and over; return how many went out.

        :param rate: datagrams a second; a machine too slow for them sends fewer
        :param even: one by one and not in bursts, which keeps a processor busy
        """
        packets = [(each.packet(), each.target[0]) for each in datagrams]
        started = time.monotonic()
        sent = 0
        while (elapsed := time.monotonic() - started) < seconds:
            # What could not be sent in time is left out: a burst of everything that
            # is late would be another attack than the one that is asked for.
            for _ in range(min(int(elapsed * rate) - sent, int(2 * _SLICE * rate))):
                self._send(*packets[sent % len(packets)])
                sent += 1
            if not even:
                time.sleep(_SLICE)
        return sent

    def close(self) -> None:
        self._socket.close()

    def _send(self, packet: bytes, host: str) -> None:
        self._socket.sendto(packet, (host, 0))


def noise(count: int, target: Place, sources: Sequence[Place]) -> list[Datagram]:
    """Return random bytes of all sizes for one target, from each source in turn."""
    dice = random.Random(655)
    return [
        Datagram(
            sources[number % len(sources)],
            target,
            dice.randbytes(dice.choice((0, 3, 24, 100, 116, 500, 1400))),
        )
        for number in range(count)
    ]


def sealer_of(member: Member) -> PureSealer:
    """Ask the daemon for its key; what the sealer makes, the daemon will open."""
    member.say([f"15 {member.name} {member.daemon}".encode()])
    member.settle()
    # On coming up it was given one already, which no longer counts.
    start = f"16 {member.daemon} {member.name} "
    line = [line for line in member.heard if line.startswith(start)][-1]
    answer = AnsKey.parse(line.encode())
    cipher, digest = find_cipher(answer.cipher), find_digest(answer.digest)
    if cipher is None or digest is None:
        raise Failed(f"{member.daemon} uses a suite that is none: {line}")
    suite = Suite(cipher, digest, answer.maclength)
    return PureSealer(suite, bytes.fromhex(answer.key))
