"""``tincd --check`` from outside: lines, JSON and statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tincd_compat import cli

#: Nets of the machine that the tests run on have nothing to do with them.
NO_PORT = ["-o", "Port=0"]


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    """A configuration with an unknown variable, without a key and host files."""
    (tmp_path / "hosts").mkdir()
    (tmp_path / "tinc-up").touch(0o755)
    (tmp_path / "tinc.conf").write_bytes(b"Name = a\nMode\xff\x1b = router\n")
    return tmp_path


def test_check_prints_one_line_each(
    mistaken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.main(["tincd", "-n", "foo", "-c", str(mistaken), "--check", *NO_PORT]) == 2
    )
    captured = capsys.readouterr()
    first, *others = captured.out.splitlines()
    assert first.startswith(
        f"{mistaken}/tinc.conf:2: warning: unknown variable `Mode\\xff\\x1b': "
    )
    assert [line.split(": ")[1] for line in others] == ["error", "error"]
    assert captured.err == f"{mistaken}: 2 errors, 1 warning\n"


def test_check_for_programs(mistaken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "tincd",
        "-c",
        str(mistaken),
        "--check",
        "--json",
        "-o",
        "Mode=x",
        *NO_PORT,
    ]
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    [given] = [finding for finding in found if finding["file"] is None]
    assert (given["line"], given["variable"]) == (1, "Mode")
    assert (len(found), captured.err) == (4, "")


@pytest.mark.parametrize("words", ["--check -x", "--check -o Mode", "-n / --check"])
def test_a_check_that_is_not_understood(words: str) -> None:
    assert cli.main(["tincd", *words.split()]) == 2


def test_check_wins_over_signals_and_keys(
    mistaken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["tincd", "-c", str(mistaken), "-K", "-k", "--check"]) == 2
    assert not (mistaken / "rsa_key.priv").exists()


@pytest.mark.parametrize(
    ("option", "status", "told"),
    [
        ("--check", 2, "{directory}: 2 errors, 1 warning\n"),
        ("--version", 0, ""),
        ("--help", 0, ""),
    ],
)
def test_a_reader_who_has_seen_enough(
    mistaken: Path, option: str, status: int, told: str
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    words = [sys.executable, "-m", "tincd_compat", "-c", str(mistaken), option]
    words += NO_PORT
    done = subprocess.run(
        words, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write_end)
    assert done.returncode == status
    assert done.stderr == told.format(directory=mistaken)
