"""A person switches two running nodes to protocol 17.7, one after the other, and back.

The verb ``keys`` makes the keys; the nodes exchange them by themselves.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from typing import Final

from conformance.harness.asking import ask
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

_O: Final = Kind.OURS
_LIMIT: Final = 30.0
_OFF: Final = "ExperimentalProtocol = no\n"
#: The line of a public key in a host file.
_LINE: Final = re.compile(r"^Ed25519PublicKey = [\w+/]{43}\n", re.M)


def play(lab: Lab, placement: Placement) -> None:
    plans = [
        Plan(
            name=name,
            kind=kind,
            connect_to=("b",) if name == "a" else (),
        )
        for name, kind in zip("ab", placement, strict=True)
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    a, b = mesh
    _expect_protocol(mesh, "17.0")
    _one_key(mesh)
    _two_keys(mesh)
    _back(mesh)
    _again(mesh)
    for node in (a, b):
        node.stop()


def _one_key(mesh: Mesh) -> None:
    """One node has a key: nothing changes, neither before nor after its restart."""
    a, b = mesh
    line = _make_key(a)
    expect_equal("lines of the key at a", _own_lines(a), [line])
    _expect_protocol(mesh, "17.0")
    _restart(a)
    _expect_protocol(mesh, "17.0")
    expect(not _LINE.search(_host(b, "a")), "b without a key has learned one")


def _two_keys(mesh: Mesh) -> None:
    """Both have one: they exchange them by themselves."""
    a, b = mesh
    lines = {"a": _make_key(a), "b": _make_key(b)}
    _restart(b)
    _expect_protocol(mesh, "17.7")
    for node, other in ((a, "b"), (b, "a")):
        found = _LINE.findall(_host(node, other))
        expect_equal(f"lines of {other}'s key at {node.name}", found, [lines[other]])
        audit = _compat(node, "--socket", str(node.pidfile.with_suffix(".sock")))
        expect_equal(f"audit at {node.name}", audit.returncode, 0)


def _back(mesh: Mesh) -> None:
    """In the order of the manual a node speaks 17.0 again, and is never refused."""
    a, b = mesh
    mark = b.log.mark()
    with (a.etc / "tinc.conf").open("a") as file:
        file.write(_OFF)
    _forget(b, "a")
    expect(_has_link(b, "17.7"), "the link has not stayed until the restart")
    _restart(a)
    _expect_protocol(mesh, "17.0")
    for words in ("rolls back", "does not have its own", "Learned the"):
        expect(not b.log.has(words, mark), f"b has said {words!r}")


def _again(mesh: Mesh) -> None:
    """Once both have forgotten the key of the other, they exchange them again."""
    a, _ = mesh
    path = a.etc / "tinc.conf"
    path.write_text(path.read_text().replace(_OFF, ""))
    _forget(a, "b")
    _restart(a)
    _expect_protocol(mesh, "17.7")


def _forget(node: TincNode, name: str) -> None:
    path = node.etc / "hosts" / name
    path.write_text(_LINE.sub("", path.read_text()))


def _make_key(node: TincNode) -> str:
    """Run the verb as a person does; return the line that it prints for the others."""
    argv = [sys.executable, "-m", "tincd_compat.admin", "keys", "-c", str(node.etc)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    say(done.stdout + done.stderr)
    expect_equal("exit status of keys", done.returncode, 0)
    node.note_files()
    [line] = _LINE.findall(done.stdout)
    mode = (node.etc / "ed25519_key.priv").stat().st_mode & 0o777
    expect_equal("mode of the private key", oct(mode), "0o600")
    return str(line)


def _compat(node: TincNode, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``audit --forward-secret`` at a node."""
    argv = [sys.executable, "-m", "tincd_compat.admin", "audit", "--forward-secret"]
    done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False)
    say(done.stdout + done.stderr)
    return done


def _own_lines(node: TincNode) -> list[str]:
    return [str(line) for line in _LINE.findall(_host(node, node.name))]


def _host(node: TincNode, name: str) -> str:
    return (node.etc / "hosts" / name).read_text()


def _restart(node: TincNode) -> None:
    node.stop()
    node.start()


def _expect_protocol(mesh: Mesh, protocol: str) -> None:
    """Demand that the link is of this protocol at both ends, and carries packets."""
    a, b = mesh
    for node in mesh:
        what = f"{node.name} has a link of {protocol}"
        wait_for(what, partial(_has_link, node, protocol), _LIMIT)
    for node, other in ((a, b), (b, a)):
        wait_ping(node, other.address)
        expect_ping(node, other.address, count=3)


def _has_link(node: TincNode, protocol: str) -> bool:
    _, links = ask(node, "/v1/links")
    return [link["protocol"] for link in links if link["active"]] == [protocol]


SWITCH = Scenario(
    name="sptps-switch",
    summary="a person switches two nodes to protocol 17.7, and one of them back",
    placements=((_O, _O),),
    play=play,
    seconds=12,
)
