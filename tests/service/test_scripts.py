"""A script that runs: how, with what, and what is logged of its end."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from tests.service.running import (
    ENVIRONMENT,
    executed,
    failed,
    run_script,
    write,
)
from tincd_compat.service import scripts
from tincd_compat.service.scripts import ScriptRunner


@pytest.mark.parametrize("first_line", ["#!/bin/sh\n", ""])
def test_with_and_without_an_interpreter_line(
    tmp_path: Path, lines: list[tuple[int, str]], first_line: str
) -> None:
    out = tmp_path / "out"
    write(tmp_path / "tinc-up", f'{first_line}echo "$NAME $#" > {out}\n')
    run_script(tmp_path, "tinc-up")
    assert out.read_text() == "alpha 0\n"
    assert lines == [executed("tinc-up")]


def test_characters_of_the_path_mean_nothing(
    tmp_path: Path, lines: list[tuple[int, str]]
) -> None:
    directory = tmp_path / "$(exit 5)`exit 6`;'\\ x"
    write(directory / "tinc-up", "exit 0\n")
    run_script(directory, "tinc-up")
    assert lines == [executed("tinc-up")]


def test_an_absent_script_is_not_mentioned(
    tmp_path: Path, lines: list[tuple[int, str]]
) -> None:
    (tmp_path / "tinc-up").symlink_to(tmp_path / "dangling")
    run_script(tmp_path, "tinc-up")
    run_script(tmp_path, "hosts/beta-up")
    assert lines == []


def test_a_script_that_is_not_executable_fails(
    tmp_path: Path, lines: list[tuple[int, str]]
) -> None:
    write(tmp_path / "hosts" / "beta-up", "exit 0\n", 0o644)
    run_script(tmp_path, "hosts/beta-up")
    level, text = failed("hosts/beta-up", 126)
    advice = f" (`chmod +x {tmp_path}/hosts/beta-up' makes it executable)"
    assert lines == [executed("hosts/beta-up"), (level, text + advice)]


def test_a_script_may_give_that_status_itself(
    tmp_path: Path, lines: list[tuple[int, str]]
) -> None:
    write(tmp_path / "tinc-up", "exit 126\n")
    run_script(tmp_path, "tinc-up")
    assert lines == [executed("tinc-up"), failed("tinc-up", 126)]


def test_an_interpreter_needs_no_permission(
    tmp_path: Path, lines: list[tuple[int, str]]
) -> None:
    write(tmp_path / "tinc-up", "false\nexit 3\n", 0o644)
    run_script(tmp_path, "tinc-up", "/bin/sh -e")
    assert lines == [executed("tinc-up"), failed("tinc-up", 1)]


def test_a_status_is_logged(tmp_path: Path, lines: list[tuple[int, str]]) -> None:
    write(tmp_path / "tinc-down", "exit 3\n")
    run_script(tmp_path, "tinc-down")
    assert lines == [executed("tinc-down"), failed("tinc-down", 3)]


def test_a_killed_shell_is_logged(tmp_path: Path, lines: list[tuple[int, str]]) -> None:
    write(tmp_path / "tinc-up", "")
    run_script(tmp_path, "tinc-up", "exec kill -9 $$;")
    killed = (logging.ERROR, "Script tinc-up was killed by signal 9 (Killed)")
    assert lines == [executed("tinc-up"), killed]


def test_no_shell_to_be_found(
    tmp_path: Path, lines: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "script_command", lambda path, _: ["/nonexistent"])
    write(tmp_path / "tinc-down", "exit 0\n")
    run_script(tmp_path, "tinc-down")
    assert lines == [executed("tinc-down"), failed("tinc-down", 127)]


def test_no_process_to_be_had(
    tmp_path: Path, lines: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A directory cannot be executed: an error of the system call itself.
    monkeypatch.setattr(scripts, "script_command", lambda path, _: [str(tmp_path)])
    write(tmp_path / "tinc-up", "exit 0\n")
    run_script(tmp_path, "tinc-up")
    error = (logging.ERROR, "System call `system' failed: Permission denied")
    assert lines == [executed("tinc-up"), error]


def test_a_kernel_without_pidfd(
    tmp_path: Path, lines: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(pid: int) -> int:
        raise OSError("Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    write(tmp_path / "tinc-up", "exit 4\n")
    run_script(tmp_path, "tinc-up")
    assert lines == [executed("tinc-up"), failed("tinc-up", 4)]


def test_the_environment_is_new_for_each_script(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(tmp_path / "subnet-up", f"env | grep -v ^PWD= | sort >> {out}\n")

    async def two() -> None:
        base = {**ENVIRONMENT, "KEPT": "1", "NODE": "inherited", "WEIGHT": "9"}
        runner = ScriptRunner(tmp_path, base)
        runner.run("subnet-up", {"NODE": "a"})
        runner.run("subnet-up", {"SUBNET": "b"})
        await runner.drain()

    asyncio.run(two())
    path = f"PATH={ENVIRONMENT['PATH']}"
    shown = [x for x in out.read_text().splitlines() if not x.startswith(("_=", "OLD"))]
    assert shown == ["KEPT=1", "NODE=a", path, "KEPT=1", path, "SUBNET=b"]


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(tmp_path / "tinc-up", f"ls /proc/self/fd > {out}\n")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        run_script(tmp_path, "tinc-up")
    # 3 is the directory that ls reads.
    assert out.read_text().split() == ["0", "1", "2", "3"]
