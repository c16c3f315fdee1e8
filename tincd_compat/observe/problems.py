"""What is wrong, and since when: the rules' findings, held off and remembered.

The daemon lets a :class:`Judge` look every few seconds, in steps.  A problem is told of
when it has lasted for HealthHoldOff, and is over with the first look that does not find
it.  What no time makes truer, as a broken configuration, is told of at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping
from typing import Final, NamedTuple

from tincd_compat.dataclass import dataclass
from tincd_compat.observe.cuts import Cut, cuts
from tincd_compat.observe.events import Events
from tincd_compat.observe.look import Look, ProblemFound
from tincd_compat.observe.records import Problem
from tincd_compat.observe.rules import NODE_RULES, RULES
from tincd_compat.observe.summary import Counters
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import Views
from tincd_compat.observe.words import EventKind, ProblemCode, Severity

#: Seconds between two looks; one at a thousand nodes is some 25 ms of work.
LOOK_EVERY: Final = 10.0
#: Problems of one code that are remembered; more are counted only.
LISTED: Final = 64
#: Seconds over which counters are compared.
WINDOW: Final = 60.0
#: Seconds between two searches for articulation points, at least.
CUTS_EVERY: Final = 30.0

#: Codes that are told of without a hold-off.
AT_ONCE: Final = frozenset(
    {
        ProblemCode.NAME_CONFLICT,
        ProblemCode.DEVICE,
        ProblemCode.RELOAD_FAILED,
        ProblemCode.PLAINTEXT,
        ProblemCode.WEAK_CIPHER,
        ProblemCode.OLD_PEER,
        ProblemCode.SUBNET_REFUSED,
        ProblemCode.SCRIPT_FAILED,
        ProblemCode.SCRIPT_SLOW,
        ProblemCode.UDP_BUFFER,
        ProblemCode.PYTHON_PATH,
        ProblemCode.CLOCK,
        ProblemCode.LOG_SUPPRESSED,
        # What these compare spans a minute, or ten, already.
        ProblemCode.FLAPPING,
        ProblemCode.STORM,
        ProblemCode.AUTH_FAILS,
    }
)


class _Sample(NamedTuple):
    counters: Counters
    udp_lost: int | None


@dataclass(slots=True)
class _State:
    found: ProblemFound
    since: Time
    told: bool = False


#: A problem is the same as long as its code and its node are.
_Subject = tuple[ProblemCode, str | None]


class Judge:
    """The memory of problems; ``events`` gets one when a problem begins or ends."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._states: dict[_Subject, _State] = {}
        self._samples: deque[_Sample] = deque()
        self._counts: Counter[ProblemCode] = Counter()
        self._cuts: list[Cut] = []
        self._cuts_at: Time | None = None
        self._cuts_runs = -1
        #: What was counted when events last told of it.
        self._told: Counters | None = None

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, the worst first, then the oldest."""
        told = [state for state in self._states.values() if state.told]
        return [*map(_problem, sorted(told, key=_rank))]

    @property
    def counts(self) -> dict[ProblemCode, int]:
        """How many problems there are by code, those beyond the listed ones too."""
        told = Counter(s.found.code for s in self._states.values() if s.told)
        return {
            code: max(number, self._counts[code] if number == LISTED else 0)
            for code, number in told.items()
        }

    def look(self, views: Views) -> Iterator[None]:
        """Look once at everything, a node or an edge in each step."""
        counters = yield from views.count()
        sample = _Sample(counters, views.own.udp_lost)
        self._samples.append(sample)
        while len(self._samples) > 1 and self._old(self._samples[1], views.now):
            self._samples.popleft()
        yield
        yield from self._find_cuts(views, sample.counters.graph_runs)
        listed, counts = yield from self._list(self._found(self._look(views, sample)))
        self._settle(listed, counts, views)
        self._tell_counts(sample.counters)

    def _list(
        self, found: Iterator[ProblemFound | None]
    ) -> Generator[
        None, None, tuple[dict[_Subject, ProblemFound], Counter[ProblemCode]]
    ]:
        """Return what is remembered of what was found, and how many there are by code.

        What was before has its place: a member that has others take turns at being
        wrong neither takes it away nor makes the list longer.
        """
        listed: dict[_Subject, ProblemFound] = {}
        fresh: dict[_Subject, ProblemFound] = {}
        counts: Counter[ProblemCode] = Counter()
        room: Counter[ProblemCode] = Counter(dict.fromkeys(ProblemCode, LISTED))
        for one in found:
            if one is None:
                yield
                continue
            subject = one.code, one.node
            if subject in listed or subject in fresh:
                continue
            counts[one.code] += 1
            if subject in self._states:
                listed[subject] = one
            elif counts[one.code] <= 2 * LISTED:
                # As many of these as were before may be over.
                fresh[subject] = one
        room.subtract(code for code, _ in listed)
        for subject, one in fresh.items():
            if room[one.code] > 0:
                room[one.code] -= 1
                listed[subject] = one
        return listed, counts

    @staticmethod
    def _old(sample: _Sample, now: Time) -> bool:
        return now - sample.counters.at >= WINDOW

    def _look(self, views: Views, sample: _Sample) -> Look:
        first = self._samples[0]
        # After the clock was set, no window is what it seems.
        known = first is not sample and self._old(first, views.now)
        return Look(
            views=views,
            counters=sample.counters,
            earlier=first.counters if known else None,
            udp_lost_earlier=first.udp_lost if known else None,
            cuts=self._cuts,
        )

    @staticmethod
    def _found(look: Look) -> Iterator[ProblemFound | None]:
        """Yield what the rules find, and None after each step."""
        for rule in RULES:
            yield None
            yield from rule(look)
        mesh = look.views.mesh
        for node in tuple(mesh.nodes.values()):
            yield None
            if node is not mesh.myself:
                view = look.views.tunnel(node)
                for node_rule in NODE_RULES:
                    yield from node_rule(look, node, view)

    def _find_cuts(self, views: Views, runs: int) -> Iterator[None]:
        """Search for articulation points, if the graph has changed and rests."""
        now, at = views.now, self._cuts_at
        if runs == self._cuts_runs or (at is not None and 0 <= now - at < CUTS_EVERY):
            return
        self._cuts_at, self._cuts_runs = now, runs
        self._cuts = yield from cuts(views.mesh)

    def _settle(
        self,
        found: Mapping[_Subject, ProblemFound],
        counts: Counter[ProblemCode],
        views: Views,
    ) -> None:
        self._counts = counts
        now = views.now
        for subject in [s for s in self._states if s not in found]:
            state = self._states.pop(subject)
            if state.told:
                self._tell(now, state, over=True)
        for subject, one in found.items():
            known = self._states.get(subject)
            since = one.since or (now if known is None else known.since)
            told = known is not None and known.told
            state = self._states[subject] = _State(one, since, told)
            hold_off = 0.0 if one.code in AT_ONCE else views.own.hold_off
            if not told and now - since >= hold_off:
                state.told = True
                self._tell(now, state, over=False)

    def _tell(self, now: Time, state: _State, *, over: bool) -> None:
        found = state.found
        self._events.add(
            *(now, EventKind.PROBLEM, found.node, found.code),
            over=over,
            severity=str(found.code.severity),
            words=found.text,
        )

    def _tell_counts(self, counters: Counters) -> None:
        """Say once a minute what was dropped, and whether the graph was in a storm."""
        now, before = counters.at, self._told
        if before is not None and 0 <= now - before.at < WINDOW:
            return
        self._told = counters
        if before is None:
            return
        seconds = round(now - before.at, 1)
        for reason, number in counters.dropped.items():
            if grown := number - before.dropped[reason]:
                about = now, EventKind.DROP, None, reason
                self._events.add(*about, count=grown, seconds=seconds)
        deferred = counters.graph_runs_deferred - before.graph_runs_deferred
        if deferred:
            runs = counters.graph_runs - before.graph_runs
            self._events.add(
                *(now, EventKind.GRAPH), runs=runs, deferred=deferred, seconds=seconds
            )


def _rank(state: _State) -> tuple[bool, Time, ProblemCode]:
    code = state.found.code
    return code.severity is not Severity.CRITICAL, state.since, code


def _problem(state: _State) -> Problem:
    found = state.found
    return Problem(
        code=found.code,
        severity=found.code.severity,
        node=found.node,
        since=state.since,
        text=found.text,
        facts=found.facts,
    )
