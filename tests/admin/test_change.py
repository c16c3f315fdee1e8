"""What reload, retry, purge, disconnect and log-level ask for and say."""

from __future__ import annotations

import json

import pytest

from tests.admin.lists import (
    ANSWER,
    EVENTS,
    FINE,
)
from tests.admin.played import Stage, client, daemon, ndjson
from tincd_compat.admin.client import RequestRefused


class TestChange:
    def test_the_daemon_says_what_it_did(self) -> None:
        asked = []

        def answer(method: str, path: str) -> tuple[int, bytes]:
            asked.append((method, path))
            return 200, json.dumps(ANSWER).encode()

        played = Stage(client(answer))
        for words in ("retry", "disconnect bravo", "log-level 3"):
            assert played.call(*words.split()) == 0
        assert played.lines[0] == "The files were read."
        assert asked == [
            ("POST", "/v1/retry"),
            ("POST", "/v1/disconnect?node=bravo"),
            ("POST", "/v1/log-level?level=3"),
        ]

    @pytest.mark.parametrize("is_well", [True, False])
    def test_a_reload_is_waited_for(
        self, is_well: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused: list[float] = []
        monkeypatch.setattr("time.sleep", paused.append)
        over = {**EVENTS[0], "kind": "reload", "text": "tinc.conf line 3: no such"}

        def answer(method: str, path: str) -> tuple[int, bytes]:
            if path == "/v1/events?since=812":
                return 200, ndjson([EVENTS[1], over] if len(paused) == 2 else [])
            status = {**FINE, "reload_ok": is_well and bool(paused)}
            return daemon(status=status, reload=ANSWER)(method, path)

        played = Stage(client(answer))
        assert played.call("reload") == (0 if is_well else 1)
        assert played.text == "tinc.conf line 3: no such\n"
        assert len(paused) == 2

    def test_a_refusal(self) -> None:
        body = b'{"schema":1,"error":"not-allowed","text":"only root may"}'
        with pytest.raises(RequestRefused, match="only root may"):
            Stage(client(lambda *_: (403, body))).call("reload")
