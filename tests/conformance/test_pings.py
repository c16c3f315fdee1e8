"""What ping says, and which of it the path is to blame for."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.harness.netns import Namespace
from conformance.harness.probes import Host, PingResult, ping


class _Played:
    """Says for each series in turn which pings of ten were answered."""

    def __init__(self, *series: range) -> None:
        self.series = list(series)

    def run(self, *_argv: str, **_settings: Any) -> Any:
        answered = self.series.pop(0)
        lines = [f"64 bytes from 172.30.2.1: icmp_seq={number}" for number in answered]
        lines += [f"10 packets transmitted, {len(answered)} received, 0% packet loss"]
        return type("Done", (), {"stdout": "\n".join(lines), "stderr": ""})


def _ping(monkeypatch: pytest.MonkeyPatch, played: _Played) -> PingResult:
    namespace = Namespace.__new__(Namespace)
    monkeypatch.setattr(namespace, "run", played.run, raising=False)
    return ping(Host("a", namespace, "172.30.1.1"), "172.30.2.1")


def test_the_last_two_may_be_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    played = _Played(range(1, 9))
    assert _ping(monkeypatch, played) == PingResult(8, 8, 0)


def test_more_that_are_late_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    played = _Played(range(1, 8), range(1, 11))
    assert _ping(monkeypatch, played) == PingResult(10, 10, 0)


def test_an_end_that_never_comes_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    played = _Played(range(1, 8), range(1, 7), range(1, 8))
    assert _ping(monkeypatch, played).lost == 3


@pytest.mark.parametrize("answered", [range(3, 11), range(0), range(2, 6)])
def test_what_is_lost_before_the_end_is_lost(
    monkeypatch: pytest.MonkeyPatch, answered: range
) -> None:
    played = _Played(answered)
    assert _ping(monkeypatch, played).lost > 0
    assert played.series == []
