"""Sums of words, against words added one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.checksums import checksum, sum16


def slow(data: bytes) -> int:
    data += bytes(len(data) % 2)
    return sum(a << 8 | b for a, b in zip(data[::2], data[1::2], strict=True)) % 0xFFFF


@given(st.binary(max_size=64), st.integers(0, 200))
def test_sums(data: bytes, times: int) -> None:
    long = data * times
    assert sum16(data) == slow(data)
    assert (
        sum16(long) == sum16(bytearray(long)) == sum16(memoryview(long)) == slow(long)
    )


def test_example_of_the_standard() -> None:
    # RFC 1071, section 3.
    data = bytes.fromhex("0001f203f4f5f6f7")
    assert (sum16(data), checksum(sum16(data))) == (0xDDF2, 0x220D)


@given(st.integers(1, 10**9))
def test_data_with_its_checksum_sums_to_zero(total: int) -> None:
    assert 0 <= checksum(total) < 0xFFFF
    assert (total + checksum(total)) % 0xFFFF == 0
