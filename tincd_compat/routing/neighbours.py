"""Answers to ARP requests and neighbour solicitations on a tap device in router mode.

The kernel asks for a MAC address before it sends to a destination behind the tunnel.
It gets its own with the last byte inverted, whoever owns the destination: only the
address inside the packet counts afterwards.  RFC 826 and RFC 4861.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from tincd_compat.addresses import format_host
from tincd_compat.mesh.node import Node
from tincd_compat.routing import headers
from tincd_compat.routing.verdicts import AnswerFrames, Discard, Reason

#: Returns the owner of a packed address, reachable or not.
FindOwner: TypeAlias = Callable[[bytes], Node | None]
#: Takes a warning about the frame.
Complain: TypeAlias = Callable[[str], None]

ARP_LENGTH: Final = 42
SOLICITATION_LENGTH: Final = 78
_OPTION_LENGTH: Final = 8
# Ethernet addresses for IPv4, 6 and 4 bytes long, request.
_ARP_REQUEST: Final = bytes.fromhex("0001 0800 06 04 0001")
_SOLICITED: Final = b"\x40\0\0\0"


def fake_mac(mac: bytes) -> bytes:
    """Return the address under which the node behind ``mac`` sees everybody else."""
    return mac[:5] + bytes([mac[5] ^ 0xFF])


def answer_arp(
    frame: bytearray, find_owner: FindOwner, us: Node, complain: Complain
) -> AnswerFrames | Discard:
    """Answer an ARP frame of at least 42 bytes that was read from our device.

    ``14 htype ptype hlen plen op | 22 sender MAC | 28 IP | 32 target MAC | 38 IP``
    """
    if frame[14:22] != _ARP_REQUEST:
        complain("Cannot route packet: received unknown type ARP request")
        return Discard(Reason.UNKNOWN_TYPE)
    target = bytes(frame[38:42])
    owner = find_owner(target)
    if owner is None:
        address = format_host(target)
        complain(f"Cannot route packet: ARP request for unknown address {address}")
        return Discard(Reason.UNKNOWN_DESTINATION)
    if owner is us:
        return Discard(Reason.ASKS_FOR_US)
    return AnswerFrames([_arp_reply(frame)])


def _arp_reply(frame: bytearray) -> bytearray:
    reply = bytearray(frame)
    fake = fake_mac(bytes(frame[6:12]))
    reply[0:12] = frame[6:12] + fake
    reply[20:22] = b"\0\x02"
    reply[22:32] = fake + frame[38:42]
    reply[32:42] = frame[22:32]
    return reply


def answer_solicitation(
    frame: bytearray, find_owner: FindOwner, us: Node, complain: Complain
) -> AnswerFrames | Discard:
    """Answer a solicitation frame of at least 78 bytes that was read from our device.

    ``14 IPv6 | 54 type code checksum | 58 flags | 62 target | 78 option``
    """
    end = 54 + headers.get16(frame, 18)
    if not SOLICITATION_LENGTH <= end <= len(frame):
        return Discard(Reason.BAD_LENGTH)
    with_option = end >= SOLICITATION_LENGTH + _OPTION_LENGTH
    if with_option and frame[78:80] != b"\x01\x01":
        complain(
            "Cannot route packet: received unknown type neighbor solicitation request"
        )
        return Discard(Reason.UNKNOWN_TYPE)
    if _checksum(frame, end) != 0:
        complain(
            "Cannot route packet: checksum error for neighbor solicitation request"
        )
        return Discard(Reason.BAD_CHECKSUM)
    target = bytes(frame[62:78])
    owner = find_owner(target)
    if owner is None:
        complain(
            "Cannot route packet: neighbor solicitation request for unknown address "
            + headers.format_groups(target)
        )
        return Discard(Reason.UNKNOWN_DESTINATION)
    if owner is us:
        return Discard(Reason.ASKS_FOR_US)
    return AnswerFrames([_advertisement(frame, end, with_option)])


def _advertisement(frame: bytearray, end: int, with_option: bool) -> bytearray:
    reply = bytearray(frame)
    fake = fake_mac(bytes(frame[6:12]))
    reply[0:12] = frame[6:12] + fake
    reply[22:38] = frame[62:78]
    reply[38:54] = frame[22:38]
    reply[54:62] = bytes([headers.NEIGHBOUR_ADVERTISEMENT, 0, 0, 0]) + _SOLICITED
    if with_option:
        reply[78:86] = b"\x02\x01" + fake
    headers.put16(reply, 56, _checksum(reply, end))
    return reply


def _checksum(frame: bytearray, end: int) -> int:
    """Return the ICMPv6 checksum up to ``end``: 0 if the field inside is right."""
    view = memoryview(frame)
    pseudo = headers.pseudo_header_sum(
        view[22:38], view[38:54], end - 54, headers.PROTOCOL_ICMPV6
    )
    return headers.checksum(pseudo + headers.sum16(view[54:end]))
