"""Our Ed25519 key in the files of this node: made, kept, replaced, and shown.

The private half goes into a file of its own, the public half as a line into our own
host file, which other nodes have copies of.  Both files are looked at and their next
contents written before either is touched, as with ``tincd -K``.  A key that is there
stays in its file when another one replaces it, under the label ``OLD``; its line in the
host file becomes a comment.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tincd_compat.config.ed25519 import (
    SigningKey,
    VerifyingKey,
    read_signing_key,
)
from tincd_compat.config.keyfile import KeyFile, install
from tincd_compat.config.parser import (
    Config,
    parse_lines,
    read_bytes,
    read_server_config,
)
from tincd_compat.config.settings import resolve_name
from tincd_compat.config.variables import Scope, read_variables
from tincd_compat.crypto.sptps.keytext import (
    find_private_block,
    parse_public,
    private_block,
    public_text,
)
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

_LINE: Final = re.compile(rb"^(?=Ed25519PublicKey[ \t=])", re.MULTILINE | re.IGNORECASE)
_BLOCK: Final = re.compile(
    rb"^([ \t]*-----(?:BEGIN|END) )(?=ED25519 (?:PUBLIC|PRIVATE) KEY-----)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class KeyPlaces:
    """The files of our Ed25519 key, and whether a start looks at them.

    ``used`` is False where ``ExperimentalProtocol = no``.
    """

    name: str
    private_file: Path
    host_file: Path
    used: bool


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The public half of our key, and what was done to have it.

    ``made`` is False for a key that was there, ``replaced`` True for one that has taken
    the place of another; ``added`` tells that our host file has got a line.
    """

    public: VerifyingKey
    made: bool = False
    replaced: bool = False
    added: bool = False

    @property
    def line(self) -> str:
        """What stands in our host file, here and at the others."""
        return public_line(self.public)


def public_line(key: VerifyingKey) -> str:
    """Return the assignment of a public key in a host file."""
    return f"Ed25519PublicKey = {public_text(key)}"


def find_places(
    directory: Path, *, environment: Mapping[str, str], hostname: str
) -> KeyPlaces:
    """Return where our key is, or will be; ConfigError if tinc.conf does not say."""
    main = directory / "tinc.conf"
    if not os.path.lexists(main):
        raise ConfigError(f"there is no {main} (-n NET, or -c DIR)")
    config = Config(read_server_config(directory, ()))
    name = resolve_name(config, environment, hostname)
    values = read_variables(config, Scope.OWN)
    private = directory / "ed25519_key.priv"
    if (given := values.get("ed25519_private_key_file")) is not None:
        private = Path(given)
        if not private.is_absolute():
            text = f"Ed25519PrivateKeyFile = {given} is relative to wherever tincd runs"
            raise ConfigError(f"{text} (write the whole path into tinc.conf)")
    used = values.get("experimental_protocol") is not False
    return KeyPlaces(name, private, directory / "hosts" / name, used)


def read_own_key(places: KeyPlaces) -> OwnKey:
    """Return the key that is there; ConfigError if there is none that works."""
    try:
        data = places.private_file.read_bytes()
    except OSError as error:
        path = places.private_file
        text = f"Error reading Ed25519 private key file `{path}': {error.strerror}"
        if isinstance(error, FileNotFoundError):
            text += " (`tincd-compat keys' makes a key)"
        raise ConfigError(text) from error
    return OwnKey(read_signing_key(places.private_file, data).public)


def make_own_key(
    places: KeyPlaces, random_bytes: Callable[[int], bytes], *, replace: bool = False
) -> OwnKey:
    """Make a key unless there is one, and see to its line in our host file.

    A key that is there is kept, with ``replace`` only as an old one.  ConfigError, with
    the files as they were, if it is broken or a file cannot be written.
    """
    old = _old_key(places.private_file, broken=replace)
    files: list[KeyFile] = []
    if old is None or replace:
        key = SigningKey.generate(random_bytes)
        block = private_block(key).encode()
        files.append(_key_file(places.private_file, block, private=True))
    else:
        key = old
    added = _said(places, _content(places.host_file)) != key.public
    if added:
        line = f"{public_line(key.public)}\n".encode()
        file = _key_file(places.host_file, line, private=False)
        if _said(places, file.content) != key.public:
            text = f"A line at the end of {places.host_file} would not be read"
            raise ConfigError(f"{text} (`tincd --check' says why)")
        files.append(file)
    made = bool(files) and files[0].private
    replaced = made and files[0].has_old_keys
    install(files)
    if made and not replaced:
        _give_away(places.private_file)
    return OwnKey(key.public, made=made, replaced=replaced, added=added)


def disable_ed25519(content: bytes) -> bytes:
    """Return the content without Ed25519 keys that count: as comments and ``OLD``."""
    content = _BLOCK.sub(rb"\1OLD ", content)
    return _LINE.sub(b"#", content)


def _key_file(path: Path, block: bytes, *, private: bool) -> KeyFile:
    return KeyFile.open(
        path, block, private=private, disable=disable_ed25519, strict=True
    )


def _old_key(path: Path, *, broken: bool) -> SigningKey | None:
    """Return the key of a file, None if there is none; ``broken`` is as good as none.

    ConfigError for a broken one else, and for a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        text = f"Error reading Ed25519 private key file `{path}': {error.strerror}"
        raise ConfigError(text) from error
    try:
        return find_private_block(data.decode("latin-1"))
    except ValueError as error:
        if broken:
            return None
        text = f"Reading Ed25519 private key file `{path}' failed: {error}"
        raise ConfigError(f"{text} (--replace makes another key)") from None


def _content(path: Path) -> bytes:
    """Return what a file has; nothing if there is no file."""
    return read_bytes(path) if os.path.lexists(path) else b""


def _said(places: KeyPlaces, content: bytes) -> VerifyingKey | None:
    """Return the key that a host file says by a line; None if it says none."""
    entries = parse_lines(content, str(places.host_file))
    text = Config(entries).first("Ed25519PublicKey")
    try:
        return None if text is None else parse_public(text.value)
    except ValueError:
        # A broken line becomes a comment.
        return None


def _give_away(path: Path) -> None:
    """Let a new key belong to whom the RSA key belongs to.

    A daemon that runs as somebody else than root from its start on could not read it.
    """
    with contextlib.suppress(OSError):
        owner = path.with_name("rsa_key.priv").stat()
        os.chown(path, owner.st_uid, owner.st_gid)
