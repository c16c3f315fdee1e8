"""GNU ``getopt_long`` as tincd uses it: which option comes next, with which argument.

It differs from the module ``getopt`` of the standard library in what existing start
scripts rely on: options and other words mix in any order, and an optional argument may
be the next word.  The error texts are glibc's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from tincd_compat.dataclass import dataclass
from tincd_compat.errors import TincError


class UsageError(TincError):
    """The command line cannot be understood; the text is the line for stderr."""


class Argument(Enum):
    """Whether an option takes an argument.

    ``OPTIONAL`` takes the rest of the word (``-d3``, ``--debug=3``), or else the next
    word unless that begins with ``-``.
    """

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Option:
    """One option; ``long`` without its dashes, ``short`` one letter or empty.

    ``whole`` options are never meant by a prefix: an option that C tincd does not have
    must not make ambiguous what it accepts.
    """

    long: str
    short: str = ""
    argument: Argument = Argument.NONE
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Parser:
    """A table of options and the program's name, ``argv[0]``, for the errors.

    The order of ``options`` is the order in which an ambiguous prefix lists them.
    """

    program: str
    options: Sequence[Option]

    def scan(
        self, arguments: Sequence[str], *, stop_at_word: bool = False
    ) -> Iterator[tuple[Option, str | None]]:
        """Yield each option with its argument, in the order of the command line.

        tincd takes no words besides options.  The first one is complained about after
        all options, or at once with ``stop_at_word`` (POSIXLY_CORRECT).  Raises
        :class:`UsageError`, as everything here does.
        """
        words = list(reversed(arguments))
        stray: list[str] = []
        while words:
            word = words.pop()
            if word == "--":
                stray += reversed(words)
                break
            if word.startswith("--"):
                yield self._long(word, words)
            elif word.startswith("-") and word != "-":
                yield from self._bundle(word, words)
            else:
                stray.append(word)
                if stop_at_word:
                    break
        if stray:
            raise UsageError(f"{self.program}: unrecognized argument '{stray[0]}'")

    def _long(self, word: str, words: list[str]) -> tuple[Option, str | None]:
        name, equals, attached = word[2:].partition("=")
        option = self._find(name, word)
        if not equals:
            missing = f"option '--{option.long}' requires an argument"
            return option, self._argument(option, words, missing)
        if option.argument is Argument.NONE:
            raise UsageError(
                f"{self.program}: option '--{option.long}' doesn't allow an argument"
            )
        return option, attached

    def _find(self, name: str, word: str) -> Option:
        """Return the option called ``name``, which may be cut to a unique prefix."""
        exact = [option for option in self.options if option.long == name]
        matches = [
            option
            for option in self.options
            if option.long.startswith(name) and not option.whole
        ]
        matches = matches or exact
        if not matches:
            raise UsageError(f"{self.program}: unrecognized option '{word}'")
        if len(matches) > 1 and not exact:
            names = " ".join(f"'--{option.long}'" for option in matches)
            raise UsageError(
                f"{self.program}: option '{word}' is ambiguous; possibilities: {names}"
            )
        return (exact or matches)[0]

    def _bundle(
        self, word: str, words: list[str]
    ) -> Iterator[tuple[Option, str | None]]:
        """Take ``-Dd3`` apart: letters up to the first that takes an argument."""
        shorts = {option.short: option for option in self.options if option.short}
        for position, letter in enumerate(word[1:], start=2):
            option = shorts.get(letter)
            if option is None:
                raise UsageError(f"{self.program}: invalid option -- '{letter}'")
            attached = word[position:]
            if option.argument is not Argument.NONE and attached:
                yield option, attached
                return
            # Only the last letter, or one without an argument, comes to this line.
            missing = f"option requires an argument -- '{letter}'"
            yield option, self._argument(option, words, missing)

    def _argument(self, option: Option, words: list[str], missing: str) -> str | None:
        """Return the argument that is not attached; it is taken off ``words``."""
        if option.argument is Argument.NONE:
            return None
        if option.argument is Argument.OPTIONAL:
            return words.pop() if words and not words[-1].startswith("-") else None
        if not words:
            raise UsageError(f"{self.program}: {missing}")
        return words.pop()
