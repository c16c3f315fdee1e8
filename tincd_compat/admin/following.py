"""Events of a net for a browser that follows them: Server-Sent Events (WHATWG HTML)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

from tincd_compat.admin.client import Client, Unanswered
from tincd_compat.admin.text import Record, number
from tincd_compat.errors import TincError

#: Seconds without an event after which a line says that nothing has happened: so long
#: a browser that has gone keeps its place.
BEAT: Final = 5.0
#: How the stream says what it is.
KIND: Final = "text/event-stream"


class EventStream:
    """The events of one net behind a number, as long as somebody takes them.

    The daemon is asked anew with each beat, from the last event on that was passed:
    a connection to it whose wait has ended cannot be read any further.
    """

    def __init__(
        self, client: Client, since: int, give_back: Callable[[], object]
    ) -> None:
        self._client = client
        self._since = since
        self._give_back = give_back
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces of the stream; it ends with the daemon, and says why."""
        yield b": the events of tinc\n\n"
        while True:
            try:
                for record in self._listen():
                    yield _message(record)
            except TincError as error:
                # To be begun again by who follows, once the daemon answers again.
                yield _message({"error": "unanswered", "text": str(error)}, "trouble")
                return
            yield b": nothing has happened\n\n"

    def _listen(self) -> Iterator[Record]:
        lines = self._client.listen("events", BEAT, follow="1", since=str(self._since))
        for line in lines:
            try:
                record = json.loads(line)
                self._since = max(self._since, int(number(record.get("seq")) or 0))
            except (ValueError, AttributeError):
                raise Unanswered("the daemon's answer is no record") from None
            yield record

    def close(self) -> None:
        """Give the place back, once."""
        if not self._is_closed:
            self._is_closed = True
            self._give_back()


def _message(record: Record, event: str | None = None) -> bytes:
    """Return a record as a message: one line of ASCII, whatever its texts have."""
    head = "" if event is None else f"event: {event}\n"
    return f"{head}data: {Client.text(record)}\n\n".encode()
