from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.config.parser import (
    Config,
    Entry,
    IncompleteConfigError,
    options_for,
    parse_lines,
    parse_option,
    read_file,
    read_host_config,
    read_own_host_config,
    read_server_config,
)
from tincd_compat.errors import ConfigError


def pairs(data: bytes) -> list[tuple[str, str]]:
    return [(entry.variable, entry.value) for entry in parse_lines(data, "f")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"A=b", ("A", "b")),
        (b"A = b", ("A", "b")),
        (b"A b", ("A", "b")),
        (b"A\tb", ("A", "b")),
        (b"A =b", ("A", "b")),
        (b"A \t = \t b \t", ("A", "b")),
        (b"A == b", ("A", "= b")),
        (b"Port = 655 # x", ("Port", "655 # x")),
        (b"Name = two words", ("Name", "two words")),
        (b'A = "q\\"', ("A", '"q\\"')),
        (b"= b", ("", "b")),
        (b" Name = x", ("", "Name = x")),
        (b"\tName = x", ("", "Name = x")),
        (b"  # indented", ("", "# indented")),
        (b"\xef\xbb\xbfName = x", ("\ufeffName", "x")),
        (b"A = \xff\xc3\xa4", ("A", "\udcffä")),
        (b"A = b\0ignored", ("A", "b")),
    ],
)
def test_one_assignment(line: bytes, expected: tuple[str, str]) -> None:
    assert pairs(line) == [expected]
    assert pairs(line + b"\n") == [expected]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"#\n# A = b\n#A=b",
        b"   \n\t\n \t ",
        b"\0A = b\n",
        b"\r\n",
        b"#" + b"x" * 5000 + b" Mode = hub\n",
    ],
)
def test_lines_without_effect(data: bytes) -> None:
    assert pairs(data) == []


def test_a_carriage_return_goes_with_the_line_feed_behind_it() -> None:
    assert pairs(b"A = b\r\nC = d\r\r\nE = f\r") == [
        ("A", "b"),
        ("C", "d\r"),
        ("E", "f\r"),
    ]


def test_a_long_line_is_one_line() -> None:
    value = b"x" * 5000
    (entry, following) = parse_lines(b"A = " + value + b"\nB = c\n", "f")
    assert entry.value == value.decode()
    assert following.line == 2


@pytest.mark.parametrize("label", [b"RSA PUBLIC KEY-----", b"", b" ANYTHING"])
def test_a_key_block_is_skipped(label: bytes) -> None:
    block = b"-----BEGIN" + label + b"\nMIIB\nA\n\n-----END" + label + b"\n"
    entries = parse_lines(b"A = 1\n" + block + b"B = 2\n", "f")
    assert [(entry.variable, entry.line) for entry in entries] == [("A", 1), ("B", 7)]


def test_an_open_block_swallows_the_rest() -> None:
    assert pairs(b"A = 1\n-----BEGIN X\nB = 2\n -----END X\nC\n") == [("A", "1")]


def test_an_indented_block_is_none() -> None:
    assert pairs(b" -----BEGIN X\nB = 2\n")[1:] == [("B", "2")]


@pytest.mark.parametrize(
    ("line", "name"),
    [("Port", "Port"), ("Port = ", "Port"), ("Port\t=\t", "Port"), ("=", "")],
)
def test_a_missing_value_ends_the_file(line: str, name: str) -> None:
    with pytest.raises(IncompleteConfigError) as caught:
        parse_lines(f"A = 1\n\n{line}\nB = 2\n".encode(), "DIR/tinc.conf")
    assert str(caught.value) == (
        f"No value for variable `{name}' on line 3 "
        "while reading config file DIR/tinc.conf"
    )
    assert caught.value.entries == [Entry("A", "1", "DIR/tinc.conf", 1)]
    assert caught.value.reason is None


@given(st.binary(max_size=200))
def test_any_bytes_are_entries_or_an_error_about_a_value(data: bytes) -> None:
    try:
        entries = parse_lines(data, "f")
    except IncompleteConfigError as error:
        entries = error.entries
    assert all(entry.value and "\0" not in entry.value for entry in entries)
    assert [entry.line for entry in entries] == sorted(
        {entry.line for entry in entries}
    )


@pytest.mark.parametrize(
    ("argument", "host", "entry"),
    [
        ("Mode=hub", None, Entry("Mode", "hub", None, 3)),
        ("Mode = hub  ", None, Entry("Mode", "hub", None, 3)),
        ("Mode hub", None, Entry("Mode", "hub", None, 3)),
        ("beta.Port=6 5", "beta", Entry("Port", "6 5", None, 3)),
        ("beta.Address=a.b", "beta", Entry("Address", "a.b", None, 3)),
        ("Address=a.b", None, Entry("Address", "a.b", None, 3)),
        ("#x=Y", None, Entry("#x", "Y", None, 3)),
        (" Mode=hub", None, Entry("", "Mode=hub", None, 3)),
        (".Mode=hub", "", Entry("Mode", "hub", None, 3)),
    ],
)
def test_option(argument: str, host: str | None, entry: Entry) -> None:
    assert parse_option(argument, 3) == (host, entry)


@pytest.mark.parametrize(
    ("argument", "name"), [("X", "X"), ("X= ", "X"), ("", ""), ("foo.X", "foo.X")]
)
def test_option_without_value(argument: str, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_option(argument, 2)
    text = f"No value for variable `{name}' in command line option 2"
    assert str(caught.value) == text


def test_options_belong_to_a_host_in_its_exact_case() -> None:
    options = [
        parse_option(argument, number)
        for number, argument in enumerate(["A=1", "beta.A=2", "Beta.A=3"], 1)
    ]
    assert [entry.value for entry in options_for(options, None)] == ["1"]
    assert [entry.value for entry in options_for(options, "beta")] == ["2"]


def test_places() -> None:
    assert Entry("A", "b", "/etc/tinc/x/tinc.conf", 3).place == (
        "/etc/tinc/x/tinc.conf line 3"
    )
    assert Entry("A", "b", None, 2).place == "command line option 2"


def values(entries: list[Entry]) -> list[str]:
    return [entry.value for entry in Config(entries).all("port")]


def test_the_lowest_line_number_wins_whatever_the_file() -> None:
    host = Entry("Port", "host", "DIR/hosts/foo", 1)
    main = Entry("Port", "main", "DIR/tinc.conf", 3)
    assert values([main, host]) == ["host", "main"]
    swapped = [Entry("Port", "host", "DIR/hosts/foo", 3)]
    swapped.append(Entry("Port", "main", "DIR/tinc.conf", 1))
    assert values(swapped) == ["main", "host"]


def test_equal_lines_are_ordered_by_path() -> None:
    files = ["DIR/tinc.conf", "DIR/hosts/foo", "DIR/conf.d/x.conf"]
    entries = [Entry("Port", file, file, 2) for file in files]
    assert values(entries) == sorted(files)


def test_the_command_line_comes_first_in_its_own_order() -> None:
    entries = [
        Entry("Port", "file", "DIR/tinc.conf", 1),
        Entry("Port", "second", None, 9),
        Entry("Port", "first", None, 2),
    ]
    assert values(entries) == ["first", "second", "file"]
    first = Config(entries).first("PORT")
    assert first is not None
    assert first.value == "first"


def test_names_have_no_case_but_only_in_ascii() -> None:
    config = Config([Entry("kEyExpire", "1", "f", 1), Entry("ä", "2", "f", 2)])
    assert config.first("KeyExpire") is not None
    assert config.first("\u212aeyExpire") is None
    assert config.first("Ä") is None
    assert config.all("Nothing") == []


def directory(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_conf", ".conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_conf_d_takes_files_that_end_in_conf(tmp_path: Path) -> None:
    directory(tmp_path, tinc_conf="Name = a\n")
    (tmp_path / "conf.d").mkdir()
    for name in ("x.conf", ".x.conf", ".conf", "y.conf~", "z.CONF", "conf"):
        (tmp_path / "conf.d" / name).write_text(f"From = {name}\n")
    entries = read_server_config(tmp_path, [Entry("O", "1", None, 1)])
    assert [entry.value for entry in entries] == ["1", "a", ".x.conf", "x.conf"]
    assert entries[2].file == str(tmp_path / "conf.d" / ".x.conf")


@pytest.mark.parametrize("conf_d", [None, "a file\n"])
def test_conf_d_may_be_missing(tmp_path: Path, conf_d: str | None) -> None:
    directory(tmp_path, tinc_conf="Name = a\n")
    if conf_d is not None:
        (tmp_path / "conf.d").write_text(conf_d)
    assert len(read_server_config(tmp_path, [])) == 1


def test_a_missing_main_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tinc.conf"
    with pytest.raises(IncompleteConfigError) as caught:
        read_server_config(tmp_path, [Entry("O", "1", None, 1)])
    assert str(caught.value) == f"Failed to read `{path}': No such file or directory"
    assert caplog.messages == [
        f"Cannot open config file {path}: No such file or directory"
    ]
    assert caplog.records[0].levelno == logging.ERROR
    assert len(caught.value.entries) == 1


def test_a_bad_file_in_conf_d(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory(tmp_path, tinc_conf="Name = a\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("A = 1\nB\nC = 3\n")
    with pytest.raises(
        IncompleteConfigError, match=r"`B' on line 2 .*a\.conf"
    ) as caught:
        read_server_config(tmp_path, [])
    assert [entry.variable for entry in caught.value.entries] == ["Name", "A"]
    assert caplog.messages == []


def test_a_dangling_link_in_conf_d(tmp_path: Path) -> None:
    directory(tmp_path, tinc_conf="Name = a\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.conf").symlink_to("nowhere")
    with pytest.raises(IncompleteConfigError, match=r"Failed to read `.*x\.conf'"):
        read_server_config(tmp_path, [])


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IncompleteConfigError, match=r"Cannot open .*: Is a directory"):
        read_file(tmp_path)


def test_an_unreadable_conf_d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory(tmp_path, tinc_conf="Name = a\n")

    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(IncompleteConfigError, match=r"conf\.d': Permission denied"):
        read_server_config(tmp_path, [])


def test_a_peer_needs_a_readable_file(tmp_path: Path) -> None:
    option = Entry("Address", "h", None, 1)
    path = tmp_path / "hosts" / "beta"
    with pytest.raises(IncompleteConfigError) as caught:
        read_host_config(tmp_path, "beta", [option])
    assert str(caught.value) == (
        f"Cannot open config file {path}: No such file or directory"
    )
    directory(tmp_path, hosts__beta="Port = 1\nAddress\n")
    with pytest.raises(IncompleteConfigError, match="`Address' on line 2"):
        read_host_config(tmp_path, "beta", [option])
    directory(tmp_path, hosts__beta="Port = 1\n")
    assert read_host_config(tmp_path, "beta", [option]) == [
        option,
        Entry("Port", "1", str(path), 1),
    ]


def test_our_own_file_only_loses_what_follows_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    option = Entry("Port", "2", None, 1)
    assert read_own_host_config(tmp_path, "a", [option]) == [option]
    directory(tmp_path, hosts__a="Subnet = 10.0.0.0/8\nPort\nPMTU = 3\n")
    entries = read_own_host_config(tmp_path, "a", [option])
    assert [entry.variable for entry in entries] == ["Port", "Subnet"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "Cannot open config file" in caplog.messages[0]
    assert "No value for variable `Port' on line 2" in caplog.messages[1]
