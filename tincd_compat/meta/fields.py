"""The fields of a request line, read by the rules of C's scanf.

Any run of white space divides fields, numbers end at the first character that cannot
belong to them and wrap at 32 bits, a text is at most 2048 bytes.
"""

from __future__ import annotations

import re

from tincd_compat.addresses import Subnet, valid_name
from tincd_compat.errors import PeerError

# Possessive quantifiers keep a number whole where backtracking would split it.
INT = rb"\s*+([+-]?+\d++)"
HEX = rb"\s*+([+-]?+(?:0[xX])?+[0-9A-Fa-f]++)"
#: Digits behind the point of a version, which may be missing.
MINOR = rb"(?:\.(\d++))?"
TEXT = rb"\s*+(\S{1,2048}+)"


def pattern(*fields: bytes) -> re.Pattern[bytes]:
    return re.compile(INT + b"".join(fields))


def int32(text: bytes) -> int:
    """Read a decimal number into a signed 32-bit type, wrapping as C does."""
    value = int(text[:32])
    return (value + 0x80000000) % 0x100000000 - 0x80000000


def uint32(text: bytes) -> int:
    return int(text[:32], 16) & 0xFFFFFFFF


def text(field: bytes) -> str:
    return field.decode("latin-1")


def split_fields(pattern: re.Pattern[bytes], line: bytes, name: str) -> list[bytes]:
    match = pattern.match(line)
    if match is None:
        raise PeerError(f"Got bad {name} from {{peer}}")
    return list(match.groups())[1:]


def node_name(field: bytes, request: str) -> str:
    name = text(field)
    if not valid_name(name):
        raise PeerError(f"Got bad {request} from {{peer}}: invalid name")
    return name


def read_subnet(field: bytes, request: str) -> Subnet:
    subnet = Subnet.parse(text(field))
    if subnet is None:
        raise PeerError(f"Got bad {request} from {{peer}}: invalid subnet string")
    return subnet
