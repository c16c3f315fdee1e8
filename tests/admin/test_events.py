"""What events prints, from which time on, and how it follows."""

from __future__ import annotations

import argparse

import pytest

from tests.admin.lists import (
    EVENTS,
    stage,
)
from tests.admin.played import NOW, Stage, client
from tincd_compat.admin import events
from tincd_compat.admin.text import PLAIN, Style


class TestEvents:
    TEXT = (
        "30 Nov 02:47:31  path         charlie    udp → tcp: no answer for 5 s\n"
        "30 Nov 02:48:31  link-down    bravo: the connection was reset\n"
        "2025-11-30 02:48  start        the daemon started\n"
    )

    def test_text(self) -> None:
        played = stage()
        assert played.call("events") == 0
        assert played.text == self.TEXT
        played = stage()
        assert played.call("events", "-f", "bravo") == 0
        assert played.lines[0] == self.TEXT.splitlines()[1]

    def test_colours(self) -> None:
        played = stage(Style(True))
        played.call("events")
        assert "\x1b[31;1mlink-down\x1b[0m" in played.text

    def test_long_ones_are_wrapped(self) -> None:
        long = {**EVENTS[0], "text": "word " * 40}
        lines = events.render(long, NOW, PLAIN, 80)
        assert max(map(len, lines)) <= 80
        assert all(line.startswith(" " * 30) for line in lines[1:])

    def test_what_is_asked_for(self) -> None:
        asked = []

        def answer(method: str, path: str) -> tuple[int, bytes]:
            asked.append(path)
            return 200, b""

        Stage(client(answer)).call("events", "--since", "1h", "bravo")
        assert asked == ["/v1/events?since=2026-11-30T02%3A34%3A42Z&node=bravo"]

    @pytest.mark.parametrize(
        ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5h", 5400), ("2d", 172800)]
    )
    def test_times(self, text: str, seconds: float) -> None:
        assert events.seconds(text) == seconds

    @pytest.mark.parametrize("text", ["", "h", "1y", "one"])
    def test_what_is_no_time(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError):
            events.seconds(text)
