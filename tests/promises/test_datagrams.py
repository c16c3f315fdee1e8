"""What datagrams without a key, or with a wrong one, can bring about."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.world import SUITE, neighbours, sized
from tincd_compat.addresses import SocketAddress
from tincd_compat.tunnel import codec, pure
from tincd_compat.tunnel.openers import Openers
from tincd_compat.tunnel.tunnel import Tunnel


@given(
    st.lists(
        st.binary(max_size=200) | st.tuples(st.integers(0, 150), st.integers(1, 255)),
        max_size=70,
    ),
    st.booleans(),
)
def test_junk_moves_nothing(
    junk: list[bytes | tuple[int, int]], at_its_address: bool
) -> None:
    """A pair is a genuine datagram of which one byte is wrong: where, and by what."""
    world = neighbours("b")
    node, peer = world.node("b"), world.peers["b"]
    tunnel, address = world.tunnel(node), peer.address
    before = _state(tunnel)
    source = address if at_its_address else SocketAddress("203.0.113.9", 4242)
    datagrams = []
    for each in junk:
        if isinstance(each, tuple):
            [datagram] = map(bytearray, peer.seal(sized(100, "10.0.1.1")))
            datagram[each[0] % len(datagram)] ^= each[1]
            each = bytes(datagram)
        datagrams.append(each)
    world.from_udp(datagrams, source)
    assert (_state(tunnel), node.address) == (before, address)
    assert (world.ports.delivered, world.ports.trains) == ([], [])
    world.from_peer("b", sized(100, "10.0.1.1"))
    assert len(world.ports.delivered) == 1


@pytest.mark.parametrize("keys", [1, 2])
def test_what_a_name_is_good_for(monkeypatch: pytest.MonkeyPatch, keys: int) -> None:
    world = neighbours("b", "c", "d")
    macs: list[bytes] = []
    for opener in (codec.Opener, Openers):
        monkeypatch.setattr(opener, "matches", _noting(macs, opener.matches))
    open_train = codec.Opener.open_train

    def opened(opener: codec.Opener, train: Sequence[bytes]) -> list[codec.Opened]:
        macs.extend(train)
        return open_train(opener, train)

    monkeypatch.setattr(codec.Opener, "open_train", opened)
    for _ in range(keys - 1):
        world.give_key("b")
    for _ in range(10):
        world.from_udp([os.urandom(100) for _ in range(50)], world.peers["b"].address)
    # And once a second whoever else it may be is asked.
    assert 500 * keys <= len(macs) <= 500 * keys + 4


def _noting(
    macs: list[bytes], matches: Callable[[Any, bytes], bool | None]
) -> Callable[[Any, bytes], bool | None]:
    def noted(opener: object, datagram: bytes) -> bool | None:
        macs.append(datagram)
        return matches(opener, datagram)

    return noted


def _state(tunnel: Tunnel) -> tuple[object, ...]:
    assert tunnel.opener is not None
    return tunnel.opener.highest, tunnel.valid_key, tunnel.dump()


KEY = bytes(range(SUITE.cipher.key_block_size))


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize(
    "ask",
    [
        lambda opener, datagram: opener.matches(datagram),
        lambda opener, datagram: opener.open_train([datagram])[0].drop is None,
        lambda opener, datagram: opener.open(datagram, 0.0) is not None,
    ],
    ids=["search", "train", "alone"],
)
def test_a_comparison_in_constant_time_decides(
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[pure.PureOpener, bytes], bool],
    answer: bool,
) -> None:
    """Whatever it says of a MAC is so: there is no other comparison beside it."""
    [datagram] = pure.PureSealer(SUITE, KEY).seal_train([b"frame"])
    if answer:
        datagram = datagram[:-1] + bytes([datagram[-1] ^ 1])
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(bytes(one))
        return answer

    monkeypatch.setattr(hmac, "compare_digest", compare)
    opener = pure.PureOpener(SUITE, KEY, 16)
    assert ask(opener, datagram) is answer
    assert compared == [datagram[-SUITE.maclength :]]


def test_what_is_forged_is_not_decrypted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opener = pure.PureOpener(SUITE, KEY, 16)
    decrypt, decrypted = opener._decrypt, list[bytes]()

    def note(datagrams: list[bytes]) -> object:
        decrypted.extend(datagrams)
        return decrypt(datagrams)

    monkeypatch.setattr(opener, "_decrypt", note)
    [good, other] = pure.PureSealer(SUITE, KEY).seal_train([b"frame", b"other"])
    forged = [good[:at] + b"?" + good[at + 1 :] for at in range(len(good))]
    forged = [each for each in forged if each != good]
    drops = [opened.drop for opened in opener.open_train([*forged, other])]
    assert drops == [codec.Drop.UNAUTHENTICATED] * len(forged) + [None]
    assert decrypted == [other[: -SUITE.maclength]]
