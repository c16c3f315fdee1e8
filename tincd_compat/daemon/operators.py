"""The side of the daemon that operators see: its endpoints and what is behind each."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from tincd_compat.daemon.control_listener import ControlListener
from tincd_compat.daemon.counting import Counting
from tincd_compat.daemon.endpoints import Endpoints, Handler, encode, refused
from tincd_compat.daemon.gatherer import Gatherer
from tincd_compat.daemon.own import Fixed, OwnFacts
from tincd_compat.daemon.pings import Pings
from tincd_compat.daemon.slices import Begin
from tincd_compat.daemon.watcher import Watcher
from tincd_compat.dataclass import dataclass
from tincd_compat.observe import tables, times
from tincd_compat.observe.answers import AnswerRecord, Failure
from tincd_compat.observe.codec import Record
from tincd_compat.observe.explain import explain
from tincd_compat.observe.problems import Judge
from tincd_compat.observe.records import Problem
from tincd_compat.observe.summary import StatusRecord
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import FailureCode
from tincd_compat.transport.http import (
    NDJSON,
    RECORDS_AT_ONCE,
    HttpAnswer,
    Pause,
    Records,
)

if TYPE_CHECKING:
    import asyncio

    from tincd_compat.daemon.parts import Parts
    from tincd_compat.transport.operators import Failed


#: The field of a status without problems, as it is encoded.
_NO_PROBLEMS: Final = b'"problems":[]'

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Actions:
    """What an operator may do: what signals do, and a little more."""

    reload: Callable[[], None]
    retry: Callable[[], None]
    purge: Callable[[], None]
    #: Ends the link with a node; False if there is none.
    disconnect: Callable[[str], bool]
    set_log_level: Callable[[int], None]


class OperatorSide:
    """The control socket and what it tells, from :meth:`open` to :meth:`close`.

    ``begin(subject, work)`` does what may take long, an iterator, in small steps.
    """

    def __init__(
        self,
        parts: Parts,
        actions: Actions,
        failed: Failed,
        begin: Begin,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        settings, links, journal = parts.settings, parts.links, parts.journal
        dataplane, control = parts.dataplane, parts.control
        fixed = Fixed(
            net=parts.options.netname,
            folder=str(parts.options.directory),
            interface=parts.device.interface,
            options=parts.mesh.myself.options,
            rsa_bits=parts.rsa_bits,
        )
        self.own = OwnFacts(
            fixed,
            settings,
            parts.clock,
            compiled=lambda: dataplane.compiled,
            python_why=lambda: dataplane.python_why,
            device_error=lambda: dataplane.device_error,
            queues=lambda: dataplane.queues,
            port=lambda: links.announced_port,
            level=lambda: parts.options.log.level,
        )
        counting = Counting(
            *(self.own, journal.dials, journal.scripts, links, control, dataplane),
            *(parts.tunnels, parts.clock),
        )
        self._gatherer = Gatherer(
            *(self.own, counting, parts.mesh, control.gossip, links, parts.dialer),
            *(parts.tunnels, dataplane, settings, parts.clock, journal),
        )
        self._judge = Judge(journal.events)
        self._watcher = Watcher(
            self._gatherer,
            journal.paths,
            self._judge,
            counting.lag,
            take=parts.tunnels.take_touched,
            with_tunnels=parts.tunnels.nodes,
            runs=lambda: control.runs.count,
            known=lambda: len(parts.mesh.nodes),
            begin=begin,
            loop=loop,
        )
        journal.begin = begin
        self._mesh = parts.mesh
        self._journal = journal
        self._actions = actions
        self._settings = settings
        self._history = settings.current.event_history
        endpoints = Endpoints(self._handlers(), os.geteuid)
        self._listener = ControlListener(
            settings, parts.options.pidfile, endpoints.answer, failed, loop
        )
        self._pings = Pings(
            *(self._gatherer.look, dataplane.ask, links, settings),
            *(self._listener.wake, loop),
        )

    def start(self) -> None:
        """Open the socket and begin to watch."""
        self.open()
        self._watcher.start()

    def close(self) -> None:
        """Take the socket away and watch no more."""
        self._watcher.stop()
        self._listener.close()

    def open(self) -> None:
        """Open the socket, or another one after a reload; resize the history."""
        history = self._settings.current.event_history
        if history != self._history:
            self._history = history
            self._journal.events.resize(history)
        self._listener.open()

    def note_reload(self, error: str | None, waiting: Sequence[str]) -> None:
        """The configuration was read again, or is broken."""
        self.own.note_reload(error)
        self._journal.reloaded(error, waiting)
        self._journal.dials.keep_only(self._settings.current.connect_to)
        self.open()

    def _handlers(self) -> Mapping[str, Handler]:
        gatherer = self._gatherer
        return {
            "/v1/nodes": self._nodes,
            "/v1/status": self._status,
            "/v1/links": lambda _: _listed(gatherer.links()),
            "/v1/edges": lambda _: _listed(tables.edges(gatherer.look())),
            "/v1/subnets": lambda _: _listed(tables.subnets(gatherer.look())),
            "/v1/events": self._events,
            "/v1/counters": lambda _: HttpAnswer(200, _worked_out(gatherer.count())),
            "/v1/explain": self._explain,
            "/v1/reload": self._reload,
            "/v1/retry": self._retry,
            "/v1/purge": self._purge,
            "/v1/disconnect": self._disconnect,
            "/v1/ping": self._ping,
            "/v1/log-level": self._log_level,
        }

    # Looking.

    def _nodes(self, query: Mapping[str, str]) -> HttpAnswer:
        name = query.get("node")
        if name is not None and name not in self._mesh.nodes:
            return refused(FailureCode.NOT_FOUND, f"There is no node {name}")
        return _listed(tables.nodes(self._gatherer.look(), name))

    def _status(self, _: Mapping[str, str]) -> HttpAnswer:
        judge, views = self._judge, self._gatherer.look()
        status = tables.status(views, judge.counts)
        return HttpAnswer(200, _with_problems(status, judge.problems))

    def _explain(self, query: Mapping[str, str]) -> HttpAnswer:
        status = [200]

        def work() -> Records:
            try:
                yield from _worked_out(explain(self._gatherer.look(), query["to"]))
            except ValueError as error:
                # That shows before anything is found out, so nothing was sent.
                status[0] = 400
                yield encode(Failure(error=FailureCode.BAD_REQUEST, text=str(error)))

        return HttpAnswer(lambda: status[0], work())

    def _events(self, query: Mapping[str, str]) -> HttpAnswer:
        """Tell what has happened, and with ``follow`` go on as it happens."""
        time, after = None, 0
        since, node = query.get("since"), query.get("node")
        if since is not None:
            try:
                if since.isascii() and since.isdigit():
                    after = int(since)
                else:
                    time = times.parse(since)
            except ValueError as error:
                return refused(FailureCode.BAD_REQUEST, str(error))
        follow = query.get("follow", "0")
        if follow not in ("0", "1"):
            return refused(FailureCode.BAD_REQUEST, "follow is 0 or 1")
        if follow == "0":
            return _listed(self._journal.events.search(time, after, node))
        return HttpAnswer(200, self._following(time, after, node), NDJSON)

    def _following(self, time: Time | None, after: int, node: str | None) -> Records:
        events = self._journal.events
        # What is kept goes first; what is lost meanwhile the follower will tell.
        last = events.last
        follower = events.follow(self._listener.wake, node=node)
        try:
            yield b""
            for event in events.search(time, after, node):
                if event is not None and event.seq > last:
                    break
                yield b"" if event is None else encode(event)
            while True:
                yield from _lines(follower.take(RECORDS_AT_ONCE))
                yield b"" if follower.waiting else Pause.EVENT
        finally:
            events.leave(follower)

    # Changing.

    def _reload(self, _: Mapping[str, str]) -> HttpAnswer:
        self._actions.reload()
        return _done("reload", "The configuration is read again")

    def _retry(self, _: Mapping[str, str]) -> HttpAnswer:
        self._actions.retry()
        return _done("retry", "What waits is tried now")

    def _purge(self, _: Mapping[str, str]) -> HttpAnswer:
        self._actions.purge()
        return _done("purge", "Unreachable nodes are forgotten")

    def _disconnect(self, query: Mapping[str, str]) -> HttpAnswer:
        name = query["node"]
        if not self._actions.disconnect(name):
            return refused(FailureCode.NOT_FOUND, f"There is no link with {name}")
        return _done("disconnect", f"The link with {name} is ended", name)

    def _ping(self, query: Mapping[str, str]) -> HttpAnswer:
        node = self._mesh.nodes.get(query["node"])
        if node is None:
            return refused(FailureCode.NOT_FOUND, f"There is no node {query['node']}")
        at = self._pings.book()
        if at is None:
            return refused(FailureCode.TOO_MANY, "Too many pings: try in a second")
        pinging = self._pings.ping(node, at)
        steps = (Pause.EVENT if step is None else encode(step) for step in pinging)
        return HttpAnswer(200, steps)

    def _log_level(self, query: Mapping[str, str]) -> HttpAnswer:
        level = query["level"]
        if not (level.isascii() and level.isdigit() and len(level) < 3):
            text = "The level is a number from 0 to 99"
            return refused(FailureCode.BAD_REQUEST, text)
        self._actions.set_log_level(int(level))
        return _done("log-level", f"The debug level is {int(level)}")


def _listed(records: Iterable[Record | None]) -> HttpAnswer:
    """Return an answer of one record a line, each made when the client takes it."""
    return HttpAnswer(200, _lines(records), NDJSON)


def _lines(records: Iterable[Record | None]) -> Records:
    """Yield the lines of records, and nothing for None: that is how a step may end."""
    for record in records:
        yield b"" if record is None else encode(record)


def _worked_out(work: Generator[None, None, Record]) -> Records:
    """Yield the record that some work comes to, which goes on over several turns."""
    record = yield from _drained(work)
    yield encode(record)


def _with_problems(
    work: Generator[None, None, StatusRecord], problems: Iterable[Problem]
) -> Records:
    """Yield the status, its problems one by one: members decide how many there are."""
    status = yield from _drained(work)
    # No text has a quotation mark in it that no backslash is before.
    head, _, tail = encode(status).partition(_NO_PROBLEMS)
    yield head + _NO_PROBLEMS[:-1]
    comma = b""
    for problem in problems:
        yield comma + encode(problem).rstrip()
        comma = b","
    yield _NO_PROBLEMS[-1:] + tail


def _drained(work: Generator[None, None, R]) -> Generator[bytes, None, R]:
    """Yield nothing for each step of some work, and return what it comes to."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: R = done.value
            return found
        yield b""


def _done(what: str, text: str, node: str | None = None) -> HttpAnswer:
    return HttpAnswer(200, encode(AnswerRecord(done=what, text=text, node=node)))
