"""Dialogues on fake sockets with jumping time; commands as real processes."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.transport.fakes import FakeSocket, oserror
from tests.transport.talking import TalkingLoop
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.errors import PeerError
from tincd_compat.meta.proxydialogues import ProxyProgress, http, socks4
from tincd_compat.transport import proxy
from tincd_compat.transport.proxy import ProxyProcess, converse, run_command

TARGET = SocketAddress("10.0.0.2", 655)
GRANTED = b"\0\x5a" + bytes(6)
PEER = "beta (10.0.0.2 port 655)"

pytestmark = pytest.mark.usefixtures("every_level")


@pytest.fixture
def loop() -> Iterator[TalkingLoop]:
    loop = TalkingLoop()
    yield loop
    loop.shut()


# Dialogues.


@pytest.mark.parametrize("pieces", [[GRANTED], [b"\0", b"\x5a\0", GRANTED[3:]]])
def test_a_dialogue(loop: TalkingLoop, pieces: list[bytes]) -> None:
    sock = FakeSocket(7)
    sock.incoming.extend([*pieces[:-1], pieces[-1] + b"0 beta 17\n"])
    dialogue = socks4(TARGET, "")
    progress = loop.run(converse(sock.socket, dialogue, 5))
    assert sock.sent == dialogue.request
    assert progress == ProxyProgress(True, b"0 beta 17\n", SocketAddress("0.0.0.0", 0))
    assert not sock.closed


def test_nothing_is_read_beyond_the_reply(loop: TalkingLoop) -> None:
    sock = FakeSocket(7)
    sock.incoming.extend([GRANTED, b"0 beta 17\n"])
    loop.run(converse(sock.socket, socks4(TARGET, ""), 5))
    assert list(sock.incoming) == [b"0 beta 17\n"]


def failure(loop: TalkingLoop, sock: FakeSocket) -> tuple[str, str, int]:
    """Return the line of a failed dialogue, its logger and its severity."""
    with pytest.raises(PeerError) as caught:
        loop.run(converse(sock.socket, http(TARGET), 5))
    assert sock.closed
    error = caught.value
    logger: logging.Logger = getattr(error, "logger", logs.always)
    severity: int = getattr(error, "severity", logging.ERROR)
    return error.text(PEER), logger.name, severity


def test_a_refusal(loop: TalkingLoop) -> None:
    sock = FakeSocket(7)
    sock.incoming.append(b"HTTP/1.1 403 Forbidden\r\n")
    line = "Proxy request rejected: 403 Forbidden"
    assert failure(loop, sock) == (line, "tincd", logging.ERROR)
    assert loop.now == 1000


def test_silence(loop: TalkingLoop) -> None:
    sock = FakeSocket(7)
    sock.incoming.append(b"HTTP/1.1 200 OK\r\n")
    line = f"Timeout from {PEER} during authentication"
    assert failure(loop, sock) == (line, "tincd.connections", logging.WARNING)
    assert loop.now == 1005


def test_the_end(loop: TalkingLoop) -> None:
    sock = FakeSocket(7)
    sock.incoming.extend([b"HTTP/1.1 200 OK\r\n", b""])
    line = f"Connection closed by {PEER}"
    assert failure(loop, sock) == (line, "tincd.connections", logs.NOTICE)


@pytest.mark.parametrize("method", ["send", "recv"])
def test_an_error_of_the_socket(loop: TalkingLoop, method: str) -> None:
    sock = FakeSocket(7)
    error = oserror(errno.ECONNRESET)
    if method == "send":
        sock.failing["send"] = error
    else:
        sock.incoming.append(error)
    line = f"Metadata socket read error for {PEER}: Connection reset by peer"
    assert failure(loop, sock) == (line, "tincd", logging.ERROR)


def test_being_cancelled_closes_the_socket(loop: TalkingLoop) -> None:
    sock = FakeSocket(7)
    task = loop.create_task(converse(sock.socket, socks4(TARGET, ""), 5))
    loop.settle()
    task.cancel()
    loop.settle()
    assert task.cancelled()
    assert sock.closed


# Commands.


def start(command: str) -> tuple[socket.socket, ProxyProcess]:
    return run_command(command, {"PATH": os.environ["PATH"], "NODE": "beta"})


async def read(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size and (more := await loop.sock_recv(sock, size)):
        data += more
    return data


def is_gone(pid: int) -> bool:
    """Tell whether a process of ours has ended and was reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_standard_input_and_output_are_the_connection() -> None:
    async def talk() -> None:
        sock, process = start('echo "$NODE"; exec cat')
        with sock:
            assert not sock.getblocking()
            assert await read(sock, 5) == b"beta\n"
            await asyncio.get_running_loop().sock_sendall(sock, b"0 alpha 17\n")
            assert await read(sock, 11) == b"0 alpha 17\n"
            await process.end()
        assert is_gone(process.pid)

    asyncio.run(talk())


def test_the_end_of_the_command_is_the_end_of_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def talk() -> None:
        sock, process = start("echo hi; exit 3")
        with sock:
            assert await read(sock, 100) == b"hi\n"
            await process.end()
        assert is_gone(process.pid)

    asyncio.run(talk())
    assert caplog.messages == ["echo hi; exit 3 exited with non-zero status 3"]


@pytest.mark.parametrize(
    "command",
    [
        "cat >/dev/null",
        "sleep 100 | cat",
        "trap '' TERM; echo; while :; do sleep 100; done",
    ],
)
def test_a_command_ends_with_its_connection(
    command: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proxy, "GRACE", 0.1)
    monkeypatch.setattr(proxy, "TERM_PATIENCE", 0.1)

    async def talk() -> None:
        sock, process = start(command)
        with sock:
            if command.startswith("trap"):
                assert await read(sock, 1) == b"\n"
            ended = asyncio.Event()
            task = asyncio.create_task(process.end_with(ended))
            await asyncio.sleep(0)
            assert not task.done()
            ended.set()
            await task
        assert is_gone(process.pid)

    asyncio.run(talk())
    assert caplog.messages == []


def test_the_end_of_the_daemon_is_the_end_of_the_command() -> None:
    """What is left when the event loop ends is cancelled, and still does its work."""
    pids = []

    async def talk() -> None:
        sock, process = start("trap 'exit 0' TERM; sleep 100 & wait")
        pids.append(process.pid)
        task = asyncio.create_task(process.end_with(asyncio.Event()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await task
        sock.close()

    asyncio.run(talk())
    assert is_gone(pids[0])


def test_a_command_that_not_even_kill_ends_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that hangs in a file system of the network does."""
    monkeypatch.setattr(proxy, "GRACE", 0.1)
    monkeypatch.setattr(proxy, "TERM_PATIENCE", 0.1)
    hanging = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)

    async def end() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = ProxyProcess("cat", hanging, ours)
            monkeypatch.setattr(process, "_signal", lambda _: None)
            await process.end()

    asyncio.run(end())
    assert hanging.poll() is None
    hanging.communicate()


def test_a_pipeline_is_ended_as_a_whole() -> None:
    async def talk() -> None:
        sock, process = start("sleep 100 & echo $!; wait")
        with sock:
            child = int(await _line(sock))
            await process.end()
        assert is_gone(process.pid)
        for _ in range(100):
            if is_gone(child) or _is_zombie(child):
                return
            await asyncio.sleep(0.02)
        os.kill(child, signal.SIGKILL)
        raise AssertionError("the background process is left")

    asyncio.run(talk())


async def _line(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        data += await read(sock, 1)
    return data


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    real = socket.socketpair

    def pair() -> tuple[socket.socket, socket.socket]:
        made.extend(real())
        return made[0], made[1]

    def refuse(*_args: object, **_settings: object) -> None:
        raise oserror(errno.EAGAIN)

    monkeypatch.setattr(socket, "socketpair", pair)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(BlockingIOError):
        start("true")
    assert [each.fileno() for each in made] == [-1, -1]
