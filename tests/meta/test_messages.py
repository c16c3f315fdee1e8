"""Requests as text: what is written, what is understood, what is refused."""

from __future__ import annotations

import re
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import NAMING, VISIBLE, texts
from tincd_compat.addresses import Subnet
from tincd_compat.crypto.sptps import digits
from tincd_compat.errors import PeerError
from tincd_compat.meta.messages import (
    MESSAGES,
    Ack,
    AddEdge,
    AddSubnet,
    AnsKey,
    Challenge,
    ChalReply,
    DelEdge,
    DelSubnet,
    Id,
    KeyChanged,
    KeyForm,
    Message,
    MetaKey,
    Packet,
    Ping,
    Pong,
    ReqKey,
    Request,
    parse,
    request_number,
)


def subnet(text: str) -> Subnet:
    value = Subnet.parse(text)
    assert value is not None
    return value


# One session with tincd 1.0.36, line by line; long hex cut short.
SESSION: list[tuple[bytes, Message]] = [
    (b"0 peer 17", Id("peer", 17)),
    (b"1 429 672 0 0 62AD6D45", MetaKey(429, 672, 0, 0, "62AD6D45")),
    (b"2 7BAA57E9", Challenge("7BAA57E9")),
    (b"3 8183C3AC", ChalReply("8183C3AC")),
    (b"4 6551 64 c", Ack("6551", 64, 0xC)),
    (
        b"10 1d0e8d7 alpha 0:1a:2b:3c:4d:5e#10",
        AddSubnet(0x1D0E8D7, "alpha", subnet("00:1a:2b:3c:4d:5e")),
    ),
    (
        b"10 460b84c2 alpha 10.1.0.1/32#10",
        AddSubnet(0x460B84C2, "alpha", subnet("10.1.0.1")),
    ),
    (
        b"10 63d33c16 alpha fd00:1:0:0:0:0:0:0/64#5",
        AddSubnet(0x63D33C16, "alpha", subnet("fd00:1::/64#5")),
    ),
    (
        b"11 63d33c17 alpha 10.1.0.0/24#10",
        DelSubnet(0x63D33C17, "alpha", subnet("10.1.0.0/24")),
    ),
    (
        b"12 1e1f3275 alpha peer 127.0.0.1 7001 c 37",
        AddEdge(0x1E1F3275, "alpha", "peer", "127.0.0.1", "7001", 0xC, 37),
    ),
    (b"13 6b9a7a4 alpha peer", DelEdge(0x6B9A7A4, "alpha", "peer")),
    (b"14 1f peer", KeyChanged(0x1F, "peer")),
    (b"15 peer alpha", ReqKey("peer", "alpha")),
    (
        b"16 alpha peer EC689523 427 672 4 0",
        AnsKey("alpha", "peer", "EC689523", 427, 672, 4, 0),
    ),
    (
        b"16 peer cnode ABAB 427 672 4 0 127.0.0.1 7001",
        AnsKey("peer", "cnode", "ABAB", 427, 672, 4, 0, "127.0.0.1", "7001"),
    ),
    (b"8", Ping()),
    (b"9", Pong()),
    (b"17 34", Packet(34)),
]


@pytest.mark.parametrize(
    ("tokens", "methods"),
    [
        (b"", ()),
        (b" compress:zstd", ("zstd",)),
        (b" compress:zstd,x9", ("zstd", "x9")),
        (b" later compress:zstd more compress:lz", ("zstd",)),
        (b"\tcompress:zstd\r", ("zstd",)),
        (b" compress:", ()),
        (b" compress:ZSTD", ()),
        (b" compress:zstd;x", ()),
        (b" xcompress:zstd", ()),
        (b" compress", ()),
        (b" compress: zstd", ()),
        (b" compress:" + b"z" * 65, ()),
        (b" x" * 900, ()),
        (b" x" * 900 + b" compress:zstd", ("zstd",)),
    ],
)
def test_what_the_origin_of_req_key_can_do(
    tokens: bytes, methods: tuple[str, ...]
) -> None:
    assert parse(b"15 peer alpha" + tokens) == ReqKey("peer", "alpha", methods)


# Lines of sessions between nodes, as a real tinc 1.1 took them; records cut short.
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"15 a b 15 AAAAAAIA", ReqKey("a", "b", (), KeyForm.SESSION, "AAAAAAIA")),
        (b"15 a b 19", ReqKey("a", "b", (), KeyForm.ASK_PUBLIC_KEY)),
        (b"15 a b 20 7o2J", ReqKey("a", "b", (), KeyForm.PUBLIC_KEY, "7o2J")),
        (b"15 a b 21 Ab+/", ReqKey("a", "b", (), KeyForm.DATAGRAM, "Ab+/")),
        (
            b"15 a b 15 AAAA compress:zstd",
            ReqKey("a", "b", ("zstd",), KeyForm.SESSION, "AAAA"),
        ),
        (
            b"15 a b 19 compress:zstd",
            ReqKey("a", "b", ("zstd",), KeyForm.ASK_PUBLIC_KEY),
        ),
        (b"16 a b AAAA -1 -1 -1 0", AnsKey.of_session("a", "b", "AAAA")),
        (
            b"16 a b AAAA -1 -1 -1 0 192.0.2.1 655",
            AnsKey("a", "b", "AAAA", -1, -1, -1, 0, "192.0.2.1", "655"),
        ),
    ],
)
def test_lines_of_sessions_between_nodes(line: bytes, message: Message) -> None:
    assert parse(line) == message
    assert message.encode() == line


@pytest.mark.parametrize(
    ("tokens", "form", "payload"),
    [
        (b" 0 AAAA", 0, ""),
        (b" x15 AAAA", 0, ""),
        (b" 15", KeyForm.SESSION, ""),
        (b" 15x AAAA", KeyForm.SESSION, ""),
        (b" 15\tAAAA\r", KeyForm.SESSION, "AAAA"),
        (b" 19 AAAA", KeyForm.ASK_PUBLIC_KEY, ""),
        (b" 16 AAAA", 16, ""),
        (b" -15 AAAA", -15, ""),
        (b" 4294967311 AAAA", KeyForm.SESSION, "AAAA"),
        (b" 21 " + b"A" * 2048, KeyForm.DATAGRAM, "A" * 2048),
        # Half of it would be no record, and be taken for one.
        (b" 21 " + b"A" * 2049, KeyForm.DATAGRAM, ""),
    ],
)
def test_forms_of_req_key(tokens: bytes, form: int, payload: str) -> None:
    assert parse(b"15 a b" + tokens) == ReqKey("a", "b", (), form, payload)


def test_every_request_is_in_the_session() -> None:
    assert {message.request for _, message in SESSION} == set(MESSAGES)


@pytest.mark.parametrize(("line", "message"), SESSION)
def test_the_session(line: bytes, message: Message) -> None:
    assert parse(line) == message
    assert message.encode() == line


@pytest.mark.parametrize(("line", "message"), SESSION)
@pytest.mark.parametrize("end", [b"\r", b" ", b" \t\r"])
def test_white_space_at_the_end(line: bytes, message: Message, end: bytes) -> None:
    assert parse(line + end) == message


@pytest.mark.parametrize(("line", "message"), SESSION)
def test_white_space_between_the_fields(line: bytes, message: Message) -> None:
    assert parse(b" \t" + line.replace(b" ", b"\t \v\f\r")) == message


@pytest.mark.parametrize(("line", "message"), SESSION)
def test_further_tokens(line: bytes, message: Message) -> None:
    if isinstance(message, AnsKey) and message.address is None:
        # One token is not an address and a port.
        assert parse(line + b" 192.0.2.1") == message
        return
    if isinstance(message, ReqKey):
        # The number is a form, though none that has a payload.
        message = replace(message, form=7)
    assert parse(line + b" 7 more \xff") == message


@pytest.mark.parametrize(("line", "message"), SESSION)
def test_a_field_too_few(line: bytes, message: Message) -> None:
    shorter = line.rpartition(b" ")[0]
    if isinstance(message, AnsKey) and message.address is not None:
        assert parse(shorter) == AnsKey("peer", "cnode", "ABAB", 427, 672, 4, 0)
    elif shorter:
        name = message.request.name
        with pytest.raises(PeerError, match=rf"Got bad {name} from {{peer}}$"):
            parse(shorter)


# Numbers as C reads them.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"17", 17),
        (b"17junk", 17),
        (b"17.x", 17),
        (b"17 .7", 17),
        (b"+17", 17),
        (b"0017", 17),
        (b"-17", -17),
        (b"4294967313", 4294967313),
    ],
)
def test_version_is_the_leading_integer(text: bytes, value: int) -> None:
    assert parse(b"0 peer " + text) == Id("peer", value)


@pytest.mark.parametrize(
    ("text", "minor"), [(b"17.7", 7), (b"17.0", 0), (b"17.007x", 7), (b"17.1 9", 1)]
)
def test_tinc_11_says_a_minor_version_too(text: bytes, minor: int) -> None:
    assert parse(b"0 peer " + text) == Id("peer", 17, minor)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"2147483647", 2147483647),
        (b"2147483648", -2147483648),
        (b"4294967306", 10),
        (b"-2147483649", 2147483647),
        (b"-6", -6),
        (b"007", 7),
    ],
)
def test_weights_wrap_at_32_bits(text: bytes, value: int) -> None:
    message = parse(b"12 1 a b 192.0.2.1 655 c " + text)
    assert isinstance(message, AddEdge)
    assert message.weight == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"c", 0xC),
        (b"700000C", 0x700000C),
        (b"0x700000c", 0x700000C),
        (b"0XC", 0xC),
        (b"ffffffff", 0xFFFFFFFF),
        (b"10000000c", 0xC),
        (b"-1", 0xFFFFFFFF),
        (b"+c", 0xC),
    ],
)
def test_options_keep_all_32_bits(text: bytes, value: int) -> None:
    message = parse(b"4 655 10 " + text)
    assert message == Ack("655", 10, value)
    assert message.encode() == f"4 655 10 {value:x}".encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"0", 0), (b"65535", 65535), (b"65536", 0), (b"-1", 65535), (b"65570", 34)],
)
def test_packet_length_has_16_bits(text: bytes, value: int) -> None:
    assert parse(b"17 " + text) == Packet(value)


# Texts.


def test_a_token_of_2048_bytes() -> None:
    text = b"A" * 2048
    assert parse(b"2 " + text) == Challenge(text.decode())
    assert parse(b"16 a b " + text + b" 427 672 4 0") == AnsKey(
        "a", "b", text.decode(), 427, 672, 4, 0
    )


def test_a_token_of_2049_bytes() -> None:
    with pytest.raises(PeerError, match="Got bad ANS_KEY"):
        parse(b"16 a b " + b"A" * 2049 + b" 427 672 4 0")


@pytest.mark.parametrize(
    "line",
    [
        b"10 1 a/b 10.0.0.0/8",
        b"11 1 a-b 10.0.0.0/8",
        b"12 1 a.b c 192.0.2.1 655 c 1",
        b"12 1 a \xe9 192.0.2.1 655 c 1",
        b"12 1 a a 192.0.2.1 655 c 1",
        b"13 1 a ../b",
        b"13 1 a a",
        b"14 1 a\0",
        b"15 a/b c",
        b"15 a b/c",
        b"16 a/b c 00 0 0 0 0",
        b"16 a b/c 00 0 0 0 0",
    ],
)
def test_names_that_are_none(line: bytes) -> None:
    name = Request(request_number(line)).name
    with pytest.raises(PeerError, match=f"Got bad {name} from {{peer}}: invalid name"):
        parse(line)


@pytest.mark.parametrize("number", [10, 11])
@pytest.mark.parametrize(
    "text", [b"10.0.0.0/33", b"10.0.0.0/-1", b"1.2.3/24", b"a", b":" * 1024, b"\xff"]
)
def test_subnets_that_are_none(number: int, text: bytes) -> None:
    complaint = "from {peer}: invalid subnet string"
    with pytest.raises(PeerError, match=re.escape(complaint)):
        parse(b"%d 1 a " % number + text)


def test_bits_beyond_the_prefix_are_kept() -> None:
    line = b"10 1 a 10.0.0.5/24#10"
    assert parse(line).encode() == line


def test_an_address_that_is_a_name_is_not_ours_to_judge() -> None:
    line = b"12 1 a b caf\xe9 http c 1"
    message = parse(line)
    assert isinstance(message, AddEdge)
    assert (message.address, message.port) == ("caf\xe9", "http")
    assert message.encode() == line


# What is no request at all.


@pytest.mark.parametrize("line", [b"", b" ", b"hello", b"x8", b"\xff", b"+ 8", b"\0"])
def test_bogus_data(line: bytes) -> None:
    with pytest.raises(PeerError, match="Bogus data received from"):
        parse(line)


@pytest.mark.parametrize("number", [-1, 5, 6, 7, 18, 99, 4294967304])
def test_unknown_requests(number: int) -> None:
    with pytest.raises(PeerError, match="Unknown request from"):
        parse(b"%d peer 17" % number)


@pytest.mark.parametrize("line", [b"8", b" 8", b"+8", b"08", b"8x", b"8\0", b"\t8 7"])
def test_a_number_is_all_that_a_ping_needs(line: bytes) -> None:
    assert parse(line) == Ping()


# Both ways, for anything that can be said.

NAMES = texts(NAMING, min_size=1, max_size=20)
METHODS = texts(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
METHOD_LISTS = st.lists(METHODS, max_size=6).map(tuple)
FULL_FORMS = st.sampled_from([KeyForm.SESSION, KeyForm.PUBLIC_KEY, KeyForm.DATAGRAM])
BARE_FORMS = st.integers(-(2**31), 2**31 - 1).filter(
    lambda form: form not in (15, 20, 21)
)
DIGITS = st.binary(min_size=1, max_size=90).map(digits.encode)
TEXTS = texts(VISIBLE, min_size=1, max_size=60)
HEX = st.binary(min_size=1, max_size=80).map(lambda data: data.hex().upper())
INTS = st.integers(-(2**31), 2**31 - 1)
WORDS = st.integers(0, 2**32 - 1)
SUBNETS = st.one_of(
    st.builds(
        "{}/{}#{}".format, st.ip_addresses(v=4).map(str), st.integers(0, 32), INTS
    ),
    st.builds(
        "{}/{}#{}".format, st.ip_addresses(v=6).map(str), st.integers(0, 128), INTS
    ),
    st.binary(min_size=6, max_size=6).map(lambda mac: mac.hex(":")),
).map(subnet)
PAIRS = st.tuples(NAMES, NAMES).filter(lambda ends: ends[0] != ends[1])

ANY_MESSAGE: st.SearchStrategy[Message] = st.one_of(
    st.builds(Id, NAMES, INTS),
    st.builds(MetaKey, INTS, INTS, INTS, INTS, HEX),
    st.builds(Challenge, HEX),
    st.builds(ChalReply, HEX),
    st.builds(Ack, TEXTS, INTS, WORDS),
    st.just(Ping()),
    st.just(Pong()),
    st.builds(AddSubnet, WORDS, NAMES, SUBNETS),
    st.builds(DelSubnet, WORDS, NAMES, SUBNETS),
    st.builds(
        lambda nonce, ends, *rest: AddEdge(nonce, *ends, *rest),
        WORDS,
        PAIRS,
        TEXTS,
        TEXTS,
        WORDS,
        INTS,
    ),
    st.builds(lambda nonce, ends: DelEdge(nonce, *ends), WORDS, PAIRS),
    st.builds(KeyChanged, WORDS, NAMES),
    st.builds(ReqKey, NAMES, NAMES, METHOD_LISTS),
    st.builds(ReqKey, NAMES, NAMES, METHOD_LISTS, BARE_FORMS),
    st.builds(ReqKey, NAMES, NAMES, METHOD_LISTS, FULL_FORMS, DIGITS),
    st.builds(AnsKey, NAMES, NAMES, HEX, INTS, INTS, INTS, INTS),
    st.builds(AnsKey.of_session, NAMES, NAMES, DIGITS),
    st.builds(AnsKey, NAMES, NAMES, HEX, INTS, INTS, INTS, INTS, TEXTS, TEXTS),
    st.builds(Packet, st.integers(0, 0xFFFF)),
)


# No deadline: other work on the machine must not fail a test.
@given(ANY_MESSAGE)
def test_what_is_written_is_read(message: Message) -> None:
    line = message.encode()
    assert request_number(line) == message.request
    assert parse(line) == message


# No deadline: other work on the machine must not fail a test.
@given(
    st.builds(
        lambda number, rest: b"%d " % number + rest,
        st.integers(-2, 20),
        st.one_of(
            st.binary(max_size=80),
            st.lists(st.sampled_from([b"1", b"c", b"a", b"b", b"::", b"-"])).map(
                b" ".join
            ),
        ),
    )
)
def test_only_peer_errors_come_of_any_line(line: bytes) -> None:
    _only_peer_errors(line)


@given(
    ANY_MESSAGE.map(lambda message: message.encode()),
    st.integers(0, 10),
    st.one_of(
        st.binary(min_size=1, max_size=40),
        texts("0123456789abcdefABCDEFxX+-./:#_ ", min_size=1, max_size=60).map(
            str.encode
        ),
        st.sampled_from([b"9" * 5000, b"-" + b"9" * 5000, b"f" * 5000, b"a" * 2049]),
    ),
)
def test_only_peer_errors_come_of_any_field(
    line: bytes, index: int, field: bytes
) -> None:
    fields = line.split(b" ")
    fields[index % len(fields)] = field
    _only_peer_errors(b" ".join(fields))


def _only_peer_errors(line: bytes) -> None:
    try:
        message = parse(line)
    except PeerError:
        return
    assert message.request == request_number(line)
