"""Rounds of figures to medians, ratios to C tincd, a table and JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

#: What a figure is of: contender, then measure.
Figures = dict[str, dict[str, list[float]]]

BASE: Final = "C - C"


class Report:
    """Collects figures of several rounds."""

    def __init__(self) -> None:
        self._figures: Figures = {}
        self._units: dict[str, str] = {}

    def add(self, contender: str, measure: str, value: float, unit: str) -> None:
        self._figures.setdefault(contender, {}).setdefault(measure, []).append(value)
        self._units[measure] = unit

    def median(self, contender: str, measure: str) -> float | None:
        values = self._figures.get(contender, {}).get(measure)
        return statistics.median(values) if values else None

    def ratio(self, contender: str, measure: str) -> float | None:
        """Return the median over that of two C tincds, None if either is missing."""
        value, base = self.median(contender, measure), self.median(BASE, measure)
        return value / base if value is not None and base else None

    def table(self) -> str:
        """Return a table in Markdown: a row a measure, a column a contender.

        Behind a figure stands its ratio to that of two C tincds.
        """
        names = list(self._figures)
        lines = ["| | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
        for measure, unit in self._units.items():
            cells = [self._cell(name, measure) for name in names]
            lines.append(f"| {measure}, {unit} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def write(self, path: Path, settings: Mapping[str, object]) -> None:
        """Write every figure of every round, and on what machine it was measured.

        Beside them stand the ratios of the table.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            {
                "machine": machine(),
                "settings": dict(settings),
                "units": self._units,
                "figures": self._figures,
                "ratios": self._ratios(),
            },
            indent=1,
        )
        path.write_text(text + "\n")

    def _ratios(self) -> dict[str, dict[str, float]]:
        return {
            name: {
                measure: round(ratio, 3)
                for measure in measures
                if (ratio := self.ratio(name, measure)) is not None
            }
            for name, measures in self._figures.items()
            if name != BASE
        }

    def _cell(self, name: str, measure: str) -> str:
        value, ratio = self.median(name, measure), self.ratio(name, measure)
        if value is None:
            return ""
        if name == BASE or ratio is None:
            return _number(value)
        return f"{_number(value)} ({ratio:.2f}x)"


def machine() -> dict[str, str]:
    """Return what the figures depend on, without a name of the machine."""
    return {
        "processor": _processor(),
        "processors": str(os.cpu_count()),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "openssl": _first_line("openssl", "version"),
        "C tincd": _first_line("/usr/sbin/tincd", "--version"),
        "iperf3": _first_line("iperf3", "--version"),
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    found = [line for line in text.splitlines() if line.startswith("model name")]
    return found[0].partition(":")[2].strip() if found else platform.machine()


def _first_line(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "none"
    lines: Sequence[str] = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else "none"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
