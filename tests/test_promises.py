"""What SECURITY.md promises, numbered, and where each promise is proved.

The table names tests and checks of scenarios, and is checked to name none that is gone.
What no other test shows is tested here.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tincd_compat
from tests.config.samples import private_pem, settings
from tests.proofs import exists
from tests.tunnel.world import SUITE, neighbours, sized
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.keyfile import KeyFile
from tincd_compat.config.keys import load_private_key
from tincd_compat.errors import ConfigError
from tincd_compat.meta.messages import AnsKey, MetaKey
from tincd_compat.tunnel import codec, pure
from tincd_compat.tunnel.openers import Openers
from tincd_compat.tunnel.tunnel import Tunnel

PACKAGE = Path(tincd_compat.__file__).parent
ROOT = PACKAGE.parent

#: Number of a promise to the functions that prove it, as ``FILE::[CLASS::]FUNCTION``.
PROMISES: dict[int, tuple[str, ...]] = {
    # To strangers: not a byte before the ID of a configured node, then ID and METAKEY;
    # CHAL_REPLY only to who has proved himself.
    1: (
        "tests/meta/test_handshake_refusals.py::test_what_strangers_say_is_refused_in_silence",
        "tests/meta/test_handshake.py::test_what_the_side_called_says_when",
        "tests/meta/test_handshake.py::test_the_side_called_proves_itself_last",
        "tests/meta/test_connection.py::test_nobody_unproved_hears_of_the_mesh",
        "conformance/scenarios/badpeer.py::_silence",
        "conformance/scenarios/badpeer.py::_bad_keys",
        "conformance/scenarios/handshakes.py::_expect_no_proof",
    ),
    # No memory that grows with what they send.
    2: (
        "tests/meta/test_connection.py::test_a_stranger_without_line_ends",
        "tests/meta/test_connection.py::test_what_waits_meanwhile_is_bounded",
        "tests/daemon/test_links_end.py::test_callers_in_the_handshake_are_bounded",
        "tests/daemon/test_links_end.py::test_the_tarpit_is_bounded",
        "tests/transport/test_tcp.py::test_ten_connections_a_second",
        "tests/transport/test_tcp.py::test_the_tarpit_closes_the_oldest_for_one_more",
        "tests/transport/test_udp_receiving.py::test_strangers_do_not_fill_the_address_cache",
        "tests/tunnel/test_lookup.py::test_the_set_of_hosts_is_bounded_without_any_node",
        "conformance/scenarios/handshakes.py::_crowd",
    ),
    # No input ends, blocks or slows the daemon.
    3: (
        "tests/meta/test_messages.py::test_only_peer_errors_come_of_any_line",
        "tests/meta/test_connection.py::test_any_bytes_in_any_pieces",
        "tests/meta/test_connection_time.py::test_single_bytes_do_not_buy_time",
        "tests/tunnel/test_pipeline.py::test_any_bytes_are_survived",
        "tests/tunnel/test_pipeline_steps.py::test_no_step_is_long",
        "tests/tunnel/test_pump_outward.py::test_segments_count_each_wherever_they_go",
        "tests/daemon/test_readers.py::test_expensive_super_packets_take_turns",
        "tests/daemon/test_readers.py::test_expensive_datagrams_take_turns",
        "tests/transport/test_metasocket.py::test_an_error_of_ours_costs_the_connection",
        "tests/transport/test_turns.py::test_no_turn_is_long_and_all_is_done",
        "tests/daemon/test_links_turns.py::test_no_turn_is_long_however_many_say_how_much",
        "tests/daemon/test_links_turns.py::test_a_neighbour_is_answered_while_another_floods",
        "tests/daemon/test_links.py::test_an_error_of_ours_costs_one_link",
        "tests/daemon/test_mishaps.py::test_a_traceback_once_for_each_place",
        "tests/costs/test_costs.py::test_cost",
        "tests/costs/test_slices.py::test_walk_gives_way",
        "tests/daemon/test_probing.py::test_steps_that_are_due_together_take_turns",
        "tests/daemon/test_collector.py::test_no_search_looks_at_all_there_is",
        "tests/daemon/test_links.py::test_work_for_callers_that_have_left_is_not_begun",
        "tests/daemon/test_links.py::test_too_many_callers",
        "tests/daemon/test_links.py"
        "::test_links_that_we_dial_come_first_and_networks_have_turns",
        "tests/daemon/test_privateops.py::test_a_flood_leaves_half_of_the_time",
        "tests/daemon/test_privateops.py::test_nobody_waits_longer_than_patience",
        "conformance/scenarios/hostile.py::_say_fatal",
        "conformance/scenarios/hostile_udp.py::_member_gone_bad",
        "conformance/scenarios/killers.py::_no_descriptors",
    ),
    # Junk datagrams cost a bounded number of MACs, or one each in a member's name; they
    # move no address, window or MTU.
    4: (
        "tests/test_promises.py::test_promise_04_junk_moves_nothing",
        "tests/test_promises.py::test_promise_04_what_a_name_is_good_for",
        "tests/daemon/test_crowds.py::TestCalm::test_junk_is_tested_once",
        "tests/tunnel/test_pump_strangers.py::test_forged_datagrams_of_a_known_address",
        "tests/tunnel/test_pump_strangers.py::test_strangers",
        "tests/tunnel/test_pump_strangers.py::test_many_strangers",
        "tests/tunnel/test_lookup.py::test_strangers_cannot_buy_more_than_the_budget",
        "tests/tunnel/test_lookup.py::test_a_crowd_behind_one_address_is_bounded_too",
        "tests/tunnel/test_codec.py::TestMatches::test_by_the_mac_alone",
        "tests/tunnel/test_pipeline_probes.py::test_only_asked_replies_count",
        "conformance/scenarios/hostile_udp.py::_flood",
    ),
    # MACs are compared in constant time and before anything is decrypted; a number
    # counts once, before its packet is delivered or moves an address.
    5: (
        "tests/test_promises.py::test_promise_05_macs_are_compared_in_constant_time",
        "tests/test_promises.py::test_promise_05_what_is_forged_is_not_decrypted",
        "tests/tunnel/test_replay.py::test_no_number_is_accepted_twice",
        "tests/tunnel/test_pipeline.py::test_a_replayed_datagram_is_dropped",
        "tests/tunnel/test_pipeline_senders.py"
        "::test_a_replayed_datagram_does_not_move_the_address",
        "conformance/scenarios/replay.py::play",
    ),
    # To members: one that is bad neither stops us nor uses memory without bound.
    6: (
        "tests/control/test_edges.py::test_limit_on_nodes",
        "tests/control/test_edges.py::test_limit_on_edges",
        "tests/control/test_own_edges.py::test_namesake_makes_us_rest",
        "tests/control/test_subnets.py::test_limit_on_subnets",
        "tests/control/test_subnets.py::test_limit_on_owners",
        "tests/control/test_seen.py::test_oldest_go_when_it_is_full",
        "tests/control/test_rules.py::test_warnings_are_rationed",
        "tests/meta/test_ciphers.py::test_budget_ends_the_stream",
        "tests/daemon/test_links_time.py::test_a_peer_that_does_not_read",
        "tests/daemon/test_links_time.py::test_a_peer_that_reads_too_little",
        "tests/service/test_scripts.py::test_the_queue_has_an_end",
        "tests/tunnel/test_compression.py::TestLzo::test_a_bomb_is_not_unpacked",
        "tests/tunnel/test_compression.py::TestZstd::test_memory_is_bounded",
        "tests/tunnel/test_compression.py::test_a_bomb_is_not_unpacked",
        "conformance/scenarios/floods.py::_does_not_read",
        "conformance/scenarios/floods.py::_announces",
        "conformance/scenarios/killers.py::_contradictions",
        "conformance/scenarios/killers.py::_forbidden_lines",
    ),
    # No packet in the clear or without a MAC unless we are configured for that.
    7: (
        "tests/tunnel/test_tunnel.py::TestPlaintextByThePeersWish"
        "::test_is_refused_and_logged_once",
        "tests/meta/test_handshake_refusals.py::test_a_metakey_we_do_not_want",
        "conformance/scenarios/killers.py::_clear_text",
    ),
    # With StrictSubnets or TunnelServer only subnets of our own host files count.
    8: (
        "tests/control/test_subnets.py::test_add_subnet",
        "tests/control/test_rules.py::test_tunnel_server_implies_strict_subnets",
        "tests/daemon/test_daemon.py::test_strict_subnets_are_known_from_the_start",
        "conformance/scenarios/strictsubnets.py::play",
        "conformance/scenarios/tunnelserver.py::play",
    ),
    # To the owner: private keys are for him alone, and never shown.
    9: (
        "tests/test_promises.py::test_promise_09_a_key_file_is_born_private",
        "tests/test_promises.py::test_promise_09_no_key_in_errors",
        "tests/test_promises.py::test_promise_09_no_key_of_a_message_is_shown",
        "tests/config/test_keys.py::test_wide_modes_get_a_warning",
        "tests/config/test_keyfile.py::test_a_private_file_becomes_private",
        "tests/config/test_keyfile.py::test_a_key_is_not_shown",
        "tests/config/test_rsa.py::test_nothing_of_a_key_is_shown",
        "tests/config/test_settings.py::test_the_private_exponent_is_not_shown",
        "tests/meta/test_connection_time.py::test_no_key_material_is_shown",
        "tests/tunnel/test_tunnel.py::test_no_key_material_in_representations",
        "conformance/harness/checks.py::key_complaints",
    ),
    # Lines in the log are harmless to read, and few.
    10: (
        "tests/service/test_outputs.py::test_nothing_unprintable_gets_through",
        "tests/service/test_floods.py::test_one_place_writes_so_many_a_second",
        "tests/service/test_log.py::test_a_full_disk_costs_only_the_lines",
        "tests/tunnel/test_lookup.py::test_lines_about_strangers_are_few",
        "tests/tunnel/test_pipeline.py::test_empty_datagrams_do_not_fill_the_log",
        "conformance/harness/checks.py::log_complaints",
        "conformance/scenarios/hostile_udp.py::_flood",
    ),
    # Scripts get values that have passed a parser, in an environment made for them.
    11: (
        "tests/test_promises.py::test_promise_11_no_command_is_text_for_a_shell",
        "tests/meta/test_messages.py::test_names_that_are_none",
        "tests/service/test_scripts.py::test_characters_of_the_path_mean_nothing",
        "tests/service/test_scripts.py::test_the_environment_is_new_for_each_script",
        "tests/service/test_scripts.py::test_descriptors_are_not_inherited",
        "conformance/scenarios/killers.py::_names_as_addresses",
    ),
    # Privileges go in the order of tincd, and for good.
    12: (
        "tests/service/test_privileges.py::test_groups_then_root_then_user",
        "tests/service/test_privileges.py::test_a_way_back_is_an_error",
        "conformance/scenarios/privileges.py::play",
    ),
    # An error in the configuration names its place, and the running one goes on.
    13: (
        "tests/config/test_settings.py::test_fatal_values_say_where",
        "tests/daemon/test_run.py::test_a_configuration_that_will_not_do",
        "tests/daemon/test_daemon_signals.py::test_a_broken_configuration_changes_nothing",
        "tests/test_cli_start.py::test_configuration_errors_go_to_the_log_file",
        "conformance/scenarios/reload.py::play_broken",
    ),
}


@pytest.mark.parametrize("proof", [each for all_ in PROMISES.values() for each in all_])
def test_every_promise_is_proved(proof: str) -> None:
    assert exists(proof)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


# 4


@given(st.lists(st.binary(max_size=200), max_size=70), st.booleans())
def test_promise_04_junk_moves_nothing(junk: list[bytes], at_its_address: bool) -> None:
    world = neighbours("b")
    node, peer = world.node("b"), world.peers["b"]
    tunnel, address = world.tunnel(node), peer.address
    before = _state(tunnel)
    source = address if at_its_address else SocketAddress("203.0.113.9", 4242)
    world.from_udp(junk, source)
    assert (_state(tunnel), node.address) == (before, address)
    assert (world.ports.delivered, world.ports.trains) == ([], [])
    world.from_peer("b", sized(100, "10.0.1.1"))
    assert len(world.ports.delivered) == 1


@pytest.mark.parametrize("keys", [1, 2])
def test_promise_04_what_a_name_is_good_for(
    monkeypatch: pytest.MonkeyPatch, keys: int
) -> None:
    world = neighbours("b", "c", "d")
    macs: list[bytes] = []
    for opener in (codec.Opener, Openers):
        monkeypatch.setattr(opener, "matches", _noting(macs, opener.matches))
    open_train = codec.Opener.open_train

    def opened(opener: codec.Opener, train: Sequence[bytes]) -> list[codec.Opened]:
        macs.extend(train)
        return open_train(opener, train)

    monkeypatch.setattr(codec.Opener, "open_train", opened)
    for _ in range(keys - 1):
        world.give_key("b")
    for _ in range(10):
        world.from_udp([os.urandom(100) for _ in range(50)], world.peers["b"].address)
    # And once a second whoever else it may be is asked.
    assert 500 * keys <= len(macs) <= 500 * keys + 4


def _noting(
    macs: list[bytes], matches: Callable[[Any, bytes], bool | None]
) -> Callable[[Any, bytes], bool | None]:
    def noted(opener: object, datagram: bytes) -> bool | None:
        macs.append(datagram)
        return matches(opener, datagram)

    return noted


def _state(tunnel: Tunnel) -> tuple[object, ...]:
    assert tunnel.opener is not None
    return tunnel.opener.highest, tunnel.valid_key, tunnel.dump()


# 5

_MACS = re.compile(r"(^|_)(macs?|tags?|hmac|reply|expected|signature)$")
_COMPARING = ast.Eq | ast.NotEq | ast.In | ast.NotIn


def test_promise_05_macs_are_compared_in_constant_time() -> None:
    for name, tree in modules():
        # Elsewhere a MAC is an address, and a reply what a proxy says.
        if name.startswith(("tunnel", "meta")) and name != "meta/proxy.py":
            for node in ast.walk(tree):
                if isinstance(node, ast.Compare) and _touches_a_mac(node):
                    pytest.fail(f"{name}:{node.lineno}: {ast.unparse(node)}")


def _touches_a_mac(compare: ast.Compare) -> bool:
    if not any(isinstance(each, _COMPARING) for each in compare.ops):
        return False
    for operand in (compare.left, *compare.comparators):
        # Its length, or whether there is one at all, is no secret.
        while isinstance(operand, ast.Subscript):
            operand = operand.value
        name = getattr(operand, "id", getattr(operand, "attr", ""))
        if isinstance(operand, ast.Call):
            called = operand.func
            name = getattr(called, "id", getattr(called, "attr", ""))
            if name in ("digest", "hexdigest"):
                return True
        if _MACS.search(name):
            return True
    return False


@pytest.mark.parametrize(
    ("text", "touches"),
    [
        ("mac == tag", True),
        ("datagram[-4:] == mac.tag(sealed)", True),
        ("self._expected != answer", True),
        ("sha.digest() == other", True),
        ("reply in seen", True),
        ("mac is None", False),
        ("len(mac) == 4", False),
        ("mac.length == 4", False),
        ("self.maclength != 4", False),
    ],
)
def test_promise_05_how_a_comparison_is_found(text: str, touches: bool) -> None:
    [statement] = ast.parse(text).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Compare)
    assert _touches_a_mac(statement.value) is touches


def test_promise_05_macs_are_compared_in_constant_time_by_the_compiled_half() -> None:
    sources = [*(PACKAGE / "tunnel" / "_fast").glob("*.[ch]")]
    plain = re.compile(r"(?<!CRYPTO_)\b(?:mem|str|strn)cmp\s*\((.*)")
    for path in sources:
        for arguments in plain.findall(path.read_text()):
            assert not re.search(r"tag|mac|digest", arguments), path
    compared = [path.name for path in sources if "CRYPTO_memcmp(" in path.read_text()]
    assert compared == ["open.c"]


def test_promise_05_what_is_forged_is_not_decrypted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = bytes(range(SUITE.cipher.key_block_size))
    opener = pure.PureOpener(SUITE, key, 16)
    decrypt, decrypted = opener._decrypt, list[bytes]()

    def note(datagrams: list[bytes]) -> object:
        decrypted.extend(datagrams)
        return decrypt(datagrams)

    monkeypatch.setattr(opener, "_decrypt", note)
    [good, other] = pure.PureSealer(SUITE, key).seal_train([b"frame", b"other"])
    forged = [good[:at] + b"?" + good[at + 1 :] for at in range(len(good))]
    forged = [each for each in forged if each != good]
    drops = [opened.drop for opened in opener.open_train([*forged, other])]
    assert drops == [codec.Drop.UNAUTHENTICATED] * len(forged) + [None]
    assert decrypted == [other[: -SUITE.maclength]]


# 9


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_promise_09_a_key_file_is_born_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    made: list[tuple[int, int]] = []
    system_open = os.open

    def note(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_CREAT:
            made.append((flags, mode))
        return system_open(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", note)
    before = os.umask(umask)
    try:
        file = KeyFile.open(tmp_path / "rsa_key.priv", private_pem(), private=True)
        file.prepare()
        file.commit()
    finally:
        os.umask(before)
    [(flags, mode)] = made
    assert (flags & os.O_EXCL, mode) == (os.O_EXCL, 0o600)
    assert (tmp_path / "rsa_key.priv").stat().st_mode & 0o777 == 0o600


@given(st.integers(30, 1600), st.integers(0, 60), st.binary(max_size=3))
def test_promise_09_no_key_in_errors(
    tmp_path_factory: pytest.TempPathFactory, at: int, length: int, instead: bytes
) -> None:
    pem = private_pem()
    directory = tmp_path_factory.getbasetemp()
    path = directory / "rsa_key.priv"
    path.write_bytes(pem[:at] + instead + pem[at + length :])
    path.chmod(0o600)
    try:
        load_private_key(settings("Name = a"), directory)
    except ConfigError as error:
        shown = f"{error} {error!r} {error.__cause__!r}"
        lines = pem.decode().splitlines()[1:-1]
        pieces = (line[i : i + 12] for line in lines for i in range(0, 48, 12))
        assert not [piece for piece in pieces if piece in shown]


@pytest.mark.parametrize("text", ["zz" * 40, "1234567890ABCDEF" * 16, "12345678 9"])
def test_promise_09_no_key_of_the_configuration_in_errors(
    tmp_path: Path, text: str
) -> None:
    own = settings(f"Name = a\nPrivateKey = {text}\nPublicKey = {'F1' * 128}")
    with pytest.raises(ConfigError) as caught:
        load_private_key(own, tmp_path)
    assert text[:8] not in f"{caught.value} {caught.value.__cause__!r}"


def test_promise_09_no_key_of_a_message_is_shown() -> None:
    secret = "C0FFEE" * 16
    for message in (
        AnsKey("a", "b", secret, 427, 672, 4, 0),
        MetaKey(429, 672, 0, 0, secret),
    ):
        assert secret not in repr(message)
        assert secret.encode() in message.encode()


# 11


def test_promise_11_no_command_is_text_for_a_shell() -> None:
    """But for the owner's own: GraphDumpFile may be a pipe."""
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                words = {word.arg for word in node.keywords}
                called = ast.unparse(node.func)
                shell = called.endswith(("create_subprocess_shell", "os.popen"))
                shell = shell or called == "os.system" or "shell" in words
                assert not shell or name == "daemon/graphdump.py", (name, node.lineno)


# Intervals


def test_no_interval_is_taken_from_the_wall_clock() -> None:
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "time.time", (name, node.lineno)
