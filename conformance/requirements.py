"""Whether this machine can run a case at all, in words for whoever has to change it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from conformance.harness import tinc11
from conformance.harness.kinds import c_tincd_problem, own_tincd_problem
from conformance.harness.scenario import Case

_TUN: Final = Path("/dev/net/tun")
_TOOLS: Final = ("ip", "nft", "nsenter", "ping", "tcpdump")


class Requirements:
    """What is missing, looked up once per run."""

    def missing_for(self, case: Case) -> str | None:
        """Return why a case cannot run here, or None."""
        if self._machine is not None:
            return self._machine
        if case.needs_c and self._c_tincd is not None:
            return self._c_tincd
        if case.needs_c11 and self._tinc11 is not None:
            return self._tinc11
        tools = _missing_tools(case.scenario.tools)
        return tools or _missing_libraries(case.scenario.libraries)

    def fault_for(self, case: Case) -> str | None:
        """Return why a case fails before it begins, or None.

        A daemon of ours that does not start is the failure we look for, never a
        reason to skip.
        """
        return self._own_tincd if case.needs_ours else None

    @cached_property
    def _machine(self) -> str | None:
        return machine_problem()

    @cached_property
    def _c_tincd(self) -> str | None:
        return c_tincd_problem()

    @cached_property
    def _tinc11(self) -> str | None:
        return tinc11.problem()

    @cached_property
    def _own_tincd(self) -> str | None:
        return own_tincd_problem()


def machine_problem() -> str | None:
    """Return why no daemon can be run in a namespace here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not _TUN.exists():
        return f"there is no {_TUN}"
    return _missing_tools(_TOOLS)


def _missing_tools(tools: Sequence[str]) -> str | None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def _missing_libraries(names: Sequence[str]) -> str | None:
    missing = [name for name in names if find_spec(name) is None]
    return f"no such library for Python: {', '.join(missing)}" if missing else None


def strict() -> bool:
    """Tell whether a missing requirement is a failure, as it is where CI is set."""
    return bool(os.environ.get("CI"))
