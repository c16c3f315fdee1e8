"""What the conformance suite is played with: good configurations, of which all is true.

A scenario is played until it has written the configuration of its nodes.
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from conformance.harness import mesh
from conformance.scenarios import SCENARIOS
from tests.config.check.conftest import key_pair
from tests.config.check.mistakes import said_about

#: Some of the scenarios that do have a mesh; others may have something else.
SURE = ("ping4", "chain", "switch", "subnets", "proxy-http", "raw", "plainuser")

LEVEL = (
    "tinc.conf:3: warning: C tincd does not start with a level above 11: going back to"
    " it takes another one"
)
SHADOWED = (
    "tinc.conf:9: warning: MaxTimeout has no effect here: the one in tinc.conf line 6"
    " counts (the lowest line number does)"
)


def in_the_clear(line: int) -> list[str]:
    return [
        f"tinc.conf:{line}: warning: Cipher = none: whoever is on their way can read"
        " the packets to us",
        f"tinc.conf:{line + 1}: warning: Digest = none: anybody can forge and alter"
        " packets to us, and senders are known by their addresses only",
    ]


def of_tinc_11(line: int) -> list[str]:
    text = "AutoConnect is of tinc 1.1 and has no effect, as with C tincd 1.0"
    return [f"tinc.conf:{line}: info: {text}"]


OVER_TCP = (
    "tinc.conf:2: warning: aes-256-ctr cannot carry packets: its key stream runs on, so"
    " one lost datagram breaks the tunnel; packets to us have to travel over TCP"
)

#: What is odd in a scenario because it is about just that.
ODD = {
    "oddsuites-untried": [OVER_TCP],
    "zstd": [LEVEL, LEVEL],
    **dict.fromkeys(("sptps-dial", "sptps-upgrade"), of_tinc_11(4) + of_tinc_11(3)),
    **dict.fromkeys(
        ("sptps-asymmetric", "sptps-through-c", "sptps-tcponly", "sptps-mixed"),
        of_tinc_11(3),
    ),
    "sptps-udp": of_tinc_11(2),
    "sptps-behind-c": of_tinc_11(3) * 2,
    "sptps-relay": of_tinc_11(3) + of_tinc_11(2) + of_tinc_11(3),
    "sptps-rekey": of_tinc_11(4),
    "netwatch": [SHADOWED],
    "explain-plaintext": in_the_clear(5)[:1],
    "tos": in_the_clear(3),
    "switch-tos": in_the_clear(5),
}


class Enough(Exception):
    """The configuration is there."""


class Elsewhere(Exception):
    """The scenario is about something else than the nodes of a mesh."""


def leave(*_: Any, **__: Any) -> None:
    raise Elsewhere


def network(number: int = 1, **_: Any) -> MagicMock:
    lan = MagicMock()
    lan.address.side_effect = lambda host: f"10.99.{number}.{host}"
    lan.address6.side_effect = lambda host: f"fd99:0:0:{number}::{host}"
    return lan


def keys(number: int) -> SimpleNamespace:
    private, public = key_pair(number)
    return SimpleNamespace(private=private, public=public)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_made_up(
    scenario: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = MagicMock(directory=tmp_path)
    lab.keys.pair.side_effect = keys
    lab.lan.side_effect = lab.cable.side_effect = network
    # Neither a container nor a daemon is started here.
    lab.namespace.return_value.run.side_effect = leave
    monkeypatch.setattr(subprocess, "Popen", leave)
    monkeypatch.setattr(socket, "socket", leave)
    said: list[str] = []
    build = mesh.Mesh.__init__

    def look(self: mesh.Mesh, *arguments: Any, **named: Any) -> None:
        build(self, *arguments, **named)
        for node in self:
            node.etc.chmod(0o755)
            said.extend(said_about(node.etc, netname="net"))
        raise Enough

    monkeypatch.setattr(mesh.Mesh, "__init__", look)
    with pytest.raises(Enough if scenario.name in SURE else (Enough, Elsewhere)):
        scenario.play(lab, scenario.placements[0])
    assert said == ODD.get(scenario.name, [])
