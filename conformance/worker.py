"""One case in a process of its own, so that whatever it does ends with it."""

from __future__ import annotations

import resource
import signal
import time
import traceback
from pathlib import Path
from typing import Final

from conformance.harness.keys import KeyStore
from conformance.harness.lab import Lab
from conformance.harness.scenario import Case
from conformance.harness.waits import Failed, say

PASSED: Final = 0
FAILED: Final = 1

#: Begins the line that the report shows as the reason.
VERDICT: Final = "verdict: "


def run(case: Case, directory: Path, keys: KeyStore, tag: str) -> int:
    """Play a case and tidy up; the answer is the exit status."""
    # Not SIGTERM: pyroute2 ends its own forks by that, and they inherit our handlers.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lab = Lab(directory, keys, tag)
    started = time.monotonic()
    say(f"{case.title}: {case.scenario.summary}")
    try:
        case.scenario.play(lab, case.placement)
        lab.finish()
        verdict = None
    except Failed as error:
        verdict = str(error)
    except KeyboardInterrupt:
        verdict = f"not done within {case.scenario.limit:g} s"
    except Exception as error:
        traceback.print_exc()
        verdict = f"{type(error).__name__}: {error}"
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        lab.close()
    say(f"  {time.monotonic() - started:6.2f} s  in all; {_cpu()}")
    say(f"{VERDICT}{verdict or 'passed'}")
    return PASSED if verdict is None else FAILED


def _cpu() -> str:
    seconds = []
    for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(whose)
        seconds.append(usage.ru_utime + usage.ru_stime)
    return f"CPU {seconds[0]:.2f} s here, {seconds[1]:.2f} s in what was started"
