"""Records as metrics of Prometheus: what they are called, and which labels they have.

Per-node series have the node's name as a label and nothing else of it: whoever has
thousands of nodes has thousands of series, and never their square.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tincd_compat.admin.audit import forward_secret
from tincd_compat.admin.client import Client, Forbidden, RequestRefused, Unanswered
from tincd_compat.admin.text import Record, clean, moment, number
from tincd_compat.observe.words import ProblemCode

#: In a mesh of more nodes only neighbours and ConnectTo have series of their own.
MOST_NODES: Final = 200

_PATHS: Final = ("udp", "tcp", "relay_udp", "relay_tcp", "none", "idle")
_DIRECTIONS: Final = {"us": "outgoing", "peer": "incoming"}


class Scrape(NamedTuple):
    """All records of one net; ``status`` is None where nobody answers."""

    net: str
    status: Record | None
    nodes: Sequence[Record] = ()
    links: Sequence[Record] = ()
    counters: Record | None = None


def ask(client: Client) -> Scrape:
    """Ask one net for all that is exposed."""
    return Scrape(
        client.net,
        client.one("status"),
        client.many("nodes"),
        client.many("links"),
        client.one("counters"),
    )


def scrape(client: Client) -> Scrape:
    """Ask one net; one that does not answer is a figure, too."""
    try:
        return ask(client)
    except Forbidden:
        raise
    except (RequestRefused, Unanswered):
        return Scrape(client.net, None)


class NetCollector(Collector):
    """What Prometheus asks when it comes by: the nets, asked anew each time."""

    def __init__(
        self, find: Callable[[], Iterable[Scrape]], *, all_nodes: bool = False
    ) -> None:
        self._find = find
        self._all_nodes = all_nodes

    def describe(self) -> Iterable[Metric]:
        """Return nothing: to register the collector asks no daemon."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all nets."""
        families = _Families()
        for found in self._find():
            _add(families, found, self._all_nodes)
        yield from families


def text(scrapes: Iterable[Scrape], *, all_nodes: bool = False) -> str:
    """Return the exposition of these nets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NetCollector(lambda: scrapes, all_nodes=all_nodes))
    return generate_latest(registry).decode()


class _Families:
    """Metrics by name, each sample once."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._known.values())

    def gauge(self, name: str, words: str, value: object, /, **labels: object) -> None:
        """Add the value of a gauge; none where it is not known."""
        self._sample(GaugeMetricFamily, name, words, value, labels)

    def counter(
        self, name: str, words: str, value: object, /, **labels: object
    ) -> None:
        """Add the value of a counter; ``_total`` is added to its name."""
        self._sample(CounterMetricFamily, name, words, value, labels)

    def _sample(
        self, kind: Any, name: str, words: str, value: object, labels: dict[str, object]
    ) -> None:
        known = int(value) if isinstance(value, bool) else number(value)
        values = tuple(clean(each) for each in labels.values())
        if known is None or (name, values) in self._seen:
            return
        self._seen.add((name, values))
        if name not in self._known:
            self._known[name] = kind(f"tinc_{name}", words, labels=list(labels))
        self._known[name].add_metric(values, known)

    def histogram(self, name: str, words: str, found: Record, net: str) -> None:
        """Add a histogram; the last bucket has no bound."""
        counts = [int(each) for each in found.get("counts") or ()]
        bounds = [*map(str, found.get("bounds") or ()), "+Inf"]
        if len(counts) != len(bounds):
            return
        if name not in self._known:
            self._known[name] = HistogramMetricFamily(
                f"tinc_{name}", words, labels=["net"]
            )
        buckets = list(zip(bounds, counts, strict=True))
        self._known[name].add_metric([net], buckets, number(found.get("sum")) or 0)


def _add(families: _Families, found: Scrape, all_nodes: bool) -> None:
    net = found.net
    words = "Whether the daemon of the net answers."
    families.gauge("up", words, found.status is not None, net=net)
    if found.status is None:
        return
    _add_daemon(families, net, found.status)
    _add_mesh(families, net, found.status, found.links)
    whole = all_nodes or len(found.nodes) <= MOST_NODES
    for node in found.nodes:
        own = whole or node.get("linked") or node.get("connect_to")
        if own and not node.get("self"):
            _add_node(families, net, node)
    if found.counters is not None:
        _add_counters(families, net, found.counters)


def _add_daemon(families: _Families, net: str, status: Record) -> None:
    families.gauge(
        "build_info",
        "What the daemon is; always 1.",
        1,
        net=net,
        name=status.get("name"),
        version=status.get("version"),
        data_plane=status.get("data_plane"),
    )
    started = moment(status.get("started"))
    families.gauge("start_time_seconds", "When the daemon started.", started, net=net)
    families.gauge(
        "config_last_reload_successful",
        "Whether the last reload of the configuration went well.",
        status.get("reload_ok"),
        net=net,
    )
    severity = {code: code.severity for code in ProblemCode}
    amounts = status.get("problem_counts") or {}
    for code in ProblemCode:
        families.gauge(
            "problems",
            "Problems that tincd-compat status names, by code.",
            amounts.get(str(code), 0),
            net=net,
            severity=severity[code],
            code=code,
        )


def _add_mesh(
    families: _Families, net: str, status: Record, links: Sequence[Record]
) -> None:
    nodes = status.get("nodes") or {}
    for path in _PATHS:
        families.gauge(
            "nodes", "Other nodes, by path.", nodes.get(path), net=net, path=path
        )
    families.gauge(
        "edges", "Directed edges of the graph.", status.get("edges"), net=net
    )
    families.gauge("subnets", "Subnets of all nodes.", status.get("subnets"), net=net)
    opened = Counter(link.get("opened") for link in links if link.get("active"))
    for who, direction in _DIRECTIONS.items():
        families.gauge(
            "links",
            "Active links, by who has opened them.",
            opened[who],
            net=net,
            direction=direction,
        )
    families.gauge(
        "forward_secret_links",
        "Active links of protocol 17.7, whose keys are forward secret.",
        len(forward_secret(links)),
        net=net,
    )
    for wanted in status.get("connect_to") or ():
        families.gauge(
            "connect_to_up",
            "Whether there is a link with the node of a ConnectTo.",
            wanted.get("up"),
            net=net,
            node=wanted.get("node"),
        )


def _is_udp(path: object) -> bool | None:
    """Return whether the path of a node is direct; None while there is none."""
    return None if path is None else path == "udp"


#: Gauges of a node: name, description, field, and how its value is read.
_NODE_GAUGES: Final[tuple[tuple[str, str, str, Callable[[Any], object]], ...]] = (
    ("node_reachable", "Whether a way to the node is known.", "reachable", bool),
    ("node_direct_udp", "Whether packets go straight by UDP.", "path", _is_udp),
    ("node_mtu_bytes", "Longest frame that the path carries.", "mtu", number),
    ("node_udp_rtt_seconds", "Round trip of MTU probes.", "rtt_udp", number),
    ("link_rtt_seconds", "Round trip of PING and PONG.", "rtt_link", number),
    (
        "node_last_receive_timestamp_seconds",
        "When the last authentic datagram of the node came.",
        "last_packet",
        moment,
    ),
)
_WAYS: Final = {"sent": ("transmit", "to"), "received": ("receive", "from")}


def _add_node(families: _Families, net: str, node: Record) -> None:
    labels = {"net": net, "node": node.get("name")}
    for name, words, field, read in _NODE_GAUGES:
        families.gauge(name, words, read(node.get(field)), **labels)
    families.counter(
        "node_reachability_changes",
        "How often the node became reachable or unreachable.",
        node.get("changes"),
        **labels,
    )
    families.gauge(
        "node_key_timestamp_seconds",
        "When the node has given us the key for its packets.",
        moment((node.get("key") or {}).get("since")),
        **labels,
    )
    for way, (word, preposition) in _WAYS.items():
        traffic = node.get(way) or {}
        for unit in ("bytes", "packets"):
            families.counter(
                f"node_{word}_{unit}",
                f"{unit.capitalize()} {preposition} the node by UDP, as the next hop.",
                traffic.get(unit),
                **labels,
            )


#: Counters without further labels: name, description, field.
_PLAIN: Final = (
    ("meta_duplicates", "Flooded messages known already.", "meta_duplicates"),
    ("graph_runs", "Runs of the graph search.", "graph_runs"),
)
_PROCESS: Final = {
    "resident_bytes": ("process_resident_memory_bytes", "Memory of the daemon."),
    "virtual_bytes": ("process_virtual_memory_bytes", "Address space of the daemon."),
    "open_fds": ("process_open_fds", "Open descriptors of the daemon."),
    "max_fds": ("process_max_fds", "How many descriptors it may open."),
}


def _add_counters(families: _Families, net: str, counters: Record) -> None:
    for name, words, field in _PLAIN:
        families.counter(name, words, counters.get(field), net=net)
    families.gauge(
        "meta_queue_bytes",
        "Bytes that wait for peers that do not read.",
        counters.get("queue_bytes"),
        net=net,
    )
    for direction, carriers in (counters.get("data_bytes") or {}).items():
        for carrier, amount in carriers.items():
            families.counter(
                "data_bytes",
                "Bytes of packets, by direction and carrier.",
                amount,
                **{"net": net, "direction": direction, "path": carrier},
            )
    for reason, amount in (counters.get("dropped") or {}).items():
        words = "Packets that went nowhere, by reason."
        families.counter("dropped_packets", words, amount, net=net, reason=reason)
    for direction, requests in (counters.get("meta_messages") or {}).items():
        for request, amount in requests.items():
            families.counter(
                "meta_messages",
                "Messages of the meta protocol.",
                amount,
                **{"net": net, "direction": direction, "request": request},
            )
    for field, what in (("script_runs", "script"), ("connect_attempts", "node")):
        for one in counters.get(field) or ():
            families.counter(
                field,
                f"How often each {what.replace('node', 'ConnectTo')} came to a result.",
                one.get("count"),
                **{"net": net, what: one.get(what), "result": one.get("result")},
            )
    lag = counters.get("loop_lag") or {}
    families.histogram("loop_lag_seconds", "How late the loop was.", lag, net)
    _add_process(families, net, counters.get("process") or {})


def _add_process(families: _Families, net: str, process: Record) -> None:
    words = "Processor time of the daemon."
    families.counter("process_cpu_seconds", words, process.get("cpu_seconds"), net=net)
    for field, (name, described) in _PROCESS.items():
        families.gauge(name, described, process.get(field), net=net)
