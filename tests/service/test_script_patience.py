"""Scripts that take long: complaints, and how long the next one waits."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from tests.service.running import (
    ENVIRONMENT,
    executed,
    failed,
    masked,
    tell,
    until,
    write,
)
from tincd_compat.service import scripts
from tincd_compat.service.scripts import ScriptRunner


def test_a_slow_script_is_complained_about_and_waited_for(
    tmp_path: Path,
    fifo: Path,
    lines: list[tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scripts, "SLOW_SCRIPT", 0.0)
    write(tmp_path / "host-up", f"read line < {fifo}; exit 2\n")

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run("host-up", {})
        while len(lines) < 2:
            assert not await runner.drain(0)
        tell(fifo, "go\n")
        await runner.drain()

    asyncio.run(events())
    assert lines == [
        executed("host-up"),
        (logging.WARNING, "Script host-up has not finished after 0 seconds"),
        failed("host-up", 2),
    ]


def test_a_script_that_has_ended_is_not_complained_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "host-up", "exit 0\n")
    timers = []

    async def events() -> None:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(seconds: float, *call: Any) -> asyncio.TimerHandle:
            timer = call_later(seconds, *call)
            if seconds == scripts.SLOW_SCRIPT:
                timers.append(timer)
            return timer

        monkeypatch.setattr(loop, "call_later", noted)
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run("host-up", {})
        await runner.drain()

    asyncio.run(events())
    assert [timer.cancelled() for timer in timers] == [True]


#: Each kind by a name of it.
KINDS = {name.replace("NAME", "beta"): name for name in scripts.SCRIPT_PATIENCE}


@pytest.mark.parametrize("name", KINDS)
def test_a_script_that_never_ends_keeps_the_next_one_for_its_patience(
    tmp_path: Path,
    fifo: Path,
    lines: list[tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setitem(scripts.SCRIPT_PATIENCE, KINDS[name], 0.0)
    # What is run next is another kind, with a patience of its own.
    write(tmp_path / name, f"read line < {fifo}; exit 2\n")
    after = "host-up" if name != "host-up" else "subnet-up"
    write(tmp_path / after, "exit 0\n")

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        runner.run(name, {})
        runner.run(after, {})
        assert await runner.drain()
        assert len(lines) == 3
        tell(fifo, "go\n")
        await until(lines, 4)

    asyncio.run(events())
    left = (
        f"Script {name} (pid N) has not finished after 0 seconds, going on without it"
    )
    assert [(level, masked(text)) for level, text in lines] == [
        executed(name),
        (logging.WARNING, left),
        executed(after),
        failed(name, 2),
    ]


def test_of_too_many_that_never_end_the_oldest_is_killed(
    tmp_path: Path,
    fifo: Path,
    lines: list[tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(scripts.SCRIPT_PATIENCE, "host-up", 0.0)
    monkeypatch.setattr(scripts, "MAX_LEFT", 2)
    write(tmp_path / "host-up", f"read line < {fifo}; exit $line\n")

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        for _ in range(3):
            runner.run("host-up", {})
        assert await runner.drain()
        await until(lines, 8)
        tell(fifo, "3\n3\n")
        await until(lines, 10)

    asyncio.run(events())
    assert lines[6][0] == logging.ERROR
    killing = "Killing script host-up (pid N): 2 others have not finished either"
    assert masked(lines[6][1]) == killing
    oldest = re.findall(r"\(pid \d+\)", lines[1][1])
    assert re.findall(r"\(pid \d+\)", lines[6][1]) == oldest
    assert lines[7:] == [failed("host-up", status) for status in (137, 3, 3)]


def test_those_that_have_ended_after_all_make_room(
    tmp_path: Path,
    fifo: Path,
    lines: list[tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(scripts.SCRIPT_PATIENCE, "host-up", 0.0)
    monkeypatch.setattr(scripts, "MAX_LEFT", 1)
    write(tmp_path / "host-up", f"read line < {fifo}; exit 3\n")

    async def events() -> None:
        runner = ScriptRunner(tmp_path, ENVIRONMENT)
        for number in (1, 2):
            runner.run("host-up", {})
            assert await runner.drain()
            tell(fifo, "go\n")
            await until(lines, 3 * number)

    asyncio.run(events())
    assert [line for line in lines if line[0] == logging.ERROR] == [
        failed("host-up", 3)
    ] * 2
