"""Units, names and times as people read them; nothing steers a terminal."""

from __future__ import annotations

import pytest

from tests.admin.played import NOW
from tincd_compat.admin import table, text
from tincd_compat.admin.text import PLAIN, Style


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (True, "-"),
        (-3, "0 s"),
        (0.4, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (47 * 60 + 11, "47 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172799, "47 h"),
        (172800, "2 d"),
        (400 * 86400, "400 d"),
    ],
)
def test_durations(seconds: object, words: str) -> None:
    assert text.duration(seconds) == words


def test_a_duration_in_a_sentence() -> None:
    assert text.spoken(12 * 86400) == "12 days"
    assert text.spoken(3 * 3600) == "3 h"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0.0ms"),
        (0.0118, "11.8ms"),
        (0.0999, "99.9ms"),
        (0.09996, "100ms"),
        (1.2345, "1234ms"),
        (12.4, "12s"),
    ],
)
def test_round_trips(seconds: object, words: str) -> None:
    assert text.milliseconds(seconds) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10 * 1024, "10 KiB"),
        (1023.6 * 1024, "1.0 MiB"),
        (884 << 20, "884 MiB"),
        (1.2 * (1 << 30), "1.2 GiB"),
        (1 << 70, "1024 EiB"),
    ],
)
def test_sizes(amount: object, words: str) -> None:
    assert text.size(amount) == words
    assert len(words) <= len("1023 KiB")


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]0;title\x07",
        "a\x1b[2Jb",
        "\x9b31m",
        "line\nforged: ok",
        "\u202egnol",
        "\x7f",
        "back\b\b\b\bup",
        "\ud800",
    ],
)
def test_nothing_steers_a_terminal(hostile: str) -> None:
    shown = text.clean(hostile)
    assert shown.isprintable()
    shown.encode()


def test_what_is_printable_stays() -> None:
    assert text.clean("büro") == "büro"
    assert text.clean(None) == "-"


def test_the_middle_is_left_out() -> None:
    assert text.shorten("charlie", 7) == "charlie"
    assert text.shorten("gateway_of_berlin_1", 9) == "gate…in_1"
    assert text.shorten("charlie", 1) == "…"
    assert text.shorten("charlie", 0) == ""


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-11-30T02:47:31Z", "02:47:31"),
        ("2026-11-30T02:47:31.25Z", "02:47:31"),
        ("2026-11-12T02:47:31Z", "12 Nov"),
        ("2024-01-02T00:00:00Z", "2 Jan 2024"),
        ("yesterday", "-"),
        ("2026-11-30T02:47Z", "-"),
        (None, "-"),
    ],
)
def test_moments(moment: object, words: str) -> None:
    assert text.clock(moment, NOW) == words


def test_ages() -> None:
    assert text.age("2026-11-30T03:34:40Z", NOW) == 2
    # Clocks of two processes are read one after the other.
    assert text.age("2026-11-30T03:34:43Z", NOW) == 0
    assert text.age(None, NOW) is None


def test_colours_only_where_they_are_wanted() -> None:
    assert PLAIN.bad("x") == "x"
    assert Style(True).bad("x") == "\x1b[31;1mx\x1b[0m"
    assert Style(True).bad("") == ""


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    rows = [("NODE", "PATH"), ("a", "udp"), ("charlie", "")]
    assert table.lines(rows) == ["NODE     PATH", "a        udp", "charlie"]
    assert table.lines([]) == []


def test_what_gives_way_is_the_widest() -> None:
    rows = [("n" * 60, "p" * 30, "right")]
    [line] = table.lines(rows, 60, flexible=(0, 1))
    assert len(line) == 60
    assert line.endswith("p  right")
    # Nothing becomes too narrow to tell anything.
    [line] = table.lines(rows, 10, flexible=(0, 1))
    assert line.split() == ["nnnn…nnn", "pppp…ppp", "right"]


def test_columns_count_what_is_seen() -> None:
    rows = [("a", "b"), ("cc", "d")]
    painted = table.lines(rows, paint=lambda y, x, text: Style(True).good(text))
    assert painted[0] == "\x1b[32ma\x1b[0m   \x1b[32mb\x1b[0m"
