"""Every cipher, digest and MAC length that C can do, another one in each direction.

Two nodes are configured anew for each round.  C loads the legacy ciphers only where its
OpenSSL is told to; here it is, so that Blowfish and its like are compared, too.  What a
round waits for is the first probe of the path, for which C takes up to a second.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, pair
from conformance.harness.openssl import legacy_ciphers
from conformance.harness.probes import expect_ping, ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say

#: A frame with a ping of the usual size, under any suite.
_ENOUGH: Final = 98


@dataclass(frozen=True, slots=True)
class Suite:
    """Values of three variables, and the numbers that stand for two of them."""

    cipher: str
    cipher_nid: int
    digest: str
    digest_nid: int
    maclength: int

    def lines(self) -> str:
        return (
            f"Cipher = {self.cipher}\nDigest = {self.digest}\n"
            f"MACLength = {self.maclength}\n"
        )

    def numbers(self) -> tuple[int, int, int]:
        return self.cipher_nid, self.digest_nid, self.maclength

    @property
    def authenticates(self) -> bool:
        return self.maclength > 0 and self.digest_nid > 0

    def __str__(self) -> str:
        return f"{self.cipher}/{self.digest}/{self.maclength}"


_CIPHERS: Final = (
    *(("aes-256-cbc", 427), ("bf-cbc", 91), ("aes-192-cbc", 423), ("blowfish", 91)),
    *(("aes-128-cbc", 419), ("aes-256-cfb", 429), ("AES-192-CFB", 425)),
    *(("aes-128-cfb", 421), ("aes-256-ofb", 428), ("aes-192-ofb", 424)),
    *(("aes-128-ofb", 420), ("aes-256-ecb", 426), ("aes-192-ecb", 422)),
    *(("aes-128-ecb", 418), ("aes-128-cfb8", 653), ("aes-256-cfb8", 655)),
    *(("bf-cfb", 93), ("bf-ofb", 94), ("bf-ecb", 92), ("des-ede3-cbc", 44)),
    *(("cast5-cbc", 108), ("camellia-128-cbc", 751), ("camellia-192-cbc", 752)),
    *(("camellia-256-cbc", 753), ("des-cbc", 31), ("rc2-cbc", 37), ("seed-cbc", 777)),
    *(("aria-128-cbc", 1066), ("aria-256-cbc", 1076), ("sm4-cbc", 1134)),
    *(
        ("aes-192-cfb8", 654),
        ("aria-192-cbc", 1071),
        ("camellia-128-cfb", 757),
        ("camellia-192-cfb", 758),
        ("camellia-256-cfb", 759),
        ("camellia-128-ofb", 766),
        ("camellia-192-ofb", 767),
        ("camellia-256-ofb", 768),
        ("des-ede3-cfb", 61),
        ("des-ede3-ofb", 63),
        ("cast5-cfb", 110),
        ("cast5-ofb", 111),
        ("sm4-cfb", 1137),
        ("sm4-ofb", 1135),
    ),
)
#: With all of the MAC, with none of its bytes to spare, and with what is usual.
_DIGESTS: Final = (
    *(("sha256", 672, 4), ("sha1", 64, 4), ("md5", 4, 16), ("SHA384", 673, 48)),
    *(("sha512", 674, 64), ("sha224", 675, 1), ("ripemd160", 117, 20)),
    *(("blake2b512", 1056, 33), ("blake2s256", 1057, 32), ("sha3-256", 1097, 7)),
    *(("sha3-512", 1099, 64), ("sha1", 64, 20), ("sha256", 672, 32)),
    *(
        ("sha3-224", 1096, 28),
        ("sha3-384", 1098, 48),
        ("sha512-224", 1094, 28),
        ("sha512-256", 1095, 32),
        ("sm3", 1143, 32),
    ),
)
_ALL: Final = tuple(
    Suite(name, nid, digest, digest_nid, maclength)
    for (name, nid), (digest, digest_nid, maclength) in zip(
        _CIPHERS, itertools.cycle(_DIGESTS), strict=False
    )
)
#: What one side may leave out only if the other does not insist on it.
_OPEN: Final = (
    (Suite("none", 0, "sha256", 672, 4), Suite("none", 0, "sha512", 674, 64)),
    (Suite("none", 0, "none", 0, 4), Suite("none", 0, "md5", 4, 0)),
    (Suite("aes-128-cbc", 419, "none", 0, 4), Suite("bf-cbc", 91, "sha1", 64, 0)),
)
_PAIRS: Final = tuple(zip(_ALL[::2], _ALL[1::2], strict=True))
#: Daemons of one kind agree with each other on anything; two rounds show that they can.
_SAME_KIND: Final = 2


def play(lab: Lab, placement: Placement) -> None:
    mesh = pair(lab, placement, debug=5)
    for node in mesh:
        if node.kind is Kind.C:
            node.environment = legacy_ciphers(lab.directory)
    mixed = len(set(placement)) > 1
    texts = {node.name: (node.etc / "tinc.conf").read_text() for node in mesh}
    for suites in (*(_PAIRS if mixed else _PAIRS[:_SAME_KIND]), *_OPEN):
        give(mesh, texts, suites)
        play_round(mesh, *suites)


def give(mesh: Mesh, texts: Mapping[str, str], suites: tuple[Suite, Suite]) -> None:
    """Configure both nodes, a and b, behind what their tinc.conf has."""
    say(f"  {suites[0]} to a, {suites[1]} to b")
    for node, suite in zip(mesh, suites, strict=True):
        (node.etc / "tinc.conf").write_text(texts[node.name] + suite.lines())


def play_round(mesh: Mesh, suite_a: Suite, suite_b: Suite) -> None:
    """Start both, and let packets to each travel by UDP under its suite."""
    a, b = mesh["a"], mesh["b"]
    mesh.start()
    wait_ping(a, b.address)
    _expect_suite(a, "b", suite_b)
    _expect_suite(b, "a", suite_a)
    if not (suite_a.authenticates and suite_b.authenticates):
        # Without a MAC what was sealed with an earlier key is taken, and its higher
        # numbers count: let the present ones pass them.
        for node, peer in ((a, b), (b, a)):
            ping(node, peer.address, count=10, interval=0)
    expect_ping(a, b.address, count=5, interval=0)
    expect_ping(b, a.address, count=5, interval=0)
    mesh.stop()


def _expect_suite(node: TincNode, peer: str, suite: Suite) -> None:
    """Demand that packets to the peer are sealed as it wants, and travel by UDP."""
    row = node.wait_row(
        peer, "reached by UDP", lambda row: row.minmtu >= _ENOUGH, limit=20
    )
    numbers = row.cipher, row.digest, row.maclength
    expect_equal(f"suite of {node.name} towards {peer}", numbers, suite.numbers())


SCENARIO = Scenario(
    name="suites",
    summary="every cipher, digest and MAC length, another in each direction",
    placements=TWO,
    play=play,
    limit=300,
    seconds=50,
)
