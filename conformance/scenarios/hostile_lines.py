"""What a member can say wrong on an active connection, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_KEY48: Final = "AB" * 48
#: As many bytes as a line may have, its LF included.
LONGEST: Final = 2176


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say, without its LF; ``log`` must be in the daemon's log.

    ``{n}`` stands for a fresh nonce.  ``answer`` must come back, where it is set.
    """

    text: str
    log: str = ""
    answer: str = ""

    def __str__(self) -> str:
        return self.text if len(self.text) <= 40 else f"{self.text[:36]} ..."


#: These end the connection.
FATAL: Final = (
    Line("", r"Bogus data received from member \(.+\)"),
    Line("garbage", r"Bogus data received from member \(.+\)"),
    Line("\x00\xff\x80", r"Bogus data received from member \(.+\)"),
    *(
        Line(text, r"Unknown request from member \(.+\)")
        for text in ("5", "6 1 sorry", "7", "-1", "18", "99 x", "2147483647")
    ),
)


def bad_lines() -> Iterator[Line]:
    """Yield requests with a field missing or of a form that it cannot have."""
    for request, texts in _BAD.items():
        log = rf"Got bad {request} from member \(.+\)"
        for text in texts:
            yield Line(text, f"{log}(: .+)?")


_BAD: Final = {
    "ADD_SUBNET": (
        "10",
        "10 {n}",
        "10 {n} member",
        "10 {n} ../member 10.0.0.0/8",
        "10 {n} mem-ber 10.0.0.0/8",
        "10 nonce member 10.0.0.0/8",
        "10 {n} " + "a" * 2100 + " 10.0.0.0/8",
        *(
            f"10 {{n}} member {subnet}"
            for subnet in (
                "10.0.0.0/33",
                "10.0.0.0/-1",
                "10.0.0.0/8/9",
                "10.0.0.0/x",
                "10.0.0.0/8#",
                "10.0.0.0/8#5x",
                "10.0.0/24",
                "300.1.1.1",
                "fd00::1::2",
                "fd00::/129",
                "1:2:3:4:5:6/48",
                "1:2:3:4:5:6:7:8:9",
                "member",
                "/",
                "#",
            )
        ),
    ),
    "DEL_SUBNET": ("11", "11 {n} member", "11 {n} . 10.0.0.0/8", "11 {n} member x"),
    "ADD_EDGE": (
        "12",
        "12 {n} member victim 10.99.1.1 655 c",
        "12 {n} member victim 10.99.1.1 655 c x",
        "12 {n} member victim 10.99.1.1 655 options 1",
        "12 {n} member member 10.99.1.1 655 c 1",
        "12 {n} mem.ber victim 10.99.1.1 655 c 1",
        "12 {n} member vic/tim 10.99.1.1 655 c 1",
    ),
    "DEL_EDGE": ("13", "13 {n} member", "13 {n} member member", "13 {n} ? victim"),
    "KEY_CHANGED": ("14", "14 {n}", "14 {n} mem+ber"),
    "REQ_KEY": ("15", "15 member", "15 member vic*tim"),
    "ANS_KEY": (
        "16",
        f"16 member victim {_KEY48} 427 672 4",
        f"16 mem-ber victim {_KEY48} 427 672 4 0",
        f"16 member victim {_KEY48} x 672 4 0",
    ),
    "PACKET": ("17", "17 x"),
}

_UNKNOWN_ORIGIN: Final = (
    r"Got {} from member \(.+\) origin nobody which does not exist.*"
)
_UNKNOWN_TARGET: Final = (
    r"Got {} from member \(.+\) destination nobody which does not exist.*"
)

#: These are refused, corrected or ignored, and the connection goes on.
HARMLESS: Final = (
    Line("8\r", answer="9"),
    Line(" \t 8", answer="9"),
    Line("0008 and more tokens than anybody asked for", answer="9"),
    Line("8 " + "x" * (LONGEST - 3), answer="9"),
    Line("9"),
    Line(
        "11 {n} nobody 10.0.0.0/8", r"Got DEL_SUBNET from member .* not in our node.*"
    ),
    Line(
        "11 {n} member 10.77.0.0/16", r"Got DEL_SUBNET from member .* his subnet tree"
    ),
    Line(
        "10 {n} victim 10.66.0.0/16",
        r"Got ADD_SUBNET from member \(.+\) for ourself",
        r"11 [0-9a-f]+ victim 10\.66\.0\.0/16#10",
    ),
    Line(
        "11 {n} victim 172.30.1.0/24",
        r"Got DEL_SUBNET from member \(.+\) for ourself",
        r"10 [0-9a-f]+ victim 172\.30\.1\.0/24#10",
    ),
    Line(
        "12 {n} victim witness 10.99.1.77 655 c 1",
        r"Got ADD_EDGE from member \(.+\) for ourself which does not match.*",
        r"12 [0-9a-f]+ victim witness 10\.99\.1\.2 655 c -?\d+",
    ),
    Line(
        "12 {n} victim stranger 10.99.1.77 655 c 1",
        r"Got ADD_EDGE from member \(.+\) for ourself which does not exist",
        r"13 [0-9a-f]+ victim stranger",
    ),
    Line(
        "13 {n} victim witness",
        r"Got DEL_EDGE from member \(.+\) for ourself",
        r"12 [0-9a-f]+ victim witness 10\.99\.1\.2 655 c -?\d+",
    ),
    Line("13 {n} nobody nowhere", r"Got DEL_EDGE from member .* edge tree"),
    Line("13 {n} member witness", r"Got DEL_EDGE from member .* edge tree"),
    Line("14 {n} nobody", r"Got KEY_CHANGED from member .* origin nobody which.*"),
    Line("14 {n} victim"),
    Line("14 {n} witness"),
    # Believed: a member may claim what it likes.
    *(
        Line(f"{request} {{n}} member {subnet}")
        for subnet in ("0.0.0.0/0", "0:0:0:0:0:0:0:0/0", "172.30.2.0/23#-1")
        for request in (10, 11)
    ),
    Line("12 {n} witness stranger 10.99.1.77 655 c -2147483648"),
    Line("15 nobody victim", _UNKNOWN_ORIGIN.format("REQ_KEY")),
    Line("15 member nobody", _UNKNOWN_TARGET.format("REQ_KEY")),
    Line("15 member stranger", r"Got REQ_KEY from member .* not reachable"),
    Line(f"16 nobody victim {_KEY48} 427 672 4 0", _UNKNOWN_ORIGIN.format("ANS_KEY")),
    Line(f"16 member nobody {_KEY48} 427 672 4 0", _UNKNOWN_TARGET.format("ANS_KEY")),
    Line(f"16 member stranger {_KEY48} 427 672 4 0", r"Got ANS_KEY .* not reachable"),
    *(
        Line(f"16 member victim {text}", rf"Node member \(.+\) uses {complaint}!")
        for text, complaint in (
            (f"{_KEY48} 31999 672 4 0", "unknown cipher"),
            (f"{_KEY48[:-2]} 427 672 4 0", "wrong keylength"),
            (f"{_KEY48}AB 427 672 4 0", "wrong keylength"),
            (f"{_KEY48} 0 672 4 0", "wrong keylength"),
            (f"{_KEY48} 427 31999 4 0", "unknown digest"),
            (f"{_KEY48} 427 672 33 0", "bogus MAC length"),
            (f"{_KEY48} 427 672 -1 0", "bogus MAC length"),
            (f"{_KEY48} 427 672 4 99", "bogus compression level"),
            (f"{_KEY48} 427 672 4 -1", "bogus compression level"),
        )
    ),
    Line(f"16 member victim {'xy' * 48} 427 672 4 0", r"Got bad ANS_KEY from member.*"),
)
