"""Option bits and the minor version in their top byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.options import (
    CLAMP_MSS,
    INDIRECT,
    PMTU_DISCOVERY,
    TCPONLY,
    combine,
    minor,
    with_minor,
)

WORDS = st.integers(0, 2**32 - 1)
MINORS = st.integers(0, 255)


def test_options_as_tinc_1_1_announces_them() -> None:
    assert minor(0x700000C) == 7
    assert minor(0xC) == 0
    assert with_minor(0xC, 7) == 0x700000C
    assert with_minor(0x700000C, 0) == 0xC


@given(WORDS, MINORS)
def test_another_minor_version_changes_no_bit(options: int, version: int) -> None:
    found = with_minor(options, version)
    assert minor(found) == version
    assert found & 0xFFFFFF == options & 0xFFFFFF


@given(WORDS, WORDS)
def test_an_edge_has_the_minor_version_of_its_end(ours: int, theirs: int) -> None:
    found = combine(ours, theirs)
    assert minor(found) == minor(theirs)
    assert bool(found & PMTU_DISCOVERY) is bool(ours & theirs & PMTU_DISCOVERY)
    for bit in (INDIRECT, TCPONLY, CLAMP_MSS):
        assert bool(found & bit) is bool((ours | theirs) & bit)


@given(st.integers(0, 0xFFFFFF), WORDS)
def test_a_daemon_without_sessions_combines_as_tincd_does(
    ours: int, theirs: int
) -> None:
    either = (ours | theirs) & ~PMTU_DISCOVERY
    assert combine(ours, theirs) == either | (ours & theirs & PMTU_DISCOVERY)
