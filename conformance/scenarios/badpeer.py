"""Strangers and impostors: each is refused, and the mesh does not notice.

A case waits for PingTimeout, by which C refuses those who say nothing, and for longer
than C takes to try again, so that an impostor is seen to stay outside.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Final

from conformance.harness.checks import expect, expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.netns import Namespace
from conformance.harness.probes import SteadyPing
from conformance.harness.scenario import Scenario
from conformance.harness.stranger import Stranger, throw
from conformance.harness.waits import holds, say, wait_for

#: Shorter than the default: a silent stranger is refused only by this time-out.
_PING_TIMEOUT: Final = 3
_SERVER: Final = (f"PingTimeout = {_PING_TIMEOUT}",)
_SEED: Final = 655
_RANDOM_LINES: Final = 10_000
_JUNK_DATAGRAMS: Final = 2_000
#: Parked sockets of refused strangers, and a connection just being refused.
_TARPIT: Final = 12
_KEY_BYTES: Final = 256

#: What administrators find in the log, at every debug level, in C's words.
_FIRST_WORDS_LOGGED: Final = (
    r"Peer \S+ port \d+ had unknown identity \(nobody\)",
    r"Got bad ID from <unknown> \(.+\): invalid name",
    r"Peer member \(.+\) uses incompatible version 16",
    r"Got bad ID from <unknown> \(.+\)",
    r"Unauthorized request from <unknown> \(.+\)",
    r"Unknown request from <unknown> \(.+\)",
    r"Bogus data received from <unknown> \(.+\)",
    r"Metadata read buffer overflow for <unknown> \(.+\)",
    r"Timeout from <unknown> \(.+\) during authentication",
)
_BAD_METAKEYS_LOGGED: Final = (
    r"spare \(.+\) uses null cipher!",
    r"spare \(.+\) uses null digest!",
    r"spare \(.+\) uses unknown cipher!",
    r"spare \(.+\) uses bogus MAC length!",
    r"Possible intruder spare \(.+\): wrong keylength",
    r"Unauthorized request from spare \(.+\)",
)


def play(lab: Lab, placement: Placement) -> None:
    kind_victim, kind_member = placement
    lan = lab.lan()
    plans = [
        Plan(name="victim", kind=kind_victim, server=_SERVER),
        Plan(name="member", kind=kind_member, connect_to=("victim",)),
        Plan(name="spare", kind=kind_member, connect_to=("victim",)),
    ]
    mesh = Mesh(lab, plans, lans={plan.name: [lan] for plan in plans})
    victim, member, spare = mesh
    outside = lab.outsider(lan)
    for node in (victim, member):
        node.start()
    member.wait_reachable("victim")
    member.wait_pmtu("victim")
    victim.wait_pmtu("member")
    descriptors = victim.descriptors()
    steady = SteadyPing(lab, member, victim.address, count=2000, interval=0.03)

    _silence(outside, victim)
    _bad_keys(outside, victim)
    _junk_datagrams(outside, victim)
    _wrong_key(lab, spare, victim)

    expect_equal("connections of the victim", victim.dump().peers(), ["member"])
    row = victim.dump().nodes["member"]
    expect_equal("the member's address", row.host, f"{member.outer[0]} port 655")
    expect("spare" not in _reached(member), "the member reaches the impostor")
    expect_between(
        "descriptors", victim.descriptors(), descriptors, descriptors + _TARPIT
    )
    result = steady.finish()
    say(f"          steady ping: {result}")
    expect_equal("pings lost meanwhile", result.lost, 0)


def _silence(outside: Namespace, victim: TincNode) -> None:
    """Nobody who does not begin with a known name gets a single byte."""
    mark = victim.log.mark()
    strangers = {}
    for what, words in _first_words():
        strangers[what] = Stranger(outside, victim.outer[0])
        strangers[what].say(words)
    _wait_refused(victim, strangers)
    for what, stranger in strangers.items():
        expect(not stranger.received, f"{what} was answered {stranger.received[:60]!r}")
    say(f"          {len(strangers)} strangers, not one byte")
    _expect_logged(victim, _FIRST_WORDS_LOGGED, mark)
    for stranger in strangers.values():
        stranger.close()


def _bad_keys(outside: Namespace, victim: TincNode) -> None:
    """A known name gets ID and METAKEY, and after a bad METAKEY nothing more."""
    mark = victim.log.mark()
    strangers = {}
    for what, metakey in _bad_metakeys():
        strangers[what] = Stranger(outside, victim.outer[0])
        strangers[what].say(b"0 spare 17\n")
        _wait_lines(strangers[what], 2)
        strangers[what].say(metakey)
    _wait_refused(victim, strangers)
    for what, stranger in strangers.items():
        lines = stranger.lines()
        expect_equal(f"lines sent to {what}", len(lines), 2)
        expect_equal(f"the ID sent to {what}", lines[0], b"0 victim 17")
        form = len(lines[1].split()) == 6 and len(lines[1].split()[-1])
        expect_equal(f"length of the METAKEY to {what}", form, 2 * _KEY_BYTES)
    say(f"          {len(strangers)} bad keys, ID and METAKEY each, no more")
    _expect_logged(victim, _BAD_METAKEYS_LOGGED, mark)
    for stranger in strangers.values():
        stranger.close()


def _junk_datagrams(outside: Namespace, victim: TincNode) -> None:
    noise = random.Random(_SEED)
    sizes = [0, 3, 4, 8, 1500, *(noise.randrange(1400) for _ in range(_JUNK_DATAGRAMS))]
    throw(outside, victim.outer[0], [noise.randbytes(size) for size in sizes])


def _wrong_key(lab: Lab, spare: TincNode, victim: TincNode) -> None:
    """A daemon with a member's name and another private key never gets in."""
    (spare.etc / "rsa_key.priv").write_text(lab.keys.pair(3).private)
    mark = victim.log.mark()
    spare.start()
    victim.log.wait(r"^Got METAKEY from spare ", 10, mark)
    holds(
        "the impostor stays outside",
        lambda: (
            "spare" not in victim.dump().peers() and "spare" not in _reached(victim)
        ),
        seconds=2 * _PING_TIMEOUT,
        every=0.3,
    )
    expect(
        not victim.log.has(r"^Connection with spare .* activated", mark), "activated"
    )
    spare.stop()


def _expect_logged(victim: TincNode, patterns: tuple[str, ...], mark: int) -> None:
    missing = [each for each in patterns if not victim.log.has(f"^{each}$", mark)]
    expect(not missing, "not in the log: " + "; ".join(missing))


def _wait_lines(stranger: Stranger, count: int) -> None:
    def answered() -> bool:
        stranger.turn()
        return len(stranger.lines()) >= count

    wait_for(f"{count} lines to a known name", answered, limit=5)


def _wait_refused(victim: TincNode, strangers: dict[str, Stranger]) -> None:
    """Wait until the victim lists none of them as a connection any more."""
    started = time.monotonic()

    def refused() -> bool:
        for stranger in strangers.values():
            stranger.turn()
        names = [row.name for row in victim.dump().connections]
        return names == ["member"] and time.monotonic() - started > 1

    wait_for("all strangers refused", refused, limit=4 * _PING_TIMEOUT, every=0.2)


def _first_words() -> Iterator[tuple[str, bytes]]:
    noise = random.Random(_SEED)
    yield "silence", b""
    yield "an unknown name", b"0 nobody 17\n"
    yield "the victim's own name", b"0 victim 17\n"
    yield "a path as name", b"0 ../victim 17\n"
    yield "an old version", b"0 member 16\n"
    yield "a later version", b"0 member 18\n"
    yield "no version", b"0 member\n"
    yield "a long name", b"0 " + b"a" * 2049 + b" 17\n"
    yield "an edge first", b"12 1 spare victim 10.0.0.1 655 c 1\n"
    yield "a subnet first", b"10 1 spare 10.9.9.9\n"
    yield "PING first", b"8\n"
    yield "an unknown request", b"99 x\n"
    yield "an empty line", b"\n"
    yield "a web browser", b"GET / HTTP/1.1\r\nHost: victim\r\n\r\n"
    yield "4 KiB without an end", b"0" * 4096
    yield "64 KiB of zeros", bytes(65536)
    yield "random bytes", noise.randbytes(4096)
    lines = (noise.randbytes(noise.randrange(200)) for _ in range(_RANDOM_LINES))
    yield f"{_RANDOM_LINES} random lines", b"".join(line + b"\n" for line in lines)


def _bad_metakeys() -> Iterator[tuple[str, bytes]]:
    key = "12" * _KEY_BYTES
    yield "a null cipher", f"1 0 672 4 0 {key}\n".encode()
    yield "a null digest", f"1 429 0 4 0 {key}\n".encode()
    yield "a short key", f"1 429 672 4 0 {key[2:]}\n".encode()
    yield "a key that is not hex", f"1 429 672 4 0 {'zz' * _KEY_BYTES}\n".encode()
    yield "a key beyond the modulus", f"1 429 672 4 0 {'FF' * _KEY_BYTES}\n".encode()
    yield "an unknown cipher", f"1 31999 672 4 0 {key}\n".encode()
    yield "a negative MAC length", f"1 429 672 -1 0 {key}\n".encode()
    yield "ACK at once", b"4 655 1 c\n"
    yield "random bytes after ID", random.Random(_SEED).randbytes(2000)


def _reached(node: TincNode) -> list[str]:
    return [row.name for row in node.dump().nodes.values() if row.reachable]


SCENARIO = Scenario(
    name="badpeer",
    summary="strangers get silence, impostors nothing, the mesh goes on",
    placements=TWO,
    play=play,
    seconds=20,
)
