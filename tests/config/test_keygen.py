from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TextIO

import pytest

from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.keygen import Console, generate_keys
from tincd_compat.config.keys import load_private_key, load_public_key
from tincd_compat.config.settings import Settings
from tincd_compat.errors import ConfigError

SPOKEN = "Generating 512 bits keys:\nDone.\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "hosts").mkdir()
    return tmp_path


def console(stdin: TextIO | None = None, stdout: TextIO | None = None) -> Console:
    return Console(stdin, stdout, io.StringIO())


def spoken(console: Console) -> str:
    assert isinstance(console.stderr, io.StringIO)
    return console.stderr.getvalue()


def check_pair(directory: Path, public: Path, bits: int = 512) -> None:
    key = load_private_key(Settings(name="alpha"), directory)
    host = HostSettings(pem=public.read_bytes())
    assert load_public_key(host, directory, "alpha") == key.public
    assert (key.public.bits, key.public.exponent) == (bits, 65537)


def test_a_new_pair(directory: Path) -> None:
    output = console()
    generate_keys(directory, "alpha", 512, output)
    check_pair(directory, directory / "hosts" / "alpha")
    assert spoken(output) == SPOKEN
    private = (directory / "rsa_key.priv").read_bytes()
    assert private.startswith(b"\n-----BEGIN RSA PRIVATE KEY-----\n")
    public = (directory / "hosts" / "alpha").read_bytes()
    assert public.startswith(b"\n-----BEGIN RSA PUBLIC KEY-----\n")
    assert {len(line) for line in private.split(b"\n")[2:-3]} == {64}
    for path in (directory / "rsa_key.priv", directory / "hosts" / "alpha"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_name(directory: Path) -> None:
    generate_keys(directory, None, 512, console())
    check_pair(directory, directory / "rsa_key.pub")
    assert os.listdir(directory / "hosts") == []


@pytest.mark.parametrize(("asked", "bits"), [(519, 512), (520, 520), (1031, 1024)])
def test_lengths_are_whole_bytes(directory: Path, asked: int, bits: int) -> None:
    output = console()
    generate_keys(directory, "alpha", asked, output)
    check_pair(directory, directory / "hosts" / "alpha", bits)
    assert spoken(output).startswith(f"Generating {bits} bits keys:\n")


@pytest.mark.parametrize("bits", [0, 511, -8])
def test_too_short(directory: Path, bits: int) -> None:
    with pytest.raises(ConfigError, match="equal to or greater than 512"):
        generate_keys(directory, "alpha", bits, console())


def test_a_second_pair_disables_the_first(directory: Path) -> None:
    generate_keys(directory, "alpha", 512, console())
    output = console()
    generate_keys(directory, "alpha", 512, output)
    check_pair(directory, directory / "hosts" / "alpha")
    warning = "Warning: old key(s) found and disabled.\n"
    assert spoken(output) == SPOKEN + 2 * warning
    assert (directory / "rsa_key.priv").read_bytes().count(b"BEGIN OLD PRIVATE") == 1


@pytest.mark.parametrize(
    ("stdin", "stdout"),
    [
        (None, Terminal()),
        (Terminal(), None),
        (io.StringIO("y\n" * 9), Terminal()),
        (io.StringIO(""), io.StringIO()),
        (Terminal("elsewhere\n\n"), io.StringIO()),
    ],
)
def test_no_question_without_terminals(
    directory: Path, stdin: TextIO | None, stdout: TextIO | None
) -> None:
    generate_keys(directory, "alpha", 512, console(stdin, stdout))
    check_pair(directory, directory / "hosts" / "alpha")
    assert not isinstance(stdout, io.StringIO) or stdout.getvalue() == ""


def test_every_stream_may_be_closed(directory: Path) -> None:
    generate_keys(directory, "alpha", 512, Console(None, None, None))
    check_pair(directory, directory / "hosts" / "alpha")


def test_questions_on_terminals(directory: Path) -> None:
    public = directory / "answer.pub"
    stdout = Terminal()
    output = console(Terminal(f"\n{public}\n"), stdout)
    generate_keys(directory, "alpha", 512, output)
    check_pair(directory, public)
    assert stdout.getvalue() == (
        "Please enter a file to save private RSA key to "
        f"[{directory}/rsa_key.priv]: "
        "Please enter a file to save public RSA key to "
        f"[{directory}/hosts/alpha]: "
    )


def test_a_relative_answer(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "here").mkdir()
    monkeypatch.chdir(directory / "here")
    generate_keys(directory, "alpha", 512, console(Terminal("a\nb\n"), Terminal()))
    assert sorted(os.listdir(directory / "here")) == ["a", "b"]


@pytest.mark.parametrize("answers", ["", "\n"])
def test_the_end_of_input_at_a_question(directory: Path, answers: str) -> None:
    with pytest.raises(ConfigError, match=r"^Error while reading stdin: end of file"):
        generate_keys(directory, "alpha", 512, console(Terminal(answers), Terminal()))
    assert os.listdir(directory) == ["hosts"]


def test_a_failing_question(directory: Path) -> None:
    class Broken(Terminal):
        def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
            raise OSError(5, "Input/output error")

    with pytest.raises(ConfigError, match=r"^Error while reading stdin: Input/output"):
        generate_keys(directory, "alpha", 512, console(Broken(), Terminal()))


def test_both_files_are_checked_first(directory: Path) -> None:
    (directory / "hosts").rmdir()
    path = directory / "hosts" / "alpha"
    with pytest.raises(ConfigError) as caught:
        generate_keys(directory, "alpha", 512, console())
    assert str(caught.value) == (
        f"Error opening file `{path}': No such file or directory"
    )
    assert os.listdir(directory) == []


def test_one_file_is_not_enough(directory: Path) -> None:
    path = directory / "key"
    answers = Terminal(f"{path}\n{path}\n")
    with pytest.raises(ConfigError, match="cannot share a file"):
        generate_keys(directory, "alpha", 512, console(answers, Terminal()))
    assert not path.exists()


def test_a_failure_of_the_second_leaves_the_first(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_keys(directory, "alpha", 512, console())
    before = (directory / "rsa_key.priv").read_bytes()
    sync, calls = os.fsync, iter([False, True])

    def full(descriptor: int) -> None:
        if next(calls):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="alpha': No space left on device"):
        generate_keys(directory, "alpha", 512, console())
    assert (directory / "rsa_key.priv").read_bytes() == before
    check_pair(directory, directory / "hosts" / "alpha")
    assert sorted(os.listdir(directory)) == ["hosts", "rsa_key.priv"]
    assert os.listdir(directory / "hosts") == ["alpha"]


def test_keys_nobody_can_use(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tincd_compat.config import keygen

    def no_pair(bits: int, random_bytes: object) -> tuple[bytes, bytes]:
        raise ValueError("too long")

    monkeypatch.setattr(keygen, "_key_pair", no_pair)
    output = console()
    with pytest.raises(ConfigError, match=r"^Error during key generation! \(too long"):
        generate_keys(directory, "alpha", 16384, output)
    assert spoken(output).startswith("Warning: tincd cannot use keys of more than 8192")
