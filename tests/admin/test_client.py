"""Asking a daemon: answers, refusals, and what is said where nobody answers."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.admin.played import client, ndjson
from tincd_compat.admin import nets
from tincd_compat.admin.client import (
    Client,
    RequestRefused,
    Response,
    Unanswered,
    printable,
    trouble,
)


def test_paths_and_queries() -> None:
    asked: list[tuple[str, str]] = []

    def answer(method: str, path: str) -> tuple[int, bytes]:
        asked.append((method, path))
        return 200, b'{"x":1}\n'

    one = client(answer)
    assert one.one("status") == {"x": 1}
    assert one.many("nodes", node="b c&d") == [{"x": 1}]
    assert one.change("disconnect", node="b", level=None) == {"x": 1}
    assert list(one.follow("events", follow="1")) == [b'{"x":1}']
    assert asked == [
        ("GET", "/v1/status"),
        ("GET", "/v1/nodes?node=b+c%26d"),
        ("POST", "/v1/disconnect?node=b"),
        ("GET", "/v1/events?follow=1"),
    ]


def test_an_empty_list() -> None:
    assert client(lambda *_: (200, b"")).many("nodes") == []
    assert client(lambda *_: (204, b"")).change("reload") == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":"not-allowed","text":"only root may"}', "only root may"),
        (b"plain words\n", "plain words"),
        (b"\x1b[2J", "\\x1b[2J"),
        (b"", "status 403"),
    ],
)
def test_a_refusal_says_why(body: bytes, words: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        client(lambda *_: (403, body)).change("reload")
    assert (str(caught.value), caught.value.status) == (words, 403)


@pytest.mark.parametrize("body", [b"[1]", b"nonsense", b'{"cut', b"\xff"])
def test_what_is_no_record(body: bytes) -> None:
    with pytest.raises(Unanswered, match="another version"):
        client(lambda *_: (200, body)).one("status")


def test_a_daemon_that_hangs() -> None:
    @contextmanager
    def ask(method: str, path: str, patience: float | None) -> Iterator[Response]:
        raise TimeoutError
        yield Response(200, io.BytesIO())

    with pytest.raises(Unanswered, match=r"net vpn has not answered for 10 s"):
        Client("vpn", ask).one("status")


def test_lines_for_a_terminal() -> None:
    hostile = '{"name":"\x9b31m\x1b\x7f","ok":"b\xfcro \U0001f600"}\n'
    shown = printable(hostile)
    assert shown == '{"name":"\\u009b31m\\u001b\\u007f","ok":"büro 😀"}\n'
    assert client(lambda *_: (200, ndjson([{"a": "b"}]))).lines("x") == '{"a": "b"}\n'


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "no permission for /run/tinc.vpn.sock: be root"),
        (errno.ENOENT, "net vpn is not running.*systemctl start tinc@vpn"),
        (errno.ECONNREFUSED, "net vpn is not running"),
        (errno.EAGAIN, "busy"),
        (errno.EIO, "Input/output error"),
        (None, "cannot be opened"),
    ],
)
def test_why_a_socket_does_not_answer(number: int | None, words: str) -> None:
    import re

    assert re.search(words, trouble(number, Path("/run/tinc.vpn.sock"), "vpn"))


def test_without_a_net_name() -> None:
    text = trouble(errno.ENOENT, Path("/run/tinc.sock"), "")
    assert text.startswith("tincd without a net name is not running")
    assert "systemctl start tinc)" in text


class TestNets:
    def test_sockets_have_the_names_of_nets(self) -> None:
        for net, name in (("", "tinc.sock"), ("my.vpn", "tinc.my.vpn.sock")):
            assert nets.socket_of(net) == Path("/run", name)
            assert nets.net_of(Path("/run", name)) == net
        assert nets.net_of(Path("/run/tinc.vpn.umlsocket")) is None
        assert nets.net_of(Path("/run/tincture.sock")) is None

    def test_all_that_run_or_the_one_that_is_named(self, tmp_path: Path) -> None:
        for name in ("tinc.b.sock", "tinc.sock", "tinc.a.sock", "tinc.c.pid"):
            (tmp_path / name).touch()
        found = nets.chosen(None, None, tmp_path)
        assert [each.net for each in found] == ["", "a", "b"]
        [one] = nets.chosen("b", None, tmp_path)
        assert one.net == "b"
        [one] = nets.chosen(".", None, tmp_path)
        assert one.net == ""
        [one] = nets.chosen(None, tmp_path / "tinc.z.sock", tmp_path)
        assert one.net == "z"
        [one] = nets.chosen("n", tmp_path / "elsewhere", tmp_path)
        assert one.net == "n"

    def test_nothing_runs(self, tmp_path: Path) -> None:
        with pytest.raises(Unanswered, match="no tincd is running"):
            nets.chosen(None, None, tmp_path)
        with pytest.raises(Unanswered, match="net vpn is not running"):
            nets.chosen("vpn", None, tmp_path)

    @pytest.mark.parametrize("net", [None, "vpn"])
    def test_what_runs_may_be_the_other_one(
        self, tmp_path: Path, net: str | None
    ) -> None:
        (tmp_path / "tinc.vpn.pid").write_text("812\n")
        with pytest.raises(Unanswered, match=r"process 812 .* C tincd, or has Control"):
            nets.chosen(net, None, tmp_path, alive=lambda pid: pid == 812)
        with pytest.raises(Unanswered, match="running"):
            nets.chosen(net, None, tmp_path, alive=lambda pid: False)
        (tmp_path / "tinc.vpn.pid").write_text("nonsense\n")
        with pytest.raises(Unanswered, match="running"):
            nets.chosen(net, None, tmp_path, alive=lambda pid: True)
