"""``python -m conformance.bench``: speed beside C tincd, all in one interleaved run.

Every contender is a pair of daemons in namespaces of its own.  All pairs are up from
the start; a round measures each in turn, so that a noisy minute of the machine hurts
all of them.  What counts are ratios of medians.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from conformance.benchmark import measures
from conformance.benchmark.pairs import Pair, TincPair
from conformance.benchmark.report import BASE, Report
from conformance.benchmark.rivals import RIVALS, Rival, clean_up
from conformance.harness.kinds import Kind, c_tincd_problem, own_tincd_problem
from conformance.harness.lab import Lab, temporary_lab
from conformance.harness.scraping import scraped
from conformance.harness.waits import Failed
from conformance.requirements import machine_problem, strict

_O: Final = Kind.OURS
_C: Final = Kind.C
_PURE: Final = {"TINCD_COMPAT_PURE": "1"}

#: Measured in full.
MAIN: Final = (
    TincPair(name=BASE, kinds=(_C, _C)),
    TincPair(name="ours, fast", kinds=(_O, _O)),
    TincPair(name="ours, pure", kinds=(_O, _O), environment=_PURE),
    TincPair(name="ours - C", kinds=(_O, _C)),
    TincPair(name="C - ours", kinds=(_C, _O)),
)
_SWITCH: Final = ("Mode = switch",)
_ZLIB: Final = ("Compression = 1",)
_BLOWFISH: Final = ("Cipher = blowfish", "Digest = sha1")
_TCPONLY: Final = ("TCPOnly = yes",)
#: One TCP stream only, in other modes; contenders are named as the main ones are.
MODES: Final = {
    "IPv6": [
        TincPair(name=BASE, kinds=(_C, _C), ipv6=True),
        TincPair(name="ours, fast", kinds=(_O, _O), ipv6=True),
        TincPair(name="ours, pure", kinds=(_O, _O), environment=_PURE, ipv6=True),
    ],
    "Mode = switch": [
        TincPair(name=BASE, kinds=(_C, _C), server=_SWITCH),
        TincPair(name="ours, fast", kinds=(_O, _O), server=_SWITCH),
        TincPair(name="ours, pure", kinds=(_O, _O), server=_SWITCH, environment=_PURE),
    ],
    "Compression = 1": [
        TincPair(name=BASE, kinds=(_C, _C), server=_ZLIB),
        TincPair(name="ours, fast", kinds=(_O, _O), server=_ZLIB),
        TincPair(name="ours, pure", kinds=(_O, _O), server=_ZLIB, environment=_PURE),
    ],
    "relayed": [
        TincPair(name=BASE, kinds=(_C, _C), relay=_C),
        TincPair(name="ours, fast", kinds=(_O, _O), relay=_O),
        TincPair(name="ours, pure", kinds=(_O, _O), relay=_O, environment=_PURE),
        TincPair(name="C - ours - C", kinds=(_C, _C), relay=_O),
        TincPair(name="ours - C - ours", kinds=(_O, _O), relay=_C),
    ],
    "Cipher = blowfish": [
        TincPair(name=BASE, kinds=(_C, _C), host=_BLOWFISH, legacy=True),
        TincPair(name="ours, fast", kinds=(_O, _O), host=_BLOWFISH),
        TincPair(name="ours, pure", kinds=(_O, _O), host=_BLOWFISH, environment=_PURE),
    ],
    "TCPOnly = yes": [
        TincPair(name=BASE, kinds=(_C, _C), server=_TCPONLY, over_tcp=True),
        TincPair(name="ours, fast", kinds=(_O, _O), server=_TCPONLY, over_tcp=True),
        TincPair(
            name="ours, pure",
            kinds=(_O, _O),
            server=_TCPONLY,
            environment=_PURE,
            over_tcp=True,
        ),
        TincPair(name="ours - C", kinds=(_O, _C), server=_TCPONLY, over_tcp=True),
        TincPair(name="C - ours", kinds=(_C, _O), server=_TCPONLY, over_tcp=True),
    ],
}
#: What ``--measure`` can name of the main contenders.
_OF_MAIN: Final = (
    *("stream", "four", "paced", "rate", "rtt", "memory", "calls", "watched"),
)
_Result = TypeVar("_Result")
_SIZES: Final = (64, 512, measures.PACKET)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the answer is the exit status."""
    options = _parser().parse_args(arguments)
    missing = machine_problem() or c_tincd_problem() or own_tincd_problem()
    if missing is not None:
        print(f"Nothing can be measured here: {missing}.")
        return 1 if strict() else 0
    report = Report()
    try:
        with temporary_lab("bench") as lab:
            _Bench(lab, report, options).run()
    except Failed as error:
        print(f"stopped: {error}")
        return 1
    finally:
        clean_up()
    print(report.table())
    if options.json is not None:
        settings = {"rounds": options.rounds, "seconds": options.seconds}
        report.write(options.json, settings)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.bench")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=int, default=3, metavar="S")
    parser.add_argument(
        "--contender", action="append", metavar="NAME", help="only these main ones"
    )
    parser.add_argument(
        "--measure",
        action="append",
        choices=[*_OF_MAIN, "modes", "rivals"],
        help="only these (default: all)",
    )
    parser.add_argument(
        "--mode", action="append", choices=[*MODES], help="only these (default: all)"
    )
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    return parser


class _Bench:
    """One run: the pairs, and what is asked of them."""

    def __init__(self, lab: Lab, report: Report, options: argparse.Namespace) -> None:
        self._lab = lab
        self._report = report
        self._seconds: int = options.seconds
        self._rounds: int = options.rounds
        self._wanted: list[str] | None = options.measure
        self._contenders = [
            each
            for each in MAIN
            if options.contender is None or each.name in options.contender
        ]
        self._modes = {
            mode: contenders
            for mode, contenders in MODES.items()
            if options.mode is None or mode in options.mode
        }

    def run(self) -> None:
        of_main = any(map(self._wants, _OF_MAIN))
        wanted: dict[str, Sequence[TincPair | Rival]] = {
            "main": self._contenders if of_main else [],
            **(self._modes if self._wants("modes") else {}),
            "rivals": [
                each for each in RIVALS if self._wants("rivals") and each.available
            ],
        }
        modes = self._start_all(wanted)
        pairs, rivals = modes.pop("main"), modes.pop("rivals")
        for number in range(1, self._rounds + 1):
            started = time.monotonic()
            for pair in pairs:
                self._measure(pair)
            for mode, others in modes.items():
                for pair in others:
                    self._try(pair, partial(self._mode, mode))
            for pair in rivals:
                self._try(pair, self._stream)
            took = time.monotonic() - started
            print(f"round {number} of {self._rounds}: {took:.0f} s", flush=True)

    def _start_all(
        self, wanted: Mapping[str, Sequence[TincPair | Rival]]
    ) -> dict[str, list[Pair]]:
        """Start everything first and wait for it then; leave out what fails."""
        found: dict[str, list[Pair]] = {group: [] for group in wanted}
        started: list[tuple[str, TincPair | Rival, Callable[[], Pair] | None]] = []
        for group, contenders in wanted.items():
            for contender in contenders:
                part = f"p{len(started) + 1}"
                start = partial(contender.start, self._lab, part)
                started.append((group, contender, _attempt(contender, start)))
        for group, contender, settle in started:
            pair = None if settle is None else _attempt(contender, settle)
            if pair is not None:
                found[group].append(pair)
        return found

    def _wants(self, measure: str) -> bool:
        return self._wanted is None or measure in self._wanted

    def _measure(self, pair: Pair) -> None:
        steps: dict[str, Callable[[Pair], None]] = {
            "rtt": self._idle,
            "stream": self._stream,
            "four": self._four,
            "paced": self._paced,
            "rate": self._rate,
            "memory": self._memory,
            "calls": self._calls,
            "watched": self._watched,
        }
        for name, step in steps.items():
            if self._wants(name):
                self._try(pair, step)

    def _try(self, pair: Pair, step: Callable[[Pair], None]) -> None:
        try:
            step(pair)
        except Failed as error:
            print(f"no figure for {pair.name}: {error}", flush=True)

    def _mode(self, mode: str, pair: Pair) -> None:
        load = measures.stream(pair, self._seconds)
        self._add(pair, f"TCP, 1 stream, {mode}", load.rate / 1e6, "Mbit/s")

    def _idle(self, pair: Pair) -> None:
        self._add(pair, "idle RTT, median", measures.idle_rtt(pair), "ms")

    def _stream(self, pair: Pair) -> None:
        rtt, load = measures.loaded_rtt(self._lab, pair, self._seconds)
        packets = load.volume / measures.PACKET
        self._add(pair, "TCP, 1 stream", load.rate / 1e6, "Mbit/s")
        self._add(pair, "RTT beside it, median", rtt, "ms")
        self._add(pair, "CPU of its sender", load.cpu_a / packets * 1e6, "us/1372 B")
        self._add(pair, "CPU of its receiver", load.cpu_b / packets * 1e6, "us/1372 B")
        back = measures.stream(pair, self._seconds, direction="-R")
        self._add(pair, "TCP, 1 stream back", back.rate / 1e6, "Mbit/s")

    def _four(self, pair: Pair) -> None:
        load = measures.stream(pair, self._seconds, streams=4, direction="--bidir")
        self._add(pair, "TCP, 4 streams each way", load.rate / 1e6, "Mbit/s")

    def _paced(self, pair: Pair) -> None:
        size, rate = measures.PACKET, measures.PACED
        load = measures.datagrams(pair, self._seconds, size, rate)
        what = f"UDP {size} B at {rate}/s"
        if load.packets:
            sender, receiver = load.cpu_a / load.packets, load.cpu_b / load.packets
            self._add(pair, f"{what}: CPU of sender", sender * 1e6, "us/packet")
            self._add(pair, f"{what}: CPU of receiver", receiver * 1e6, "us/packet")
        self._add(pair, f"{what}: loss", load.loss, "%")

    def _rate(self, pair: Pair) -> None:
        for size in _SIZES:
            rate = measures.highest_rate(pair, max(1, self._seconds // 3), size)
            what = f"UDP {size} B, most with <= {measures.TOLERATED:g} % loss"
            self._add(pair, what, rate, "packets/s")

    def _memory(self, pair: Pair) -> None:
        self._add(pair, "resident memory", measures.resident(pair), "MiB")

    def _calls(self, pair: Pair) -> None:
        sender, receiver = measures.packets_per_call(self._lab, pair)
        what = "TCP: packets a system call"
        self._add(pair, f"{what}, sender", sender, "1372 B")
        self._add(pair, f"{what}, receiver", receiver, "1372 B")

    def _watched(self, pair: Pair) -> None:
        """Measure with both ends scraped each second, and without, in turns."""
        controls = [end.control for end in (pair.a, pair.b) if end.control is not None]
        if not controls:
            return
        size, rate = measures.PACKET, measures.GIGABIT
        for word in ("unwatched", "watched"):
            with contextlib.ExitStack() as block:
                if word == "watched":
                    block.enter_context(scraped(self._lab, *controls))
                load = measures.stream(pair, self._seconds)
                paced = measures.datagrams(pair, self._seconds, size, rate)
            self._add(pair, f"{word}: TCP, 1 stream", load.rate / 1e6, "Mbit/s")
            self._add(pair, f"{word}: UDP {size} B at {rate}/s: loss", paced.loss, "%")

    def _add(self, pair: Pair, measure: str, value: float, unit: str) -> None:
        self._report.add(pair.name, measure, value, unit)


def _attempt(
    contender: TincPair | Rival, step: Callable[[], _Result]
) -> _Result | None:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return step()
    except Failed as error:
        print(f"left out: {contender.name}: {error}")
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
