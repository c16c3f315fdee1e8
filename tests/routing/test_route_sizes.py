"""What router mode does about sizes: too big, in fragments, or a smaller MSS."""

from __future__ import annotations

import pytest

from tests.routing.frames import echo, ipv4, ipv6
from tests.routing.routed import A6, B6, TOS, A, B, C, path, route, shape, syn
from tincd_compat.mesh.node import Mesh
from tincd_compat.routing.verdicts import AnswerFrames, Deliver, Discard, Reason, SendTo


class TestSize:
    @pytest.mark.parametrize(
        ("mtu", "length", "expected"),
        [
            (1451, 1451, None),
            (1451, 1452, 1437),
            (1518, 1518, None),
            (1518, 1519, 1504),
            (400, 590, None),
            (400, 591, 576),
        ],
    )
    def test_ipv4(self, mtu: int, length: int, expected: int | None) -> None:
        verdict = route(ipv4(A, B, echo(length - 34)), change=path(mtu))
        if expected is None:
            assert isinstance(verdict, SendTo)
        else:
            assert shape(verdict) == ("answer", "3/4", "too big")
            assert isinstance(verdict, AnswerFrames)
            assert int.from_bytes(verdict.frames[0][40:42], "big") == expected

    @pytest.mark.parametrize(
        ("mtu", "length", "expected"),
        [(1451, 1451, None), (1451, 1452, 1437), (400, 1294, None), (400, 1295, 1280)],
    )
    def test_ipv6(self, mtu: int, length: int, expected: int | None) -> None:
        frame = ipv6(A6, B6, echo(length - 54))
        verdict = route(frame, change=path(mtu))
        if expected is None:
            assert isinstance(verdict, SendTo)
        else:
            assert shape(verdict) == ("answer", "2/0", "too big")
            assert isinstance(verdict, AnswerFrames)
            assert int.from_bytes(verdict.frames[0][58:62], "big") == expected

    def test_fragments_go_to_the_next_stop(self) -> None:
        frame = ipv4(A, C, echo(1480), field=0)
        verdict = route(frame, change=path(1451))
        assert shape(verdict) == ("fragments", "b", "2", "0")

    @pytest.mark.parametrize(("mtu", "pieces"), [(400, 3), (590, 3), (800, 2)])
    def test_smallest_fragments(self, mtu: int, pieces: int) -> None:
        frame = ipv4(A, B, echo(1400), field=0)
        verdict = route(frame, change=path(mtu))
        assert shape(verdict) == ("fragments", "b", str(pieces), "0")

    def test_fragments_inherit_the_priority(self) -> None:
        frame = ipv4(A, B, echo(1480), field=0, tos=0x10)
        verdict = route(frame, change=path(1451), options=TOS)
        assert shape(verdict) == ("fragments", "b", "2", "16")

    def test_no_fragments_of_odd_packets(self) -> None:
        frame = ipv4(A, B, echo(1480), field=0)
        verdict = route(frame[:-1], change=path(1451))
        assert verdict == Discard(Reason.BAD_LENGTH)
        frame[14] = 0x46
        assert route(frame, change=path(1451)) == Discard(Reason.HAS_OPTIONS)

    def test_what_is_for_us_has_any_size(self) -> None:
        assert isinstance(route(ipv4(B, A, echo(3000)), "b"), Deliver)


def clamped(frame: bytearray) -> int | None:
    value = int.from_bytes(frame[56:58], "big")
    return None if value == 1460 else value


class TestClamp:
    def test_on_the_way_out(self) -> None:
        frame = syn(A, B)
        route(frame, change=path(1451))
        assert clamped(frame) == 1397

    def test_on_the_way_in(self) -> None:
        frame = syn(B, A)
        assert isinstance(route(frame, "b", change=path(1451)), Deliver)
        assert clamped(frame) == 1397

    def test_smaller_of_both_sides(self) -> None:
        def change(mesh: Mesh) -> None:
            mesh.nodes["a"].mtu, mesh.nodes["c"].mtu = 1300, 1400

        frame = syn(A, C)
        route(frame, us="b", change=change)
        assert clamped(frame) == 1246

    def test_whole_path_of_an_ordinary_link(self) -> None:
        frame = syn(A, B)
        route(frame)
        assert clamped(frame) is None

    @pytest.mark.parametrize(("us", "next_stop"), [("a", "b"), ("b", "b")])
    def test_only_where_the_next_stop_wants_it(self, us: str, next_stop: str) -> None:
        def change(mesh: Mesh) -> None:
            mesh.nodes["a"].mtu = mesh.nodes["b"].mtu = 1300
            mesh.nodes[next_stop].options = 0

        frame = syn(A, B)
        route(frame, us=us, change=change)
        assert clamped(frame) is None
