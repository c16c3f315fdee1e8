"""The verb ``ping``: what it asks the daemon, prints and ends with."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from tests.admin.played import Stage, client
from tincd_compat.admin import ping

UDP: dict[str, Any] = {
    **{"schema": 1, "at": "2026-11-30T03:34:42Z", "node": "bravo", "path": "udp"},
    **{"result": "answered", "text": "bravo has answered by UDP at 198.51.100.7"},
    **{"carrier": "udp", "rtt": 0.0118, "via": None},
    "address": {"host": "198.51.100.7", "port": 655, "from": None},
}
LOST = {**UDP, "result": "lost", "rtt": None, "text": "bravo has not answered"}
RELAYED = {
    **{**UDP, "result": "relayed", "carrier": None, "rtt": None, "address": None},
    **{"path": "relay_udp", "via": "bravo", "node": "delta"},
    "text": "packets for delta go through bravo, which passes no probe on: ping bravo",
}
NO_KEY = {**RELAYED, "result": "no-key", "path": None, "text": "no key yet"}


class Asked:
    """A daemon with these answers, and what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any]):
        self.requests: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self._answers = list(answers)
        monkeypatch.setattr("time.sleep", self.pauses.append)
        monkeypatch.setattr("time.monotonic", lambda: 5.0)
        self.stage = Stage(client(self.answer))

    def answer(self, method: str, path: str) -> tuple[int, bytes]:
        self.requests.append((method, path))
        return 200, json.dumps(self._answers.pop(0)).encode()


def test_answers_and_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {**UDP, "rtt": 0.31}
    asked = Asked(monkeypatch, UDP, LOST, slow)
    assert asked.stage.call("ping", "bravo", "-c", "3", "-i", "0.5") == 0
    assert asked.requests == [("POST", "/v1/ping?node=bravo")] * 3
    assert asked.pauses == [0.5, 0.5]
    assert asked.stage.lines == [
        "  1   11.8ms  by udp  from 198.51.100.7 port 655",
        "  2  bravo has not answered",
        "  3    310ms  by udp  from 198.51.100.7 port 655",
        "3 questions, 2 answers; least, median, most: 11.8ms, 310ms, 310ms",
    ]


def test_over_the_link_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, {**UDP, "carrier": "tcp", "path": "tcp", "rtt": None})
    assert asked.stage.call("ping", "bravo", "-c1") == 0
    assert asked.stage.lines == [
        "  1        -  by tcp (link)  from 198.51.100.7 port 655"
    ]


@pytest.mark.parametrize("result", ["lost", "unreachable"])
def test_no_answer_at_all(result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, *[{**LOST, "result": result}] * 2)
    assert asked.stage.call("ping", "bravo", "-c", "2") == 1
    assert asked.stage.lines[-1] == "2 questions, 0 answers"


def test_a_node_behind_another_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, RELAYED)
    assert asked.stage.call("ping", "delta") == 2
    assert asked.stage.lines == [
        "  1  packets for delta go through bravo, which passes no probe on: ping bravo"
    ]


def test_a_key_may_come_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, NO_KEY, RELAYED, UDP, UDP)
    assert asked.stage.call("ping", "delta") == 0
    assert len(asked.requests) == 4


def test_records(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, UDP, LOST)
    assert asked.stage.call("ping", "bravo", "-c", "2", "--json") == 0
    assert [json.loads(line) for line in asked.stage.lines] == [UDP, LOST]


def test_who_has_seen_enough_hears_what_it_came_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Asked(monkeypatch, UDP, UDP)

    def pause(_: float) -> None:
        if len(asked.requests) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", pause)
    assert asked.stage.call("ping", "bravo") == 0
    assert asked.stage.lines[-1].startswith("2 questions, 2 answers;")


def test_lines_fit_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "n" * 60
    text = RELAYED["text"].replace("delta", name)
    asked = Asked(monkeypatch, {**RELAYED, "text": text})
    asked.stage.call("ping", name)
    assert max(map(len, asked.stage.lines)) <= 80
    assert len(asked.stage.lines) > 1


def test_a_late_answer_costs_no_pause() -> None:
    now, pauses = [0.0], list[float]()
    for _ in ping.paced(3, 1.0, lambda: now[0], pauses.append):
        now[0] += 0.75 if not pauses else 5.0
    assert pauses == [0.25]


@pytest.mark.parametrize(
    "words",
    [["-c", "0"], ["-c", "x"], ["-i", "0"], ["-i", "nan"], ["-i", "-1"], ["-i", "x"]],
)
def test_what_cannot_be_meant(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        Stage().options("ping", "bravo", *words)
    assert "is no" in capsys.readouterr().err


def test_the_options_have_bounds() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        ping._seconds("0.05")
    assert ping._seconds("0.1") == 0.1
