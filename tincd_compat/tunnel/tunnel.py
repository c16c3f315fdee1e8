"""The tunnel to one node: the keys of both directions and the path MTU between them.

The two directions know nothing of each other.  What we *open* is sealed as our own
configuration says, under a key block we made for this node alone; of the one before a
new one see :mod:`.openers`.  What we *seal* follows the last ANS_KEY of the node.  A
node whose wishes we cannot or will not fulfil has no valid key here, so its packets go
over TCP.

Compression levels beyond those of tinc 1.0 are asked for and accepted only where both
ends have said in a REQ_KEY that they know the method.

A null cipher or a missing MAC is honoured only where our own configuration has the
same: otherwise whoever can alter the meta stream could have our packets in the clear.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Final, NamedTuple

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.crypto.replay import DEFAULT_WINDOW
from tincd_compat.crypto.suites import Suite, find_cipher, find_digest
from tincd_compat.dataclass import dataclass
from tincd_compat.tunnel import compression
from tincd_compat.tunnel.codec import Opener, Sealer, unusable
from tincd_compat.tunnel.echoes import Echoes
from tincd_compat.tunnel.openers import Openers
from tincd_compat.tunnel.pmtu import PmtuDiscovery
from tincd_compat.tunnel.traffic import NOTHING, Traffic

if TYPE_CHECKING:
    from tincd_compat.tunnel.sessionsealer import SessionSealer
    from tincd_compat.tunnel.sptpscodec import SptpsOpener

#: Seconds between two REQ_KEY for the same node: every answer voids the one before.
REQUEST_INTERVAL: Final = 10.0
#: The bit of a valid key in the status word of the dump.
STATUS_VALID_KEY: Final = 0x2

_HEX: Final = re.compile(r"[0-9A-Fa-f]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What our configuration asks of packets towards us; the window in bytes."""

    suite: Suite
    compression: int = 0
    replay_window: int = DEFAULT_WINDOW
    ping_interval: float = 60
    ping_timeout: float = 5
    local_discovery: bool = False

    @property
    def key_patience(self) -> float:
        """The seconds for which a replaced key may go unused and still count.

        A line is late by PingTimeout at most, or its connection counts as dead.  By
        what key a silent node seals shows when it probes: PingTimeout after every
        PingInterval.
        """
        return self.ping_interval + 2 * self.ping_timeout


@dataclass(frozen=True, slots=True)
class KeyFields:
    """The fields of ANS_KEY that are about packets; ``key`` in hexadecimal."""

    key: str = field(repr=False)
    cipher: int
    digest: int
    maclength: int
    compression: int


class DumpView(NamedTuple):
    """The tunnel's part of a node's line in the dump: the outgoing direction."""

    cipher: int
    digest: int
    maclength: int
    compression: int
    status: int
    mtu: int
    minmtu: int
    maxmtu: int


class Tunnel:
    """Keys, numbers and path MTU of one node; ``peer`` renders as ``NODE (HOST)``.

    ``methods`` are the compression methods that the node named in its last REQ_KEY,
    ``introduced`` whether it has heard ours since it can be reached.  ``changed`` hears
    of every other sealer, opener or socket, and of what the path is known to carry.
    """

    def __init__(
        self,
        peer: object,
        parameters: Parameters,
        pmtu: PmtuDiscovery,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed = changed
        self._sealer: Sealer | None = None
        #: Where the node has a session with us, what seals and opens in it, and when
        #: that has last opened a datagram.
        self.session_sealer: SessionSealer | None = None
        self.session_opener: SptpsOpener | None = None
        self._session_heard = 0.0
        self._heard_on = 0
        #: Where the last authentic datagram of the node came from that Python opened;
        #: compiled code opens none from elsewhere.
        self.heard_from: SocketAddress | None = None
        #: The address at which others see the node, as its last ANS_KEY says.
        self.reflexive: SocketAddress | None = None
        self.pmtu = pmtu
        self.pmtu.changed = changed
        self.openers = Openers(parameters.key_patience)
        self.openers.changed = changed
        #: What became of MTU probes, which leave anyway, and how long that took.
        self.echoes = Echoes()
        #: What the node has got and sent as PACKET over a meta connection with us.
        self.sent_by_tcp = self.received_by_tcp = NOTHING
        self._sent_before = self._received_in_sessions = NOTHING
        #: When the node's last ANS_KEY came, and when we made the key that it seals
        #: with, in the loop's seconds; whoever knows the time notes it.
        self.key_given: float | None = None
        self.own_key_made: float | None = None
        #: Why the node's last key cannot be used, None if it can.
        self.unusable: str | None = None
        self._words = ""
        self.methods: tuple[str, ...] = ()
        self.introduced = False
        self._peer = peer
        self._parameters = parameters
        self._last_request: float | None = None
        #: The node has answered with a suite that cannot carry packets; asking again
        #: changes nothing.
        self._answered_in_vain = False
        self._outgoing = (0, 0, 0, 0)
        self._told: set[str] = set()

    @property
    def sealer(self) -> Sealer | None:
        """What seals packets for the node; None without a valid key from it."""
        return self._sealer

    @sealer.setter
    def sealer(self, sealer: Sealer | None) -> None:
        if sealer is not self._sealer:
            self._sent_before = self.sent
            self._sealer = sealer
            self._changed()

    @property
    def heard_on(self) -> int:
        """The index of the socket on which the node was heard last.

        Datagrams for the node leave there.
        """
        return self._heard_on

    @heard_on.setter
    def heard_on(self, index: int) -> None:
        if index != self._heard_on:
            self._heard_on = index
            self._changed()

    @property
    def valid_key(self) -> bool:
        """Tell whether frames can be sealed for the node."""
        return self.outgoing is not None and not self.outgoing.exhausted

    @property
    def outgoing(self) -> Sealer | SessionSealer | None:
        """What seals packets for the node, in a session or under a key of its own."""
        return self.sealer if self.session_sealer is None else self.session_sealer

    @property
    def session_heard(self) -> float:
        """When a datagram of the session was last opened, in the loop's seconds; or 0.

        Python notes what it opens, and the compiled opener what the pumps do.
        """
        opener = self.session_opener
        return max(self._session_heard, 0.0 if opener is None else opener.heard)

    @session_heard.setter
    def session_heard(self, now: float) -> None:
        self._session_heard = now

    @property
    def opens(self) -> bool:
        """Tell whether there is a key with which datagrams of the node are opened."""
        return self.opener is not None or self.session_opener is not None

    @property
    def opener(self) -> Opener | None:
        """What opens the node's packets; None while it has no key from us."""
        return self.openers.current

    @property
    def sent(self) -> Traffic:
        """What was sealed for the node, under all keys that it has ever given us.

        Also what it only had to pass on, and MTU probes.  What is sealed may be lost.
        """
        sealer = self.outgoing
        return self._sent_before + (NOTHING if sealer is None else sealer.sent)

    @property
    def received(self) -> Traffic:
        """What the node has sealed and no key or window has refused, probes included.

        Also what it only passed on.
        """
        opener = self.session_opener
        received = self.openers.received + self._received_in_sessions
        return received + (NOTHING if opener is None else opener.received)

    @property
    def last_packet(self) -> float | None:
        """When a datagram last passed MAC and replay window, in the loop's seconds."""
        return max(self.openers.heard or 0.0, self.session_heard) or None

    @property
    def numbers(self) -> int:
        """How many datagrams were made under the node's present key."""
        return 0 if self.outgoing is None else self.outgoing.sequence

    @property
    def highest(self) -> int:
        """The highest number accepted from the node, in a session or under a key."""
        opener = self.session_opener
        return self.openers.highest if opener is None else opener.highest

    @property
    def needs_rekey(self) -> bool:
        """Tell whether the node has used up its share of numbers under our key."""
        return self.opener is not None and self.opener.needs_rekey

    def request_due(self, now: float) -> bool:
        """Tell whether a REQ_KEY may be sent now, and if so remember that it was."""
        if self._answered_in_vain:
            return False
        last = self._last_request
        if last is not None and now - last < REQUEST_INTERVAL:
            return False
        self._last_request = now
        return True

    def requested(self, now: float) -> None:
        """A REQ_KEY leaves for the node, for whatever reason."""
        self._last_request = now
        self.introduced = True

    def new_own_key(self, random_bytes: Callable[[int], bytes]) -> KeyFields:
        """Make a key for the node and open with it from now on; return its ANS_KEY."""
        own = self._parameters
        suite = own.suite
        key_block = random_bytes(suite.cipher.key_block_size)
        level = own.compression
        if not compression.understood(level, self.methods):
            level = compression.common_level(level)
        opener = None
        if suite.usable:
            reason = unusable(suite, level)
            if reason is not None:
                self._refuse("Cannot open packets from %s: %s", reason)
            # A missing compressor does not matter: the opener drops what needs it.
            opener = Opener(suite, key_block, level, own.replay_window)
        self.openers.renew(opener)
        return KeyFields(
            key_block.hex().upper(),
            suite.cipher.nid,
            suite.digest.nid,
            suite.maclength,
            level,
        )

    def use_session(
        self, sealer: SessionSealer | None, opener: SptpsOpener | None
    ) -> None:
        """Seal and open in another session from now on, or in none."""
        if sealer is self.session_sealer:
            return
        if self.session_opener is not None:
            self._received_in_sessions += self.session_opener.received
        self._sent_before = self.sent
        self._sealer = None
        self.session_sealer, self.session_opener = sealer, opener
        self._changed()

    def install_peer_key(
        self,
        key: str,
        cipher: int,
        digest: int,
        maclength: int,
        level: int,
    ) -> bool:
        """Seal as the node's ANS_KEY says; False, and no valid key, if that is bad.

        ``level`` is the compression level.  A null cipher or a missing MAC is only
        honoured if our own configuration has that, too.
        """
        done = self._install(key, cipher, digest, maclength, level)
        self.unusable = None if done else self._words
        return done

    def _install(
        self, key: str, cipher: int, digest: int, maclength: int, level: int
    ) -> bool:
        self.sealer = None
        self._answered_in_vain = False
        key_block = self._decode(key)
        if key_block is None:
            return False
        suite = self._validate(key_block, cipher, digest, maclength)
        if suite is None:
            return False
        if not (
            0 <= level <= compression.MAX_LEVEL
            and compression.understood(level, self.methods)
        ):
            return self._bad("Node %s uses bogus compression level!")
        self._outgoing = (cipher, digest, maclength, level)
        if not self._acceptable(suite, level):
            return False
        self.sealer = Sealer(suite, key_block, level)
        return True

    def used_up(self) -> None:
        """The node's key has no number left: the next frame asks for another key."""
        self._changed()

    def void_peer_key(self) -> None:
        """The node's key is void (KEY_CHANGED): do not use it, ask again at once."""
        self.unusable = None
        self.sealer = None
        self._answered_in_vain = False
        self._last_request = None

    def expire(self) -> None:
        """Our own keys are void: drop what the node sends until it gets a new one."""
        self.openers.expire()

    def forget_peer(self) -> None:
        """Nothing that the node said or was told counts any more."""
        self.void_peer_key()
        self.use_session(None, None)
        self.openers.forget_other()
        self.methods = ()
        self.introduced = False

    def reset(self) -> None:
        """The node became reachable or unreachable."""
        self.forget_peer()
        self.heard_from = self.reflexive = None
        self.pmtu.reset()
        self.echoes.forget()
        self._told.clear()

    def dump(self) -> DumpView:
        pmtu = self.pmtu
        status = STATUS_VALID_KEY if self.valid_key else 0
        return DumpView(*self._outgoing, status, pmtu.mtu, pmtu.minmtu, pmtu.maxmtu)

    def _decode(self, key: str) -> bytes | None:
        if not _HEX.fullmatch(key):
            self._bad("Got bad ANS_KEY from %s: invalid key")
            return None
        # As tincd does, an odd last digit is left out.
        return bytes.fromhex(key[: len(key) & ~1])

    def _validate(
        self, key_block: bytes, nid: int, digest_nid: int, maclength: int
    ) -> Suite | None:
        cipher = find_cipher(nid)
        if cipher is None:
            self._bad("Node %s uses unknown cipher!")
            return None
        if len(key_block) != cipher.key_block_size:
            self._bad("Node %s uses wrong keylength!")
            return None
        digest = find_digest(digest_nid)
        if digest is None:
            self._bad("Node %s uses unknown digest!")
            return None
        if not digest.is_null and not 0 <= maclength <= digest.size:
            self._bad("Node %s uses bogus MAC length!")
            return None
        return Suite(cipher, digest, maclength)

    def _acceptable(self, suite: Suite, level: int) -> bool:
        """Tell whether we may and can seal like that."""
        own = self._parameters.suite
        if not (suite.encrypts or not own.encrypts):
            return self._refuse("Node %s wants no encryption, forwarding via TCP")
        if not (suite.authenticates or not own.authenticates):
            return self._refuse("Node %s wants no MAC, forwarding via TCP")
        reason = unusable(suite, level)
        if reason is None:
            return True
        self._answered_in_vain = bool(suite.cipher.unfit or suite.digest.unfit)
        if suite.usable:
            text = "Cannot seal packets to %s, forwarding via TCP: %s"
        else:
            text = "Error during initialisation of key from %s: %s"
        return self._refuse(text, reason)

    @property
    def awaited_since(self) -> float | None:
        """When the node was asked for its key, while there is no answer."""
        waiting = self.outgoing is None and self.unusable is None
        return self._last_request if waiting else None

    def _bad(self, text: str, *args: object) -> bool:
        self._words = text % (self._peer, *args)
        logs.always.error(text, self._peer, *args)
        return False

    def _refuse(self, text: str, *args: object) -> bool:
        """Log what stands until somebody changes a configuration, but only once."""
        self._words = text % (self._peer, *args)
        if text not in self._told:
            self._told.add(text)
            self._bad(text, *args)
        return False
