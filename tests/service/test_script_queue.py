"""Scripts in their order, one at a time, and those that never get their turn."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.service.running import (
    ENVIRONMENT,
    executed,
    failed,
    masked,
    tell,
    write,
)
from tincd_compat.service import scripts
from tincd_compat.service.scripts import ScriptRunner


def test_strictly_one_after_the_other(tmp_path: Path) -> None:
    """Each notes where it begins and ends; the first is the slowest."""
    out, fifo = tmp_path / "out", tmp_path / "fifo"
    os.mkfifo(fifo)
    note = f'echo "$0 begins" >> {out}; {{}}; echo "$0 ends" >> {out}\n'
    write(tmp_path / "host-up", note.format(f"read line < {fifo}"))
    write(tmp_path / "subnet-up", note.format(":"))

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run("host-up", {})
        runner.run("hosts/beta-up", {})
        runner.run("subnet-up", {})
        # The daemon goes on while host-up waits for us.
        assert not await runner.drain(0)
        tell(fifo, "go\n")
        assert await runner.drain(20)
        runner.run("subnet-up", {})
        assert await runner.drain()
        assert await runner.drain()

    asyncio.run(events())
    names = ["host-up", "subnet-up", "subnet-up"]
    expected = [f"{tmp_path}/{n} {verb}" for n in names for verb in ("begins", "ends")]
    assert out.read_text().splitlines() == expected


def test_a_script_that_appears_runs_the_next_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(
        tmp_path / "tinc-up",
        f"cd {tmp_path}; echo 'echo ran >> {out}' > subnet-up; chmod +x subnet-up\n",
    )

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run("tinc-up", {})
        runner.run("subnet-up", {})
        await runner.drain()
        runner.run("subnet-up", {})
        await runner.drain()

    asyncio.run(events())
    assert out.read_text() == "ran\n"


def test_a_script_that_goes_away_does_not_run(
    tmp_path: Path, lines: list[tuple[int, str]]
) -> None:
    write(tmp_path / "tinc-up", f"rm {tmp_path}/subnet-up\n")
    write(tmp_path / "subnet-up", "exit 1\n")

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run("tinc-up", {})
        runner.run("subnet-up", {})
        await runner.drain()

    asyncio.run(events())
    assert lines == [executed("tinc-up")]


def test_many_events_at_once_look_for_a_script_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def exists(path: str) -> bool:
        looks.append(path)
        return False

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        for _ in range(1000):
            assert runner.absent("subnet-up")
            runner.run("subnet-up", {})
        assert looks == [f"{tmp_path}/subnet-up"]
        await asyncio.sleep(0)
        assert runner.absent("subnet-up")

    monkeypatch.setattr(os.path, "exists", exists)
    asyncio.run(events())
    assert len(looks) == 2


def test_scripts_that_are_not_there_take_no_room(
    tmp_path: Path, lines: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty thousand nodes come up, and only one kind of script is there."""
    write(tmp_path / "host-up", "exit 0\n")
    ran: list[str] = []

    async def execute(name: str, variables: Mapping[str, str]) -> None:
        assert name == "host-up"
        ran.append(variables["NODE"])

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        monkeypatch.setattr(runner, "_execute", execute)
        for number in range(20_000):
            variables = {"NODE": f"n{number}"}
            for name in ("host-up", f"hosts/n{number}-up", "subnet-up", "subnet-up"):
                runner.run(name, variables)
        assert not runner.absent("host-up")
        assert runner.absent("subnet-up")
        await runner.drain()

    asyncio.run(events())
    assert ran == [f"n{number}" for number in range(20_000)]
    assert lines == []


def test_the_directory_and_interpreter_can_change(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(tmp_path / "new" / "tinc-down", f"echo $NAME > {out}\n", 0o644)

    async def events() -> None:
        interpreter: str | None = None
        runner = ScriptRunner(tmp_path, ENVIRONMENT, lambda: interpreter)
        runner.directory = tmp_path / "new"
        interpreter = "/bin/sh"
        runner.run("tinc-down", {"NAME": "alpha"})
        await runner.drain()

    asyncio.run(events())
    assert out.read_text() == "alpha\n"


def test_what_is_dropped_is_named(
    tmp_path: Path, fifo: Path, lines: list[tuple[int, str]]
) -> None:
    write(tmp_path / "host-down", f"read line < {fifo}\n")
    write(tmp_path / "hosts" / "beta-down", "exit 1\n")
    write(tmp_path / "subnet-down", "exit 1\n")
    write(tmp_path / "tinc-down", "exit 3\n")

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run("host-down", {})
        runner.run("hosts/beta-down", {})
        for _ in range(900):
            runner.run("subnet-down", {})
        assert not await runner.drain(0)
        runner.drop()
        runner.run("tinc-down", {})
        assert await runner.drain()
        tell(fifo, "go\n")

    asyncio.run(events())
    assert lines[1][0] == logging.WARNING
    assert masked(lines[1][1]) == (
        "Not waiting any longer for scripts to finish: host-down (pid N) still runs; "
        "901 left out (1 hosts/NAME-down, 900 subnet-down)"
    )
    assert lines[-2:] == [executed("tinc-down"), failed("tinc-down", 3)]


def test_a_hurry_ends_the_wait(tmp_path: Path, fifo: Path) -> None:
    write(tmp_path / "host-down", f"read line < {fifo}\n")

    async def events() -> None:
        runner, hurry = ScriptRunner(tmp_path, ENVIRONMENT), asyncio.Event()
        runner.run("host-down", {})
        asyncio.get_running_loop().call_soon(hurry.set)
        assert not await runner.drain(hurry=hurry)
        tell(fifo, "go\n")
        assert await runner.drain()

    asyncio.run(events())


def test_the_queue_has_an_end(
    tmp_path: Path, lines: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "QUEUE_LIMIT", 3)
    write(tmp_path / "host-up", "exit 0\n")

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        for _ in range(2):
            for _ in range(6):
                runner.run("host-up", {})
            await runner.drain()

    asyncio.run(events())
    too_many = "Too many scripts are waiting, leaving out host-up"
    assert lines.count((logging.ERROR, too_many)) == 2
    assert lines.count((logging.ERROR, "Scripts left out: 3 host-up")) == 2
    assert lines.count(executed("host-up")) == 6


def test_the_end_of_the_loop_kills_no_script(tmp_path: Path) -> None:
    out, fifo = tmp_path / "out", tmp_path / "fifo"
    os.mkfifo(fifo)
    os.mkfifo(out)
    write(tmp_path / "tinc-down", f"read line < {fifo}; echo $line > {out}\n")
    processes = []

    async def leave() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run("tinc-down", {})
        assert not await runner.drain(0)

    original = subprocess.Popen

    def remembered(*args: Any, **kwargs: Any) -> Any:
        processes.append(original(*args, **kwargs))
        return processes[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", remembered)
        asyncio.run(leave())
    tell(fifo, "finished\n")
    assert out.read_text() == "finished\n"
    assert os.waitpid(processes[0].pid, 0)[1] == 0
