"""The verb ``keys``: which net, what is said, and what a failure leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.admin.played import Stage
from tincd_compat.admin import keys, main, schema
from tincd_compat.admin.session import Session
from tincd_compat.config.ed25519keygen import KeyPlaces, OwnKey
from tincd_compat.crypto.sptps.edwards import SigningKey
from tincd_compat.errors import ConfigError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "vpn"
    (place / "hosts").mkdir(parents=True)
    (place / "tinc.conf").write_text("Name = alpha\n")
    (place / "hosts" / "alpha").write_text("Port = 1\n")
    return place


def said(directory: Path, *words: str) -> list[str]:
    stage = Stage()
    assert stage.call("keys", "-c", str(directory), *words) == 0
    return stage.lines


def test_a_key_is_made_and_what_follows_is_said(directory: Path) -> None:
    lines = said(directory)
    line = (directory / "hosts" / "alpha").read_text().splitlines()[-1]
    assert lines == [
        f"alpha has an Ed25519 key now: {directory}/ed25519_key.priv",
        f"This line was added to {directory}/hosts/alpha",
        "and belongs into that file at the others:",
        "",
        line,
        "",
        "What happens next:",
        "  This node begins to use the key when tincd is started again.",
        "  A reload is not enough. Peers without such a key go on as before.",
        "  A peer that has one, too, exchanges keys with this node by itself, at the "
        "first",
        "  connection. Their connections are forward secret then, and so are their "
        "packets.",
        "  From then on both refuse each other in protocol 17.0, which is all that C "
        "tincd",
        "  speaks. The way back is in tincd-compat(8).",
    ]
    assert line.startswith("Ed25519PublicKey = ")


def test_the_line_alone(directory: Path) -> None:
    made = said(directory)
    assert said(directory, "--public") == [made[4]]


def test_a_second_key_only_when_asked_for(directory: Path) -> None:
    first = said(directory)[4]
    again = said(directory)
    assert again[0].startswith("alpha has an Ed25519 key already, which was kept")
    assert again[4] == first
    other = said(directory, "--replace")
    assert other[0].startswith("alpha has another Ed25519 key now")
    assert first not in other
    assert "Every host that has the old line refuses this node with" in "\n".join(other)


def test_the_unit_of_a_net_is_named(directory: Path) -> None:
    places = KeyPlaces("alpha", directory / "a", directory / "b", used=True)
    key = OwnKey(SigningKey.generate(bytes).public)
    text = "\n".join(keys.render("vpn", places, key))
    assert "when tincd is started again: systemctl restart tinc@vpn\n" in text


def test_a_directory_that_is_no_net(tmp_path: Path) -> None:
    options = Stage().options("keys", "-c", str(tmp_path))
    with pytest.raises(ConfigError, match=r"there is no .*/tinc\.conf \(-n NET, or -c"):
        keys.run(Session(options, clients=list, write=len, now=float))


def test_a_key_that_is_not_used(directory: Path) -> None:
    text = "Name = alpha\nExperimentalProtocol = no\n"
    (directory / "tinc.conf").write_text(text)
    lines = said(directory)
    assert lines[-2].startswith("tinc.conf has ExperimentalProtocol = no")
    assert "restart" not in "\n".join(lines)


@pytest.mark.parametrize("words", [(), ("--replace",)])
def test_the_record_is_of_its_schema(directory: Path, words: tuple[str, ...]) -> None:
    validator = Draft202012Validator(schema.load("keys"))
    for _ in range(2):
        [line] = said(directory, "--json", *words)
        found = json.loads(line)
        assert validator.is_valid(found)
        assert set(found) == set(schema.load("keys")["properties"])
    assert found["made"] is found["replaced"] is bool(words)


def test_a_failure_is_said_and_has_status_1(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Stage().options("keys", "-c", str(directory), "--public")
    assert main.run(options) == 1
    assert "`tincd-compat keys' makes a key" in capsys.readouterr().err
    options = Stage().options("keys", "-c", str(directory), "--public", "--replace")
    assert main.run(options) == 1
    assert "--public makes no key" in capsys.readouterr().err
    assert not (directory / "ed25519_key.priv").exists()


def test_the_only_net_is_meant(directory: Path) -> None:
    nets = directory.parent
    assert keys.chosen(None, None, nets) == ("vpn", directory)
    (nets / "tinc.conf").write_text("Name = alpha\n")
    with pytest.raises(ConfigError, match=r"several nets, .* -n NET, of \., vpn"):
        keys.chosen(None, None, nets)
    (directory / "tinc.conf").unlink()
    assert keys.chosen(None, None, nets) == (None, nets)
    with pytest.raises(ConfigError, match=r"there is no .*/NET/tinc.conf"):
        keys.chosen(None, None, directory)


def test_a_net_by_its_name() -> None:
    assert keys.chosen("vpn", None) == ("vpn", Path("/etc/tinc/vpn"))
    assert keys.chosen(".", None) == (None, Path("/etc/tinc"))
