"""What is gathered of the living parts: addresses of nodes, ciphers of links."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import tincd_compat
from tests.daemon.fakes import PLACES
from tests.daemon.plane import Plane
from tests.tunnel.samples import FRAME_A
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.clock import Clock
from tincd_compat.daemon.gatherer import Gatherer
from tincd_compat.meta.negotiation import MetaProtocol
from tincd_compat.observe import answers, records, summary, views
from tincd_compat.observe.words import AddressSource, LinkProtocol


def gatherer(plane: Plane) -> Gatherer:
    nothing: Any = SimpleNamespace(count=None, events=None)
    time = plane.loop.time
    clock = Clock(time, time, time)
    return Gatherer(
        *(nothing, nothing, plane.mesh, nothing, plane.world.links, nothing),
        *(plane.tunnels, plane.subject, plane.world.in_force, clock, nothing),
    )


def source(plane: Plane) -> AddressSource | None:
    view = gatherer(plane).tunnel(plane.peer)
    return None if view is None else view.address_from


def test_an_address_is_from_whoever_said_it_last(plane: Plane) -> None:
    assert source(plane) is None
    far = plane.far_end()
    assert source(plane) is AddressSource.EDGE
    plane.give_key(far, address="10.0.0.77", port="700")
    assert plane.peer.address == SocketAddress("10.0.0.77", 700)
    assert source(plane) is AddressSource.REFLEXIVE
    plane.mesh.set_address(plane.peer, PLACES["other"])
    plane.peer.dialled = PLACES["other"]
    assert source(plane) is AddressSource.DIALLED
    plane.mesh.set_address(plane.peer, None)
    assert source(plane) is None


def test_an_authentic_datagram_proves_an_address_until_the_node_is_lost(
    plane: Plane,
) -> None:
    far = plane.far_end()
    assert far.sealer is not None
    plane.from_udp(*far.sealer.seal_train([FRAME_A]))
    assert source(plane) is AddressSource.UDP
    plane.tunnels.of(plane.peer).reset()
    assert source(plane) is AddressSource.EDGE


def test_the_ciphers_of_a_link(plane: Plane) -> None:
    gathered = gatherer(plane)
    remote = plane.world.call_in("peer")
    [link] = plane.world.links
    record = gathered.link(link, ())
    assert (record.cipher, record.peer_cipher, record.digest) == (None, None, None)
    remote.shake_hands()
    record = gathered.link(link, ())
    assert (record.cipher, record.peer_cipher, record.digest) == (
        *("aes-256-cfb", "aes-256-cfb"),
        "sha256",
    )


def test_the_protocol_of_a_link_once_its_handshake_is_complete(plane: Plane) -> None:
    gathered = gatherer(plane)
    remote = plane.world.call_in("peer")
    [link] = plane.world.links
    assert gathered.link(link, ()).protocol is None
    remote.shake_hands()
    record = gathered.link(link, ())
    assert record.protocol is LinkProtocol.LEGACY
    assert record.rsa_bits == link.rsa_bits
    assert record.rsa_bits is not None
    # What protocol 17.7 does without says nothing about the link.
    link.connection._handshake.protocol = MetaProtocol.SPTPS
    record = gathered.link(link, ())
    assert record.protocol is LinkProtocol.SPTPS
    assert record.rsa_bits is None


def test_each_protocol_of_an_active_link_has_a_word() -> None:
    words = {protocol.value for protocol in MetaProtocol}
    # After an upgrade the link ends, and is never active.
    words.remove(MetaProtocol.UPGRADE.value)
    assert words == {*LinkProtocol}


# Every field is set by somebody.


def _given() -> dict[str, set[str]]:
    """Return the keywords given to each callable anywhere in the package.

    The keys of dictionaries count for every callable of their module that takes one.
    What is always empty is not given.
    """
    given: dict[str, set[str]] = {}
    for path in sorted(Path(tincd_compat.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text())
        keys = {
            key.value
            for each in ast.walk(tree)
            if isinstance(each, ast.Dict)
            for key in each.keys
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            names = given.setdefault(call.func.id, set())
            for keyword in call.keywords:
                if _is_empty(keyword.value):
                    continue
                names.update(keys if keyword.arg is None else {keyword.arg})
    return given


def _is_empty(value: ast.expr) -> bool:
    # An empty tuple may stand for what is written later, as the problems of a status.
    return isinstance(value, ast.Dict) and not value.keys


def _of(module: ModuleType) -> list[type]:
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and dataclasses.is_dataclass(each)
        and each.__module__ == module.__name__
    ]


GIVEN = _given()


@pytest.mark.parametrize(
    "record",
    [each for module in (answers, records, summary, views) for each in _of(module)],
    ids=lambda record: record.__name__,
)
def test_every_field_is_set_by_some_code(record: type) -> None:
    fields = {field.name for field in dataclasses.fields(record)}
    given = GIVEN.get(record.__name__, set()) | GIVEN["replace"]
    assert fields - given - {"schema"} == set()
