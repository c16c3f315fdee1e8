"""Which of several owners gets a packet: prefix, weight, name, and who is there."""

from __future__ import annotations

from typing import Final

from conformance.harness.bench import DEVICE, Row, Setup, compare
from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.neighbourhood import S, X, Y, at
from conformance.harness.packets import frame4, frame6
from conformance.harness.played import Neighbour
from conformance.harness.scenario import Scenario

#: Owner and subnet; nobody leads to adam and zoe.
_SUBNETS: Final = (
    *(("x", "10.1.0.0/16"), ("y", "10.1.0.0/16")),
    *(("x", "10.2.0.0/16#20"), ("y", "10.2.0.0/16#5")),
    *(("x", "10.3.0.0/16#1"), ("y", "10.3.0.0/17#900")),
    *(("adam", "10.4.0.0/16"), ("y", "10.4.0.0/16"), ("x", "10.4.0.0/16#11")),
    *(("adam", "10.5.0.0/24"), ("zoe", "10.5.0.0/20#1"), ("y", "10.5.0.0/16")),
    *(("adam", "10.6.0.0/24"), ("zoe", "10.6.0.0/16")),
    *(("x", "10.7.0.0/31"), ("y", "10.7.0.1/32"), ("adam", "10.7.0.2/32")),
    *(("x", "10.8.0.0/13#-5"), ("y", "10.8.0.0/13#-6")),
    *(("x", "fd01:0:0:0:0:0:0:0/16"), ("y", "fd01:0:0:0:0:0:0:0/64#10")),
    *(("adam", "fd02:0:0:0:0:0:0:0/64"), ("y", "fd02:0:0:0:0:0:0:0/16")),
    *(("x", "fd03:0:0:0:0:0:0:1/128"), ("y", "0:0:0:0:0:0:0:0/0")),
    *(("zoe", "0.0.0.0/0#5"), ("y", "0.0.0.0/0#6"), ("x", "0.0.0.0/1#7")),
)
_TARGETS: Final = (
    *("10.1.0.1", "10.2.0.1", "10.3.0.1", "10.3.128.1", "10.4.0.1", "10.5.0.1"),
    *("10.5.8.1", "10.5.99.1", "10.6.0.1", "10.6.9.1", "10.7.0.0", "10.7.0.1"),
    *("10.7.0.2", "10.9.0.1", "10.16.0.1", "126.0.0.1", "128.0.0.1", "223.0.0.1"),
)
_TARGETS6: Final = ("fd01::1", "fd01:0:0:1::1", "fd02::1", "fd03::1", "fd03::2", "::1")


def play(lab: Lab, placement: Placement) -> None:
    says = tuple(("10", f"{owner} {subnet}") for owner, subnet in _SUBNETS)
    neighbours = (
        Neighbour(name="x", says=tuple(each for each in says if each[1][0] == "x")),
        Neighbour(name="y", says=tuple(each for each in says if each[1][0] != "x")),
    )
    rows = []
    for side, own in ((DEVICE, S), ("x", X), ("y", Y)):
        for target in _TARGETS:
            packet = frame4(at(own), target, b"whose?")
            rows.append(Row(f"{side} to {target}", side, (packet,)))
        for target in _TARGETS6:
            packet = frame6(f"fd30:0:0:{own}::9", target, b"whose?")
            rows.append(Row(f"{side} to {target}", side, (packet,)))
    compare(lab, placement[0], Setup(neighbours=neighbours), rows)


SCENARIO: Final = Scenario(
    name="owners",
    summary="overlapping subnets, and owners who are not there",
    placements=ONE,
    play=play,
    seconds=5,
    needs_c=True,
)
