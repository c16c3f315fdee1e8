"""What a row of a dump says."""

from __future__ import annotations

import pytest

from conformance.harness.dumps import NodeRow


def _row(mtu: int, minmtu: int, maxmtu: int) -> NodeRow:
    return NodeRow(
        *("b", "10.99.1.2 port 655", 427, 672, 4, 0, 12, 0x1A, "b", "b"),
        mtu=mtu,
        minmtu=minmtu,
        maxmtu=maxmtu,
    )


@pytest.mark.parametrize(
    ("bounds", "fixed"),
    [
        ((1451, 1451, 1451), True),
        # C, where an answer came by a wide path and the limit is that of a narrow one.
        ((1435, 1436, 1435), True),
        ((1435, 1400, 1435), False),
        ((0, 0, 1518), False),
    ],
)
def test_a_path_mtu_is_fixed_once_nothing_is_between_its_bounds(
    bounds: tuple[int, int, int], fixed: bool
) -> None:
    assert _row(*bounds).mtu_fixed is fixed
