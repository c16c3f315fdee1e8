"""Values: what a start refuses or ignores, and what is accepted but hardly meant."""

from __future__ import annotations

import re
from typing import Any, Final

from tincd_compat.config.check.addresses import check_address, check_port
from tincd_compat.config.check.findings import FindingSeverity, Report, listening
from tincd_compat.config.parser import Config, Entry
from tincd_compat.config.settings import Settings, Suites, load_settings
from tincd_compat.config.variables import VARIABLES, Scope
from tincd_compat.errors import ConfigError

_KEY_FILES: Final = (
    *("PrivateKeyFile", "PublicKeyFile"),
    *("Ed25519PrivateKeyFile", "Ed25519PublicKeyFile"),
)
_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]+")
#: The highest level of C tincd 1.0.
_C_COMPRESSION: Final = 11

#: Variables whose values load_settings() compares with one another.
_COMPARED: Final = ("Cipher", "MACLength", "Digest", "MinTimeout", "MaxTimeout")


def check_values(
    config: Config,
    scope: Scope,
    report: Report,
    worst: FindingSeverity = FindingSeverity.ERROR,
) -> list[Entry]:
    """Read every value that counts, and return the entries a start would accept."""
    good: list[Entry] = []
    for name, variable in VARIABLES.items():
        if scope not in variable.scope:
            continue
        entries = config.all(name)
        for entry in entries if variable.multiple else entries[:1]:
            with report.blaming(entry, worst):
                value = variable.setter(entry)
                if value is not None:
                    good.append(entry)
                    _check_meaning(name, entry, value, report)
    return good


def _check_meaning(name: str, entry: Entry, value: Any, report: Report) -> None:
    """Look at a value that is taken."""
    if type(value) is int and not _NUMBER.fullmatch(entry.value):
        report.warning(entry, f"`{entry.value}' is read as {value}")
    if name == "ReplayWindow" and value == 0:
        report.warning(entry, "packets that somebody recorded are taken again")
    elif name in ("PrivateKey", "PublicKey"):
        report.info(entry, f"{name} is obsolete: `tincd -K' makes keys in files")
    elif name in _KEY_FILES and not value.startswith("/"):
        text = "the path is relative to the working directory, which is / once detached"
        report.warning(entry, text)
    elif name == "Port":
        check_port(entry, value, report)
    elif name in ("Address", "BindToAddress"):
        check_address(entry, report)
    elif name == "Compression" and value > _C_COMPRESSION:
        text = f"C tincd does not start with a level above {_C_COMPRESSION}"
        report.warning(entry, f"{text}: going back to it takes another one")


def check_settings(
    entries: list[Entry], name: str, suites: Suites, report: Report
) -> Settings:
    """Compare the values of our own node with one another; return its settings.

    ``entries`` are those that are valid each for itself.
    """
    left = list(entries)
    while True:
        with listening() as heard:
            try:
                settings = load_settings(Config(left), name, suites)
            except ConfigError as error:
                heard.append((FindingSeverity.ERROR, str(error)))
                settings = None
        for severity, text in heard:
            culprit = _culprit(text, left)
            if culprit is not None:
                report.add(culprit, severity, text)
        if settings is not None:
            _check_suite(settings, Config(left), suites, report)
            return settings
        # What is wrong is known; without it, what else is wrong can be found.
        compared = [entry for entry in left if culprit and entry != culprit]
        left = compared


def _culprit(text: str, entries: list[Entry]) -> Entry | None:
    """Return which of the values that are compared a message is about."""
    config = Config(entries)
    found = [entry for name in _COMPARED if (entry := config.first(name)) is not None]
    for entry in found:
        if re.search(rf"\({entry.variable} in {re.escape(entry.place)}: ", text):
            return entry
    return config.first("MinTimeout")


def _check_suite(
    settings: Settings, config: Config, suites: Suites, report: Report
) -> None:
    """Warn of packets that others can read or forge."""
    names = ("Cipher", "Digest", "MACLength")
    given = [entry for name in names if (entry := config.first(name)) is not None]
    suite = settings.cipher, settings.digest, settings.maclength
    for text in suites.warnings(*suite):
        about = [entry for entry in given if _is_about(text, entry)]
        # A cipher or digest may be named in another way than in the file.
        for entry in (about or given)[:1]:
            report.warning(entry, text)


def _is_about(text: str, entry: Entry) -> bool:
    """Tell whether a warning begins with a variable or with its value."""
    return text.lower().startswith((entry.variable.lower(), entry.value.lower()))
