"""What the control socket says of a daemon that has keys of all kinds."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.samples import private_pem
from tests.costs.crowded import Crowded
from tests.tunnel.world import ipv4
from tincd_compat.daemon.watcher import INTERVAL
from tincd_compat.observe.endpoints import ENDPOINTS

#: A key that peer gives us, and one that we make for it.
THEIRS = bytes([0x5A]) * 48
OURS = bytes([0xA5])
#: What a packet has inside.
INSIDE = b"nobody's business"
#: Bytes of a key that may not be seen in a row.
PIECE = 9


def forms(key: bytes) -> Iterator[str]:
    """Yield the texts that give a key away, or a part of it."""
    piece = key[:PIECE]
    yield piece.hex()
    yield piece.hex().upper()
    yield base64.b64encode(piece).decode()
    yield repr(piece)[2:-1]
    yield piece.decode("latin-1")


@pytest.fixture
def talkative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowded]:
    monkeypatch.setattr(secrets, "token_bytes", lambda length: OURS * length)
    crowded = Crowded(tmp_path / "us", monkeypatch)
    crowded.hear(crowded.subnet("peer", "10.67.0.0/24"), "15 peer us")
    crowded.hear(f"16 peer us {THEIRS.hex()} 427 672 4 0")
    crowded.from_device(ipv4("10.1.0.1", "10.67.0.1", INSIDE))
    # One that cannot be used is told of.
    crowded.hear(f"16 other us {THEIRS.hex()} 999 672 4 0")
    crowded.loop.advance(2 * INTERVAL)
    yield crowded
    crowded.loop.shut()


def test_no_key_is_in_any_answer(talkative: Crowded) -> None:
    crowded = talkative
    tunnel = crowded.daemon.parts.tunnels.of(crowded.mesh.nodes["peer"])
    assert tunnel.valid_key
    assert tunnel.opener is not None
    asked = [each.path for each in ENDPOINTS if not each.changes]
    asked.remove("/v1/explain")
    asked += [f"/v1/explain?to={to}" for to in ("peer", "other", "10.67.0.1")]
    asked.append("/v1/nodes?node=peer")
    said = ""
    for target in asked:
        status, records = crowded.control.ask(target)
        assert (status, bool(records)) == (200, True)
        said += repr(records)
    assert '"key"' in said or "'key'" in said
    secret = [*forms(THEIRS), *forms(OURS * PIECE), *forms(INSIDE)]
    lines = private_pem().decode().splitlines()[1:-1]
    secret += [line[at : at + 12] for line in lines for at in range(0, 48, 12)]
    assert [each for each in secret if each in said] == []
