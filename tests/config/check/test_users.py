from __future__ import annotations

import os
from pathlib import Path

import pytest

from tincd_compat.config.check.findings import Report
from tincd_compat.config.check.users import Account, check_user, find_account

ACCOUNT = Account("ghost", 1000, frozenset({1000, 50}))


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "allowed"),
    [
        (0o644, 0, 0, True),
        (0o640, 0, 0, False),
        (0o640, 0, 50, True),
        (0o604, 0, 50, False),
        (0o600, 1000, 0, True),
        (0o066, 1000, 1000, False),
    ],
)
def test_whose_bits_count(mode: int, uid: int, gid: int, allowed: bool) -> None:
    assert ACCOUNT.may(0o004, status(mode, uid, gid)) is allowed


def test_a_script_takes_both_bits() -> None:
    assert not ACCOUNT.may(0o005, status(0o744, 0, 0))
    assert ACCOUNT.may(0o005, status(0o755, 0, 0))


def test_accounts() -> None:
    root = find_account("root")
    assert root is not None
    assert root.uid == 0
    assert find_account("no such user") is None


def test_a_directory_in_the_way_is_said_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    stranger = Account("ghost", tmp_path.stat().st_uid + 1, frozenset())
    report = Report()
    check_user(stranger, tmp_path, [tmp_path / "tinc.conf"], [], report)
    [finding] = report.findings
    assert finding.message == (
        "with --user ghost nothing in here is in reach after the start"
    )


def test_root_reads_everything(tmp_path: Path) -> None:
    tmp_path.chmod(0o000)
    report = Report()
    root = Account("root", 0, frozenset())
    check_user(root, tmp_path, [tmp_path], [tmp_path], report)
    assert report.findings == []
    tmp_path.chmod(0o700)
