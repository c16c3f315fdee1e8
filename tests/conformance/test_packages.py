"""What is kept of packages for containers: right for its state, and only root's."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.harness import packages
from conformance.harness.waits import Failed

STATUS = b"Package: dpkg\nStatus: install ok installed\n"


@pytest.mark.parametrize(
    ("status", "names"),
    [(STATUS, ["ifupdown"]), (STATUS + b"\n", ["ifupdown"]), (STATUS, ["a", "b"])],
)
def test_a_key_is_of_one_state_and_one_wish(status: bytes, names: list[str]) -> None:
    others = {packages.key(STATUS, ["ab"]), packages.key(b"", ["ifupdown"])}
    assert packages.key(status, names) == packages.key(status, list(names))
    assert packages.key(status, names) not in others


def a_system(root: Path) -> Path:
    status = root / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_bytes(STATUS)
    return root


class Inside:
    """What is run inside; a mirror brings one file, or fails."""

    def __init__(self, *, reachable: bool) -> None:
        self.reachable = reachable
        self.installed: list[list[str]] = []

    def __call__(self, root: Path, script: str) -> None:
        place = root / "var/cache/conformance"
        if "apt-get" in script:
            if not self.reachable:
                raise Failed("no mirror")
            (place / "ifupdown.deb").write_bytes(b"of a mirror")
        else:
            self.installed.append(sorted(each.name for each in place.glob("*.deb")))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packages, "KEPT", tmp_path / "kept")
    # Whoever runs the tests stands for root.
    monkeypatch.setattr(packages, "_OWNER", tmp_path.stat().st_uid)
    return tmp_path / "kept"


def test_a_mirror_is_asked_once(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = Inside(reachable=True)
    monkeypatch.setattr(packages, "_inside", inside)
    packages.install(a_system(tmp_path / "first"), ["ifupdown"])
    inside.reachable = False
    packages.install(a_system(tmp_path / "second"), ["ifupdown"])
    assert inside.installed == [["ifupdown.deb"]] * 2
    assert kept.stat().st_mode & 0o777 == 0o700


def test_what_others_could_have_written_is_not_used(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = Inside(reachable=True)
    monkeypatch.setattr(packages, "_inside", inside)
    packages.install(a_system(tmp_path / "first"), ["ifupdown"])
    kept.chmod(0o777)
    inside.reachable = False
    with pytest.raises(Failed, match="no mirror"):
        packages.install(a_system(tmp_path / "second"), ["ifupdown"])


def test_what_was_right_for_another_state_goes(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_inside", Inside(reachable=True))
    packages.install(a_system(tmp_path / "first"), ["ifupdown"])
    second = a_system(tmp_path / "second")
    (second / "var/lib/dpkg/status").write_bytes(b"upgraded")
    packages.install(second, ["ifupdown"])
    assert [each.name for each in kept.iterdir()] == [
        packages.key(b"upgraded", ["ifupdown"])
    ]
