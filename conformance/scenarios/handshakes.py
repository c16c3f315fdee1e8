"""A known name that goes wrong in the middle of its handshake, at every step.

It never gets a CHAL_REPLY before it has proved itself (CVE-2018-16737).  Two rows are
for ours alone: C takes any cipher that OpenSSL knows, and a version that is 17 only
modulo 2**32.

Those who fall silent are refused after PingTimeout, for which a case waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from conformance.harness.checks import expect, expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member
from conformance.harness.peer import Target
from conformance.harness.scenario import Scenario
from conformance.harness.siege import siege
from conformance.harness.stranger import Stranger
from conformance.harness.waits import wait_for
from tincd_compat.meta.messages import Request

#: Shorter than the default: who falls silent is refused only by this time-out.
_PING_TIMEOUT: Final = 3
_SERVER: Final = (f"PingTimeout = {_PING_TIMEOUT}",)
_SIZE: Final = 256
_HEX: Final = "1A" * _SIZE
_INTRUDER: Final = r"Possible intruder member \(.+\): "
_UNAUTHORIZED: Final = r"Unauthorized request from member \(.+\)"
#: What a stream in another key can look like, most often with an LF in it.
_GARBAGE: Final = r"(Bogus|Unauthorized|Unknown|Metadata|Timeout) .*member \(.+\).*"
_CROWD: Final = 40
#: Accepted in a second, and for how long the crowd waits.
_A_SECOND: Final = 10
_PATIENCE: Final = 0.8


def play(lab: Lab, placement: Placement) -> None:
    with siege(lab, placement, server=_SERVER, prepare=_write_long_keys) as scene:
        victim, member, target = scene.victim, scene.member, scene.target
        for what, instead, log in _faults(victim.kind):
            _go_wrong(target, victim, what, instead, log)
        _versions(victim, member)
        _long_keys(victim, member)
        _fall_silent(target, victim, member)
        _crowd(victim, member)
        _wait_let_in(target)


def _faults(kind: Kind) -> Iterator[tuple[str, Mapping[Request, bytes], str]]:
    """Yield what is said in place of what, and what the daemon logs."""
    for name, text, log in (
        ("METAKEY", "0 member 17", _UNAUTHORIZED),
        ("METAKEY", "1", r"Got bad METAKEY from member \(.+\)"),
        ("METAKEY", f"1 429 31999 0 0 {_HEX}", ".* uses unknown digest!"),
        ("METAKEY", f"1 429 672 33 0 {_HEX}", ".* uses bogus MAC length!"),
        ("METAKEY", f"1 429 672 0 0 {'0' * 2 * _SIZE}", _GARBAGE),
        ("METAKEY", f"1 429 672 0 0 {'1':0>512}", _GARBAGE),
        ("CHALLENGE", "2", r"Got bad CHALLENGE from member \(.+\)"),
        ("CHALLENGE", "2 1A", f"{_INTRUDER}wrong challenge length"),
        ("CHALLENGE", f"2 {_HEX}1A", f"{_INTRUDER}wrong challenge length"),
        ("CHALLENGE", f"2 {'zz' * _SIZE}", "Got bad CHALLENGE from member.*"),
        ("CHALLENGE", f"3 {'00' * 32}", _UNAUTHORIZED),
        ("CHALLENGE", "8", _UNAUTHORIZED),
        ("CHALLENGE", "17 4\nbody", _UNAUTHORIZED),
        ("CHALLENGE", "2 " + "1" * 3000, "Metadata read buffer overflow for .*"),
        ("CHAL_REPLY", "3", r"Got bad CHAL_REPLY from member \(.+\)"),
        ("CHAL_REPLY", "3 1A", f"{_INTRUDER}wrong challenge reply length"),
        ("CHAL_REPLY", f"3 {'zz' * 32}", "Got bad CHAL_REPLY from member.*"),
        ("CHAL_REPLY", f"3 {'00' * 32}", f"{_INTRUDER}wrong challenge reply"),
        ("CHAL_REPLY", "4 655 1 c", _UNAUTHORIZED),
        ("CHAL_REPLY", "12 1 member victim 10.99.1.1 655 c 1", _UNAUTHORIZED),
        ("ACK", "4 655 1", r"Got bad ACK from member \(.+\)"),
        ("ACK", "4 655 x c", r"Got bad ACK from member \(.+\)"),
        ("ACK", "4 655 1 options", r"Got bad ACK from member \(.+\)"),
        ("ACK", "12 1 member victim 10.99.1.1 655 c 1", _UNAUTHORIZED),
        ("ACK", "8", _UNAUTHORIZED),
    ):
        yield f"{name}: {text[:30]}", {Request[name]: f"{text}\n".encode()}, log
    if kind is Kind.OURS:
        for cipher in (426, 901):
            line = f"1 {cipher} 672 0 0 {_HEX}\n".encode()
            log = ".* uses unknown cipher!"
            yield f"cipher {cipher}", {Request.METAKEY: line}, log


def _go_wrong(
    target: Target,
    victim: TincNode,
    what: str,
    instead: Mapping[Request, bytes],
    log: str,
) -> None:
    mark = victim.log.mark()
    member = Member(target, "member", instead=instead)
    closed = r"^Closing connection with member \("

    def refused() -> bool:
        member.turn(0.01)
        return victim.log.has(closed, mark)

    wait_for(f"refused: {what}", refused, 3 * _PING_TIMEOUT, 0.01)
    expect(victim.log.has(f"^{log}$", mark), f"not logged for: {what}")
    _expect_no_proof(member, what, proved=Request.ACK in instead)
    member.close()


def _expect_no_proof(member: Member, what: str, *, proved: bool) -> None:
    wanted = ["0", "1", "2", "3", "4"] if proved else ["0", "1", "2"]
    said = [line.partition(" ")[0] for line in member.heard]
    expect_equal(f"requests sent after {what}", said, wanted[: len(said)])


def _versions(victim: TincNode, member: TincNode) -> None:
    """Version 17.7 is 17; 2**32 + 17 is not, although C thinks so."""
    later = Stranger(member.namespace, victim.outer[0])
    later.say(b"0 member 17.7\n")
    _wait_lines(later, 2)
    later.close()
    if victim.kind is Kind.OURS:
        mark = victim.log.mark()
        wrapped = Stranger(member.namespace, victim.outer[0])
        wrapped.say(b"0 member 4294967313\n")
        victim.log.wait(r"uses incompatible version", 5, mark)
        wrapped.turn()
        expect(not wrapped.received, "a version beyond 32 bits was answered")
        wrapped.close()


def _long_keys(victim: TincNode, member: TincNode) -> None:
    """The longest key that can be used is used, a longer one does no harm."""
    stranger = Stranger(member.namespace, victim.outer[0])
    stranger.say(b"0 long 17\n")
    _wait_lines(stranger, 2)
    digits = stranger.lines()[1].split()[-1]
    expect_equal("digits encrypted with 8192 bits", len(digits), 8192 // 4)
    stranger.close()
    mark = victim.log.mark()
    stranger = Stranger(member.namespace, victim.outer[0])
    stranger.say(b"0 longer 17\n")
    victim.log.wait(r"^Error while processing ID from longer \(", 5, mark)
    stranger.close()


def _write_long_keys(victim: TincNode) -> None:
    for name, bits in (("long", 8192), ("longer", 16384)):
        number = (1 << bits - 1) + 0x10001
        key = RSAPublicNumbers(0x10001, number).public_key()
        form = serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
        (victim.etc / "hosts" / name).write_bytes(key.public_bytes(*form))


def _fall_silent(target: Target, victim: TincNode, member: TincNode) -> None:
    """Silence at any step, or a byte now and then, is borne for PingTimeout only."""
    mark = victim.log.mark()
    steps = (Request.METAKEY, Request.CHALLENGE, Request.CHAL_REPLY, Request.ACK)
    silent = {step: Member(target, "member", instead={step: b""}) for step in steps}
    slow = Stranger(member.namespace, victim.outer[0])
    timeout = r"^Timeout from (member|<unknown>) \(.+\) during authentication$"
    words = iter(b"0 member 17" + b" " * 500)

    def refused() -> bool:
        slow.say(bytes([next(words)]))
        for each in silent.values():
            each.turn(0.05)
        return victim.log.count(timeout, mark) > len(steps)

    wait_for("all that fell silent refused", refused, 3 * _PING_TIMEOUT, 0.05)
    for step, each in silent.items():
        _expect_no_proof(each, f"silence at {step}", proved=step is Request.ACK)
        each.close()
    expect(not slow.received, "half an ID was answered")
    slow.close()


def _crowd(victim: TincNode, member: TincNode) -> None:
    """Forty callers at once are let in ten a second (CVE-2018-16738)."""
    started = time.monotonic()
    crowd = [
        Stranger(member.namespace, victim.outer[0], hurry=True) for _ in range(_CROWD)
    ]
    for each in crowd:
        each.say(b"0 member 17\n")
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for each in crowd:
            each.turn()
        time.sleep(0.02)
    # Less than a second is a part of two; a busy machine may have taken longer.
    seconds = int(time.monotonic() - started) + 2
    answered = sum(bool(each.received) for each in crowd)
    most = seconds * _A_SECOND
    expect_between(f"of {_CROWD} at once answered", answered, 1, most)
    for each in crowd:
        each.close()


def _wait_let_in(target: Target) -> None:
    """The crowd once gone, a member that does all right gets in."""

    def let_in() -> bool:
        member = Member(target, "member")
        deadline = time.monotonic() + 1
        while not member.active and time.monotonic() < deadline:
            member.turn(0.05)
        member.close()
        return member.active

    wait_for("an honest member is let in", let_in, 15, 0.2)


def _wait_lines(stranger: Stranger, count: int) -> None:
    def answered() -> bool:
        stranger.turn()
        return len(stranger.lines()) >= count

    wait_for(f"{count} lines to a known name", answered, 5, 0.01)


SCENARIO = Scenario(
    name="handshakes",
    summary="a known name goes wrong at each step of its handshake",
    placements=TWO,
    play=play,
    seconds=15,
)
