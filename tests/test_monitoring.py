"""Unit, alerts and dashboard of the exporter name only what there is."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tincd_compat
from conformance.harness.promtool import kept
from tests.admin.exported import FULL, NAMES, site
from tests.admin.played import client, daemon
from tests.test_manual import items
from tincd_compat.admin import main
from tincd_compat.observe.words import ProblemCode

CONTRIB = Path(tincd_compat.__file__).parent.parent / "contrib"
RULES = CONTRIB / "prometheus/tinc.rules.yml"
RULE_TESTS = CONTRIB / "prometheus/tinc.test.yml"
DASHBOARD = CONTRIB / "grafana/tinc.json"
UNIT = CONTRIB / "systemd/tincd-compat-exporter.service"

pytestmark = pytest.mark.skipif(
    not CONTRIB.exists(), reason="the tree has no contrib here"
)

ALERTS = {
    *("TincDown", "TincConnectToDown", "TincNodeUnreachable", "TincFellBackToTCP"),
    *("TincNodeFlapping", "TincGossipStorm", "TincNoData", "TincReloadFailed"),
}
PROMTOOL = kept()
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None,
    reason="no promtool here; the conformance scenario exporter fetches one",
)


def rules() -> dict[str, Any]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found = {rule["alert"]: rule for rule in group["rules"]}
    assert len(found) == len(group["rules"])
    return found


def names(expression: str) -> set[str]:
    return set(re.findall(r"\btinc_\w+", expression))


def labels(expression: str) -> set[tuple[str, str]]:
    """Return names of series with each label that they are picked by."""
    plain = re.sub('"[^"]*"', "", expression)
    picked = re.findall(r"\b(tinc_\w+)\{([^}]*)\}", plain)
    return {
        (name, label)
        for name, inside in picked
        for label in re.findall(
            r"(\w+)\s*(?:=~|!~|!=|=)", re.sub('"[^"]*"', "", inside)
        )
    }


def is_known(expression: str) -> bool:
    return names(expression) <= set(NAMES) and all(
        label in {"instance", "job", "net", *NAMES[name][1]}
        for name, label in labels(expression)
    )


def test_what_is_known() -> None:
    assert is_known('sum by (x) (rate(tinc_problems{code="a",net=~"b"}[5m])) > 0')
    assert not is_known("tinc_nonsense == 0")
    assert not is_known('tinc_problems{node="a"} > 0')


class TestAlerts:
    def test_all_are_there(self) -> None:
        assert set(rules()) == ALERTS

    @pytest.mark.parametrize("name", sorted(ALERTS))
    def test_each_asks_for_what_there_is(self, name: str) -> None:
        rule = rules()[name]
        assert names(rule["expr"])
        assert is_known(rule["expr"])
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
        codes = re.findall(r'code="([^"]*)"', rule["expr"])
        assert set(codes) <= {str(code) for code in ProblemCode}

    @pytest.mark.parametrize("name", sorted(ALERTS))
    def test_each_has_a_paragraph_of_the_manual(self, name: str) -> None:
        rule = rules()[name]
        assert {*rule["annotations"]} == {"summary", "description", "manual"}
        page, title, item = rule["annotations"]["manual"].split(", ")
        assert page == "tincd-compat(8)"
        assert items("tincd-compat.8", title, "Cm")[item].count("\n") >= 3

    @pytest.mark.parametrize("name", sorted(ALERTS))
    def test_texts_name_labels_that_the_series_have(self, name: str) -> None:
        rule = rules()[name]
        [series] = names(rule["expr"])
        known = {"instance", "net", *NAMES[series][1]}
        texts = " ".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", texts)) <= known

    def test_each_is_tested_with_what_fires_and_what_does_not(self) -> None:
        tests = yaml.safe_load(RULE_TESTS.read_text())
        assert tests["rule_files"] == [RULES.name]
        fired = set()
        for test in tests["tests"]:
            assert len(test["input_series"]) > 1
            for series in test["input_series"]:
                assert is_known(series["series"]), series
            for case in test["alert_rule_test"]:
                fired |= {case["alertname"]} if case["exp_alerts"] else set()
        assert fired == ALERTS

    @needs_promtool
    @pytest.mark.parametrize("words", [("check", RULES), ("test", RULE_TESTS)], ids=str)
    def test_promtool_agrees(self, words: tuple[str, Path]) -> None:
        verb, file = words
        argv = [str(PROMTOOL), verb, "rules", str(file)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_has_nothing_against_the_figures() -> None:
    text = site(client(daemon(**FULL))).answer("/metrics").body
    argv = [str(PROMTOOL), "check", "metrics"]
    done = subprocess.run(argv, check=False, capture_output=True, input=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


class TestDashboard:
    board = json.loads(DASHBOARD.read_text()) if DASHBOARD.exists() else {}

    def expressions(self) -> Iterator[str]:
        for panel in self.board["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))

    def test_it_asks_for_what_there_is(self) -> None:
        assert len(list(self.expressions())) > 15
        for expression in self.expressions():
            assert names(expression), expression
            assert is_known(expression), expression
            assert '{instance=~"$instance",net=~"$net"}' in expression

    def test_its_variables(self) -> None:
        found = [each["name"] for each in self.board["templating"]["list"]]
        assert found == ["instance", "net"]
        used = set(re.findall(r"\$(\w+)", " ".join(self.expressions())))
        assert used == {"instance", "net", "__rate_interval"}
        for each in self.board["templating"]["list"]:
            assert is_known(each["definition"])
            # The net without a name has no label, and is one of all.
            assert each["allValue"] == ".*"

    def test_panels_have_a_place_of_their_own(self) -> None:
        panels = self.board["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        taken = [
            (column, line)
            for place in (panel["gridPos"] for panel in panels)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        ]
        assert len(taken) == len(set(taken))
        assert max(column for column, _ in taken) < 24


class TestUnit:
    lines = UNIT.read_text().splitlines() if UNIT.exists() else []

    def test_its_command_is_one_that_there_is(self) -> None:
        [line] = [line for line in self.lines if line.startswith("ExecStart=")]
        _, *words = shlex.split(line.partition("=")[2])
        assert words.pop() == "$OPTIONS"
        options = main.parser(words[:1]).parse_args(words)
        assert (options.verb, options.listen) == ("exporter", "127.0.0.1:9655")
        assert not options.as_root

    @pytest.mark.parametrize(
        "line",
        [
            *("DynamicUser=yes", "SupplementaryGroups=tinc", "NoNewPrivileges=yes"),
            *("CapabilityBoundingSet=", "ProtectSystem=strict", "IPAddressDeny=any"),
            *("MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service"),
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        ],
    )
    def test_it_may_do_little(self, line: str) -> None:
        assert line in self.lines

    def test_no_net_depends_on_it(self) -> None:
        wanted = [line for line in self.lines if re.match("(Wanted|Required)By", line)]
        assert wanted == ["WantedBy=multi-user.target"]
        assert not [line for line in self.lines if re.match("(PartOf|BindsTo)", line)]
