"""ARP and neighbour solicitation, as tincd 1.0.36 answered them on a tap device."""

from __future__ import annotations

from functools import partial

import pytest

from tests.routing.frames import checksum, ipv6, line, owner, pack, with_macs
from tincd_compat.routing.neighbours import answer_arp, answer_solicitation, fake_mac
from tincd_compat.routing.verdicts import AnswerFrames, Discard, Reason

KERNEL = "da6a088a2139"
FAKE = "da6a088a21c6"
SOURCE_OPTION = b"\1\1" + bytes.fromhex(KERNEL)


def arp(target: str, operation: int = 1, padding: int = 0) -> bytearray:
    head = bytes.fromhex("ffffffffffff" + KERNEL + "0806" + "000108000604")
    sender = bytes.fromhex(KERNEL) + pack("192.168.1.1")
    body = operation.to_bytes(2, "big") + sender + bytes(6) + pack(target)
    return bytearray(head + body + bytes(padding))


def solicitation(
    target: str, option: bytes = SOURCE_OPTION, to: str = "ff02::1:ff00:1"
) -> bytearray:
    """A solicitation by fd00:1::1, with a right checksum."""
    source = "fd00:1::1"
    body = b"\x87\0\0\0\0\0\0\0" + pack(target) + option
    pseudo = pack(source) + pack(to) + len(body).to_bytes(4, "big") + b"\0\0\0\x3a"
    total = checksum(pseudo + body).to_bytes(2, "big")
    frame = ipv6(source, to, body[:2] + total + body[4:], protocol=58, hops=255)
    return with_macs(frame, "3333ff000001", KERNEL)


def ask_arp(frame: bytearray) -> tuple[AnswerFrames | Discard, list[str]]:
    mesh = line()
    said: list[str] = []
    verdict = answer_arp(frame, partial(owner, mesh), mesh.myself, said.append)
    return verdict, said


def ask_solicitation(frame: bytearray) -> tuple[AnswerFrames | Discard, list[str]]:
    mesh = line()
    said: list[str] = []
    find = partial(owner, mesh)
    verdict = answer_solicitation(frame, find, mesh.myself, said.append)
    return verdict, said


def test_fake_mac_is_its_own_inverse() -> None:
    mac = bytes.fromhex(KERNEL)
    assert fake_mac(mac).hex() == FAKE
    assert fake_mac(fake_mac(mac)) == mac


@pytest.mark.parametrize("padding", [0, 18])
# An owner that is not reachable is answered for as well.
@pytest.mark.parametrize("target", ["192.168.2.1", "192.168.3.1"])
def test_arp(target: str, padding: int) -> None:
    frame = arp(target, padding=padding)
    before = bytes(frame)
    verdict, said = ask_arp(frame)
    expected = (
        f"{KERNEL}{FAKE}0806 0001080006040002{FAKE}{pack(target).hex()}{KERNEL}c0a80101"
    )
    assert verdict == AnswerFrames([bytearray.fromhex(expected) + bytes(padding)])
    assert said == []
    assert frame == before


@pytest.mark.parametrize(
    ("frame", "reason", "line"),
    [
        (
            arp("192.168.9.7"),
            Reason.UNKNOWN_DESTINATION,
            "Cannot route packet: ARP request for unknown address 192.168.9.7",
        ),
        (
            arp("192.168.2.1", operation=2),
            Reason.UNKNOWN_TYPE,
            "Cannot route packet: received unknown type ARP request",
        ),
        (arp("192.168.1.7"), Reason.ASKS_FOR_US, None),
    ],
)
def test_arp_without_answer(frame: bytearray, reason: Reason, line: str | None) -> None:
    verdict, said = ask_arp(frame)
    assert verdict == Discard(reason)
    assert said == ([line] if line else [])


@pytest.mark.parametrize(
    ("target", "to", "total"),
    [
        ("fd00:2::1", "ff02::1:ff00:1", "39de"),
        ("fd00:2::1", "fd00:2::1", "39de"),
        ("fd00:3::1", "ff02::1:ff00:1", "39dc"),
    ],
)
def test_solicitation(target: str, to: str, total: str) -> None:
    frame = solicitation(target, to=to)
    before = bytes(frame)
    verdict, said = ask_solicitation(frame)
    packed = pack(target).hex()
    expected = (
        f"{KERNEL}{FAKE}86dd 600c020b00203aff {packed} {pack('fd00:1::1').hex()}"
        f"8800{total}40000000 {packed} 0201{FAKE}"
    )
    assert verdict == AnswerFrames([bytearray.fromhex(expected)])
    assert said == []
    assert frame == before


def test_solicitation_without_option() -> None:
    verdict, _ = ask_solicitation(solicitation("fd00:2::1", b""))
    assert isinstance(verdict, AnswerFrames)
    (reply,) = verdict.frames
    assert len(reply) == 78
    assert reply[54:62].hex() == "880040a240000000"


def test_options_behind_the_first_stay() -> None:
    nonce = b"\x0e\1abcdef"
    verdict, _ = ask_solicitation(solicitation("fd00:2::1", SOURCE_OPTION + nonce))
    assert isinstance(verdict, AnswerFrames)
    (reply,) = verdict.frames
    assert reply[78:] == bytes.fromhex("0201" + FAKE) + nonce
    pseudo = bytes(reply[22:54]) + (40).to_bytes(4, "big") + b"\0\0\0\x3a"
    assert checksum(pseudo + bytes(reply[54:])) == 0


def test_padding_is_not_an_option() -> None:
    plain = ask_solicitation(solicitation("fd00:2::1", b""))[0]
    padded = ask_solicitation(solicitation("fd00:2::1", b"") + bytes(12))[0]
    assert isinstance(plain, AnswerFrames)
    assert isinstance(padded, AnswerFrames)
    assert padded.frames[0] == plain.frames[0] + bytes(12)


def spoiled() -> bytearray:
    frame = solicitation("fd00:2::1")
    frame[57] ^= 1
    return frame


@pytest.mark.parametrize(
    ("frame", "reason", "line"),
    [
        (
            solicitation("fd00:2::1", b"\x0e\1abcdef"),
            Reason.UNKNOWN_TYPE,
            "Cannot route packet: received unknown type neighbor solicitation request",
        ),
        (
            spoiled(),
            Reason.BAD_CHECKSUM,
            "Cannot route packet: checksum error for neighbor solicitation request",
        ),
        (
            solicitation("fd00:9::1"),
            Reason.UNKNOWN_DESTINATION,
            "Cannot route packet: neighbor solicitation request for unknown address"
            " fd00:9:0:0:0:0:0:1",
        ),
        (solicitation("fd00:1::1"), Reason.ASKS_FOR_US, None),
        (solicitation("fd00:2::1")[:-1], Reason.BAD_LENGTH, None),
    ],
)
def test_solicitation_without_answer(
    frame: bytearray, reason: Reason, line: str | None
) -> None:
    verdict, said = ask_solicitation(frame)
    assert verdict == Discard(reason)
    assert said == ([line] if line else [])
