"""What the page of the exporter asks for: itself, and records of the daemons.

Records are passed on as the daemon gives them.  Whoever looks chooses a net that is
known, one of few lists, and a number or the target of an explanation; nothing else of a
request reaches a daemon.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container
from typing import Final
from urllib.parse import parse_qs, unquote

from tincd_compat.admin import following, webpage
from tincd_compat.admin.asking import Asker
from tincd_compat.admin.client import Client, Forbidden, RequestRefused, Unanswered
from tincd_compat.admin.following import EventStream
from tincd_compat.admin.places import MOST_FOLLOWERS, Places
from tincd_compat.admin.replies import HttpReply, failure, json_reply
from tincd_compat.errors import TincError

#: Lists and records that are passed on, and the parameter that each of them takes.
PASSED: Final = {
    **{"status": None, "nodes": None, "links": None, "edges": None},
    **{"events": "since", "explain": "to"},
}
#: Bytes of one list that are passed on; ten thousand nodes have nine million.
LONGEST_PASSED: Final = 16 << 20
#: Characters of what an explanation is asked for.
LONGEST_TARGET: Final = 256
#: Digits of the number of an event.
_MOST_DIGITS: Final = 18

_NDJSON: Final = "application/x-ndjson"
#: Pages of other origins get nothing of it, not even as a picture.
_OWN: Final = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class _Unusable(TincError):
    """A parameter is missing, or is none."""


class PageSite:
    """Answers for the page; ``names`` are those of this host, beside its addresses."""

    def __init__(
        self,
        asker: Asker,
        names: Container[str],
        followers: Places | None = None,
    ) -> None:
        self._asker = asker
        self._names = names
        self._followers = Places(MOST_FOLLOWERS) if followers is None else followers
        self._page = webpage.made()

    def answer(self, target: str, host: str) -> HttpReply | None:
        """Return the answer to a GET, None if the path is not one of the page's.

        A host whose name others choose could be ours to a browser that reads their
        page (DNS rebinding): only addresses and own names are answered.
        """
        path, _, query = target.partition("?")
        if path != "/" and not path.startswith("/v1/"):
            return None
        if not is_own(host, self._names):
            words = "ask by an address, by localhost or by the name of this host"
            return failure(421, "host", words)
        reply = self._page_reply() if path == "/" else self._records(path, query)
        return reply._replace(headers={**_OWN, **reply.headers})

    def _page_reply(self) -> HttpReply:
        headers = {"Content-Security-Policy": self._page.policy}
        return HttpReply(200, "text/html; charset=utf-8", self._page.body, headers)

    def _records(self, path: str, query: str) -> HttpReply:
        if path == "/v1/nets":
            return json_reply(200, {"nets": self._asker.nets()})
        net, _, name = path.removeprefix("/v1/").partition("/")
        net = unquote(net)
        if name != "follow" and name not in PASSED:
            return failure(404, "not-found", "no such list is passed on")
        client = self._asker.client("" if net == "." else net)
        if client is None:
            words = "no such net has been seen here since the exporter was started"
            return failure(404, "not-found", words)
        try:
            if name == "follow":
                return self._follow(client, _number(_one(query, "since")))
            return _passed(client, name, query)
        except _Unusable as error:
            return failure(400, "bad-request", str(error))
        except RequestRefused as error:
            return failure(error.status, "refused", str(error))
        except Forbidden as error:
            return failure(503, "forbidden", str(error))
        except Unanswered as error:
            return failure(503, "unanswered", str(error))

    def _follow(self, client: Client, since: int) -> HttpReply:
        if not self._followers.take():
            return failure(503, "crowded", "as many follow as may: look again later")
        stream = EventStream(client, since, self._followers.give_back)
        return HttpReply(200, following.KIND, b"", stream=stream)


def _passed(client: Client, name: str, query: str) -> HttpReply:
    """Return a list of the daemon as it is."""
    parameter = PASSED[name]
    given = {}
    if parameter is not None:
        value = _one(query, parameter)
        if parameter == "since":
            value = str(_number(value))
        given = {parameter: value}
    body = client.raw(name, LONGEST_PASSED, **given)
    return HttpReply(200, _NDJSON, body)


def _one(query: str, name: str) -> str:
    """Return the one parameter that there has to be."""
    try:
        found = parse_qs(query, strict_parsing=True, max_num_fields=1)
    except ValueError:
        found = {}
    values = found.get(name, [])
    if len(values) != 1 or len(values[0]) > LONGEST_TARGET:
        raise _Unusable(f"say ?{name}= and a value, and nothing else")
    return values[0]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise _Unusable("since is the number of an event")
    return int(text)


def is_own(host: str, names: Container[str]) -> bool:
    """Return whether a Host header has an address, or one of these names."""
    name, colon, port = host.strip().rpartition(":")
    if not (colon and port.isascii() and port.isdigit()):
        name = host.strip()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower().removesuffix(".") in names
    return True
