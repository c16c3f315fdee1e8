"""The verbs ``takeover`` and ``release`` where a package has done their work."""

from __future__ import annotations

from pathlib import Path

import pytest

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
