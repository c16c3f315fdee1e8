"""Put a new key block into a file without ever losing an old one.

The next content of a file is written beside it, forced to the disk and renamed over
it, so that a full disk or a crash leaves either the old file or the new one.  Old key
blocks stay in the file under the label ``OLD``: readers take the first usable block.  A
link is followed, and owner and mode of an existing file are kept.  Where the directory
does not allow a rename (a single file mounted into a container, a directory of somebody
else) the block is appended in place, as tincd does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

# PKCS#1 labels get OLD instead of RSA as with tincd, the others get it in front.
_RSA: Final = re.compile(rb"^-----(BEGIN|END) RSA", re.MULTILINE)
_OTHER: Final = re.compile(
    rb"^-----(BEGIN|END) (?=(?:ENCRYPTED )?(?:PRIVATE|PUBLIC) KEY)", re.MULTILINE
)

#: What is said when old keys were found, and when they could not be disabled.
DISABLED: Final = "Warning: old key(s) found and disabled."
REMOVE_BY_HAND: Final = "Warning: old key(s) found, remove them by hand!"


# The file may be written, but nothing beside it, or it is a mount point.
_NO_RENAME: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)


def disable_keys(content: bytes) -> bytes:
    """Return the content with the labels of all key blocks changed to ``OLD ...``."""
    content = _RSA.sub(rb"-----\1 OLD", content)
    return _OTHER.sub(rb"-----\1 OLD ", content)


def _failure(path: Path, error: OSError) -> ConfigError:
    reason = error.strerror or str(error)
    return ConfigError(f"Error opening file `{path}': {reason}")


def _write_all(descriptor: int, data: bytes) -> None:
    """Write everything and wait until the disk has it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    """Make a rename in ``path`` durable, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(slots=True)
class KeyFile:
    """One file that is about to get a new key block.

    ``target`` is the file behind links; ``old`` its content, ``status`` what stat said,
    both None for a new file.  ``temporary`` is the next content once it is on the disk.
    """

    path: Path
    target: Path
    block: bytes = field(repr=False)
    private: bool
    #: Returns the old content without keys that would count instead of the new one.
    disable: Callable[[bytes], bytes] = disable_keys
    #: Refuse to append behind old keys, which would go on to count.
    strict: bool = False
    old: bytes | None = field(default=None, repr=False)
    status: os.stat_result | None = None
    temporary: Path | None = None
    #: Whether the file has its next content, and whether that was appended.
    changed: bool = False
    appended: bool = False

    @classmethod
    def open(
        cls,
        path: Path,
        block: bytes,
        *,
        private: bool,
        disable: Callable[[bytes], bytes] = disable_keys,
        strict: bool = False,
    ) -> KeyFile:
        """Look at a file; ConfigError if it cannot be written."""
        target = Path(os.path.realpath(path))
        self = cls(path, target, block, private, disable, strict)
        try:
            self._look()
        except OSError as error:
            raise _failure(path, error) from error
        return self

    def _look(self) -> None:
        try:
            self.status = os.stat(self.target)
        except FileNotFoundError:
            # Directories are not made: a missing one is found here.
            os.stat(self.target.parent)
            return
        # Renaming a file over /dev/null would be a surprise.
        if not stat.S_ISREG(self.status.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        with self.target.open("rb+") as file:
            self.old = file.read()

    @property
    def has_old_keys(self) -> bool:
        return self.old is not None and self.disable(self.old) != self.old

    @property
    def _addition(self) -> bytes:
        # The empty line ends a last line that has no line end.
        return b"\n" + self.block

    @property
    def content(self) -> bytes:
        """The next content of the file, unless the block can only be appended."""
        return self.disable(self.old or b"") + self._addition

    def prepare(self) -> None:
        """Write the next content beside the file; ConfigError if there is no way."""
        try:
            descriptor, name = self._create_temporary()
        except OSError as error:
            self._allow_append(error)
            return
        self.temporary = Path(name)
        try:
            self._fill(descriptor, self.content, keep_mode=not self.private)
        except OSError as error:
            self.discard()
            raise _failure(self.path, error) from error

    def _create_temporary(self) -> tuple[int, str]:
        return tempfile.mkstemp(
            dir=self.target.parent, prefix=f".{self.target.name}.", suffix=".tmp"
        )

    def _fill(self, descriptor: int, content: bytes, *, keep_mode: bool) -> None:
        """Write a replacement, with the owner of the file, and its mode if asked for.

        A temporary file is born with mode 0600, which stays for a private key and for
        a new file.
        """
        try:
            if self.status is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, self.status.st_uid, self.status.st_gid)
                if keep_mode:
                    os.fchmod(descriptor, stat.S_IMODE(self.status.st_mode))
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)

    def commit(self) -> str | None:
        """Put the next content in place; return the warning that is due."""
        if self.temporary is not None:
            try:
                self.temporary.replace(self.target)
            except OSError as error:
                self.discard()
                self._allow_append(error)
            else:
                self.temporary = None
                self.changed = True
                _sync_directory(self.target.parent)
                return DISABLED if self.has_old_keys else None
        self._append()
        return REMOVE_BY_HAND if self.has_old_keys else None

    def _allow_append(self, error: OSError) -> None:
        """Raise ConfigError unless appending may work where renaming did not."""
        hidden = self.strict and self.has_old_keys
        if self.old is None or hidden or error.errno not in _NO_RENAME:
            raise _failure(self.path, error) from error

    def _append(self) -> None:
        """Append the block to the file itself, or leave the file as it was."""
        try:
            descriptor = os.open(self.target, os.O_WRONLY | os.O_APPEND)
            try:
                if self.private:
                    os.fchmod(descriptor, 0o600)
                size = os.fstat(descriptor).st_size
                try:
                    _write_all(descriptor, self._addition)
                    self.changed = self.appended = True
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _failure(self.path, error) from error

    def restore(self) -> None:
        """Give a changed file its old content back.

        Where that cannot be written either, old keys stay in the file under the label
        ``OLD``.
        """
        if not self.changed:
            return
        with contextlib.suppress(OSError):
            if self.old is None:
                self.target.unlink()
            elif self.appended:
                os.truncate(self.target, len(self.old))
            else:
                descriptor, name = self._create_temporary()
                self.temporary = Path(name)
                self._fill(descriptor, self.old, keep_mode=True)
                self.temporary.replace(self.target)
                self.temporary = None

    def discard(self) -> None:
        """Remove the prepared content, if any."""
        if self.temporary is not None:
            with contextlib.suppress(OSError):
                self.temporary.unlink()
            self.temporary = None


def install(files: Sequence[KeyFile]) -> list[str]:
    """Write all files or none; return the warnings that are due.

    ConfigError, with the files as they were, if one cannot be written.
    """
    try:
        for file in files:
            file.prepare()
        return [warning for file in files if (warning := file.commit()) is not None]
    except ConfigError:
        for file in files:
            file.restore()
        raise
    finally:
        for file in files:
            file.discard()
