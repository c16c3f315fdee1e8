"""Requests on the control socket: who may ask for what, with which parameters.

``GET`` reads, which is open to every client.  ``POST`` changes something and takes root
or the daemon's own user; so does a request that sends something.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from tincd_compat.observe.answers import Failure
from tincd_compat.observe.codec import Record
from tincd_compat.observe.endpoints import BY_PATH, ENDPOINTS, Endpoint
from tincd_compat.observe.words import FailureCode
from tincd_compat.service.control_socket import Peer
from tincd_compat.transport.http import HttpAnswer, HttpRequest

#: Answers a request by its parameters.
Handler: TypeAlias = Callable[[Mapping[str, str]], HttpAnswer]

_STATUS: Final = {
    FailureCode.BAD_REQUEST: 400,
    FailureCode.NOT_ALLOWED: 403,
    FailureCode.NOT_FOUND: 404,
    FailureCode.WRONG_METHOD: 405,
    FailureCode.TOO_MANY: 429,
    FailureCode.NOT_READY: 503,
}

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def encode(record: Record) -> bytes:
    """Return a record as one line."""
    return _ENCODER.encode(record.to_json()).encode() + b"\n"


def refused(error: FailureCode, text: str) -> HttpAnswer:
    """Return the answer to a request that is not fulfilled."""
    return HttpAnswer(_STATUS[error], encode(Failure(error=error, text=text)))


class Endpoints:
    """The handlers of requests, by path.

    ``own_uid`` returns the user that the daemon runs as now.
    """

    def __init__(
        self, handlers: Mapping[str, Handler], own_uid: Callable[[], int]
    ) -> None:
        self._handlers = handlers
        self._own_uid = own_uid

    def answer(self, peer: Peer, request: HttpRequest) -> HttpAnswer:
        """Return the answer to a request of that peer."""
        endpoint = BY_PATH.get(request.path)
        handler = self._handlers.get(request.path)
        if endpoint is None or handler is None:
            paths = ", ".join(each.path for each in ENDPOINTS)
            return refused(FailureCode.NOT_FOUND, f"No such path; there are {paths}")
        if request.method != endpoint.method:
            text = f"{endpoint.path} takes {endpoint.method}"
            return refused(FailureCode.WRONG_METHOD, text)
        if endpoint.changes and not peer.may_change(self._own_uid()):
            text = "Only root and the user of tincd may do that"
            return refused(FailureCode.NOT_ALLOWED, text)
        if wrong := _wrong_parameter(endpoint, request.query):
            return refused(FailureCode.BAD_REQUEST, wrong)
        return handler(request.query)


def _wrong_parameter(endpoint: Endpoint, query: Mapping[str, str]) -> str:
    """Return what is wrong with the parameters, empty if nothing is."""
    known = (*endpoint.required, *endpoint.optional)
    for name in query:
        if name not in known:
            return f"No parameter {name}; known here: {', '.join(known) or 'none'}"
    for name in endpoint.required:
        if not query.get(name):
            return f"The parameter {name} is missing"
    return ""
