"""A daemon that is played: paths to bytes, and a session that writes into a list."""

from __future__ import annotations

import io
import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tincd_compat.admin import main
from tincd_compat.admin.client import Client, Response
from tincd_compat.admin.session import Session
from tincd_compat.admin.text import PLAIN, Style

#: 30 November 2026, 03:34:42, in seconds since 1970.
NOW = 1796009682.0

#: What answers: method and path with its query, to status and body.
Daemon = Callable[[str, str], tuple[int, bytes]]


def client(answer: Daemon, net: str = "vpn") -> Client:
    """Return a client of a daemon that is a function."""

    @contextmanager
    def ask(method: str, path: str, patience: float | None) -> Iterator[Response]:
        status, body = answer(method, path)
        yield Response(status, io.BytesIO(body))

    return Client(net, ask)


def ndjson(records: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def daemon(**lists: Any) -> Daemon:
    """Return a daemon that has a record, or a list of them, for each name."""

    def answer(method: str, path: str) -> tuple[int, bytes]:
        name = path.removeprefix("/v1/").partition("?")[0].replace("-", "_")
        if name not in lists:
            return 404, b'{"error":"nothing is here"}'
        found = lists[name]
        return 200, ndjson([found] if isinstance(found, Mapping) else found)

    return answer


class Stage:
    """One call of the program without a process, and what it has written."""

    def __init__(
        self,
        *clients: Client,
        style: Style = PLAIN,
        width: int | None = 80,
        now: float = NOW,
    ) -> None:
        self._clients = clients
        self._style = style
        self._width = width
        self._now = now
        self.written: list[str] = []

    def options(self, *words: str) -> Namespace:
        place = main.place_of_verb(words)
        assert place is not None
        return main.parser([words[place]]).parse_args(words)

    def call(self, *words: str) -> int:
        options = self.options(*words)
        session = Session(
            options,
            clients=lambda: self._clients,
            write=self.written.append,
            now=lambda: self._now,
            style=self._style,
            width=self._width,
        )
        return int(main.module_of(options.verb).run(session))

    @property
    def text(self) -> str:
        return "".join(self.written)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()
