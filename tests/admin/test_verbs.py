"""Every verb: its JSON fits its schema, and no record of it steers a terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.admin import mesh
from tests.admin.lists import (
    CRITICAL,
    LISTS,
    NODES,
    stage,
)
from tincd_compat.admin import routes, schema
from tincd_compat.admin.text import PLAIN, Style
from tincd_compat.admin.verbs import ALONE, VERBS

#: Verb and its arguments to the records that it prints.
JSON = {
    "status": {"status", "node"},
    "explain bravo": {"explanation"},
    "events": {"event"},
    "events -f": {"event"},
    "health": {"health"},
    "wait": {"wait"},
    "wait --node bravo --timeout 0": {"wait"},
    "ping bravo": {"ping"},
    "top --delay 0.1": {"rate"},
    "map": {"edge"},
    "map --cuts": {"cut"},
    "audit": {"audit"},
    "names": {"name"},
    "metrics": {"counters"},
    "report": {"status", "node", "link", "edge", "event", "counters", "subnet"},
    "reload": {"answer"},
    "retry": {"answer"},
    "purge": {"answer"},
    "disconnect bravo": {"answer"},
    "log-level 3": {"answer"},
}


def test_all_verbs_are_here() -> None:
    assert {words.split()[0] for words in JSON} == set(VERBS) - ALONE


@pytest.mark.parametrize("words", JSON)
def test_json_of_every_verb_is_of_its_schema(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(routes, "run", lambda argv: (1, "", "no route"))
    played = stage(status={**mesh.STATUS, "problems": [CRITICAL]})
    played.call(*words.split(), "--json")
    validators = {name: Draft202012Validator(schema.load(name)) for name in JSON[words]}
    met = set()
    for line in played.lines:
        record = json.loads(line)
        fitting = {name for name, one in validators.items() if one.is_valid(record)}
        if "record" in record:
            fitting &= {record["record"]}
        assert fitting, line
        met |= fitting
    assert met == {name for name in JSON[words] if name != "subnet"}


def test_schemas_are_schemas() -> None:
    whole = schema.whole()
    Draft202012Validator.check_schema(whole)
    assert set(whole["$defs"]) == set(schema.names())
    played = stage()
    assert played.call("schema", "health") == 0
    assert json.loads(played.text)["title"] == "health"
    validator = Draft202012Validator({**whole, "$ref": "status.json"})
    assert validator.is_valid(mesh.STATUS)
    assert not validator.is_valid({**mesh.STATUS, "nodes": {}})
    with pytest.raises(Exception, match=r"there is no record 'x', but: .*, wait"):
        played.call("schema", "x")


def test_many_nodes_take_few_lines() -> None:
    crowd = [mesh.node(f"n{number}", "none") for number in range(1000)]
    played = stage(nodes=[*NODES, *crowd])
    played.call("status")
    assert len(played.lines) < 40
    assert played.lines[-1].startswith("… 98")
    played = stage(nodes=[*NODES, *crowd])
    played.call("status", "-a")
    # Two lines of headline, a blank one, the head of the table; all but this node.
    assert len(played.lines) == 2 + 1 + 1 + 1004


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\n[link] fine"
#: Calls that print nothing of records: one draws, the other writes a file.
NOT_PRINTED = ("top --delay 0.1", "report")
CALLS = (
    *(words for words in JSON if words not in NOT_PRINTED),
    *("map --dot", "map --mermaid"),
    *(f"{words} --json" for words in JSON),
)


def test_calls_that_print_nothing_are_calls() -> None:
    assert set(NOT_PRINTED) <= set(JSON)


@pytest.mark.parametrize("style", [PLAIN, Style(True)])
@pytest.mark.parametrize("words", CALLS)
def test_no_record_steers_the_terminal(
    words: str, style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text that a member may have chosen is replaced by a hostile one."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(routes, "run", lambda argv: (1, "", HOSTILE))

    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poison(below, name) for name, below in value.items()}
        if isinstance(value, list):
            return [poison(below, key) for below in value]
        is_text = isinstance(value, str) and key not in ("path", "at", "since", "code")
        return f"{HOSTILE}{value}" if is_text else value

    played = stage(style, **{**poison(LISTS), "status": poison(mesh.STATUS)})
    played.call(*words.split())
    plain = played.text
    for code in ("1", "2", "32", "33", "31;1", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert all(line.isprintable() or "\t" in line for line in plain.split("\n"))
    assert not any(line.startswith("[link] fine") for line in plain.split("\n"))
    io.TextIOWrapper(io.BytesIO(), "utf-8").write(plain)
