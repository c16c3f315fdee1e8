"""Who would refuse C tincd is named before it takes the place again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.service.takenover import do, reference, release, without_dpkg
from tincd_compat.service.launcher import template

LINE = f"Ed25519PublicKey = {'A' * 43}\n"
SAID = """\
Nodes that have the Ed25519 key of alpha, of {place}, refuse C tincd in its
place: beta delta, and maybe others. Set ExperimentalProtocol = no in
{place}/tinc.conf, then remove the line Ed25519PublicKey from hosts/alpha
at each of them, and restart this net only then.
"""


def net(root: Path, name: str = "vpn") -> Path:
    """Write a net that has exchanged keys with two of four other nodes."""
    place = root / "etc/tinc" / name
    (place / "hosts").mkdir(parents=True)
    (place / "tinc.conf").write_text("Name = alpha\n")
    (place / "ed25519_key.priv").write_text("")
    for node, text in {
        "alpha": LINE,
        "beta": f"Port = 1\n{LINE}",
        "delta": "-----BEGIN ED25519 PUBLIC KEY-----\nA\n",
        "echo": f"# {LINE}",
        "foxtrot": "Port = 1\n",
        "beta.bak": LINE,
    }.items():
        (place / "hosts" / node).write_text(text)
    return place


def ask(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(template("refused-by")), str(root)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["vpn", "."])
def test_nodes_that_have_exchanged_keys_are_named(tmp_path: Path, name: str) -> None:
    place = net(tmp_path, name)
    done = ask(tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == SAID.format(place=place)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tinc.conf", "Name = alpha\nexperimentalprotocol no\n"),
        ("tinc.conf", "Name = alpha\nEd25519PrivateKeyFile = /nowhere\n"),
        ("conf.d/a.conf", "ExperimentalProtocol = no\n"),
        ("hosts/beta", "Port = 1\n"),
    ],
)
def test_nobody_is_named_where_nobody_refuses(
    tmp_path: Path, file: str, text: str
) -> None:
    place = net(tmp_path)
    (place / "hosts" / "delta").unlink()
    path = place / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    done = ask(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_key_elsewhere_counts(tmp_path: Path) -> None:
    place = net(tmp_path)
    (place / "ed25519_key.priv").rename(tmp_path / "key")
    (place / "tinc.conf").write_text("Name=alpha\nEd25519PrivateKeyFile /key\n")
    assert ask(tmp_path).returncode == 1


def test_a_host_without_tinc_has_no_word(tmp_path: Path) -> None:
    done = ask(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_release_says_so_and_goes_on(root: Path) -> None:
    reference(root)
    host = without_dpkg(root)
    do(host.takeover)
    place = net(root)
    told = SAID.format(place=place)
    # The script beside the launcher, too, which takes no Python.
    script = root / "usr/local/lib/tincd-compat/release"
    words = ["sh", str(script), "--root", str(root), "--dry-run"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, told)
    done = release(root)
    assert (done.returncode, done.stderr) == (0, told)
    assert not host.is_ours
