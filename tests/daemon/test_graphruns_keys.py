"""That waiting with the graph hides nothing that matters: who has which key, and where.

The same messages with a run after every one of them, as tincd has it, and with as few
as the rules allow.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemon.deferring import FAR, NAMES, NEIGHBOURS, World, add, answer, both
from tincd_compat.mesh import reach
from tincd_compat.mesh.backoff import LONG_DELAY, SHORT_DELAY


@pytest.fixture
def tangled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only a run find out who is cut off."""
    monkeypatch.setattr(reach, "MAX_STEPS", 0)


@pytest.mark.parametrize("steps", [reach.MAX_STEPS, 0])
@pytest.mark.parametrize("gone", [["13 2 a c", "13 2 c a"], ["13 2 a c"]])
@pytest.mark.parametrize("back", [both(3, "a", "c"), both(3, "b", "c")])
def test_node_that_goes_and_comes_back_in_one_read_loses_its_key(
    back: list[str], gone: list[str], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "MAX_STEPS", steps)
    world = World(eager=False)
    world.hear(*both(1, "a", "c"), answer("c", "AA"))
    assert world.keys.held == {"c": "AA"}
    world.hear(*gone, *back)
    assert world.keys.held == {}
    assert world.scripts.flips == {("c", True): 2, ("c", False): 1}
    assert world.reachable() == {"us", "a", "b", "c"}


def test_key_that_follows_a_comeback_is_kept() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"), answer("c", "AA"))
    world.hear("13 2 a c", *both(3, "a", "c"), answer("c", "BB"))
    assert world.keys.held == {"c": "BB"}


def test_losses_are_acted_upon_at_once_and_share_a_run() -> None:
    world = World(eager=False)
    for nonce, name in enumerate(FAR):
        world.hear(*both(nonce, "a", name))
    runs = world.control.runs
    before = runs.count
    world.hear(*(f"13 9 a {name}" for name in FAR))
    assert world.reachable() == {"us", "a", "b"}
    assert world.scripts.flips == Counter(
        (name, up) for name in FAR for up in (True, False)
    )
    assert runs.count == before
    world.clock.sleep(SHORT_DELAY)
    assert runs.count == before + 1


def test_losses_that_take_long_to_judge_share_a_run(tangled: None) -> None:
    world = World(eager=False)
    for nonce, name in enumerate(FAR):
        world.hear(*both(nonce, "a", name))
    runs = world.control.runs
    before = runs.count
    world.hear(*(f"13 9 a {name}" for name in FAR))
    assert runs.count == before + 1
    assert world.reachable() == {"us", "a", "b"}
    assert world.scripts.flips == Counter(
        (name, up) for name in FAR for up in (True, False)
    )
    world.hear("13 10 us a", "13 11 a us", *both(12, "b", "c"))
    assert "c" in world.reachable()


@pytest.mark.parametrize("back", [both(3, "a", "c"), both(3, "b", "c")])
def test_who_comes_back_does_not_wait_for_a_run(back: list[str]) -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"))
    world.hear(*both(2, "c", "d"))
    count = world.control.runs.count
    world.hear("13 2 a c", "13 2 c a")
    assert world.reachable() == {"us", "a", "b"}
    world.hear(*back)
    assert world.reachable() == {"us", "a", "b", "c", "d"}
    assert world.mesh.nodes["d"].nexthop is world.mesh.nodes[back[0].split()[2]]
    assert world.control.runs.count == count


def test_neighbour_that_is_denied_and_set_right_does_not_wait() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"))
    world.hear(add(2, "a", "b"))
    world.hear("13 3 b us", source="a")
    assert world.reachable() == {"us", "a", "c"}
    world.hear(add(4, "b", "us"), source="b")
    assert world.reachable() == {"us", "a", "b", "c"}
    assert world.mesh.nodes["b"].nexthop is world.mesh.nodes["b"]


def test_loss_that_cuts_nobody_off_asks_for_no_run_of_its_own() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"), answer("c", "AA"))
    world.hear(*both(2, "b", "c"))
    runs = world.control.runs
    before = runs.count
    world.hear("13 3 b c", "13 4 c b")
    assert runs.count == before
    assert not runs.losses
    world.clock.sleep(SHORT_DELAY)
    assert runs.count == before + 1
    assert world.keys.held == {"c": "AA"}


def test_key_messages_do_not_take_a_way_that_is_lost() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"))
    world.hear(*both(2, "b", "d"), *both(3, "d", "c"))
    world.control.settle()
    before = world.control.runs.count
    world.hear("13 4 a c")
    # In a storm the detour waits; nobody was cut off, so additions wait with it.
    world.hear(*both(5, "b", "e"))
    assert world.control.runs.count == before
    world.hear("15 d c")
    assert world.control.runs.count == before + 1
    assert world.mesh.nodes["c"].nexthop is world.mesh.nodes["b"]


def test_keys_of_reachable_nodes_ask_for_no_run() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"))
    runs = world.control.runs
    before = runs.count
    world.hear(*both(2, "b", "d"), answer("c", "AA"), "15 c us", "14 5 c")
    assert runs.count == before
    world.hear(answer("d", "DD"))
    assert runs.count == before
    assert world.keys.held == {"d": "DD"}


def test_a_walk_goes_by_who_is_cut_off_when_it_comes_there(tangled: None) -> None:
    world = World(eager=False)
    for nonce, name in enumerate(FAR):
        world.hear(*both(nonce, "a", name))
    world.tell("13 9 a c")
    steps = world.control.walk(world.control.gossip.purge)
    # What is withdrawn first is the edge of c.
    next(steps)
    assert "c" not in world.reachable()
    world.tell("13 a a e")
    assert len(list(steps)) > 1
    assert set(world.mesh.nodes) == {"us", "a", "b", "d"}


_pairs = st.sampled_from([pair for pair in permutations(NAMES, 2) if pair[0] != "us"])
_nonces = st.integers(0, 1 << 30)


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """No log records: there would be hundreds of thousands."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@st.composite
def _lines(draw: st.DrawFn) -> list[str]:
    """One read: edges come and go, often both ways, with key messages between."""
    lines: list[str] = []
    kinds = st.sampled_from(["add", "add", "del", "del", "key", "void", "ask"])
    for kind, (source, target) in draw(st.lists(st.tuples(kinds, _pairs), max_size=8)):
        nonce = draw(_nonces)
        match kind:
            case "add":
                lines.append(add(nonce, source, target))
                if target != "us":
                    lines.append(add(nonce, target, source))
            case "del":
                lines.append(f"13 {nonce:x} {source} {target}")
            case "key":
                lines.append(answer(source, f"{nonce:08X}"))
            case "void":
                lines.append(f"14 {nonce:x} {source}")
            case _:
                lines.append(f"15 {source} {target}")
    return lines


@settings(max_examples=70)
@given(st.lists(st.tuples(_lines(), st.sampled_from(NEIGHBOURS), st.booleans())))
def test_keys_are_as_if_the_graph_had_run_after_every_message(
    quiet: None, reads: list[tuple[list[str], str, bool]]
) -> None:
    """Wherever no run is due, both worlds have the same keys for the same nodes."""
    lazy, eager = World(eager=False), World(eager=True)
    for lines, source, pause in reads:
        lazy.hear(*lines, source=source)
        eager.hear(*lines, source=source)
        if pause:
            lazy.clock.sleep(LONG_DELAY)
            assert lazy.reachable() == eager.reachable()
            assert lazy.usable_keys() == eager.usable_keys()
    lazy.control.settle()
    assert lazy.reachable() == eager.reachable()
    assert lazy.usable_keys() == eager.usable_keys()
    assert lazy.control.runs.count <= eager.control.runs.count
    assert not lazy.scripts.flips - eager.scripts.flips
