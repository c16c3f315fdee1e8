"""Can tincd be started, asks the launcher: ``python -m tincd_compat.probe FILE``.

All that a start imports is imported; then FILE says for a shell what that was made of,
and in what state.  As long as the state is the same, the launcher asks no more.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: What the launcher waits for.
ANSWER: Final = "tincd-compat can be started"
#: What a start, a check or a new key imports, the last ones when they are needed.
MODULES: Final = (
    "tincd_compat.cli",
    "tincd_compat.service.start",
    "tincd_compat.daemon.run",
    "tincd_compat.config.check.configuration",
    "tincd_compat.config.keygen",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.serialization",
    "tincd_compat.transport.httpsession",
    "sdnotify",
)


def made_of() -> list[str]:
    """Return what this process was made of: interpreter, libraries, directories.

    Of a module its directory counts: what a package manager replaces, it does by a new
    entry there.
    """
    found = {sys.executable, os.path.realpath(sys.executable)}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.isabs(file):
            found.add(os.path.dirname(file))
    with contextlib.suppress(OSError):
        maps = Path("/proc/self/maps").read_text(errors="replace")
        fields = (line.split(maxsplit=5) for line in maps.splitlines())
        found |= {words[5] for words in fields if len(words) == 6}
    return sorted(
        name for name in found if os.path.isabs(name) and os.path.exists(name)
    )


def state_of(path: str) -> str:
    """Return what ``stat -L -c '%i %s %Y %n'`` prints."""
    status = os.stat(path)
    return f"{status.st_ino} {status.st_size} {int(status.st_mtime)} {path}"


def describe(paths: Sequence[str]) -> str | None:
    """Return the text of the file; None if a name is nothing for a shell."""
    if any("'" in path or "\n" in path for path in paths):
        return None
    files = "\n".join(paths)
    state = "\n".join(state_of(path) for path in paths)
    return f"tincd_compat_files='{files}'\ntincd_compat_state='{state}'\n"


def remember(file: Path, text: str) -> None:
    """Write the file as a whole or not at all; who may not does without.

    Everybody may read it, whatever the mask is that a unit has set.
    """
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        if not file.parent.is_dir():
            file.parent.mkdir(exist_ok=True)
            file.parent.chmod(0o755)
        try:
            draft.write_text(text)
            draft.chmod(0o644)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Import everything, write the file, say so."""
    (file,) = sys.argv[1:] if arguments is None else arguments
    for name in MODULES:
        importlib.import_module(name)
    text = describe(made_of())
    if text is not None:
        remember(Path(file), text)
    print(ANSWER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
