"""An operator at one of our daemons: ``tincd-compat`` at its control socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from jsonschema import Draft202012Validator

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.waits import Failed, wait_for
from tincd_compat.admin import schema

#: A verb on a machine that is busy with other cases.
_PATIENCE: Final = 60.0

Record = Mapping[str, Any]


class Said(NamedTuple):
    """What a verb has printed, and its exit status."""

    status: int
    out: str
    error: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def records(self) -> list[Record]:
        return [json.loads(line) for line in self.lines]


class Operator:
    """Runs verbs of ``tincd-compat`` beside a daemon."""

    def __init__(self, node: TincNode, *, user: str | None = None) -> None:
        self.node = node
        self._user = user

    def says(self, *words: str) -> Said:
        """Run a verb to its end."""
        argv = [sys.executable, "-m", "tincd_compat.admin", *words]
        argv += ["-n", NETNAME, f"--socket={self.node.pidfile}.sock"]
        if self._user is not None:
            argv = ["setpriv", f"--reuid={self._user}", "--clear-groups", *argv]
        done = self.node.namespace.run(*argv, check=False, timeout=_PATIENCE)
        return Said(done.returncode, done.stdout, done.stderr)

    def records(self, *words: str, of: tuple[str, ...]) -> list[Record]:
        """Run a verb with ``--json``; each record has to fit one of these schemas."""
        said = self.says(*words, "--json")
        for record in said.records:
            own = record.get("record")
            names = of if own is None else (str(own),)
            wrong = [next(_validator(name).iter_errors(record), None) for name in names]
            if None not in wrong:
                raise Failed(f"{' '.join(words)}: {record}: {wrong[0]}")
        expect(bool(said.records), f"{' '.join(words)} prints no record: {said.error}")
        return said.records

    def expect(self, status: int, *words: str) -> Said:
        """Run a verb that has to end with this exit status."""
        said = self.says(*words)
        what = f"exit status of {' '.join(words)}, which says {said.out}{said.error}"
        expect_equal(what, said.status, status)
        return said

    def wait(
        self,
        what: str,
        words: tuple[str, ...],
        condition: Callable[[Said], bool],
        limit: float,
    ) -> Said:
        """Run a verb again and again, until what it says is as it should be."""
        last: list[Said] = []

        def look() -> Said | None:
            last[:] = [self.says(*words)]
            return last[0] if condition(last[0]) else None

        try:
            return wait_for(what, look, limit, every=0.3)
        except Failed as error:
            said = f"{last[0].out}{last[0].error}" if last else ""
            raise Failed(f"{error}; {' '.join(words)} says:\n{said}") from None


@cache
def _validator(name: str) -> Any:
    return Draft202012Validator(schema.load(name))
