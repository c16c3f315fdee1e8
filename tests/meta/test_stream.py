"""Framing, limits, and the border between plain and encrypted bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.crypto.streamciphers import CIPHERS, StreamCipher
from tincd_compat.errors import PeerError
from tincd_compat.meta.messages import MAX_LINE, MAX_PACKET_BODY
from tincd_compat.meta.stream import MetaStream

BLOCK = bytes(range(48))
OVERFLOW = "Metadata read buffer overflow for {peer}"


def lines_of(stream: MetaStream) -> list[bytes]:
    lines = []
    while (line := stream.next_line()) is not None:
        lines.append(line)
    return lines


def test_lines_end_at_lf_alone() -> None:
    stream = MetaStream()
    stream.receive_data(b"8\r\n\n10 a\0b\n9")
    assert lines_of(stream) == [b"8\r", b"", b"10 a\0b"]
    stream.receive_data(b"\n")
    assert lines_of(stream) == [b"9"]


def test_the_longest_line() -> None:
    stream = MetaStream()
    stream.receive_data(b"x" * (MAX_LINE - 1))
    assert stream.next_line() is None
    stream.receive_data(b"\n8\n")
    assert stream.next_line() == b"x" * (MAX_LINE - 1)
    assert stream.next_line() == b"8"


@pytest.mark.parametrize("end", [b"", b"\n", b"\n8\n"])
def test_a_line_too_long(end: bytes) -> None:
    stream = MetaStream()
    stream.receive_data(b"x" * MAX_LINE + end)
    with pytest.raises(PeerError, match=OVERFLOW):
        stream.next_line()


def test_many_lines_in_one_piece() -> None:
    stream = MetaStream()
    stream.receive_data(b"8\n" * 100_000)
    assert len(lines_of(stream)) == 100_000


def test_body_behind_its_line() -> None:
    stream = MetaStream()
    stream.receive_data(b"17 5\na\nb\n")
    assert stream.next_line() == b"17 5"
    stream.expect_body(5)
    assert stream.in_body
    assert stream.next_body() is None
    stream.receive_data(b"c8\n")
    assert stream.next_body() == b"a\nb\nc"
    assert not stream.in_body
    assert stream.next_line() == b"8"


def test_packets_are_taken_as_far_as_they_have_come() -> None:
    stream = MetaStream()
    stream.receive_data(b"17 2\nab17 3\n\n\n\n8\n17 4\nab")
    assert stream.next_packets(64) == [b"ab", b"\n\n\n"]
    assert stream.next_packets(64) == []
    assert stream.next_line() == b"8"
    assert stream.next_packets(64) == []
    assert stream.in_body
    stream.receive_data(b"cd17 1")
    assert stream.next_packets(64) == [b"abcd"]
    stream.receive_data(b"\nx")
    assert stream.next_packets(64) == [b"x"]


@pytest.mark.parametrize(
    "line", [b"17 0", b"17 01", b"17  1", b"017 1", b"17 1 ", b"17 12345", b"17 1661"]
)
def test_what_is_not_plainly_a_whole_packet_stays_where_it_is(line: bytes) -> None:
    stream = MetaStream()
    stream.receive_data(line + b"\nx\n")
    assert stream.next_packets(64) == []
    assert stream.in_body == (line == b"17 1661")
    if not stream.in_body:
        assert stream.next_line() == line


@pytest.mark.parametrize("length", [MAX_PACKET_BODY + 1, MAX_LINE + 1])
def test_packets_too_large_are_for_others_to_judge(length: int) -> None:
    stream = MetaStream()
    stream.receive_data(b"17 1\nx17 %d\n" % length)
    assert stream.next_packets(64) == [b"x"]
    stream.receive_data(bytes(length))
    assert stream.next_packets(64) == []
    assert stream.in_body


def test_no_body_of_length_zero() -> None:
    stream = MetaStream()
    stream.expect_body(0)
    assert not stream.in_body


def test_the_largest_body_that_can_be_skipped() -> None:
    stream = MetaStream()
    stream.expect_body(MAX_LINE)
    stream.receive_data(bytes(MAX_LINE) + b"8\n")
    body = stream.next_body()
    assert body is not None
    assert len(body) == MAX_LINE
    assert stream.next_line() == b"8"


def test_a_body_that_cannot_fit() -> None:
    stream = MetaStream()
    stream.expect_body(MAX_LINE + 1)
    stream.receive_data(bytes(MAX_LINE - 1))
    assert stream.next_body() is None
    stream.receive_data(b"\0")
    with pytest.raises(PeerError, match=OVERFLOW):
        stream.next_body()


def test_decryption_begins_behind_the_line_taken_last() -> None:
    cipher = CIPHERS[429]
    secret = cipher.encryptor(BLOCK).update(b"2 AB\n3 CD\n")
    stream = MetaStream()
    stream.receive_data(b"0 a 17\n1 429\n" + secret[:7])
    assert stream.next_line() == b"0 a 17"
    assert stream.next_line() == b"1 429"
    stream.start_decryption(cipher.decryptor(BLOCK))
    assert stream.decrypting
    assert stream.next_line() == b"2 AB"
    stream.receive_data(secret[7:])
    assert stream.next_line() == b"3 CD"


def test_output_is_encrypted_in_the_order_of_queueing() -> None:
    stream = MetaStream()
    stream.send(b"plain\n")
    stream.start_encryption(CIPHERS[429].encryptor(BLOCK))
    assert stream.encrypting
    stream.send(b"first")
    stream.send(b"second")
    assert stream.queued == 17
    secret = CIPHERS[429].encryptor(BLOCK).update(b"firstsecond")
    assert stream.data_to_send() == b"plain\n" + secret
    assert stream.queued == 0
    assert stream.data_to_send() == b""


def test_an_exhausted_cipher_ends_either_direction() -> None:
    stream = MetaStream()
    stream.start_encryption(StreamCipher(bytes, 3, "encryption of data to"))
    stream.start_decryption(StreamCipher(bytes, 3, "decryption of data from"))
    with pytest.raises(PeerError, match="encryption of data to"):
        stream.send(b"1234")
    with pytest.raises(PeerError, match="decryption of data from"):
        stream.receive_data(b"1234")


def test_discard_forgets_both_directions() -> None:
    stream = MetaStream()
    stream.receive_data(b"8\n")
    stream.send(b"9\n")
    stream.discard()
    assert stream.next_line() is None
    assert stream.data_to_send() == b""


# No deadline: other work on the machine must not fail a test.
@given(
    st.lists(
        st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20
    )
)
def test_cut_anywhere_the_lines_are_the_same(lines: list[bytes]) -> None:
    cipher = CIPHERS[421]
    data = b"".join(line + b"\n" for line in lines)
    secret = cipher.encryptor(BLOCK).update(data)
    whole, single = MetaStream(), MetaStream()
    whole.receive_data(data)
    single.start_decryption(cipher.decryptor(BLOCK))
    received = []
    for byte in secret:
        single.receive_data(bytes([byte]))
        received += lines_of(single)
    assert lines_of(whole) == received == lines
