"""Places for connections: bounds that whoever comes cannot move."""

from __future__ import annotations

import threading
from typing import Final

#: Connections that ask at the same time.  A daemon lets sixteen clients in, and some
#: of them are people.
MOST_CONNECTIONS: Final = 8
#: Connections that follow events, beside those that ask.
MOST_FOLLOWERS: Final = 4


class Places:
    """Places for connections, of which whoever comes takes one or is sent away."""

    def __init__(self, most: int = MOST_CONNECTIONS) -> None:
        self._free = threading.BoundedSemaphore(most)

    def take(self) -> bool:
        """Return whether there was a place."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Let the next one have the place."""
        self._free.release()
