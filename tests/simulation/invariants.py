"""What has to be true of a mesh that has come to rest, and how much it may say first.

The bound on messages
---------------------
A *fact* is a change of the tables that somebody announces: one directed edge or one
subnet that comes or goes.  A node passes a line on only when the line changes its
tables, then once to each of its links except the one it came from; a repeated fact
changes nothing and stops there.  So every fact crosses every link at most once in each
direction, however many nodes announce it under however many nonces::

    flooded messages <= 2 x links x facts

So much is true while every word about an edge finds the others of one mind.  Links that
come and go in numbers leave old words about an edge in dumps and under way, and a node
may take one of them before the new word; its owner, who hears of that, says the new
word once more when the old ones have died down.  That makes three facts of the life of
a directed edge: announced, confirmed, withdrawn.

When everybody restarts, each edge of before is withdrawn or replaced, and each of now
is announced and confirmed.  Nodes that have forgotten everything learn the old edges
from dumps and pass them on like news, but whoever learns an edge that late has not seen
it withdrawn in its life before: a node changes its mind about an edge three times in
all.  Subnets are learned anew::

    flooded messages <= 2 x links x (3 x edges + subnets)

Beside the flood, every new link begins with what both ends know::

    dumped messages <= sum over both ends of each new link of (edges + subnets) there

A link that comes up is two facts (one edge from either end), and so is one that goes.
Growth faster than that is what kills large meshes: lines that circulate, corrections
that are corrected, edges that rise from the dead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from tests.mesh.trees import broadcast_tree
from tests.simulation.node import Daemon
from tests.simulation.world import World
from tincd_compat.mesh.broadcast import broadcast_neighbours
from tincd_compat.mesh.node import Mesh

Tables = dict[str, frozenset[tuple[object, ...]]]


def at_rest(world: World) -> None:
    """Every part of the mesh that is connected by links agrees about itself."""
    for part in components(world.running):
        agreed(part)
    for daemon in world.running:
        assert all(link.backlog.queued == 0 for link in daemon.links)
        assert not daemon.mesh.nodes.keys() - world.daemons.keys()


def whole(world: World) -> None:
    """All daemons run, all wanted links are up, and everybody reaches everybody."""
    assert len(world.running) == len(world.daemons)
    for pair in world.calls:
        for one, other in (pair, pair[::-1]):
            assert other in neighbours(world.daemons[one]), f"{one} misses {other}"
    assert len(components(world.running)) == 1
    at_rest(world)


def neighbours(daemon: Daemon) -> set[str]:
    return {link.node.name for link in daemon.links.active() if link.node is not None}


def components(daemons: list[Daemon]) -> list[list[Daemon]]:
    """Return the daemons in groups that links hold together."""
    found = {daemon.name: daemon for daemon in daemons}
    linked = {name: neighbours(daemon) for name, daemon in found.items()}
    return [[found[name] for name in group] for group in groups(linked)]


def groups(ways: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Return names in groups, each of whom there is a way to from the first."""
    left = set(ways)
    found = []
    while left:
        group = [min(left)]
        left.remove(group[0])
        for name in group:
            further = sorted(left.intersection(ways[name]))
            left.difference_update(further)
            group += further
        found.append(group)
    return found


def agreed(daemons: list[Daemon]) -> None:
    """These reach each other and nobody else, and know the same of one another."""
    members = {daemon.name for daemon in daemons}
    first = daemons[0]
    expected = tables(first.mesh, members)
    for daemon in daemons:
        found = {node.name for node in daemon.mesh.nodes.values() if node.reachable}
        assert found == members, f"{daemon.name}: {sorted(found ^ members)} are wrong"
        for what, rows in tables(daemon.mesh, members).items():
            difference = sorted(map(str, rows ^ expected[what]))
            assert not difference, (
                f"{daemon.name} and {first.name} differ in {what}: {difference[:6]}"
            )
        assert daemon.scripts.up == members - {daemon.name}
    linked_both_ways(daemons)
    one_broadcast_tree(daemons)
    keys_agree(daemons)


def tables(mesh: Mesh, members: set[str]) -> Tables:
    """Return what a mesh knows of these nodes, in a form to be compared."""
    edges = [
        edge for edge in mesh.edges() if {edge.source.name, edge.target.name} <= members
    ]
    return {
        "edges": frozenset(
            (
                edge.source.name,
                edge.target.name,
                edge.weight,
                edge.options,
                edge.address,
            )
            for edge in edges
        ),
        "subnets": frozenset(
            (subnet, owner.name)
            for subnet, owner in mesh.subnets.all()
            if owner.name in members
        ),
    }


def one_broadcast_tree(daemons: list[Daemon]) -> None:
    """What each passes broadcasts along is, put together, a tree that reaches all.

    A node asks for its own edges alone: what others would have each do is not asked,
    which for three hundred takes minutes.
    """
    ways = {
        daemon.name: {node.name for node in broadcast_neighbours(daemon.mesh)}
        for daemon in daemons
    }
    for name, others in ways.items():
        assert all(name in ways[other] for other in others), f"{name} is on its own"
    assert sum(map(len, ways.values())) == 2 * (len(daemons) - 1)
    assert len(groups(ways)) == 1
    drawn = {
        frozenset((edge.source.name, edge.target.name))
        for edge in broadcast_tree(daemons[0].mesh)
    }
    assert drawn == {frozenset((name, to)) for name in ways for to in ways[name]}


def linked_both_ways(daemons: list[Daemon]) -> None:
    """Each node has an edge for each of its links, which the other end has too."""
    linked = {daemon.name: neighbours(daemon) for daemon in daemons}
    for daemon in daemons:
        name = daemon.name
        assert set(daemon.mesh.myself.edges) == linked[name]
        assert all(name in linked[other] for other in linked[name])


def keys_agree(daemons: list[Daemon]) -> None:
    """Nobody seals packets with a key that the other side has given up."""
    rings = {daemon.name: daemon.keys for daemon in daemons}
    for daemon in daemons:
        for name, key in daemon.keys.received.items():
            given = rings[name].given.get(daemon.name)
            assert key == given, f"{daemon.name} uses an old key towards {name}"


def facts(events: Counter[str]) -> int:
    """The facts of links that came up and went down, counted at either end."""
    return 2 * events["up"] + events["down"]


def few_messages(flooded: int, links: int, facts: int, dumped: int) -> None:
    """The messages of one event stay within the bound of this module."""
    assert flooded <= 2 * links * facts + dumped, (flooded, links, facts, dumped)
