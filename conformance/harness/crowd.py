"""Many peers of one daemon in one loop, who know each other and tell what they know."""

from __future__ import annotations

import random
import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from conformance.harness.announce import edge_line
from conformance.harness.peer import Peer, Target
from conformance.harness.waits import Failed
from tincd_compat.addresses import Subnet, SubnetKind
from tincd_compat.meta.messages import AddSubnet, AnsKey, KeyChanged, Message, ReqKey

#: Links of a peer to others that it makes; with those made by others twice as many.
_LINKS: Final = 4
#: Peers whose key one asks for on coming up.
_KEYS_ASKED: Final = 5
#: Share of the others who hear of a change from each other before the daemon tells.
_GOSSIPS: Final = 0.5
#: The daemon leaves callers beyond its limit without an answer; they try again.
_PATIENCE: Final = 1.5
_CONNECT_LIMIT: Final = 90.0
_CALM_LIMIT: Final = 60.0
_CALM: Final = 1.0
_TURN: Final = 0.05
_KEY: Final = "5A" * 48


class _Member:
    """A peer by name, with its present connection if there is one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.peer: Peer | None = None
        self.introduced = False
        self.called = 0.0

    def hang_up(self) -> None:
        if self.peer is not None:
            self.peer.close()
        self.peer, self.introduced = None, False


class Crowd:
    """The peers; ``restart`` ends all of them at once and ``connect`` brings them back.

    On coming up each says what it knows of all, as tincd does: its own links have been
    measured anew, and others who are up pass that on too.
    """

    def __init__(self, target: Target, names: Sequence[str], seed: int) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._names = list(names)
        self._members = [_Member(name) for name in names]
        self._weights = {
            pair: 1 for number in range(len(names)) for pair in self._pairs(number)
        }
        self._heard_at = 0.0

    def _pairs(self, number: int) -> Iterator[tuple[int, int]]:
        for step in range(1, _LINKS + 1):
            other = (number + step * step) % len(self._names)
            yield from ((number, other), (other, number))

    @property
    def active(self) -> int:
        return sum(member.introduced for member in self._members)

    def connect(self) -> float:
        """Call until everybody is connected; return how many seconds that took."""
        started = time.monotonic()
        while self.active < len(self._members):
            if time.monotonic() - started > _CONNECT_LIMIT:
                raise Failed(f"only {self.active} peers got in")
            for member in self._members:
                self._call(member)
            self._turn(_TURN)
        return time.monotonic() - started

    def restart(self) -> None:
        """End all connections without a word."""
        for member in self._members:
            member.hang_up()

    def calm_down(self) -> None:
        """Listen until there is nothing more to hear."""
        deadline = time.monotonic() + _CALM_LIMIT
        while time.monotonic() - self._heard_at < _CALM or self._unsent():
            self._turn(_TURN)
            if time.monotonic() > deadline:
                raise Failed("the daemon does not stop talking")

    def idle(self, seconds: float) -> None:
        """Do nothing but answer PINGs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._turn(_TURN)

    def _unsent(self) -> bool:
        return any(peer.unsent for _, peer in self._connected())

    def _connected(self) -> list[tuple[_Member, Peer]]:
        return [
            (member, member.peer) for member in self._members if member.peer is not None
        ]

    def _call(self, member: _Member) -> None:
        now = time.monotonic()
        peer = member.peer
        if peer is not None and (peer.active or now - member.called < _PATIENCE):
            return
        member.hang_up()
        member.called = now
        member.peer = Peer(self._target, member.name, self._hearing(member))

    def _hearing(self, member: _Member) -> Callable[[Message, bytes], None]:
        def hear(message: Message, line: bytes) -> None:
            self._heard_at = time.monotonic()
            if isinstance(message, ReqKey) and message.target == member.name:
                ends = member.name, message.source
                answer = AnsKey(*ends, _KEY, 427, 672, 4, 0)
                if member.peer is not None:
                    member.peer.say([answer.encode()])

        return hear

    def _turn(self, seconds: float) -> None:
        peers = {peer.socket: (member, peer) for member, peer in self._connected()}
        unsent = [sock for sock, (_, peer) in peers.items() if peer.unsent]
        ready, writable, _ = select.select(list(peers), unsent, [], seconds)
        for sock in writable:
            peers[sock][1].flush()
        for sock in ready:
            member, peer = peers[sock]
            peer.readable()
            if peer.active and not member.introduced:
                member.introduced = True
                self._introduce(self._members.index(member), peer)
        for member, peer in peers.values():
            if peer.ended:
                if peer.active:
                    raise Failed(f"the daemon hung up on {member.name}")
                member.hang_up()

    def _introduce(self, number: int, peer: Peer) -> None:
        """Say what a node says that has just come up, and let others repeat it."""
        news = []
        for pair in self._weights:
            if number in pair:
                self._weights[pair] = self._random.randint(1, 500)
                news.append(self._edge(pair))
        others = [
            other
            for member, other in self._connected()
            if member.introduced and other is not peer
        ]
        name = self._names[number]
        peer.say([edge_line(self._nonce(), name, self._target.name, 65535, 5)])
        peer.say(news)
        peer.say(self._dump())
        peer.say([KeyChanged(self._nonce(), name).encode()])
        asked = self._random.sample(self._names, _KEYS_ASKED)
        peer.say(ReqKey(name, each).encode() for each in asked if each != name)
        for other in others:
            if self._random.random() < _GOSSIPS:
                other.say(news)

    def _dump(self) -> Iterator[bytes]:
        for number, name in enumerate(self._names):
            subnet = Subnet(SubnetKind.IPV4, bytes([172, 20, number, 0]), 24)
            yield AddSubnet(self._nonce(), name, subnet).encode()
        for pair in self._weights:
            yield self._edge(pair)

    def _edge(self, pair: tuple[int, int]) -> bytes:
        names = self._names[pair[0]], self._names[pair[1]]
        return edge_line(self._nonce(), *names, pair[1], self._weights[pair])

    def _nonce(self) -> int:
        return self._random.getrandbits(31)
