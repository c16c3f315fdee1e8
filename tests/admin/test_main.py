"""The command line: verbs, options before and after them, and exit statuses."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tincd_compat
from tests.admin.played import Stage, client
from tincd_compat.admin import main
from tincd_compat.admin.problems import HINTS
from tincd_compat.admin.verbs import ALONE, VERBS
from tincd_compat.observe.remedies import Subject, command
from tincd_compat.observe.words import Cause


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("status", 0),
        ("-n vpn status", 2),
        ("-n status explain b", 2),
        ("explain status", 0),
        ("--dry-run --root release takeover", 3),
        ("-- status", None),
        ("--help", None),
        ("", None),
    ],
)
def test_where_the_verb_is(words: str, place: int | None) -> None:
    assert main.place_of_verb(words.split()) == place


@pytest.mark.parametrize(
    "words", ["-n vpn --json status b c", "status -n vpn b c --json"]
)
def test_options_may_stand_anywhere(words: str) -> None:
    found = Stage().options(*_verb_first(words.split()))
    assert (found.net, found.json, found.nodes) == ("vpn", True, ["b", "c"])


def _verb_first(words: list[str]) -> list[str]:
    place = main.place_of_verb(words)
    assert place is not None
    words.insert(0, words.pop(place))
    return words


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([verb, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: tincd-compat {verb} ")
    assert ("--json" in out) is (verb not in ALONE - {"keys"})
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    "words", ["", "nonsense", "status --sort nonsense", "log-level 6"]
)
def test_a_wrong_command_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(words.split())
    assert caught.value.code == 2
    assert "usage: tincd-compat" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "status"),
    [(["status"], 2), (["explain", "b"], 2), (["reload"], 2), (["events", "-f"], 2)],
)
def test_nobody_to_ask(
    verb: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*verb, "--socket", str(tmp_path / "tinc.vpn.sock")]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tincd-compat: net vpn is not running")


def test_a_check_says_so_where_monitoring_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["health", "--socket", str(tmp_path / "tinc.vpn.sock")]) == 2
    assert capsys.readouterr().out.startswith("CRITICAL - tinc.vpn: net vpn is not run")


@pytest.mark.parametrize("verb", ["reload", "disconnect b", "events -f"])
def test_with_several_nets_one_has_to_be_named(verb: str) -> None:
    from tincd_compat.admin.client import Unanswered

    stage = Stage(client(lambda *_: (200, b"")), client(lambda *_: (200, b""), "other"))
    with pytest.raises(Unanswered, match="several nets run, say which: -n NET, of vpn"):
        stage.call(*verb.split())


@pytest.mark.parametrize(
    ("environment", "is_terminal", "colour"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_when_there_is_colour(
    environment: dict[str, str], is_terminal: bool, colour: bool
) -> None:
    assert main.style_of(environment, is_terminal).colour is colour


#: What takes long to be imported, and what only a daemon needs.
HEAVY = (
    *("asyncio", "cryptography", "pyroute2", "zstandard", "jsonschema", "rich"),
    *("prometheus_client", "tincd_compat.daemon", "tincd_compat.tunnel"),
)
#: What a verb that an operator types, or a check runs, does without.
SLOW = (
    *("http.client", "email", "ssl", "h11", "dataclasses", "inspect"),
    "tincd_compat.observe.words",
)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "top"])
def test_no_verb_waits_for_what_it_does_not_need(verb: str) -> None:
    script = f"""
import sys
from tincd_compat.admin import client, main
main.parser([{verb!r}])
import socket, json
print(*sys.modules)
"""
    path = str(Path(tincd_compat.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": path},
    )
    left_out = {*HEAVY, *(() if verb in ALONE else SLOW)}
    assert not set(done.stdout.split()) & left_out


#: What the command finds by itself has commands of its own, in ``kernel``.
OWN_CAUSES = {Cause.KERNEL_ROUTE, Cause.DEVICE_DOWN}


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause not in OWN_CAUSES])
def test_a_command_that_is_named_as_a_remedy_is_one(cause: Cause) -> None:
    subject = Subject(net="vpn", folder="/etc/tinc/vpn", node="b", other="c")
    words = shlex.split(command(cause, subject))
    if words[0] == "tincd-compat":
        Stage().options(*_verb_first(words[1:]))


@pytest.mark.parametrize("hint", HINTS.values())
def test_a_command_that_is_named_for_a_problem_is_one(hint: str) -> None:
    Stage().options(*hint.format(node="b").split())
