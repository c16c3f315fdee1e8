"""What is drawn for tests of merging merges, and all that forbids it is drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.segments.bursts import MATTERS, Run, after, bursts, frames_of, runs
from tests.segments.samples import PAYLOAD, Segment
from tincd_compat.segments import coalescing
from tincd_compat.segments.superpacket import SuperPacket

#: Of fifty drawn, which are always the same.
EXAMPLES = settings(derandomize=True, max_examples=50, database=None)


@pytest.mark.no_cover
def test_much_of_what_is_drawn_merges() -> None:
    frames_of_pieces: Counter[tuple[int, int]] = Counter()
    seen = 0

    @EXAMPLES
    @given(frames=bursts)
    def count(frames: list[bytes]) -> None:
        nonlocal seen
        seen += len(frames)
        for item in coalescing.coalesce(frames, True):
            if isinstance(item, SuperPacket):
                ipv6 = item.frame[14] >> 4 == 6
                frames_of_pieces[item.kind, ipv6] += item.segments

    count()
    assert len(frames_of_pieces) == 4
    assert min(frames_of_pieces.values()) > seen / 20
    assert sum(frames_of_pieces.values()) > seen / 2


@pytest.mark.no_cover
def test_all_that_can_be_the_matter_is_drawn_where_it_matters() -> None:
    drawn: Counter[str | None] = Counter()

    @settings(EXAMPLES, max_examples=300)
    @given(heads=st.integers(1, 3), some=st.lists(runs, min_size=8, max_size=12))
    def count(heads: int, some: list[Run]) -> None:
        begun = set[int]()
        for run in some:
            flow = run.flow % heads
            if flow in begun:
                drawn[run.matter] += 1
            begun.add(flow)

    count()
    assert {*MATTERS, None} == set(drawn)


def test_runs_go_on_where_their_flow_has_got_to() -> None:
    first = Segment(payload=PAYLOAD[:10])
    second = after(first)
    third = after(second)
    plain = Run(0, 1, None, lasting=False)
    assert frames_of([first], [plain] * 3) == [
        segment.frame() for segment in (first, second, third)
    ]
    slower = replace(second, ttl=63)
    for lasting, ttl in ((False, 64), (True, 63)):
        odd = Run(0, 2, "ttl", lasting=lasting)
        assert frames_of([first], [plain, odd]) == [
            segment.frame() for segment in (first, slower, replace(third, ttl=ttl))
        ]
