"""Scripts that run: in order, one at a time, and what is logged of them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sized
from pathlib import Path
from typing import Any

import pytest

from tincd_compat import logs
from tincd_compat.service import scripts
from tincd_compat.service.scripts import ScriptRunner

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Lines(logging.Handler):
    """Keeps (severity, text)."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelno, record.getMessage()))


@pytest.fixture
def lines() -> list[tuple[int, str]]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    logs.always.setLevel(logging.DEBUG)
    logs.status.setLevel(logging.DEBUG)
    return handler.lines


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """Scripts that still read from this end with the test."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    yield path
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def write(path: Path, text: str, mode: int = 0o755) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def tell(fifo: Path, text: str) -> None:
    """Let scripts that read from a pipe go on."""
    fifo.write_text(text)


def run_script(directory: Path, name: str, interpreter: str | None = None) -> None:
    async def once() -> None:
        runner = ScriptRunner(directory, ENVIRONMENT, lambda: interpreter)
        runner.run(name, {"NAME": "alpha"})
        assert await runner.drain()

    asyncio.run(once())


def masked(text: str) -> str:
    return re.sub(r"\(pid \d+\)", "(pid N)", text)


async def until(lines: Sized, count: int) -> None:
    """Let the loop turn until so many lines have been logged."""
    while len(lines) < count:  # noqa: ASYNC110
        await asyncio.sleep(0)


def executed(name: str) -> tuple[int, str]:
    return logging.INFO, f"Executing script {name}"


def failed(name: str, status: int) -> tuple[int, str]:
    return logging.ERROR, f"Script {name} exited with non-zero status {status}"


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


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(tmp_path / "tinc-up", f"ls /proc/self/fd > {out}\n")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        run_script(tmp_path, "tinc-up")
    # 3 is the directory that ls reads.
    assert out.read_text().split() == ["0", "1", "2", "3"]
