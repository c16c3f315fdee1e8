"""What ``status`` shows of records, to the column."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.admin import mesh
from tests.admin.played import NOW
from tincd_compat.admin import status
from tincd_compat.admin.problems import problem_lines
from tincd_compat.admin.text import PLAIN, Style

WIDE = """\
vpn: alpha, router mode, up 12 days; 42 of 45 nodes reachable, 3 links, reloaded 2 days ago
  ! charlie  data over TCP for 47 min: no answer to UDP probes          (explain charlie)
  ! echo     ConnectTo fails for 2 h: connection refused, next try in 9 min
  ! mesh     bravo is the only way to 17 nodes                          (map --cuts)

NODE      PATH           RTT     MTU   SENT     RECEIVED  LAST PACKET  SINCE
bravo     udp            11.8ms  1451  1.2 GiB  884 MiB   0 s          12 d
charlie   tcp            48.0ms  -     3.1 MiB  2.9 MiB   2 s          47 min
echo      down           -       -     -        -         2 h          2 h
delta     udp via bravo  ~61ms   1419  18 MiB   220 MiB   4 s          3 d
… 40 more, all udp (-a shows them)
"""  # noqa: E501

NARROW = """\
vpn: alpha, router mode, up 12 days; 42 of 45 nodes reachable, 3 links, reloaded
  2 days ago
  ! charlie  data over TCP for 47 min: no answer to UDP probes
             (explain charlie)
  ! echo     ConnectTo fails for 2 h: connection refused, next try in 9 min
  ! mesh     bravo is the only way to 17 nodes                      (map --cuts)

"""


def render(**more: Any) -> list[str]:
    given = {"style": PLAIN, "width": None, **more}
    return status.render(mesh.STATUS, mesh.NODES, NOW, **given)


def test_it_looks_as_it_was_designed() -> None:
    assert render() == WIDE.splitlines()


def test_links_that_are_forward_secret_are_counted() -> None:
    [first, *others] = render(secret_links=2)
    assert "3 links (2 forward secret), reloaded" in first
    assert others == WIDE.splitlines()[1:]


def strip(line: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", line)


def test_80_columns_with_colours_and_without() -> None:
    lines = render(width=80)
    assert lines[:7] == NARROW.splitlines()
    assert lines[7:] == WIDE.splitlines()[5:]
    assert max(map(len, lines)) <= 80
    coloured = render(width=80, style=Style(True))
    assert [strip(line) for line in coloured] == lines
    assert coloured[2].startswith("  \x1b[33m! charlie\x1b[0m  data")
    assert coloured[0].startswith("\x1b[1mvpn\x1b[0m: alpha")


def test_the_worst_comes_first_and_looks_so() -> None:
    lines = problem_lines(
        [
            mesh.problem("clock", "the clock was set"),
            mesh.problem("no-link", "no link to anybody", severity="critical"),
        ],
        *({}, Style(True), 80),
    )
    assert lines == [
        "  \x1b[31;1m! mesh\x1b[0m     no link to anybody",
        "  \x1b[33m! mesh\x1b[0m     the clock was set",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_names_as_long_as_they_may_be(width: int) -> None:
    name = "n" * 1000
    nodes = [
        mesh.node(name, linked=True),
        mesh.node("short", "relay_udp", via=name, weight=None),
    ]
    problems = [mesh.problem("no-data", f"{name} sends nothing", name)]
    lines = status.render(
        {**mesh.STATUS, "problems": problems}, nodes, NOW, style=PLAIN, width=width
    )
    # What tells the columns apart takes as much.
    assert max(map(len, lines)) <= max(width, 70)
    piped = status.render(mesh.STATUS, nodes, NOW, style=PLAIN, width=None)
    assert any(name in line for line in piped)


def test_a_daemon_that_says_less_is_shown_as_far_as_it_goes() -> None:
    lines = status.render(
        {}, [{}, {"name": "x", "path": "new"}], NOW, style=PLAIN, width=80
    )
    assert lines[0].startswith("tinc: -, - mode, up -; 0 of 0 nodes reachable")


def test_a_few_problems_of_a_kind() -> None:
    found = [mesh.problem("no-data", "nothing comes", f"n{each}") for each in range(9)]
    lines = problem_lines(found, {"no-data": 70}, PLAIN, 80)
    assert len(lines) == 6
    assert lines[-1] == "  … 65 more of no-data (-a shows them)"
    assert len(problem_lines(found, {}, PLAIN, 80)) == 9


def test_orders() -> None:
    def names(sort: str) -> list[str]:
        lines = render(everything=True, sort=sort)[6:]
        return [line.split()[0] for line in lines]

    assert names("sent")[:3] == ["bravo", "delta", "charlie"]
    assert names("received")[:2] == ["bravo", "delta"]
    assert names("rtt")[0] == "n00"
    assert names("since")[0] == "bravo"


def test_what_is_left_out_is_counted() -> None:
    crowd = [
        *(mesh.node(f"r{number:03}", "relay_tcp") for number in range(30)),
        *(mesh.node(f"i{number:03}", None) for number in range(2)),
    ]
    lines = status.render(mesh.STATUS, crowd, NOW, style=PLAIN, width=80)
    assert lines[-1] == "… 12 more: 10 tcp relayed, 2 idle (-a shows them)"
