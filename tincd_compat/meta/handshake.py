"""The handshake of two daemons: ID, METAKEY, CHALLENGE, CHAL_REPLY, ACK.

Each side encrypts a random block with the other's RSA key (METAKEY); the block becomes
the key of everything the sender of it says from then on.  Each then sends a random
challenge inside its stream and accepts nothing but the right digest of it.  Who can
answer has read the challenge, so has the stream's key, so has the RSA private key.

The rules, enforced by the table below and by nothing else:

* Requests come in one order, each exactly once.  What has no row in the table is
  unauthorized and ends the connection; so does any error, for good.
* The side that was called stays silent until it has seen a valid ID of a node it knows.
* That side also proves itself last: its CHAL_REPLY leaves only after the caller's has
  been verified.  It could otherwise be made to answer challenges of a third party
  (CVE-2018-16737, CVE-2018-16738).  The caller proves itself unasked.

Older daemons say ID and CHAL_REPLY earlier than the table would; that is compatible,
because the order within each direction is the same.

::

    caller (INITIATOR)                        called (RESPONDER)
    start        ID           ->
                              <-              ID METAKEY
    ID           METAKEY      ->
    METAKEY      CHALLENGE*   ->              METAKEY
                              <-              CHALLENGE*
    CHALLENGE    CHAL_REPLY*  ->              CHALLENGE    nothing
                                              CHAL_REPLY
                              <-              CHAL_REPLY* ACK*
    CHAL_REPLY   ACK*         ->
    ACK          active                       ACK          active

    * encrypted

Decrypting the peer's block takes milliseconds, so it is left to the caller of this
module: state DECRYPTION admits nothing until the block is handed in.

With --bypass-security both sides go from ID to ACK at once, in the clear.

A daemon with an Ed25519 key may agree on protocol 17.7 instead, with a peer that knows
that key (:mod:`~tincd_compat.meta.negotiation`): behind ID a session of these keys
begins, on which everything else is a record, and ACK follows its keys::

    caller (INITIATOR)                        called (RESPONDER)
    start        ID           ->
                              <-              ID session
    ID           session      ->
    SESSION      ACK*         ->              SESSION      ACK*
    ACK          active                       ACK          active

This file holds no buffers and no sockets.  A step is checked, then answered by a list
of actions that the connection performs in order.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from tincd_compat.addresses import valid_name
from tincd_compat.crypto import streamciphers
from tincd_compat.crypto.streamciphers import StreamCipher
from tincd_compat.errors import ConfigError, Fault, PeerError
from tincd_compat.meta.actions import (
    Action,
    SendMessage,
    StartDecryption,
    StartEncryption,
    StartSession,
)
from tincd_compat.meta.events import Activated, DecryptNeeded, KeysExchanged
from tincd_compat.meta.identity import Identity, PeerIdentity, RawPublicKey
from tincd_compat.meta.messages import (
    MESSAGES,
    Ack,
    Challenge,
    ChalReply,
    Id,
    KeyAck,
    Message,
    MetaKey,
    Request,
    TermReq,
)
from tincd_compat.meta.negotiation import MetaProtocol, agree, announced
from tincd_compat.meta.steps import (
    AFTER_DECRYPTION,
    AFTER_SESSION,
    BYPASS_STEPS,
    SPTPS_STEPS,
    STEPS,
    UPGRADE_STEPS,
    Role,
    State,
    Step,
    Table,
)

if TYPE_CHECKING:
    from tincd_compat.meta.sptps import Sptps

#: The only protocol version there is in tinc 1.0.
VERSION: Final = 17

#: The cipher of records, which authenticates them too.
_SPTPS_CIPHER: Final = "chacha20-poly1305"

UNKNOWN_NAME: Final = "<unknown>"

_TABLES: Final[dict[MetaProtocol, Table]] = {
    MetaProtocol.LEGACY: STEPS,
    MetaProtocol.UPGRADE: UPGRADE_STEPS,
    MetaProtocol.SPTPS: SPTPS_STEPS,
}


class StreamCiphers(NamedTuple):
    """OpenSSL's names: our cipher, the peer's, and the peer's digest."""

    cipher: str
    peer_cipher: str
    digest: str | None


class Handshake:
    """One side of one handshake.

    ``find_peer`` returns what is known about a name.  It raises ConfigError or KeyError
    if there is no usable host file, PeerError for any other reason to refuse the peer
    (a file without a usable key, say).  Under --bypass-security nobody who calls is
    looked up.
    """

    def __init__(
        self,
        role: Role,
        identity: Identity,
        find_peer: Callable[[str], PeerIdentity],
        *,
        started: float,
        random_bytes: Callable[[int], bytes],
        expected_name: str | None,
        hostname: str,
        bypass_security: bool,
    ) -> None:
        self.role = role
        self.state = State.START if role is Role.INITIATOR else State.ID
        self.name = expected_name or UNKNOWN_NAME
        self._identity = identity
        self._find_peer = find_peer
        self._started = started
        self._random_bytes = random_bytes
        self._hostname = hostname
        self._bypass = bypass_security
        self._table = BYPASS_STEPS if bypass_security else STEPS
        self.protocol = MetaProtocol.LEGACY
        #: The Ed25519 key that the peer has given in place of ACK.
        self._given_key: str | None = None
        self._peer: PeerIdentity
        self._peer_metakey: MetaKey
        #: What encrypts the connection, once both METAKEYs are read.
        self.ciphers: StreamCiphers | None = None
        self._received_challenge = b""
        self._sent_challenge = b""
        self._weight = 0

    def start(self) -> list[Action]:
        """Begin as the caller."""
        if self.state is not State.START:
            raise RuntimeError("only a caller starts, and only once")
        self._enter(State.ID)
        return [SendMessage(self._id(knows_key=self._knows_key()))]

    def fail(self) -> None:
        """Admit nothing any more."""
        self._enter(State.FAILED)

    @property
    def has_sent_key(self) -> bool:
        """Whether the peer has got what only its private key can read."""
        return self.state in (State.DECRYPTION, State.CHALLENGE, State.CHAL_REPLY)

    @property
    def reads_with_key(self) -> bool:
        """Whether the peer's words are read with what only our private key gave."""
        return self.state in (State.CHALLENGE, State.CHAL_REPLY)

    def settle(self, protocol: MetaProtocol) -> None:
        """Go by this protocol from now on."""
        self.protocol = protocol
        self._table = _TABLES[protocol]

    def kind(self, number: int) -> type[Message] | None:
        """Return the class of messages with a request's number, None for no request."""
        if self.protocol is MetaProtocol.UPGRADE:
            if number == Request.ACK:
                return KeyAck
            if number == Request.TERMREQ:
                return TermReq
        return MESSAGES.get(number)

    def admit(self, request: Request) -> None:
        """PeerError unless the table lets this request in now."""
        if (self.role, self.state, request) not in self._table:
            raise PeerError("Unauthorized request from {peer}")

    def receive(self, message: Message, now: float) -> list[Action]:
        """Check an admitted request and answer it; PeerError if a check fails."""
        step = self._table[self.role, self.state, message.request]
        match message:
            case Id():
                self._check_id(message)
                step = self._choose(message)
            case KeyAck():
                self._check_key(message)
            case TermReq():
                return [*self._take(step, now), KeysExchanged(self._given_key)]
            case MetaKey():
                return self._request_decryption(message, step)
            case Challenge():
                self._check_challenge(message)
            case ChalReply():
                self._check_reply(message)
            case Ack():
                return self._activate(message, step)
        return self._take(step, now)

    def decrypted(self, block: bytes, now: float) -> list[Action]:
        """Go on with the peer's block; PeerError if its announcement is refused."""
        decryptor = self._check_cipher(block)
        self._check_digest()
        theirs = self._peer_metakey
        self.ciphers = StreamCiphers(
            streamciphers.CIPHERS[self._identity.meta_cipher].suite.name,
            streamciphers.CIPHERS[theirs.cipher].suite.name,
            streamciphers.digest_name(theirs.digest),
        )
        return [StartDecryption(decryptor), *self._take(AFTER_DECRYPTION, now)]

    def session_ready(self, now: float) -> list[Action]:
        """Go on with the keys of the session that :class:`StartSession` asked for."""
        if self.state is not State.SESSION:
            raise RuntimeError("no session was asked for")
        self.ciphers = StreamCiphers(_SPTPS_CIPHER, _SPTPS_CIPHER, None)
        return self._take(AFTER_SESSION, now)

    def decrypt_failed(self) -> None:
        """Refuse a block that is no ciphertext of our key."""
        line = "Error during decryption of meta key for {peer}"
        raise PeerError(f"{line}: data too large for modulus", Fault.WRONG_KEY)

    def _enter(self, state: State) -> None:
        self.state = state

    def _take(self, step: Step, now: float) -> list[Action]:
        actions = [
            action for answer in step.answers for action in self._answer(answer, now)
        ]
        self._enter(step.state)
        if step.state is State.SESSION:
            actions.append(self._session())
        return actions

    def _answer(self, request: Request, now: float) -> list[Action]:
        match request:
            case Request.ID:
                return [SendMessage(self._id(knows_key=True))]
            case Request.METAKEY:
                return self._metakey()
            case Request.CHALLENGE:
                return [SendMessage(self._challenge())]
            case Request.CHAL_REPLY:
                return [SendMessage(self._reply())]
            case Request.TERMREQ:
                return [SendMessage(TermReq())]
            case _ if self.protocol is MetaProtocol.UPGRADE:
                return [SendMessage(KeyAck(self._sptps.public_text))]
            case _:
                return [SendMessage(self._ack(now))]

    # Output.

    def _id(self, *, knows_key: bool) -> Id:
        own_key = self._identity.sptps is not None and not self._bypass
        minor = announced(self.role, own_key=own_key, knows_key=knows_key)
        return Id(self._identity.name, VERSION, minor)

    def _knows_key(self) -> bool:
        """Tell whether the peer that is called has a key of protocol 17.7 here.

        A host file that is broken makes itself heard when the peer has answered.
        """
        if self._identity.sptps is None:
            return False
        try:
            return self._find_peer(self.name).ed25519 is not None
        except (ConfigError, KeyError, PeerError):
            return False

    @property
    def _sptps(self) -> Sptps:
        sptps = self._identity.sptps
        assert sptps is not None, "no other protocol than 17.0 is chosen without"
        return sptps

    def _session(self) -> StartSession:
        key = self._peer.ed25519
        assert key is not None, "protocol 17.7 is not chosen without"
        return StartSession(partial(self._sptps.begin, self.role, self.name, key))

    def _metakey(self) -> list[Action]:
        """Draw the block of our stream; only its ciphertext leaves this function."""
        key = self._public_key
        number = int.from_bytes(self._random_bytes(key.size), "big")
        # The block has to be a smaller number than the modulus.
        block = (number % (1 << (key.bits - 1))).to_bytes(key.size, "big")
        nid = self._identity.meta_cipher
        try:
            encryptor = streamciphers.CIPHERS[nid].encryptor(block)
        except ValueError as error:
            line = f"Error during initialisation of cipher for {{peer}}: {error}"
            raise PeerError(line, Fault.INCOMPATIBLE) from error
        text = key.encrypt(block).hex().upper()
        return [
            SendMessage(MetaKey(nid, streamciphers.SHA256, 0, 0, text)),
            StartEncryption(encryptor),
        ]

    def _challenge(self) -> Challenge:
        self._sent_challenge = self._random_bytes(self._public_key.size)
        return Challenge(self._sent_challenge.hex().upper())

    def _reply(self) -> ChalReply:
        """Answer with the digest that the issuer of the challenge announced."""
        digest = streamciphers.digest(
            self._peer_metakey.digest, self._received_challenge
        )
        assert digest is not None, "checked when it was announced"
        return ChalReply(digest.hex().upper())

    def _ack(self, now: float) -> Ack:
        fixed = self._peer.weight
        self._weight = int((now - self._started) * 1000) if fixed is None else fixed
        return Ack(self._identity.port, self._weight, self._peer.options)

    @property
    def _public_key(self) -> RawPublicKey:
        key = self._peer.public_key
        if key is None:
            raise PeerError(f"No public key for {self.name} specified!", Fault.IDENTITY)
        return key

    # Input.

    def _check_id(self, message: Id) -> None:
        name = message.name
        if not valid_name(name) or name == self._identity.name:
            raise PeerError("Got bad ID from {peer}: invalid name", Fault.IDENTITY)
        if self.role is Role.INITIATOR and name != self.name:
            raise PeerError(
                f"Peer {self._hostname} is {name} instead of {self.name}",
                Fault.IDENTITY,
            )
        self.name = name
        if message.version != VERSION:
            raise PeerError(
                f"Peer {{peer}} uses incompatible version {message.version}",
                Fault.INCOMPATIBLE,
            )
        self._peer = self._look_up(name)

    def _choose(self, message: Id) -> Step:
        """Agree on a protocol; return what follows the peer's ID in it."""
        if not self._bypass:
            protocol = agree(
                *(self.role, message.minor),
                own_key=self._identity.sptps is not None,
                knows_key=self._peer.ed25519 is not None,
                name=self.name,
            )
            self.settle(protocol)
        return self._table[self.role, State.ID, Request.ID]

    def _check_key(self, message: KeyAck) -> None:
        key, known = self._sptps.read_key(message.key), self._peer.ed25519
        if key is None:
            raise PeerError("Got bad ACK from {peer}: invalid Ed25519 key")
        if known is None:
            self._given_key = message.key
        elif key != known:
            text = "{peer} has another Ed25519 key than"
            raise PeerError(f"{text} hosts/{self.name} says", Fault.WRONG_KEY)

    def _look_up(self, name: str) -> PeerIdentity:
        if self._bypass and self.role is Role.RESPONDER:
            return PeerIdentity(None, None, self._identity.options)
        unknown = f"Peer {self._hostname} had unknown identity ({name})"
        try:
            return self._find_peer(name)
        except KeyError as error:
            raise PeerError(unknown, Fault.IDENTITY) from error
        except ConfigError as error:
            # A caller has read the file before: it knew whom to call.
            known = self.role is Role.INITIATOR
            text = f"{error}" if known else f"{error}\n{unknown}"
            raise PeerError(text, Fault.IDENTITY) from error

    def _request_decryption(self, message: MetaKey, step: Step) -> list[Action]:
        size = self._identity.private_key.size
        if len(message.key) != 2 * size:
            raise PeerError(
                "Possible intruder {peer}: wrong keylength", Fault.WRONG_KEY
            )
        ciphertext = _from_hex(message.key, "Got bad METAKEY from {peer}: invalid key")
        self._peer_metakey = message
        self._enter(step.state)
        return [DecryptNeeded(ciphertext)]

    def _check_cipher(self, block: bytes) -> StreamCipher:
        nid = self._peer_metakey.cipher
        if nid == 0:
            raise PeerError("{peer} uses null cipher!", Fault.INCOMPATIBLE)
        cipher = streamciphers.CIPHERS.get(nid)
        if cipher is None:
            raise PeerError("{peer} uses unknown cipher!", Fault.INCOMPATIBLE)
        try:
            return cipher.decryptor(block)
        except ValueError as error:
            line = f"Error during initialisation of cipher from {{peer}}: {error}"
            raise PeerError(line, Fault.INCOMPATIBLE) from error

    def _check_digest(self) -> None:
        metakey = self._peer_metakey
        if metakey.digest == 0:
            raise PeerError("{peer} uses null digest!", Fault.INCOMPATIBLE)
        size = streamciphers.digest_size(metakey.digest)
        if size is None:
            raise PeerError("Node {peer} uses unknown digest!", Fault.INCOMPATIBLE)
        # The length has no use on this stream, but a wrong one is a wrong daemon.
        if not 0 <= metakey.maclength <= size:
            raise PeerError("{peer} uses bogus MAC length!", Fault.INCOMPATIBLE)

    def _check_challenge(self, message: Challenge) -> None:
        if len(message.data) != 2 * self._identity.private_key.size:
            raise PeerError("Possible intruder {peer}: wrong challenge length")
        self._received_challenge = _from_hex(
            message.data, "Got bad CHALLENGE from {peer}: invalid challenge"
        )

    def _check_reply(self, message: ChalReply) -> None:
        expected = (
            streamciphers.digest(streamciphers.SHA256, self._sent_challenge) or b""
        )
        if len(message.digest) != 2 * len(expected):
            raise PeerError("Possible intruder {peer}: wrong challenge reply length")
        reply = _from_hex(
            message.digest, "Got bad CHAL_REPLY from {peer}: invalid hash"
        )
        if not hmac.compare_digest(reply, expected):
            raise PeerError("Possible intruder {peer}: wrong challenge reply")

    def _activate(self, message: Ack, step: Step) -> list[Action]:
        self._enter(step.state)
        return [
            Activated(
                message.port,
                message.weight,
                self._weight,
                message.options,
                self._peer.options,
            )
        ]


def _from_hex(text: str, complaint: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise PeerError(complaint) from error
