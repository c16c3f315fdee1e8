"""Meta connections of protocol 17.7, of ours and tinc 1.1, beside C tincd 1.0."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import DEFAULT_SERVER, Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import wait_for
from tincd_compat.crypto.sptps.edwards import SigningKey
from tincd_compat.crypto.sptps.keytext import private_block, public_text

_O: Final = Kind.OURS
_C: Final = Kind.C
_N: Final = Kind.C11
#: With tinc 1.1 alone first: a scenario that it fails is a wrong one.
_PAIRS: Final[tuple[Placement, ...]] = ((_N, _N), (_O, _N), (_N, _O), (_O, _O))
_LIMIT: Final = 30.0


def play_dial(lab: Lab, placement: Placement) -> None:
    """Both know the key of the other: the first connection is of 17.7."""
    mesh, keys = _mesh(lab, placement)
    for node in mesh:
        for name, key in keys.items():
            if name != node.name:
                _learn(node, name, key)
    mesh.start()
    _expect_pings(mesh)
    for node in mesh:
        _expect_17_7(node)
        if node.kind is _O:
            expect(not node.log.has("METAKEY"), f"{node.name} has said METAKEY")


def play_upgrade(lab: Lab, placement: Placement) -> None:
    """Both have keys that the other does not know: they exchange them and go on."""
    mesh, keys = _mesh(lab, placement)
    mesh.start()
    _expect_pings(mesh)
    for node in mesh:
        _expect_17_7(node)
        for name, key in keys.items():
            if name != node.name:
                line = f"Ed25519PublicKey = {public_text(key.public)}\n"
                found = _host(node, name).read_text()
                expect_equal(
                    f"lines of {name}'s key at {node.name}", found.count(line), 1
                )


def play_legacy(lab: Lab, placement: Placement) -> None:
    """Who has no key is spoken to as ever, and learns nothing."""
    mesh, _ = _mesh(lab, placement)
    before = {
        (node.name, name): _host(node, name).read_text()
        for node in mesh
        for name in mesh.nodes
    }
    mesh.start()
    mesh.wait_reachable()
    _expect_pings(mesh)
    for (name, other), text in before.items():
        expect_equal(
            f"hosts/{other} at {name}", _host(mesh[name], other).read_text(), text
        )


def play_rollback(lab: Lab, placement: Placement) -> None:
    """C tincd 1.0 in the place of a node whose key is known is refused, and why."""
    mesh, keys = _mesh(lab, placement)
    _learn(mesh["b"], "a", keys["a"])
    mesh.start()
    said = r"rolls back to protocol 17\.0, although hosts/a has its Ed25519 key"
    wait_for("b says why", lambda: mesh["b"].log.has(said), _LIMIT)
    row = mesh["b"].row("a")
    expect(row is None or not row.reachable, "b has let a in")


def play_asymmetric(lab: Lab, placement: Placement) -> None:
    """One side alone knows the key of the other: who notices says what to do.

    Of two of ours that is the one called, which ends the connection.
    """
    mesh, keys = _mesh(lab, placement)
    _learn(mesh["a"], "b", keys["b"])
    mesh.start()
    texts = {
        "a": "does not know our Ed25519 key: add our line Ed25519PublicKey",
        "b": r"hosts/a does not have its own: add its line Ed25519PublicKey",
    }
    node = [node for node in mesh if node.kind is _O][-1]
    wait_for(f"{node.name} says why", lambda: node.log.has(texts[node.name]), _LIMIT)


def _mesh(lab: Lab, placement: Placement) -> tuple[Mesh, dict[str, SigningKey]]:
    """Return a and b, of which a dials, with Ed25519 keys for all but C tincd 1.0."""
    plans = [
        Plan(
            name=name,
            kind=kind,
            connect_to=("b",) if name == "a" else (),
            server=DEFAULT_SERVER if kind is not _N else (*DEFAULT_SERVER, *NEW),
            debug=4,
        )
        for name, kind in zip("ab", placement, strict=True)
    ]
    mesh = Mesh(lab, plans)
    return mesh, give_keys(mesh)


def give_keys(mesh: Mesh, *, everybody: bool = False) -> dict[str, SigningKey]:
    """Give all but C tincd 1.0 an Ed25519 key; return keys for these as well.

    ``everybody`` knows the keys of all others then.
    """
    keys = {node.name: SigningKey.generate(os.urandom) for node in mesh}
    for node in mesh:
        if node.kind is _C:
            continue
        private = node.etc / "ed25519_key.priv"
        private.touch(0o600)
        private.write_text(private_block(keys[node.name]))
        _learn(node, node.name, keys[node.name])
        for other in mesh if everybody else ():
            if other is not node and other.kind is not _C:
                _learn(node, other.name, keys[other.name])
    return keys


#: tinc 1.1 as a node of this kind of mesh.
NEW: Final = ("AutoConnect = no",)


def _host(node: TincNode, name: str) -> Path:
    return node.etc / "hosts" / name


def _learn(node: TincNode, name: str, key: SigningKey) -> None:
    with _host(node, name).open("a") as file:
        file.write(f"Ed25519PublicKey = {public_text(key.public)}\n")


def _expect_pings(mesh: Mesh) -> None:
    for node, other in (("a", "b"), ("b", "a")):
        address = mesh[other].address
        wait_for(
            f"{node} reaches {other}",
            partial(_pings, mesh[node], address),
            _LIMIT,
        )
        expect_ping(mesh[node], address, count=5)


def _pings(node: TincNode, address: str) -> bool:
    words = node.namespace.command("ping", "-c1", "-W1", address)
    return os.spawnvp(os.P_WAIT, words[0], words) == 0


def _expect_17_7(node: TincNode) -> None:
    """Demand that the last handshake of ours was one of 17.7."""
    if node.kind is not _O:
        return
    said = re.findall(r"Sending (\w+) to ", node.log.text(0))
    ids = [index for index, word in enumerate(said) if word == "ID"]
    expect_equal(f"{node.name} after its last ID", said[ids[-1] + 1], "ACK")


DIAL = Scenario(
    name="sptps-dial",
    summary="a meta connection of protocol 17.7",
    placements=_PAIRS,
    play=play_dial,
)
UPGRADE = Scenario(
    name="sptps-upgrade",
    summary="Ed25519 keys are exchanged, and the next connection is of 17.7",
    placements=_PAIRS,
    play=play_upgrade,
)
LEGACY = Scenario(
    name="sptps-legacy",
    summary="an Ed25519 key changes nothing towards tinc 1.0",
    placements=((_C, _C), (_O, _C), (_C, _O)),
    play=play_legacy,
)
ROLLBACK = Scenario(
    name="sptps-rollback",
    summary="tinc 1.0 in the place of a node with a known Ed25519 key is refused",
    placements=((_C, _O),),
    play=play_rollback,
)
ASYMMETRIC = Scenario(
    name="sptps-asymmetric",
    summary="a key that one side alone knows is said, and what to do",
    placements=((_O, _N), (_N, _O), (_O, _O)),
    play=play_asymmetric,
)
