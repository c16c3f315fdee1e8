"""Our keys that a node may be sealing with: the last one we made for it, and one more.

A key goes out over what leads to the node at that moment, and the next one, soon after,
perhaps over a link that has just come up.  Lines on different ways overtake each other.
A node that gets the older one last goes on with it, nothing tells either side, and all
that it sends would be lost until keys are renewed.

So the key before stays good for a while, and what the node does decides: the key that
fitted last is the *current* one, tried first and the only one that the compiled pumps
hear of.  The *other* one is tried where the current one's MAC does not fit.

========================  =======  =====
event                     current  other
========================  =======  =====
K1 is made                K1       -
K2 is made                K2       K1
K1 fits after all         K1       K2
K2 fits again             K2       K1
K3 is made                K3       K2
========================  =======  =====

As the other one, the older key ends

* with the first packet under the newer, if it had opened some before that was made:
  then its line has arrived long ago, and what it still fits is no news; otherwise such
  a packet says nothing of where the older line is;
* when it has fitted nothing for ``patience`` seconds, give or take two ticks.

The newer key waits as long as it has to: its line may be late, or the older have fitted
only what was held back.  Either ends when the node comes, goes or may have started
anew, with the key after the next, and when all keys expire.

Nothing is sent to set the node right.  The same line again would let it count from 1
under a key whose window is past that; a further key would be one more line that can be
overtaken.  A key that stays in use is no worse than the one that should have replaced
it: it was made for this node alone, and it ends with all others.

A forged datagram costs one MAC more while there is another key; in a search for its
sender, one more for each node that has two.  Whoever forges cannot bring that about,
and the MAC is a small part of what it costs to receive a datagram here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tincd_compat.tunnel.codec import Opener
from tincd_compat.tunnel.drops import Drop, Opened
from tincd_compat.tunnel.traffic import NOTHING, Traffic


class Openers:
    """The current opener and the other one, each with numbers and window of its own."""

    def __init__(self, patience: float) -> None:
        #: Called when another opener is the current one.
        self.changed: Callable[[], None] = lambda: None
        self._current: Opener | None = None
        self._patience = patience
        self._other: Opener | None = None
        #: The traffic that came under keys that are no more.
        self._received_before = NOTHING
        #: When a datagram was last accepted, as far as that is known here; 0 for never.
        self._heard = 0.0
        self._newer: Opener | None = None
        #: The older key had been in use when the newer was made.
        self._older_used = False
        #: When a tick first found the older one out of use.
        self._idle_since: float | None = None

    @property
    def current(self) -> Opener | None:
        """The opener that is tried first; None while the node has no key from us."""
        return self._current

    @property
    def received(self) -> Traffic:
        """The traffic accepted under all keys that the node has ever had."""
        return sum((opener.received for opener in self._kept()), self._received_before)

    @property
    def heard(self) -> float | None:
        """When a datagram was last accepted, whoever opened it; None for never."""
        return max(self._heard, *(opener.heard for opener in self._kept()), 0.0) or None

    def _kept(self) -> Iterator[Opener]:
        for opener in (self._current, self._other):
            if opener is not None:
                yield opener

    def _keep(self, current: Opener | None, other: Opener | None) -> None:
        """Keep these openers only; what the others have counted is added up."""
        for opener in self._kept():
            if opener is not current and opener is not other:
                self._received_before += opener.received
                self._heard = max(self._heard, opener.heard)
        self._other = other
        if current is not self._current:
            self._current = current
            self.changed()

    @property
    def highest(self) -> int:
        """The highest number accepted under the current key."""
        return 0 if self.current is None else self.current.highest

    @property
    def other(self) -> Opener | None:
        """The opener that is tried second, while the node may use two keys."""
        return self._alternative()

    def renew(self, opener: Opener | None) -> None:
        """Give the node a key; None is a key that we cannot work ourselves."""
        before = self.current
        self._newer = opener
        # Without a MAC nothing tells by which key a datagram was sealed.
        if opener is None or before is None or not before.authenticates:
            self._keep(opener, None)
            return
        self._keep(opener, before)
        self._older_used = before.highest > 0
        self._idle_since = None

    def expire(self) -> None:
        """Let no key be good any more."""
        self._newer = None
        self._keep(None, None)

    def forget_other(self) -> None:
        """Let only the current key be good."""
        self._keep(self._current, None)

    def tick(self, now: float) -> None:
        """Forget the older key if it was out of use for long."""
        if self.current is not self._newer:
            return
        if self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= self._patience:
            self.forget_other()

    def matches(self, datagram: bytes) -> bool | None:
        """Tell whether the node sealed the datagram; None without a key."""
        if self.current is None:
            return None
        other = self._alternative()
        return self.current.matches(datagram) or (
            other is not None and other.matches(datagram)
        )

    def open_train(self, datagrams: Sequence[bytes], now: float) -> list[Opened]:
        """Open datagrams in the order of their arrival; one result for each.

        There must be a current key.  It is another one afterwards if the last datagram
        that was accepted says so.
        """
        assert self.current is not None
        train = self._open_train(self.current, datagrams)
        if any(opened.drop is None for opened in train):
            self._heard = now
        return train

    def _open_train(self, current: Opener, datagrams: Sequence[bytes]) -> list[Opened]:
        other = self._alternative()
        train = current.open_train(datagrams)
        if other is None:
            return train
        foreign = [
            index
            for index, opened in enumerate(train)
            if opened.drop is Drop.UNAUTHENTICATED
        ]
        if not foreign:
            return train
        opened_by_other = other.open_train([datagrams[index] for index in foreign])
        for index, opened in zip(foreign, opened_by_other, strict=True):
            train[index] = opened
        accepted = [index for index, opened in enumerate(train) if opened.drop is None]
        if accepted and accepted[-1] in foreign and self._alternative() is other:
            self._turn_to(other)
        return train

    def _alternative(self) -> Opener | None:
        """Return the other opener while there is one.

        Looked at when it is needed: the compiled pumps use the current one unseen.
        """
        if self._older_used and self.current is self._newer and self.highest > 0:
            self.forget_other()
        return self._other

    def _turn_to(self, other: Opener) -> None:
        self._keep(other, self._current)
        self._idle_since = None
