"""Whatever a client of the control socket may say, in whatever pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.transport.asking import (
    GET,
    POST,
    Client,
    records,
    statuses,
)
from tincd_compat.transport.http import HttpAnswer, HttpRequest, Pause
from tincd_compat.transport.httpsession import MAX_REQUEST, MAX_UNSENT, REQUEST_PATIENCE

REQUESTS = st.sampled_from([GET, POST, b"GET / HTTP/1.0\r\n\r\n", GET.lower()])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return requests, some of them damaged, and anything else."""
    parts = draw(st.lists(REQUESTS | st.binary(max_size=40), max_size=6))
    stream = bytearray(b"".join(parts))
    for _ in range(draw(st.integers(0, 3))):
        if stream:
            place = draw(st.integers(0, len(stream) - 1))
            change = draw(st.binary(max_size=3))
            stream[place : place + draw(st.integers(0, 3))] = change
    return bytes(stream)


def _answer(request: HttpRequest) -> HttpAnswer:
    if request.method == "POST":
        return HttpAnswer(200, f"{request}".encode())
    return HttpAnswer(200, records(request.path.encode(), Pause.TURN, b"\n"))


@given(streams(), st.lists(st.integers(1, 50)))
def test_a_stream_means_the_same_however_it_is_cut(
    stream: bytes, cuts: list[int]
) -> None:
    whole = Client(_answer)
    whole.says(stream)
    pieces = Client(_answer)
    rest = stream
    for cut in cuts:
        pieces.says(rest[:cut])
        rest = rest[cut:]
    pieces.says(*(bytes([byte]) for byte in rest))
    assert pieces.asked == whole.asked
    # Which of two mistakes is named can depend on what is there yet.
    assert statuses(pieces.reads()) == statuses(whole.reads())
    assert pieces.session.over == whole.session.over


@given(streams(), st.lists(st.floats(0, 40), max_size=5))
def test_no_stream_breaks_a_bound(stream: bytes, pauses: list[float]) -> None:
    client = Client(_answer)
    client.says(stream)
    for pause in pauses:
        client.now += pause
        client.session.check(client.now)
        assert 0 <= client.session.room <= MAX_REQUEST
        assert len(client.session.out) <= MAX_UNSENT
    client.reads()
    client.now += REQUEST_PATIENCE
    client.session.check(client.now)
    client.reads()
    assert client.session.over
