"""A cable with faults: frames are lost, delayed, swapped, doubled, damaged, cut off.

The kernel of a test machine need not be able to do any of this, and what it can it
does not repeat.  Here a loop in user space carries the frames between the hosts, and
the n-th datagram of each direction meets the same fate in every run of the same seed.

Faults are for datagrams over IPv4 only.  A TCP connection heals by itself, at the
pace of the kernel, which is not what is tested.
"""

from __future__ import annotations

import heapq
import itertools
import random
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from conformance.harness.netns import Lan, Namespace

_ETH_P_ALL: Final = 3
_SOL_PACKET: Final = 263
_PACKET_VNET_HDR: Final = 15
_PACKET_OUTGOING: Final = 4
#: Before every frame: whether its checksum is still to be filled in, and where.
_VNET_HDR: Final = 10
_LARGEST: Final = 1 << 16
#: Frames of one host in one go.
_BURST: Final = 64
_ETHERNET: Final = 14
_UDP: Final = 8
_IPV4_UDP: Final = (b"\x08\x00", 17)
_WAIT: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What happens to datagrams: shares from 0 to 1, times in seconds.

    ``jitter`` is the most by which ``delay`` is longer or shorter; ``reorder`` is the
    share of datagrams held back long enough for later ones to overtake.
    """

    loss: float = 0
    duplicate: float = 0
    corrupt: float = 0
    reorder: float = 0
    delay: float = 0
    jitter: float = 0
    cut: bool = False


#: How long a datagram is held back so that others overtake it.
_HELD: Final = 0.05


class Fate(Counter[str]):
    """How many datagrams of one direction were lost, doubled, damaged, held back."""


@dataclass(slots=True)
class _End:
    """One host's end; ``fate`` and ``rng`` are those of what the host sends."""

    sock: socket.socket
    rng: random.Random
    fate: Fate


class Cable(Lan):
    """A network like :class:`Lan` whose frames pass through this process.

    :param seed: decides the fate of every datagram
    """

    def __init__(self, switch: Namespace, number: int, seed: int) -> None:
        super().__init__(switch, number, bridge=False)
        self._seed = seed
        self._faults = Faults()
        self._ends: dict[int, _End] = {}
        self._selector = selectors.DefaultSelector()
        self._waiting: list[tuple[float, int, socket.socket, bytes]] = []
        self._order = itertools.count()
        self._stopping = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def join(self, namespace: Namespace, host: int, name: str = "eth0") -> None:
        super().join(namespace, host, name)
        namespace.cut_up(name)
        self._tap(f"port{host}", host)

    def start(self) -> None:
        """Carry frames from now on; no host may join any more."""
        self._thread.start()

    def set(self, faults: Faults) -> dict[int, Fate]:
        """Change the faults, and begin to count and to draw lots anew.

        Returns what befell the datagrams of each host until now.
        """
        with self._lock:
            self._faults = faults
            before = {host: end.fate for host, end in self._ends.items()}
            for host, end in self._ends.items():
                end.rng, end.fate = self._lots(host), Fate()
            return before

    def close(self) -> None:
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join()
        self._selector.close()
        for end in self._ends.values():
            end.sock.close()

    def _lots(self, host: int) -> random.Random:
        return random.Random(self._seed * 1000 + host)

    def _tap(self, port: str, host: int) -> None:
        """Have the frames of a host in this process."""
        # One for all protocols would have frames of all devices until it is bound.
        sock = self._switch.open_socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind((port, _ETH_P_ALL))
        sock.setblocking(False)
        self._ends[host] = _End(sock, self._lots(host), Fate())
        self._selector.register(sock, selectors.EVENT_READ, host)

    # The loop.

    def _run(self) -> None:
        while not self._stopping:
            due = self._waiting[0][0] - time.monotonic() if self._waiting else _WAIT
            for key, _ in self._selector.select(max(0, min(due, _WAIT))):
                for frame in _frames(key.fileobj):
                    self._carry(key.data, frame)
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                _, _, sock, frame = heapq.heappop(self._waiting)
                _send(sock, frame)

    def _carry(self, host: int, frame: bytes) -> None:
        others = [end.sock for other, end in self._ends.items() if other != host]
        udp = _payload_of_udp(frame)
        if udp is None:
            for sock in others:
                _send(sock, frame)
            return
        with self._lock:
            fates = list(self._fates(self._ends[host], frame, udp))
        now = time.monotonic()
        for delay, copy in fates:
            for sock in others:
                if delay:
                    entry = (now + delay, next(self._order), sock, copy)
                    heapq.heappush(self._waiting, entry)
                else:
                    _send(sock, copy)

    def _fates(
        self, end: _End, frame: bytes, udp: int
    ) -> Iterator[tuple[float, bytes]]:
        """Yield the copies that arrive, each with its delay."""
        faults, fate = self._faults, end.fate
        # Always as many lots, or one fault would change the lots of the next datagram.
        lost, doubled, damaged, held, late, place = (end.rng.random() for _ in range(6))
        fate["sent"] += 1
        if faults.cut or lost < faults.loss:
            fate["lost"] += 1
            return
        if damaged < faults.corrupt:
            fate["damaged"] += 1
            frame = _damage(frame, udp, place)
        delay = max(0.0, faults.delay + (2 * late - 1) * faults.jitter)
        if held < faults.reorder:
            fate["held"] += 1
            delay += _HELD
        yield delay, frame
        if doubled < faults.duplicate:
            fate["doubled"] += 1
            yield delay, frame


def _frames(sock: object) -> Iterator[bytes]:
    """Yield what hosts have sent, each frame after its checksum header."""
    assert isinstance(sock, socket.socket)
    for _ in range(_BURST):
        try:
            frame, address = sock.recvfrom(_LARGEST)
        except OSError:
            # Nothing left, or the device is going away.
            return
        if address[2] != _PACKET_OUTGOING:
            yield frame


def _send(sock: socket.socket, frame: bytes) -> None:
    try:
        sock.send(frame)
    except OSError:
        # A full queue loses frames as a real one does; so does a host that has gone.
        return


def _payload_of_udp(frame: bytes) -> int | None:
    """Return where the payload of an IPv4 datagram begins, None for other frames."""
    ip = _VNET_HDR + _ETHERNET
    kind, protocol = _IPV4_UDP
    if len(frame) < ip + 28 or frame[ip - 2 : ip] != kind or frame[ip + 9] != protocol:
        return None
    return ip + (frame[ip] & 15) * 4 + _UDP


def _damage(frame: bytes, udp: int, place: float) -> bytes:
    """Flip a bit of the payload, and leave no checksum that would tell."""
    damaged = bytearray(frame)
    damaged[:_VNET_HDR] = bytes(_VNET_HDR)
    struct.pack_into("!H", damaged, udp - 2, 0)
    bit = int(place * (len(frame) - udp) * 8)
    damaged[udp + bit // 8] ^= 1 << bit % 8
    return bytes(damaged)
