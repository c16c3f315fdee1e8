"""What the exporter answers, a function of the path: figures, and health in JSON."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from tincd_compat.admin import exposition, health
from tincd_compat.admin.asking import Asker
from tincd_compat.admin.client import Unanswered
from tincd_compat.admin.pagesite import PageSite
from tincd_compat.admin.replies import HttpReply, json_reply
from tincd_compat.errors import TincError

#: The text format that every Prometheus and every agent reads.
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"

#: What monitoring takes for well; a warning takes no host out of service.
_WELL: Final = frozenset({health.OK, health.WARNING})
#: Path to the check behind it, of those that the verb ``health`` has.
_CHECKS: Final = {"health": None, "ready": "ready"}

_PATHS: Final = "/metrics, /healthz, /health/NET, /ready/NET"


class Site:
    """Answers requests for a path."""

    def __init__(
        self, asker: Asker, *, all_nodes: bool = False, page: PageSite | None = None
    ) -> None:
        self._asker = asker
        self._all_nodes = all_nodes
        self._page = page

    def answer(self, target: str, host: str = "") -> HttpReply:
        """Return the answer to a GET for a path; ``host`` is who was asked."""
        path = target.partition("?")[0]
        if path == "/metrics":
            scrapes = self._asker.scrapes()
            text = exposition.text(scrapes, all_nodes=self._all_nodes)
            return HttpReply(200, _METRICS, text.encode())
        if path == "/healthz":
            return json_reply(200, {"result": "ok"})
        first, _, net = path.removeprefix("/").partition("/")
        if first in _CHECKS and path.count("/") == 2:
            return self._health(unquote(net), _CHECKS[first])
        if self._page is not None:
            reply = self._page.answer(target, host)
            if reply is not None:
                return reply
        return json_reply(404, {"error": f"nothing is here but {_PATHS}"})

    def _health(self, net: str, check: str | None) -> HttpReply:
        """Return how a net is; the one without a name is ``.`` or nothing."""
        client = self._asker.client("" if net == "." else net)
        if client is None:
            words = "no such net has been seen here since the exporter was started"
            return json_reply(404, {"error": words})
        try:
            found = health.judge(client.net, client.one("status"), check)
        except Unanswered as error:
            found = health.unanswered(client.net, error)
        except TincError as error:
            found = health.unanswered(client.net, Unanswered(str(error)))
        return json_reply(200 if found.result in _WELL else 503, found.record)
