"""What status, health and wait say and return of problems and of daemons."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin import mesh
from tests.admin.lists import (
    CRITICAL,
    FINE,
    LINK,
    LISTS,
    NODES,
    stage,
)
from tests.admin.played import Stage, client, daemon
from tincd_compat.admin import health, wait
from tincd_compat.admin.client import Client, Forbidden, Unanswered


class TestStatus:
    def test_exit_status(self) -> None:
        assert stage().call("status") == 0
        assert stage(status=mesh.STATUS).call("status") == 1

    def test_nodes_that_are_named(self) -> None:
        played = stage()
        assert played.call("status", "bravo", "nobody") == 0
        assert played.lines[2] == "no node nobody is known"
        assert [line.split()[0] for line in played.lines[4:]] == ["NODE", "bravo"]

    def test_several_nets(self) -> None:
        both = Stage(
            client(daemon(**LISTS)),
            client(daemon(**{**LISTS, "status": {**FINE, "net": None}}), ""),
        )
        assert both.call("status") == 0
        heads = [line for line in both.lines if "mode" in line]
        assert [head.partition(":")[0] for head in heads] == ["vpn", "tinc"]

    def test_what_went_over_a_link_counts(self) -> None:
        link = {**LINK, "name": "charlie", "sent": mesh.way(1 << 20)}
        played = stage(nodes=[{**mesh.CHARLIE, "sent": None}], links=[link])
        played.call("status")
        assert "1.0 MiB" in played.text


class TestHealth:
    @pytest.mark.parametrize(
        ("words", "problems", "result", "line"),
        [
            ("", [], 0, "OK - tinc.vpn: 42 of 45 nodes reachable, 3 links"),
            ("", [mesh.problem("clock", "it jumped")], 1, "WARNING - tinc.vpn: it jum"),
            ("", [CRITICAL], 2, "CRITICAL - tinc.vpn: no link to anybody"),
            ("--check live", [CRITICAL], 0, "OK - "),
            ("--check ready", [mesh.problem("clock", "x")], 0, "OK - "),
            ("--check ready", [CRITICAL], 2, "CRITICAL - "),
            ("--node bravo", [], 0, "OK - "),
            ("--node echo", [], 2, "CRITICAL - tinc.vpn: echo cannot be reached"),
            ("--node nobody", [], 2, "CRITICAL - tinc.vpn: nobody is not known"),
        ],
    )
    def test_results(
        self, words: str, problems: list[Any], result: int, line: str
    ) -> None:
        def answer(method: str, path: str) -> tuple[int, bytes]:
            name = path.partition("node=")[2]
            nodes = [node for node in NODES if not name or node["name"] == name]
            lists = {"status": {**FINE, "problems": problems}, "nodes": nodes}
            return daemon(**lists)(method, path)

        played = Stage(client(answer))
        assert played.call("health", *words.split()) == result
        assert played.text.startswith(line)

    def test_ready_takes_a_link(self) -> None:
        lonely = {**FINE, "links": 0}
        assert stage(status=lonely).call("health", "--check", "ready") == 2
        lonely["nodes"] = {**FINE["nodes"], "known": 0}
        assert stage(status=lonely).call("health", "--check", "ready") == 0
        # It has forgotten all others with its last link, and wants one of them.
        wanted = {"node": "bravo", "up": False}
        lonely["connect_to"] = [wanted]
        assert stage(status=lonely).call("health", "--check", "ready") == 2

    def test_no_figures_for_nagios_by_accident(self) -> None:
        played = stage(status={**FINE, "problems": [mesh.problem("x", "a | b=1")]})
        played.call("health")
        assert "|" not in played.text

    @pytest.mark.parametrize(
        ("error", "result", "word"),
        [(Unanswered("down"), 2, "CRITICAL"), (Forbidden("not you"), 3, "UNKNOWN")],
    )
    def test_nobody_answers(self, error: Exception, result: int, word: str) -> None:
        def answer(method: str, path: str) -> tuple[int, bytes]:
            raise error

        played = Stage(client(answer), client(daemon(**LISTS), "other"))
        assert played.call("health") == result
        assert [line.partition(" ")[0] for line in played.lines] == [word, "OK"]
        assert health.FAILED == 3


class TestWait:
    def test_until_a_node_is_there(self) -> None:
        now = [0.0]
        looks = iter(["bravo", "bravo", ""])

        def pause(seconds: float) -> None:
            now[0] += seconds

        missing, _ = wait.patiently(
            lambda: (next(looks), {}), 60, lambda: now[0], pause
        )
        assert (missing, round(now[0], 3)) == ("", 0.4)

    def test_not_for_ever(self) -> None:
        now = [0.0]

        def pause(seconds: float) -> None:
            now[0] += seconds

        missing, _ = wait.patiently(lambda: ("bravo", {}), 1, lambda: now[0], pause)
        assert (missing, round(now[0], 3)) == ("bravo", 1.0)

    def test_a_daemon_that_is_not_there_yet(self) -> None:
        def nobody() -> list[Client]:
            raise Unanswered("no tincd is running")

        assert wait.look(nobody, [])[0] == "no tincd is running"

        def forbidden() -> list[Client]:
            raise Forbidden("not you")

        with pytest.raises(Forbidden):
            wait.look(forbidden, [])

    def test_the_verb(self) -> None:
        assert stage().call("wait") == 0
        assert stage().call("wait", "--node", "bravo", "--timeout", "0") == 0
        played = stage()
        words = ["wait", "--node", "echo", "--node", "x", "--timeout", "0"]
        assert played.call(*words) == 1
        assert played.text == "not there after 0 s: echo, x\n"
