"""The verbs ``takeover`` and ``release`` where a package has done their work."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.admin.played import Stage, client, daemon
from tincd_compat.admin import main, takeover


@pytest.mark.parametrize("verb", ["takeover", "release"])
def test_a_package_has_taken_over_by_itself(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(takeover, "template", lambda name: Path("/nowhere") / name)
    options = main.parser([verb]).parse_args([verb, "--dry-run"])
    assert main.run(options) == takeover.FAILED
    said = capsys.readouterr()
    assert "apt-get remove tincd-compat" in said.err
    assert said.out == ""


def test_release_names_whose_link_proves_that_they_refuse_c_tincd(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = {"active": True, "protocol": "17.7"}
    links = [
        {"name": "bravo", **secret},
        {"name": "charlie", **secret, "protocol": "17.0"},
        {"name": "d\x1b[2J", **secret},
    ]
    stage = Stage(client(daemon(links=links)), client(daemon(), "old"))
    monkeypatch.setattr(takeover, "_own_program", lambda root: Path("/opt/bin/tincd"))
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0)
    )
    assert stage.call("release", "--dry-run") == 0
    assert stage.lines == [
        "Net vpn: bravo, d\\x1b[2J refuse C tincd,",
        "as they are linked by protocol 17.7, with Ed25519 keys.",
    ]
