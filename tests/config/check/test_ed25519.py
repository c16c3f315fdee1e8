"""Ed25519 keys: ours, those of the others, and where they shut somebody out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.config.check.conftest import BETA
from tests.config.check.mistakes import (
    Change,
    Mistake,
    alpha,
    beta,
    each_is_found,
    file,
    main,
    said_about,
)
from tincd_compat.config.check import users
from tincd_compat.config.check.users import Account
from tincd_compat.config.ed25519keygen import public_line
from tincd_compat.crypto.sptps.edwards import SigningKey
from tincd_compat.crypto.sptps.keytext import private_block, public_block


def key_of(byte: int) -> SigningKey:
    return SigningKey.generate(lambda size: bytes([byte]) * size)


OURS, THEIRS, OTHER = map(key_of, (1, 2, 3))
OWN_LINE, PEER_LINE, OTHER_LINE = (
    f"{public_line(key.public)}\n" for key in (OURS, THEIRS, OTHER)
)


def changes(*each: Change) -> Change:
    def change(net: Path) -> None:
        for one in each:
            one(net)

    return change


KEY = file("ed25519_key.priv", private_block(OURS), 0o600)
#: A node with a key that all is well with.
SOUND = changes(KEY, alpha(OWN_LINE), beta(PEER_LINE))

NO_OWN = (
    "hosts/alpha: warning: alpha speaks protocol 17.0 alone, in which nodes that have "
    "this key refuse it: remove the key here and from their copies of this file"
)
NO_EFFECT = (
    "hosts/beta: info: this node has no Ed25519 key in use, so that of the other has "
    "no effect; if beta has a key of this node, it refuses it in protocol 17.0"
)
NO_RSA = (
    "hosts/beta: error: No public key for beta specified! (its RSA PUBLIC KEY block "
    "belongs into hosts/beta)"
)
BROKEN = "ed25519_key.priv: error: Reading Ed25519 private key file `ed25519_key.priv'"

ROWS: list[Mistake] = [
    (
        main("ExperimentalProtocol = yes"),
        "ed25519_key.priv: error: Error reading Ed25519 private key file "
        "`ed25519_key.priv': No such file or directory (`tincd-compat keys' makes a "
        "key pair)",
    ),
    (
        main("Ed25519PrivateKeyFile = /nowhere/key"),
        "/nowhere/key: error: Error reading Ed25519 private key file `/nowhere/key': "
        "No such file or directory (`tincd-compat keys' makes a key pair)",
    ),
    (
        main("Ed25519PrivateKeyFile = key"),
        "tinc.conf:3: warning: the path is relative to the working directory, which is "
        "/ once detached",
    ),
    (
        file("ed25519_key.priv", "nothing", 0o600),
        f"{BROKEN} failed: no key is in it (`tincd-compat keys' makes another)",
    ),
    (
        file("ed25519_key.priv", private_block(OURS)[:-40], 0o600),
        f"{BROKEN} failed: the block of the ed25519 private key has no end "
        "(`tincd-compat keys' makes another)",
    ),
    (
        file("ed25519_key.priv", private_block(OURS), 0o640),
        "ed25519_key.priv: warning: insecure file permissions for Ed25519 private key "
        "file `ed25519_key.priv'! (`chmod 600 ed25519_key.priv' makes it private)",
    ),
    (
        KEY,
        "hosts/alpha: warning: the public half of the Ed25519 key is missing: "
        "`tincd-compat keys' adds its line",
    ),
    (
        changes(KEY, alpha(OTHER_LINE)),
        "hosts/alpha: error: the Ed25519 key here does not belong to the private key "
        "of this node: nobody who has this file lets it in",
    ),
    (
        changes(KEY, alpha("Ed25519PublicKey = x\n")),
        "hosts/alpha: error: Invalid Ed25519 public key for alpha: an Ed25519 public "
        "key has 43 digits (copy the line Ed25519PublicKey of alpha again, into "
        "hosts/alpha)",
    ),
    (
        changes(KEY, alpha(OWN_LINE + OTHER_LINE)),
        "hosts/alpha:2: warning: Ed25519PublicKey has no effect here: the one in "
        "hosts/alpha line 1 counts (the lowest line number does)",
    ),
    (alpha(OWN_LINE), NO_OWN),
    (
        changes(KEY, alpha(OWN_LINE), main("ExperimentalProtocol = no")),
        NO_OWN,
    ),
    (
        changes(KEY, main("ExperimentalProtocol = no")),
        "ed25519_key.priv: info: ExperimentalProtocol = no: this key is not used, and "
        "peers that have its public half refuse this node",
    ),
    (
        changes(SOUND, beta("Ed25519PublicKey = x\n")),
        "hosts/beta: error: Invalid Ed25519 public key for beta: an Ed25519 public key "
        "has 43 digits (copy the line Ed25519PublicKey of beta again, into hosts/beta)",
    ),
    (
        beta("Ed25519PublicKey = x\n"),
        "hosts/beta: info: Invalid Ed25519 public key for beta: an Ed25519 public key "
        "has 43 digits (copy the line Ed25519PublicKey of beta again, into hosts/beta)",
    ),
    (
        changes(SOUND, beta(PEER_LINE + OTHER_LINE)),
        "hosts/beta:2: warning: Ed25519PublicKey has no effect here: the one in "
        "hosts/beta line 1 counts (the lowest line number does)",
    ),
    (
        changes(SOUND, beta(PEER_LINE + public_block(OTHER.public))),
        "hosts/beta: warning: the Ed25519 key in the block here is another one than "
        "that of the line, which counts",
    ),
    (
        changes(SOUND, beta("Ed25519PublicKeyFile = /nowhere/key\n")),
        "hosts/beta: error: Error reading Ed25519 public key file `/nowhere/key': No "
        "such file or directory",
    ),
    (
        changes(SOUND, beta(OWN_LINE)),
        "hosts/beta: warning: beta has the public key of alpha, so each can pass as "
        "the other",
    ),
    (
        changes(SOUND, file("hosts/gamma", PEER_LINE)),
        "hosts/gamma: warning: gamma has the public key of beta, so each can pass as "
        "the other",
    ),
    (beta(PEER_LINE), NO_EFFECT),
    (beta(public_block(THEIRS.public)), NO_EFFECT),
    # The upgrade takes RSA keys, and so does protocol 17.0.
    (changes(SOUND, file("hosts/beta", BETA)), NO_RSA),
    (file("hosts/beta", BETA + PEER_LINE), NO_RSA),
    (
        main(OWN_LINE.rstrip()),
        "tinc.conf:3: warning: Ed25519PublicKey has no effect here: it belongs into "
        "the host file of a node",
    ),
    (
        beta("ExperimentalProtocol = yes\n"),
        "hosts/beta:1: warning: ExperimentalProtocol has no effect in the host file of "
        "another node",
    ),
    (
        changes(SOUND, alpha(OWN_LINE + private_block(OURS))),
        "hosts/alpha: error: there is a private key in this file, which other nodes "
        "get copies of",
    ),
]

test_a_mistake_is_found = each_is_found(ROWS)


@pytest.mark.parametrize(
    "change",
    [
        SOUND,
        changes(SOUND, main("ExperimentalProtocol = yes")),
        changes(KEY, alpha(public_block(OURS.public))),
        # A node of tinc 1.1 need not have an RSA key.
        changes(SOUND, file("hosts/beta", BETA + PEER_LINE)),
        changes(SOUND, beta(PEER_LINE + public_block(THEIRS.public))),
        # One that has no key is spoken to as ever.
        changes(KEY, alpha(OWN_LINE)),
        main("ExperimentalProtocol = no"),
    ],
)
def test_nothing_is_wrong(net: Path, change: Change) -> None:
    change(net)
    assert said_about(net) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="somebody else may not write here")
def test_keys_that_a_user_cannot_keep(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghost = Account("ghost", 4711, frozenset())
    monkeypatch.setattr(users, "find_account", lambda name: ghost)
    monkeypatch.setattr(users, "check_user", lambda *arguments: None)
    # Without a key of ours nobody gives one.
    assert said_about(net, user="ghost") == []
    SOUND(net)
    assert said_about(net, user="ghost") == [
        "hosts: info: with --user ghost the Ed25519 keys that peers give cannot be "
        "written here: add their lines by hand, or those that dial this node are "
        "refused after its next start"
    ]
    os.chown(net / "hosts/beta", 4711, 4711)
    assert said_about(net, user="ghost") == []


def test_what_cannot_be_read_is_no_mistake(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SOUND(net)
    real: Callable[..., object] = Path.open

    def refuse(path: Path, *arguments: object, **words: object) -> object:
        if path.name == "ed25519_key.priv":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **words)

    monkeypatch.setattr(Path, "open", refuse)
    [*_, line] = [said for said in said_about(net) if "Ed25519 private" in said]
    assert line.startswith("ed25519_key.priv: warning: ")
    assert line.endswith("Permission denied: it was not checked")


def test_a_net_without_such_keys_loads_nothing_for_them(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tincd_compat.config.ed25519", None)
    assert said_about(net) == []
    beta(PEER_LINE)(net)
    with pytest.raises(ImportError):
        said_about(net)
