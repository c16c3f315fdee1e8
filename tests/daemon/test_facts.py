"""Facts of the host, from where they arise to the problem that an operator is told."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemon.life import Life
from tincd_compat import logs
from tincd_compat.observe.hostrules import LEFT_OUT_LINES, NO_ROOM
from tincd_compat.observe.problems import LOOK_EVERY, WINDOW
from tincd_compat.service.floods import SAME_AT_ONCE, Gate
from tincd_compat.tunnel import pumps


@pytest.fixture
def served(life: Life) -> Iterator[Life]:
    life.start()
    yield life
    life.end()


def problems(life: Life, seconds: float = 2 * LOOK_EVERY) -> dict[str, Any]:
    """Let time pass; return the problems of the status by code."""
    life.loop.advance(seconds)
    _, [status] = life.control.ask("/v1/status")
    return {problem["code"]: problem for problem in status["problems"]}


# Who moves packets.


@pytest.mark.parametrize("off", [True, False])
def test_without_compiled_code_a_reason_is_told(
    served: Life, monkeypatch: pytest.MonkeyPatch, off: bool
) -> None:
    monkeypatch.setattr(pumps, "core", None)
    monkeypatch.setattr(pumps, "SWITCHED_OFF", off)
    why = "switched-off" if off else "not-built"
    found = problems(served)["python-path"]
    assert found["facts"] == {"why": why}
    assert ("TINCD_COMPAT_PURE" in found["text"]) is off
    assert served.control.ask("/v1/status")[1][0]["python_why"] == why


def test_a_device_that_only_python_serves_is_a_fact_and_no_problem(
    served: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps, "core", object())
    assert "python-path" not in problems(served)
    assert served.control.ask("/v1/status")[1][0]["python_why"] == "device"


# The device.


def test_a_device_that_does_not_work_is_told_of_until_it_does(served: Life) -> None:
    assert "device" not in problems(served)
    served.device.failure = "Can't write to vpn: Input/output error"
    found = problems(served)["device"]
    assert (found["severity"], found["text"]) == ("critical", served.device.failure)
    served.device.failure = None
    assert "device" not in problems(served)


# The queues of the kernel.


def test_a_buffer_that_is_smaller_than_wanted(life: Life) -> None:
    life.udp.options[socket.SOL_SOCKET, socket.SO_RCVBUF] = 2 * 212_992
    life.start()
    found = problems(life)["udp-buffer"]
    assert found["facts"] == {"wanted": 2 << 20, "granted": 212_992, "lost": 0}
    life.end()


def test_a_buffer_as_the_configuration_wants_it(life: Life) -> None:
    life.write("UDPRcvBuf = 212992\n")
    life.udp.options[socket.SOL_SOCKET, socket.SO_RCVBUF] = 2 * 212_992
    life.start()
    assert "udp-buffer" not in problems(life)
    life.end()


def test_datagrams_without_room(served: Life) -> None:
    assert "udp-buffer" not in problems(served, WINDOW + LOOK_EVERY)
    served.udp.lose(NO_ROOM)
    assert problems(served)["udp-buffer"]["facts"]["lost"] == NO_ROOM
    assert "udp-buffer" not in problems(served, WINDOW + 2 * LOOK_EVERY)


def test_a_kernel_that_does_not_count_says_nothing(served: Life) -> None:
    served.udp.options[socket.SOL_SOCKET, 55] = b""
    assert "udp-buffer" not in problems(served, WINDOW + LOOK_EVERY)


# The log.


def test_lines_that_were_left_out(served: Life) -> None:
    assert "log-suppressed" not in problems(served, WINDOW + LOOK_EVERY)
    gate = Gate()
    for _ in range(SAME_AT_ONCE + LEFT_OUT_LINES):
        line = logs.always.makeRecord("tincd", logging.ERROR, "", 1, "no", (), None)
        gate.admit(line, "no", 0.0)
    found = problems(served)["log-suppressed"]
    assert found["facts"] == {"lines": LEFT_OUT_LINES}
    assert "log-suppressed" not in problems(served, WINDOW + 2 * LOOK_EVERY)
    for _ in range(LEFT_OUT_LINES - 1):
        gate.admit(line, "no", 0.0)
    assert "log-suppressed" not in problems(served)
