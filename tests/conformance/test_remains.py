"""Which processes run in the container of a case, and what it has mounted."""

from __future__ import annotations

from pathlib import Path

from conformance.harness.remains import mounts_below, runs_below

_CASE = Path("/tmp/tincd-conformance-x/takeover-ours")
_OTHER = Path("/tmp/tincd-conformance-x/upgrade-ours")
_INSIDE = f"""\
90 80 0:50 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/,\
upperdir={_CASE}/container/upper,workdir={_CASE}/container/work
91 90 0:51 / /proc rw - proc proc rw
"""
_OUTSIDE = f"""\
20 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 20 0:40 / /run rw - tmpfs tmpfs rw
40 20 0:49 / {_CASE}/container rw - tmpfs tmpfs rw
41 40 0:50 / {_CASE}/container/root rw - overlay overlay rw,lowerdir=/,\
upperdir={_CASE}/container/upper,workdir={_CASE}/container/work
"""


def test_a_container_is_known_by_the_layer_that_it_writes_to() -> None:
    assert runs_below(_INSIDE, _CASE)
    assert not runs_below(_INSIDE, _OTHER)
    # Neither what looks on from outside, nor a case whose name only begins so.
    assert not runs_below(_OUTSIDE, _CASE)
    assert not runs_below(_INSIDE, Path(f"{_CASE}"[:-1]))


def test_mounts_go_from_the_innermost_outward() -> None:
    wanted = [f"{_CASE}/container/root", f"{_CASE}/container"]
    assert mounts_below(_OUTSIDE, _CASE) == wanted
    assert mounts_below(_OUTSIDE, _OTHER) == []
