"""The order of the end: what has to be over before what, and why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.daemon.life import Life
from tincd_compat import logs
from tincd_compat.mesh.graph import Flips

#: What ends before what else, each for its reason.
ORDER: Final = (
    # systemd is to know that what it sees from now on is a stop.
    ("STOPPING=1", "links"),
    # A walk that goes on would tell links that end of what it finds.
    ("walks", "links"),
    # An end of a link is a reason to dial anew, and so are names and networks.
    ("dialling", "links"),
    ("look-ups", "links"),
    ("watch", "links"),
    # The graph without links is none that anybody wants to see.
    ("graph dump", "links"),
    # Scripts of those who are lost come before those of our own subnets, as in tincd.
    ("host-down", "subnet-down 10.1.0.0/24"),
    ("links", "Closing connection with us (MYSELF)"),
    ("Closing connection with us (MYSELF)", "subnet-down 10.1.0.0/24"),
    # As in tincd: connections, own subnets, sockets.
    ("subnet-down 10.1.0.0/24", "listener"),
    # Who is refused now must not be held any longer.
    ("listener", "tarpit"),
    ("tarpit", "packets"),
    # tinc-down takes addresses and routes away: nothing is to use them.
    ("packets", "tinc-down"),
    ("subnet-down 10.1.0.0/24", "tinc-down"),
    # tinc-down needs the interface.
    ("tinc-down", "device closed"),
    # Who waits for this line may start the next daemon on the same device.
    ("device closed", "Terminating"),
    # Statistics are those of an open device.
    ("Statistics for fake fake:", "device closed"),
)


class Noted(logging.Handler):
    """Puts lines of the log among what else happens."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.append(record.getMessage())


def note(
    life: Life, monkeypatch: pytest.MonkeyPatch, owner: object, method: str, what: str
) -> None:
    """Let the log of a life tell when a method of some part of it is called."""
    call: Callable[[], None] = getattr(owner, method)

    def noted() -> None:
        life.log.append(what)
        call()

    monkeypatch.setattr(owner, method, noted)


@pytest.fixture
def _lines(life: Life, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Note what is logged at levels 0 and 1."""
    handler = Noted(life.log)
    caplog.set_level(logging.DEBUG, logs.always.name)
    caplog.set_level(logging.DEBUG, logs.connections.name)
    # Every logger is below this one.
    logs.always.addHandler(handler)
    yield
    logs.always.removeHandler(handler)


def end(life: Life, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what happens at the end of a daemon that reaches a peer, in order."""
    life.start()
    daemon = life.daemon
    parts: list[tuple[object, str, str]] = [
        (daemon.parts.slices, "drop", "walks"),
        (daemon.parts.dialer, "stop", "dialling"),
        (daemon.parts.names, "stop", "look-ups"),
        (life.watch, "stop", "watch"),
        (daemon.parts.graph_dump, "stop", "graph dump"),
        (daemon.parts.links, "close", "links"),
        (daemon._listeners[0], "close", "listener"),
        (daemon.parts.tarpit, "close", "tarpit"),
        (daemon.parts.dataplane, "close", "packets"),
    ]
    for owner, method, what in parts:
        note(life, monkeypatch, owner, method, what)
    peer = daemon.parts.mesh.get_or_add("peer")
    close = daemon.parts.links.close

    def lose_peer() -> None:
        close()
        daemon.parts.events.nodes(Flips([peer]), daemon.parts.mesh.subnets.of)

    monkeypatch.setattr(daemon.parts.links, "close", lose_peer)
    life.take()
    assert life.end() == 0
    return life.take()


@pytest.mark.usefixtures("_lines")
@pytest.mark.parametrize(("first", "second"), ORDER)
def test_what_is_over_before_what(
    life: Life, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    happened = end(life, monkeypatch)
    assert happened.count(first) == happened.count(second) == 1
    assert happened.index(first) < happened.index(second)


@pytest.mark.usefixtures("_lines")
def test_nothing_else_is_done_between(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of the end is in the table, so that any two of them have an order."""
    known = {step for pair in ORDER for step in pair}
    parts = [step for step in end(life, monkeypatch) if not step.startswith(" total")]
    assert set(parts) - known == {"Got TERM signal", "hosts/peer-down"}
