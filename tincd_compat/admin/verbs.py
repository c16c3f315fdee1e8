"""The verbs of ``tincd-compat``: what each is for, and the module that does it."""

from __future__ import annotations

from typing import Final

#: Verb to its module, which is imported for that verb alone, and its line in --help.
VERBS: Final = {
    "status": ("status", "what is wrong, and who is reached by which path"),
    "explain": ("explain", "why a node or an address is reached as it is, or is not"),
    "events": ("events", "what happened, with reasons"),
    "health": ("health", "a check for monitoring, with the exit codes of Nagios"),
    "wait": ("wait", "wait until a node can be reached, for boot scripts"),
    "ping": ("ping", "ask a node itself, and how long and by which path it answers"),
    "top": ("top", "traffic by node, live"),
    "map": ("meshmap", "the whole mesh: as a tree, as a graph, or its weak places"),
    "audit": ("audit", "ciphers, ages of keys, lengths of RSA keys, plaintext"),
    "names": ("names", "addresses of all nodes for /etc/hosts or dnsmasq"),
    "metrics": (
        "metrics",
        "the figures for Prometheus, or into a file of node_exporter",
    ),
    "exporter": (
        "exporter",
        "figures and health of all nets by HTTP, for Prometheus and probes",
    ),
    "report": ("report", "a bundle for a bug report, without keys and addresses"),
    "schema": ("schema", "the JSON Schema of all records"),
    "reload": ("change", "read the configuration again, as SIGHUP does"),
    "retry": ("change", "try all connections now, as SIGALRM does"),
    "purge": ("change", "forget nodes that cannot be reached, as SIGWINCH does"),
    "disconnect": ("change", "close the connection to a neighbour"),
    "log-level": ("change", "show less or more in the log from now on"),
    "keys": ("keys", "make an Ed25519 key, for forward secret connections"),
    "takeover": ("takeover", "let /usr/sbin/tincd be this tincd"),
    "release": ("takeover", "let /usr/sbin/tincd be C tincd again"),
}

#: Verbs without the options of those that ask a daemon and come back.
ALONE: Final = frozenset({"exporter", "keys", "schema", "takeover", "release"})
