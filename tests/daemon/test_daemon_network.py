"""What a daemon does when the network of its host becomes another one."""

from __future__ import annotations

import errno
import socket

import pytest

from tests.daemon.life import Life, told
from tests.transport.fakes import oserror
from tincd_compat.daemon import daemon as module
from tincd_compat.daemon.suspension import Suspension


def test_it_is_watched_while_the_daemon_serves(life: Life) -> None:
    life.scripts.over.clear()
    life.start()
    assert not life.watch.watching
    life.scripts.over.set()
    life.loop.settle()
    assert life.watch.watching
    life.end()
    assert not life.watch.watching


def test_our_own_interface_is_left_out(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "if_nametoindex", {"fake": 7}.__getitem__)
    life.start()
    assert life.watch.index == 7


def test_a_device_that_is_no_interface_has_no_number(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_name: str) -> int:
        raise oserror(errno.ENODEV)

    monkeypatch.setattr(socket, "if_nametoindex", unknown)
    life.start()
    assert life.watch.index == 0


def test_what_had_to_wait_is_tried_at_once(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    caplog.clear()
    plane, done = life.daemon.parts.dataplane, list[str]()
    monkeypatch.setattr(plane, "routes_changed", lambda: done.append("routes"))
    monkeypatch.setattr(plane, "probe_now", lambda: done.append("probes"))
    life.loop.call(life.watch.change)
    assert told(caplog)[0].startswith("Cannot open config file")
    # Probes go where the routes lead now.
    assert done == ["routes", "probes"]


def test_after_a_sleep_it_is_often_the_first_to_know(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slept = [0.0]
    monkeypatch.setattr(module, "Suspension", lambda: Suspension(lambda: slept[-1]))
    life.write("ConnectTo = peer\n")
    life.start()
    caplog.clear()
    slept.append(3600)
    life.loop.call(life.watch.change)
    life.loop.advance(20)
    line = "This machine was suspended: looking after all peers"
    assert caplog.messages.count(line) == 1
    assert caplog.text.count("Cannot open config file") == 1
