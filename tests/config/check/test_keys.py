"""Keys: ours, those of the others, and whether two halves belong together."""

from __future__ import annotations

from tests.config.check.conftest import ALPHA, BETA, key_pair
from tests.config.check.mistakes import (
    Mistake,
    each_is_found,
    file,
    main,
    mode,
    removed,
)

GAMMA = "Subnet = 10.3.0.0/16\n"

ROWS: list[Mistake] = [
    (
        removed("rsa_key.priv"),
        "rsa_key.priv: error: Error reading RSA private key file `rsa_key.priv': No "
        "such file or directory (`tincd -K' makes a key pair)",
    ),
    (
        main("PrivateKeyFile = /nowhere/key"),
        "/nowhere/key: error: Error reading RSA private key file `/nowhere/key': No "
        "such file or directory (`tincd -K' makes a key pair)",
    ),
    (
        main("PrivateKeyFile = key"),
        "tinc.conf:3: warning: the path is relative to the working directory, which is "
        "/ once detached",
    ),
    (
        main("PrivateKey = 1234"),
        "tinc.conf: error: PrivateKey used but no PublicKey found! (`tincd -K' makes a "
        "key pair in files instead)",
    ),
    (
        main("PrivateKey = 1234"),
        "tinc.conf:3: info: PrivateKey is obsolete: `tincd -K' makes keys in files",
    ),
    (
        file("rsa_key.priv", "nothing", 0o600),
        "rsa_key.priv: error: Reading RSA private key file `rsa_key.priv' failed: "
        "there is no RSA private key in it",
    ),
    (
        mode("rsa_key.priv", 0o640),
        "rsa_key.priv: warning: insecure file permissions for RSA private key "
        "file `rsa_key.priv'! (`chmod 600 rsa_key.priv' makes it private)",
    ),
    (
        file("rsa_key.priv", key_pair(3)[0], 0o600),
        "hosts/alpha: error: the public key here does not belong to the private key of "
        "this node: nobody who has this file lets it in",
    ),
    (
        file("rsa_key.priv", key_pair(4, 1024)[0], 0o600),
        "rsa_key.priv: warning: an RSA key of 1024 bits is weak; `tincd -K' makes a "
        "new pair",
    ),
    (
        file("hosts/beta", BETA + key_pair(4, 1024)[1]),
        "hosts/beta: warning: an RSA key of 1024 bits is weak; `tincd -K' makes a new "
        "pair",
    ),
    (
        file("hosts/alpha", ALPHA),
        "hosts/alpha: warning: No public key for alpha specified! (its RSA PUBLIC KEY "
        "block belongs into hosts/alpha)",
    ),
    (
        file("hosts/beta", BETA),
        "hosts/beta: error: No public key for beta specified! (its RSA PUBLIC KEY "
        "block belongs into hosts/beta)",
    ),
    (
        file("hosts/gamma", GAMMA),
        "hosts/gamma: warning: No public key for gamma specified! (its RSA PUBLIC KEY "
        "block belongs into hosts/gamma)",
    ),
    (
        file("hosts/gamma", GAMMA + key_pair(2)[1]),
        "hosts/gamma: warning: gamma has the public key of beta, so each can pass as "
        "the other",
    ),
    (
        file("hosts/beta", BETA + key_pair(2)[1] + key_pair(3)[1]),
        "hosts/beta: warning: there are 2 public keys in this file, only one counts",
    ),
    (
        file("hosts/alpha", ALPHA + key_pair(1)[1] + key_pair(1)[0]),
        "hosts/alpha: error: there is a private key in this file, which other nodes "
        "get copies of",
    ),
]

test_a_mistake_is_found = each_is_found(ROWS)
