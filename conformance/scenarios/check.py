"""``--check``: its verdict is what a start with the same files comes to.

Each row is a change of a good configuration.  C says with it, too, whether the row is
right about what becomes of a start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement, command
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

_LIMIT: Final = 20.0
_DIALS: Final = ("Trying to ", "Error while connecting to ", "Could not set up a meta ")
_EMPTY: Final = "\n"


@dataclass(frozen=True, kw_only=True)
class Row:
    """``change`` edits the files in ``etc``; nothing else is changed.

    ``verdict`` is the exit status of the check, ``line`` what it must say.  ``starts``
    tells whether a start comes to ``Ready``, ``log`` what it then logs.
    """

    what: str
    change: Callable[[Path], object] = lambda etc: None
    verdict: int = 2
    line: str = ""
    starts: bool = False
    log: str = ""


def _first(name: str, text: str) -> Callable[[Path], object]:
    """Put lines before those of a file."""

    def change(etc: Path) -> None:
        path = etc / name
        path.write_text(f"{text}\n{path.read_text()}")

    return change


def _without(name: str, pattern: str) -> Callable[[Path], object]:
    """Take lines out of a file, and leave empty ones."""

    def change(etc: Path) -> None:
        path = etc / name
        path.write_text(re.sub(rf"^{pattern}$", "", path.read_text(), flags=re.M))

    return change


def _new(name: str, text: str) -> Callable[[Path], object]:
    def change(etc: Path) -> None:
        path = etc / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return change


def _mark(path: Path) -> None:
    path.write_text(f"\ufeff{path.read_text()}")


def _glue(path: Path) -> None:
    """Put a subnet in front of a key block, without a line end between the two."""
    path.write_text(
        path.read_text().replace("-----BEGIN", "Subnet = 10.9.0.0/16-----BEGIN")
    )


_ROWS: Final = (
    Row(what="nothing is wrong", verdict=0, starts=True),
    Row(
        what="a variable of tinc 1.1",
        change=_first("tinc.conf", "AutoConnect = yes"),
        verdict=0,
        line=r"tinc\.conf:1: info: AutoConnect is of tinc 1\.1",
        starts=True,
    ),
    Row(
        what="a misspelt variable",
        change=_first("tinc.conf", "PingIntervall = 5"),
        verdict=1,
        line=r"tinc\.conf:1: warning: .* did you mean PingInterval\?",
        starts=True,
    ),
    Row(
        what="a number followed by a unit",
        change=_first("tinc.conf", "KeyExpire = 1000s"),
        verdict=1,
        line=r"tinc\.conf:1: warning: `1000s' is read as 1000",
        starts=True,
    ),
    Row(
        what="another mode",
        change=_first("tinc.conf", "Mode = bridge"),
        line=r"tinc\.conf:1: error: Invalid routing mode!",
    ),
    Row(
        what="a word that is neither yes nor no",
        change=_first("tinc.conf", "DirectOnly = true"),
        line=r'tinc\.conf:1: error: "yes" or "no" expected',
        starts=True,
        log=r'^"yes" or "no" expected for configuration variable DirectOnly',
    ),
    Row(
        what="no value in conf.d",
        change=_new("conf.d/x.conf", "\nMode\n"),
        line=r"conf\.d/x\.conf:2: error: No value for variable `Mode'",
    ),
    Row(
        what="no name",
        change=_without("tinc.conf", "Name = .*"),
        line=r"tinc\.conf: error: Name for tinc daemon required!",
    ),
    Row(
        what="a subnet with bits behind its prefix",
        change=_first("hosts/node", "Subnet = 10.1.2.3/24"),
        line=r"hosts/node:1: error: Network address and prefix length do not match",
    ),
    Row(
        what="too long a MAC",
        change=_first("hosts/node", "MACLength = 33"),
        line=r"hosts/node:1: error: MAC length exceeds size of digest!",
    ),
    Row(
        what="no private key",
        change=lambda etc: (etc / "rsa_key.priv").write_text(_EMPTY),
        line=r"rsa_key\.priv: error: Reading RSA private key file",
    ),
    Row(
        what="a script that is not executable",
        change=lambda etc: (etc / "tinc-up").chmod(0o644),
        line=r"tinc-up: error: the script is not executable",
        starts=True,
        log=r"^Script tinc-up exited with non-zero status 126( \(|$)",
    ),
    Row(
        what="a script that another system wrote",
        change=lambda etc: (etc / "tinc-up").write_bytes(b"#!/bin/sh\r\ntrue\r\n"),
        line=r"tinc-up:1: error: no program is found with this line",
        starts=True,
        log=r"^Script tinc-up exited with non-zero status 127( \(|$)",
    ),
    Row(
        what="an interpreter that is not there",
        change=_first("tinc.conf", "ScriptsInterpreter = /no/such/shell"),
        line=r"tinc\.conf:1: error: no script can run: there is no program /no/such",
        starts=True,
        log=r"^Script tinc-up exited with non-zero status 127( \(|$)",
    ),
    Row(
        what="a name behind a byte order mark",
        change=lambda etc: _mark(etc / "tinc.conf"),
        line=r"tinc\.conf:1: error: Name for tinc daemon required!",
    ),
    Row(
        what="a device that is not there",
        change=_first("tinc.conf", "Device = /dev/tap77"),
        line=r"tinc\.conf:1: error: there is no /dev/tap77",
    ),
    Row(
        what="two nodes in one line",
        change=_first("tinc.conf", "ConnectTo = peer, other"),
        line=r"tinc\.conf:1: error: Invalid name for outgoing connection \(",
        starts=True,
        log=r"^Invalid name for outgoing connection in .* line 1( \(|$)",
    ),
    Row(
        what="a port behind a colon",
        change=_first("hosts/peer", "Address = 192.0.2.1:655"),
        line=r"hosts/peer:1: error: .* write `192\.0\.2\.1 655'$",
        starts=True,
        log=r"^Error looking up 192\.0\.2\.1:655 port ",
    ),
    Row(
        what="a prefix length to listen at",
        change=_first("tinc.conf", "BindToAddress = 127.0.0.1/8"),
        line=r"tinc\.conf:1: error: an address has no prefix length",
    ),
    Row(
        what="a subnet and a key block in one line",
        change=lambda etc: _glue(etc / "hosts" / "node"),
        line=r"hosts/node:\d+: error: a key block must begin with the line",
    ),
    Row(
        what="a peer without address",
        change=_without("hosts/peer", "Address = .*"),
        line=r"hosts/peer: error: there is no Address, but ConnectTo",
        starts=True,
        log="^No address specified for peer",
    ),
    Row(
        what="a peer without host file",
        change=lambda etc: (etc / "hosts" / "peer").unlink(),
        line=r"tinc\.conf:2: error: cannot connect to peer: there is no ",
        starts=True,
        log=r"^Cannot open config file .*/hosts/peer: No such file or directory",
    ),
)


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    plans = [
        Plan(name="node", kind=kind, connect_to=("peer",), debug=1),
        Plan(name="peer", kind=Kind.C),
    ]
    node = Mesh(lab, plans)["node"]
    good = _contents(node.etc)
    for row in _ROWS:
        say(f"  {row.what}")
        row.change(node.etc)
        if kind is Kind.OURS:
            _check_verdict(node, row)
        _check_start(node, row)
        _restore(node.etc, good)
    if kind is Kind.OURS:
        _check_beside_a_daemon(node)


def _check_start(node: TincNode, row: Row) -> None:
    mark = node.log.mark()
    if not row.starts:
        node.start(wait=False)
        wait_for("the start to fail", lambda: not node.alive, _LIMIT)
        expect(not node.log.has("^Ready$", mark), "no start with this configuration")
        return
    node.start()
    if row.log:
        node.log.wait(row.log, _LIMIT, mark)
    node.stop()


def _check_verdict(node: TincNode, row: Row) -> None:
    before = _contents(node.etc)
    status, text = _run(node)
    if row.line:
        wanted = re.escape(f"{node.etc}/") + row.line
        expect(bool(re.search(f"^{wanted}", text, re.M)), f"/{wanted}/ in:\n{text}")
    expect_equal(f"the verdict, because of\n{text}", status, row.verdict)
    expect_equal("the files after the check", _contents(node.etc), before)


def _check_beside_a_daemon(node: TincNode) -> None:
    """A check without any right of root, while the daemon goes on."""
    node.start()
    mark = node.log.mark()
    powerless = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    status, text = _run(node, "--json", wrapper=powerless)
    expect_equal("the verdict", (status, json.loads(text)), (0, []))
    lines = node.log.text(mark).splitlines()
    # It goes on dialling a peer that does not run.
    said = [line for line in lines if not line.startswith(_DIALS)]
    expect_equal("what the daemon says meanwhile", said, [])
    node.stop()


def _run(
    node: TincNode, *options: str, wrapper: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Return the exit status and the standard output of a check."""
    words = [*wrapper, *command(Kind.OURS), "-c", str(node.etc), "--check", *options]
    done = node.namespace.run(*words, check=False)
    return done.returncode, done.stdout


def _contents(etc: Path) -> dict[Path, tuple[str, int]]:
    return {
        path: (path.read_text(), path.stat().st_mode)
        for path in etc.rglob("*")
        if path.is_file()
    }


def _restore(etc: Path, contents: dict[Path, tuple[str, int]]) -> None:
    for path in _contents(etc).keys() - contents.keys():
        path.unlink()
    for path, (text, mode) in contents.items():
        path.write_text(text)
        path.chmod(mode)


SCENARIO: Final = Scenario(
    name="check",
    summary="--check foretells what becomes of a start, and changes nothing",
    placements=ONE,
    play=play,
    limit=400,
    seconds=25,
)
