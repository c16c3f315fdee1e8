"""The endpoints of the control socket: method, path, parameters and record of each.

The socket answers from this table, the command asks by it, ``tincd-compat schema``
prints it.  An object is one JSON object; a list is NDJSON, one object a line.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tincd_compat.observe.answers import AnswerRecord, Explanation, PingRecord
from tincd_compat.observe.codec import Record
from tincd_compat.observe.records import (
    EdgeRecord,
    Event,
    LinkRecord,
    NodeRecord,
    SubnetRecord,
)
from tincd_compat.observe.summary import Counters, StatusRecord


class Endpoint(NamedTuple):
    """``required`` and ``optional`` are the parameters of the query.

    ``changes``: it changes or sends something, so the file's permission is not enough.
    """

    method: str
    path: str
    record: type[Record]
    listing: bool = False
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        return self.method == "POST"


#: ``since`` is a time as in the records, for events at that time or later, or a number,
#: for events behind that ``seq``.  ``follow=1`` goes on as events happen.
ENDPOINTS: Final = (
    Endpoint("GET", "/v1/status", StatusRecord),
    Endpoint("GET", "/v1/nodes", NodeRecord, True, (), ("node",)),
    Endpoint("GET", "/v1/links", LinkRecord, True),
    Endpoint("GET", "/v1/edges", EdgeRecord, True),
    Endpoint("GET", "/v1/subnets", SubnetRecord, True),
    Endpoint("GET", "/v1/events", Event, True, (), ("follow", "since", "node")),
    Endpoint("GET", "/v1/counters", Counters),
    Endpoint("GET", "/v1/explain", Explanation, False, ("to",)),
    Endpoint("POST", "/v1/reload", AnswerRecord),
    Endpoint("POST", "/v1/retry", AnswerRecord),
    Endpoint("POST", "/v1/purge", AnswerRecord),
    Endpoint("POST", "/v1/disconnect", AnswerRecord, False, ("node",)),
    Endpoint("POST", "/v1/ping", PingRecord, False, ("node",)),
    Endpoint("POST", "/v1/log-level", AnswerRecord, False, ("level",)),
)

BY_PATH: Final = {endpoint.path: endpoint for endpoint in ENDPOINTS}
