"""Everything one case builds, and the certainty that it goes away again."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance.harness.cable import Cable
from conformance.harness.capture import Capture
from conformance.harness.daemon import TincNode
from conformance.harness.firewall import Firewall
from conformance.harness.keys import KeyStore
from conformance.harness.nat import Nat
from conformance.harness.netns import Lan, Namespace, Router, remove_all
from conformance.harness.processes import Processes
from conformance.harness.waits import Failed, say


class Lab:
    """Namespaces, daemons and helper processes of one case.

    :param directory: for configuration, logs and captures; kept if the case fails
    :param tag: begins the name of every namespace
    """

    def __init__(self, directory: Path, keys: KeyStore, tag: str) -> None:
        self.directory = directory
        self.keys = keys
        self.processes = Processes()
        self.nodes: list[TincNode] = []
        #: Begins all names of the run that others on the machine can see.
        self.tag = tag
        self._namespaces: list[Namespace] = []
        self._cables: list[Cable] = []
        self._captures = 0

    def namespace(self, label: str) -> Namespace:
        made = Namespace(self.tag, label)
        self._namespaces.append(made)
        return made

    def lan(self, number: int = 1, *, mtu: int = 1500, part: str = "") -> Lan:
        """Make an empty network 10.99.NUMBER.0/24."""
        return Lan(self.namespace(f"{part}lan{number}"), number, mtu)

    def outsider(self, lan: Lan, part: str = "") -> Namespace:
        """Put a host on a network that is no node's."""
        namespace = self.namespace(f"{part}outside")
        lan.join(namespace, 99)
        return namespace

    def cable(self, number: int = 1, *, seed: int) -> Cable:
        """Make an empty network with faults; it has to be started."""
        made = Cable(self.namespace(f"cable{number}"), number, seed)
        self._cables.append(made)
        return made

    def router(self, *lans: Lan) -> Router:
        """Join networks; hosts still need a route to the router's address."""
        return Router(self.namespace("router"), lans)

    def nat(self, inside: Lan, outside: Lan, host: int, *, first_port: int) -> Nat:
        """Hide a network behind one address of another."""
        namespace = self.namespace(f"nat{host}")
        return Nat(namespace, inside, outside, host, first_port=first_port)

    def firewall(self, node: TincNode) -> Firewall:
        return Firewall(node.namespace)

    def capture(self, node: TincNode, expression: str, device: str = "eth0") -> Capture:
        """Start capturing what passes a device of a node."""
        self._captures += 1
        path = self.directory / f"{self._captures}-{node.name}-{device}.pcap"
        return Capture(node.namespace, device, expression, path)

    def finish(self) -> None:
        """End the daemons as an administrator would, and judge what is left."""
        for node in self.nodes:
            if node.alive:
                node.stop()
        left = self.processes.running()
        if left:
            raise Failed(f"still running at the end: {', '.join(left)}")
        complaints = [text for node in self.nodes for text in node.complaints()]
        if complaints:
            raise Failed("\n".join(complaints))
        say("  all daemons stopped, nothing left behind")

    def close(self) -> None:
        """Remove everything, in whatever state it is."""
        self.processes.end()
        for cable in self._cables:
            cable.close()
        for namespace in self._namespaces:
            namespace.remove()
        self._namespaces.clear()
        remove_all(self.tag)


_numbers = itertools.count(secrets.randbelow(1 << 16))


def new_tag() -> str:
    """Return what nothing else on this machine begins its names with.

    Runs differ by their process, cases of one run by the number.  A run that was killed
    may have left names of a process with the same number: so counting begins anywhere.
    """
    return f"tcx{os.getpid():x}{next(_numbers) & 0xFFFF:04x}"


@contextlib.contextmanager
def temporary_lab(purpose: str) -> Iterator[Lab]:
    """A laboratory with keys, in a directory that goes away with it."""
    with tempfile.TemporaryDirectory(prefix=f"tincd-{purpose}-") as name:
        directory = Path(name)
        keys = KeyStore(directory / "keys")
        keys.fill()
        lab = Lab(directory, keys, new_tag())
        try:
            yield lab
        finally:
            lab.close()
