"""What else OpenSSL knows: suites that nobody uses, and those that end up on TCP.

C starts with every name.  Where a packet cannot be carried for itself it seals one or
two, fails or loses the key stream, and goes on over TCP; ours warns, and does so from
the start.
"""

from __future__ import annotations

import itertools
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import THREE, TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan, pair
from conformance.harness.openssl import legacy_ciphers
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.scenarios.suites import Suite, give, play_round

_CIPHERS: Final = (
    ("des-ecb", 29),
    ("des-cfb", 30),
    ("des-ede", 32),
    ("des-ede3", 33),
    ("rc2-ecb", 38),
    ("rc2-cfb", 39),
    ("rc2-ofb", 40),
    ("des-ede-cbc", 43),
    ("des-ofb", 45),
    ("des-ede-cfb", 60),
    ("des-ede-ofb", 62),
    ("desx-cbc", 80),
    ("rc2-40-cbc", 98),
    ("cast5-ecb", 109),
    ("rc2-64-cbc", 166),
    ("aes-128-cfb1", 650),
    ("aes-192-cfb1", 651),
    ("aes-256-cfb1", 652),
    ("des-cfb1", 656),
    ("des-cfb8", 657),
    ("des-ede3-cfb1", 658),
    ("des-ede3-cfb8", 659),
    ("camellia-128-ecb", 754),
    ("camellia-192-ecb", 755),
    ("camellia-256-ecb", 756),
    ("camellia-128-cfb1", 760),
    ("camellia-192-cfb1", 761),
    ("camellia-256-cfb1", 762),
    ("camellia-128-cfb8", 763),
    ("camellia-192-cfb8", 764),
    ("camellia-256-cfb8", 765),
    ("seed-ecb", 776),
    ("seed-ofb", 778),
    ("seed-cfb", 779),
    ("aes-128-xts", 913),
    ("aes-256-xts", 914),
    ("chacha20-poly1305", 1018),
    ("aria-128-ecb", 1065),
    ("aria-128-cfb", 1067),
    ("aria-128-ofb", 1068),
    ("aria-192-ecb", 1070),
    ("aria-192-cfb", 1072),
    ("aria-192-ofb", 1073),
    ("aria-256-ecb", 1075),
    ("aria-256-cfb", 1077),
    ("aria-256-ofb", 1078),
    ("aria-128-cfb1", 1080),
    ("aria-192-cfb1", 1081),
    ("aria-256-cfb1", 1082),
    ("aria-128-cfb8", 1083),
    ("aria-192-cfb8", 1084),
    ("aria-256-cfb8", 1085),
    ("SM4-ECB", 1133),
)
_DIGESTS: Final = (
    *(("sha256", 672, 4), ("whirlpool", 804, 64), ("md4", 257, 16)),
    *(("md5-sha1", 114, 36), ("WHIRLPOOL", 804, 4), ("SHA2-256", 672, 5)),
)
_ALL: Final = tuple(
    Suite(name, nid, digest, digest_nid, maclength)
    for (name, nid), (digest, digest_nid, maclength) in zip(
        _CIPHERS, itertools.cycle(_DIGESTS), strict=False
    )
)
#: An odd one out meets the first.
_PAIRS: Final = tuple(
    zip(_ALL[::2], (*_ALL[1::2], *_ALL[: len(_ALL) % 2]), strict=True)
)
#: A published configuration first; then one of each kind that needs TCP.
_OVER_TCP: Final = (
    (
        Suite("id-aes256-GCM", 901, "whirlpool", 804, 4),
        Suite("id-aes256-GCM", 901, "whirlpool", 804, 4),
    ),
    (Suite("aes-128-gcm", 895, "sha1", 64, 4), Suite("rc4", 5, "md4", 257, 4)),
    (Suite("aes-192-ccm", 899, "sha1", 64, 4), Suite("aes-256-ocb", 960, "md5", 4, 4)),
    (Suite("aes-256-ctr", 906, "sha1", 64, 4), Suite("chacha20", 1019, "md5", 4, 4)),
    (
        Suite("aes-256-cbc-hmac-sha1", 918, "sha1", 64, 4),
        Suite("AES256-WRAP", 790, "sha512", 674, 8),
    ),
    (
        Suite("aes-128-cbc", 419, "shake128", 1100, 4),
        Suite("bf-cbc", 91, "SHAKE256", 1101, 4),
    ),
)
#: Daemons of one kind agree with each other on anything; two rounds show that they can.
_SAME_KIND: Final = 2
#: With these C carries packets by UDP until one is lost, or those of some lengths, and
#: may not notice for long that the others are lost: two of C are left out.
_UNSTEADY: Final = ("rc4", "aes-256-ctr", "chacha20", "AES256-WRAP")


def play(lab: Lab, placement: Placement) -> None:
    mesh = pair(lab, placement, debug=5)
    for node in mesh:
        if node.kind is Kind.C:
            node.environment = legacy_ciphers(lab.directory)
    mixed = len(set(placement)) > 1
    texts = {node.name: (node.etc / "tinc.conf").read_text() for node in mesh}
    for suites in _PAIRS if mixed else _PAIRS[:_SAME_KIND]:
        give(mesh, texts, suites)
        play_round(mesh, *suites)
    for suites in _OVER_TCP:
        if {*placement} == {Kind.C} and {suite.cipher for suite in suites} & {
            *_UNSTEADY
        }:
            continue
        give(mesh, texts, suites)
        _play_over_tcp(mesh, *suites)


def _play_over_tcp(mesh: Mesh, suite_a: Suite, suite_b: Suite) -> None:
    a, b = mesh["a"], mesh["b"]
    mesh.start()
    for node, peer in ((a, b), (b, a)):
        wait_ping(node, peer.address)
    expect_ping(a, b.address, count=5, interval=0)
    expect_ping(b, a.address, count=5, interval=0)
    for node, peer, suite in ((a, b, suite_b), (b, a, suite_a)):
        # C has taken the key, with the length of its block, and seals with it.
        row = node.wait_row(peer.name, "known", lambda row: row.reachable, limit=5)
        numbers = row.cipher, row.digest, row.maclength
        expect_equal(f"suite towards {peer.name}", numbers, suite.numbers())
        if Kind.OURS in (a.kind, b.kind):
            expect_equal(f"frame that surely reaches {peer.name} by UDP", row.minmtu, 0)
        if peer.kind is Kind.OURS:
            expect(peer.log.has("cannot carry packets"), "a warning says why")
    mesh.stop()


def untried(lab: Lab, placement: Placement) -> None:
    """Who has no path MTU discovery sends by UDP whatever becomes of it.

    C opens that until a packet is lost.  Ours cannot, so nothing may come that way.
    """
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, server=("Cipher = aes-256-ctr",)),
        Plan(name="b", kind=kind_b, connect_to=("a",), server=("PMTUDiscovery = no",)),
        Plan(name="c", kind=kind_c, connect_to=("b",)),
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    mesh.wait_reachable()
    a, b, c = mesh
    for node, peer in ((a, b), (a, c)):
        for source, target in ((node, peer), (peer, node)):
            wait_ping(source, target.address)
            expect_ping(source, target.address, count=20)


UNTRIED = Scenario(
    name="oddsuites-untried",
    summary="a suite that needs TCP, and peers without path MTU discovery",
    placements=THREE,
    play=untried,
)
SCENARIO = Scenario(
    name="oddsuites",
    summary="every other suite that OpenSSL knows, by UDP where that can be, else TCP",
    placements=TWO,
    play=play,
    limit=300,
    seconds=60,
)
