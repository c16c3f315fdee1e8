"""Datagrams of a member gone bad, and a flood of them from nowhere.

The member's packets are sealed with its true key: wrong is what is in them, or their
number.  Its pings come back over TCP, since it gives the daemon no key.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Final

from conformance.harness.checks import expect, expect_between, expect_equal
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.forger import Datagram, Forger, Place, noise, sealer_of
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.netns import Lan, Namespace
from conformance.harness.probes import SteadyPing, expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.usage import usage
from conformance.harness.waits import SOON, holds, say
from tincd_compat.tunnel.pure import PureSealer

_PORT: Final = 655
#: A member whose numbers run out gets a new key after this time.
_SERVER: Final = ("PingTimeout = 2",)
_PING_APART: Final = 0.02
_IDLE_PINGS: Final = 100
_FLOOD_RATE: Final = 10_000
_FLOOD_SECONDS: Final = 10
_NARROWEST: Final = 68
_NARROW_SECONDS: Final = 3.0
_VICTIM: Final = 1
_UNKNOWN_PLACES: Final = 2000
#: The flood may slow a member's pings down by so much, on top of a hiccup of the
#: machine, and may push so many of a hundred out of a buffer.
_SLOWER: Final = 3
_HICCUP_MS: Final = 5.0
_MOST_LOST: Final = 10
#: Three lines a second about strangers and one about those left out, and some more.
_MOST_LINES: Final = 4 * (_FLOOD_SECONDS + 10)

#: Packet numbers, and whether the packet is taken: a number counts once, late only
#: within the window of 128, and far ahead only as the fifth such number in a row.
_NUMBERS: Final = (
    *((1, True), (1, False), (0, False), (3, True), (2, True), (2, False)),
    *((131, False), (130, True), (3, False), (4, True), (400, False), (131, True)),
    *((500, False), (501, False), (502, False), (503, False), (504, True)),
    *((131, False), (505, True), (0xFFFFFFF0, False), (0xFFFFFFF1, False)),
    *((0xFFFFFFF2, False), (0xFFFFFFF3, False), (0xFFFFFFF4, True), (506, False)),
    (0xFFFFFFF5, True),
)


def play(lab: Lab, placement: Placement) -> None:
    kind_victim, kind_witness = placement
    lan = lab.lan()
    plans = [
        Plan(name="victim", kind=kind_victim, server=_SERVER),
        Plan(name="witness", kind=kind_witness, connect_to=("victim",)),
        Plan(name="member", kind=kind_witness),
    ]
    mesh = Mesh(lab, plans, lans={plan.name: [lan] for plan in plans})
    victim, witness, player = mesh
    for node in (victim, witness):
        node.start()
    for node, other in ((victim, "witness"), (witness, "victim")):
        node.wait_reachable(other)
        node.wait_pmtu(other)
    outside = lab.outsider(lan)

    steady = _ping(lab, witness, victim, 9000)
    member = Member(calling(lab, mesh, "victim", "member"), "member")
    _member_gone_bad(_Sender(member, player, victim, witness))
    member.close()
    result = steady.finish()
    say(f"          steady ping: {result}")
    expect_equal("pings lost meanwhile", result.lost, 0)
    _flood(lab, lan, outside, victim, witness)
    _narrowest_link(lab, lan, victim, witness)
    expect(victim.alive and witness.alive, "a daemon is dead")
    expect_ping(witness, victim.address)
    expect_ping(victim, witness.address)


class _Sender:
    """The member: joined, with an inner address, and sending what it likes."""

    def __init__(
        self, member: Member, player: TincNode, victim: TincNode, witness: TincNode
    ) -> None:
        self.member = member
        self._ends = (player.outer[0], _PORT), (victim.outer[0], _PORT)
        self.inner = player.address, victim.address, witness.address
        self._forger = Forger(player.namespace)
        self._echoes = 0
        member.connect()
        member.introduce()
        member.own("172.30.3.0/24")
        member.settle()
        self.sealer = self.new_sealer()

    def new_sealer(self) -> PureSealer:
        self.sealer = sealer_of(self.member)
        return self.sealer

    def send(self, *frames: bytes) -> None:
        """Seal frames, each with the next number, and send them."""
        for payload in self.sealer.seal_train(frames):
            self._forger.send(Datagram(*self._ends, payload))

    def ping(self, number: int | None = None) -> int:
        """Ping the victim in a packet of this number; return the mark of the answer."""
        if number is not None:
            # Numbers are given out from the one after this; before 0 comes none.
            self.sealer.sequence = number - 1
        self._echoes += 1
        member, victim, _ = self.inner
        self.send(_frame(0x0800, _echo(member, victim, self._echoes)))
        return self._echoes

    def answered(self) -> set[int]:
        """Return the marks of the pings that have been answered."""
        reply = bytes.fromhex("0000")
        frames = (frame[14:] for frame in self.member.frames if frame[23:24] == b"\x01")
        return {
            int.from_bytes(packet[24:26]) for packet in frames if packet[20:22] == reply
        }

    def wait_answer(self, mark: int) -> None:
        self.member.wait(f"answer {mark}", lambda: mark in self.answered(), SOON)


def _member_gone_bad(sender: _Sender) -> None:
    sender.wait_answer(sender.ping())
    frames = list(_bad_frames(sender.inner))
    for number in range(0, len(frames), 20):
        sender.send(*frames[number : number + 20])
        sender.wait_answer(sender.ping())
    say(f"          {len(frames)} frames that are wrong, and pings among them")
    heard = len(sender.member.heard)
    sender.new_sealer()
    marks = {sender.ping(number): taken for number, taken in _NUMBERS}
    sender.wait_answer(max(marks))
    wanted = {mark for mark, taken in marks.items() if taken}
    expect_equal("pings taken", sender.answered() & marks.keys(), wanted)
    sender.member.wait_line(r"14 [0-9a-f]+ victim", heard, limit=15)
    sender.new_sealer()
    sender.wait_answer(sender.ping())


def _bad_frames(inner: tuple[str, str, str]) -> Iterator[bytes]:
    """Yield frames that are short, lie about their length, or carry nonsense."""
    member, victim, witness = inner
    for length in (0, 1, 6, 12, 13, 14, 15, 33, 34):
        yield bytes(length)
    packet = _echo(member, victim, 0)
    for ethertype in (0x0800, 0x86DD, 0x0806, 0x8100, 0x0003, 0xFFFF):
        for length in (0, 1, 4, 19, 20, 27, 39, 40, 60):
            yield _frame(ethertype, packet[:length])
        yield _frame(ethertype, bytes(1386))
    # Unasked replies to probes, of any length: the path takes no more for that.
    for length in (14, 64, 512, 1400):
        yield bytes([1]) + bytes(length - 1)
    # TCP for the witness whose options, and whose lengths, are wrong.
    for options in (b"\x02\x00\x05\xb4", b"\x02\xff\x05\xb4", b"\x05\x00\x00\x00"):
        segment = struct.pack("!HHIIBBHHH", 7, 7, 1, 0, 0x60, 2, 99, 0, 0) + options
        yield _frame(0x0800, _ipv4(member, witness, 6, segment))
        for length in (1, 13, 20, 22):
            yield _frame(0x0800, _ipv4(member, witness, 6, segment[:length]))
    for first in (0x40, 0x41, 0x44, 0x4F, 0x05, 0x65, 0xFF):
        yield _frame(0x0800, bytes([first]) + _ipv4(member, witness, 17, b"data")[1:])
    dice = random.Random(_PORT)
    for _ in range(200):
        frame = bytearray(_frame(0x0800, _ipv4(member, witness, 6, bytes(20))))
        for _ in range(4):
            frame[dice.randrange(12, len(frame))] = dice.randrange(256)
        yield bytes(frame)


def _flood(
    lab: Lab, lan: Lan, outside: Namespace, victim: TincNode, witness: TincNode
) -> None:
    """Ten thousand datagrams a second: from nowhere, and in the witness's name."""
    steady = _ping(lab, witness, victim, _IDLE_PINGS)
    steady.wait()
    idle = steady.median()
    device = lab.capture(victim, "ip", device=NETNAME)
    mark, before = victim.log.mark(), usage(victim.pid).cpu
    target = victim.outer[0], _PORT
    datagrams = noise(_UNKNOWN_PLACES, target, _sources(lan, witness))
    forger = Forger(outside)
    steady = _ping(lab, witness, victim, 9000)
    sent = forger.flood(datagrams, _FLOOD_RATE, _FLOOD_SECONDS)
    steady.catch_up()
    flooded, result = steady.median(), steady.finish()
    forger.close()
    cpu = usage(victim.pid).cpu - before
    lines = victim.log.count("^", mark)
    say(f"          {sent} datagrams, {cpu:.1f} s CPU, {lines} lines in the log")
    say(f"          pings: {result}, median {idle:.2f} -> {flooded:.2f} ms")
    device.stop()
    other = device.count() - device.count("icmp")
    expect_equal("packets at the device but pings", other, 0)
    row = victim.dump().nodes["witness"]
    expect_equal("the witness's address", row.host, f"{witness.outer[0]} port 655")
    if victim.kind is Kind.OURS:
        most = max(_SLOWER * idle, idle + _HICCUP_MS)
        expect_between("median round trip in ms", flooded, 0, most)
        share = 100 * result.lost / result.sent
        expect_between("pings of a hundred lost", share, 0, _MOST_LOST)
        expect_between("lines in the log", lines, 1, _MOST_LINES)


def _narrowest_link(lab: Lab, lan: Lan, victim: TincNode, witness: TincNode) -> None:
    """A link of 68 bytes refuses every datagram; the one before comes back."""
    steady = _ping(lab, victim, witness, 9000)
    victim.namespace.set_link("eth0", f"mtu {_NARROWEST}")
    holds("alive", lambda: victim.alive, _NARROW_SECONDS)
    victim.namespace.set_link("eth0", f"mtu {lan.mtu}")
    # Below 1280 bytes there is no IPv6.
    victim.namespace.add_address("eth0", lan.address6(_VICTIM), 64)
    say(f"          pings: {steady.finish()}")
    wait_ping(victim, witness.address)
    wait_ping(witness, victim.address)


def _sources(lan: Lan, witness: TincNode) -> list[Place]:
    """Return places: of ten one is the witness's, one at its host, eight unknown."""
    dice = random.Random(_PORT)
    places: list[Place] = []
    for number in range(_UNKNOWN_PLACES):
        port = dice.randrange(1024, 65536)
        if number % 10 == 0:
            places.append((witness.outer[0], _PORT))
        elif number % 10 == 5:
            places.append((witness.outer[0], port))
        else:
            places.append((lan.address(dice.randrange(100, 250)), port))
    return places


def _ping(lab: Lab, node: TincNode, other: TincNode, count: int) -> SteadyPing:
    return SteadyPing(lab, node, other.address, count=count, interval=_PING_APART)


def _frame(ethertype: int, payload: bytes) -> bytes:
    return bytes(12) + ethertype.to_bytes(2) + payload


def _ipv4(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    ends = (bytes(int(part) for part in each.split(".")) for each in (source, target))
    total = 20 + len(payload)
    fields = (0x45, 0, total, 0, 0, 64, protocol, 0, *ends)
    header = struct.pack("!BBHHHBBH4s4s", *fields)
    return header[:10] + _checksum(header) + header[12:] + payload


def _echo(source: str, target: str, mark: int) -> bytes:
    """Return an ICMP echo request with an identifier of its own."""
    message = struct.pack("!BBHHH", 8, 0, 0, mark, 1) + b"hostile"
    message = message[:2] + _checksum(message) + message[4:]
    return _ipv4(source, target, 1, message)


def _checksum(data: bytes) -> bytes:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return (~(total + (total >> 16)) & 0xFFFF).to_bytes(2)


SCENARIO = Scenario(
    name="hostile-udp",
    summary="wrong packets of a member, and 10 000 a second from strangers",
    placements=((Kind.C, Kind.C), (Kind.OURS, Kind.C)),
    play=play,
    seconds=25,
    quiet=True,
)
