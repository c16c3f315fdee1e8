from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from tincd_compat.service.getopt import Argument, Option, Parser, UsageError

PARSER = Parser(
    "prog",
    (
        Option("net", "n", Argument.REQUIRED),
        Option("no-detach", "D"),
        Option("debug", "d", Argument.OPTIONAL),
        Option("mlock", "L"),
        Option("logfile", "", Argument.OPTIONAL),
        Option("log", "g"),
    ),
)


def scan(*words: str, stop_at_word: bool = False) -> list[tuple[str, str | None]]:
    found = PARSER.scan(words, stop_at_word=stop_at_word)
    return [(option.long, value) for option, value in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["-D"], [("no-detach", None)]),
        (["-DL"], [("no-detach", None), ("mlock", None)]),
        (["-nfoo"], [("net", "foo")]),
        (["-n", "foo"], [("net", "foo")]),
        (["-n", "-D"], [("net", "-D")]),
        (["-n", "--"], [("net", "--")]),
        (["-Dn", "foo"], [("no-detach", None), ("net", "foo")]),
        (["-Dd3"], [("no-detach", None), ("debug", "3")]),
        (["-dD"], [("debug", "D")]),
        (["-dd"], [("debug", "d")]),
        (["-d"], [("debug", None)]),
        (["-d", "3"], [("debug", "3")]),
        (["-d", ""], [("debug", "")]),
        (["-d", "-D"], [("debug", None), ("no-detach", None)]),
        (["-d", "--"], [("debug", None)]),
        (["--net=foo"], [("net", "foo")]),
        (["--net="], [("net", "")]),
        (["--net", "foo"], [("net", "foo")]),
        (["--ne", "foo"], [("net", "foo")]),
        (["--no"], [("no-detach", None)]),
        (["--debug=2"], [("debug", "2")]),
        (["--debug="], [("debug", "")]),
        (["--debug", "2"], [("debug", "2")]),
        (["--debug", "-D"], [("debug", None), ("no-detach", None)]),
        # A whole name wins over the prefix of another.
        (["--log"], [("log", None)]),
        (["--logf", "x"], [("logfile", "x")]),
    ],
)
def test_forms(words: list[str], expected: list[tuple[str, str | None]]) -> None:
    assert scan(*words) == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-x"], "invalid option -- 'x'"),
        (["-Dx"], "invalid option -- 'x'"),
        (["-D="], "invalid option -- '='"),
        (["-n"], "option requires an argument -- 'n'"),
        (["-Dn"], "option requires an argument -- 'n'"),
        (["--net"], "option '--net' requires an argument"),
        (["--ne"], "option '--net' requires an argument"),
        (["--foo"], "unrecognized option '--foo'"),
        (["--foo=x"], "unrecognized option '--foo=x'"),
        (["---"], "unrecognized option '---'"),
        (["--mlock=1"], "option '--mlock' doesn't allow an argument"),
        (["--ml="], "option '--mlock' doesn't allow an argument"),
        (["--n"], "option '--n' is ambiguous; possibilities: '--net' '--no-detach'"),
        (
            ["--lo=1"],
            "option '--lo=1' is ambiguous; possibilities: '--logfile' '--log'",
        ),
        (["foo"], "unrecognized argument 'foo'"),
        (["-"], "unrecognized argument '-'"),
        (["-d", "-"], "unrecognized argument '-'"),
        (["--", "-D"], "unrecognized argument '-D'"),
        (["foo", "-d", "bar"], "unrecognized argument 'foo'"),
        (["a", "--", "b"], "unrecognized argument 'a'"),
        (["foo", "-x"], "invalid option -- 'x'"),
    ],
)
def test_errors(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        scan(*words)
    assert str(caught.value) == f"prog: {text}"


def test_options_before_an_error_are_seen_first() -> None:
    found = PARSER.scan(["-D", "-x"])
    assert next(found)[0].long == "no-detach"
    with pytest.raises(UsageError):
        next(found)


def test_posixly_correct_stops_at_the_first_word() -> None:
    with pytest.raises(UsageError, match="unrecognized argument 'foo'"):
        scan("foo", "-x", stop_at_word=True)
    assert scan("-d", "3", stop_at_word=True) == [("debug", "3")]


@given(st.lists(texts("-Dnd=ofx ", max_size=6), max_size=6))
def test_nothing_but_usage_errors(words: list[str]) -> None:
    with contextlib.suppress(UsageError):
        for option, value in PARSER.scan(words):
            assert (value is None) or option.argument is not Argument.NONE
            assert (value is not None) or option.argument is not Argument.REQUIRED
