from __future__ import annotations

import pytest

from tests.daemon.life import Life
from tincd_compat.daemon.suspension import Suspension


def test_each_sleep_is_told_once() -> None:
    slept = [0.25]
    suspension = Suspension(lambda: slept[-1])
    assert not suspension.over(5)
    slept.append(5.3)
    assert [suspension.over(5), suspension.over(5)] == [True, False]
    slept.append(10.2)
    assert not suspension.over(5)


def test_the_clocks_agree_without_a_sleep() -> None:
    assert not Suspension().over(5)


def test_after_a_sleep_everything_is_tried_at_once(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done, slept = list[str](), [0.0]
    life.start()
    daemon, parts = life.daemon, life.daemon.parts
    monkeypatch.setattr(daemon, "_suspension", Suspension(lambda: slept[-1]))
    monkeypatch.setattr(parts.dialer, "retry_now", lambda: done.append("dial"))
    monkeypatch.setattr(parts.dataplane, "probe_now", lambda: done.append("probe"))
    monkeypatch.setattr(parts.links, "ping_all", lambda: done.append("ping"))
    life.loop.advance(20)
    assert done == []
    slept.append(3600)
    life.loop.advance(5)
    assert done == ["dial", "probe", "ping"]
    life.loop.advance(20)
    assert len(done) == 3
    line = "This machine was suspended: looking after all peers"
    assert caplog.messages.count(line) == 1
