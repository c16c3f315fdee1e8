from __future__ import annotations

import dataclasses

import pytest

from tests.config.samples import config
from tincd_compat.addresses import Subnet
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.settings import Settings
from tincd_compat.config.variables import VARIABLES, Scope, read_variables
from tincd_compat.errors import ConfigError

# tinc.conf(5) of 1.0.36 plus the variables it does not mention.
SERVER = [
    "AddressFamily",
    "BindToAddress",
    "BindToInterface",
    "Broadcast",
    "ConnectTo",
    "DecrementTTL",
    "Device",
    "DeviceType",
    "DirectOnly",
    "Forwarding",
    "GraphDumpFile",
    "Hostnames",
    "IffOneQueue",
    "Interface",
    "KeyExpire",
    "LocalDiscovery",
    "MACExpire",
    "MaxOutputBufferSize",
    "MaxTimeout",
    "MinTimeout",
    "Mode",
    "PingInterval",
    "PingTimeout",
    "PriorityInheritance",
    "PrivateKey",
    "PrivateKeyFile",
    "ProcessPriority",
    "Proxy",
    "ReplayWindow",
    "ScriptsInterpreter",
    "StrictSubnets",
    "TunnelServer",
    "UDPRcvBuf",
    "UDPSndBuf",
    "VDEGroup",
    "VDEPort",
    "Cipher",
    "Compression",
    "Digest",
    "MACLength",
    "PMTUDiscovery",
]
# Our own: 1.0.36 passes over them.
SERVER += ["ControlGroup", "ControlSocket", "EventHistory", "HealthHoldOff"]
SERVER += ["Ed25519PrivateKeyFile", "ExperimentalProtocol", "LearnKeys"]
SERVER += ["FreeBind", "TunGRO", "TunTSO", "UDPGRO", "UDPGSO", "UDPKeepalive"]
PEER = ["Address", "PublicKeyFile", "Weight"]
PEER += ["Ed25519PublicKey", "Ed25519PublicKeyFile"]
BOTH = ["ClampMSS", "IndirectData", "PMTU", "Port", "PublicKey", "Subnet", "TCPOnly"]


def in_scope(scope: Scope) -> set[str]:
    return {name for name, variable in VARIABLES.items() if scope in variable.scope}


def test_every_variable_has_its_scope() -> None:
    assert in_scope(Scope.OWN) == {*SERVER, *BOTH}
    assert in_scope(Scope.PEER) == {*PEER, *BOTH}


def test_every_field_is_set_by_one_variable() -> None:
    own = {
        variable.field for variable in VARIABLES.values() if Scope.OWN in variable.scope
    }
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields - own == {"name", "port_set"}
    assert own <= fields
    peer = {
        variable.field
        for variable in VARIABLES.values()
        if Scope.PEER in variable.scope
    }
    assert {field.name for field in dataclasses.fields(HostSettings)} == peer | {"pem"}


def test_fields_are_only_those_that_are_set() -> None:
    assert read_variables(config("mode = HUB\nUnknown = x\n"), Scope.OWN).keys() == {
        "mode"
    }


def test_a_bad_first_value_does_not_let_the_second_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "KeyExpire = soon\nKeyExpire = 5\n"
    assert read_variables(config(text), Scope.OWN) == {}
    assert len(caplog.messages) == 1


def test_the_other_values_do_not_matter(caplog: pytest.LogCaptureFixture) -> None:
    text = "Mode = hub\nMode = nonsense\nKeyExpire = 5\nKeyExpire = soon\n"
    assert read_variables(config(text), Scope.OWN)["key_expire"] == 5
    assert caplog.messages == []


def test_multiple_values_keep_their_order_without_the_bad_ones() -> None:
    text = "ConnectTo = b\nConnectTo = a-b\nConnectTo = a\n"
    fields = read_variables(config(text), Scope.OWN)
    assert fields["connect_to"] == ("b", "a")


def test_a_bad_subnet_is_fatal_for_us_only(caplog: pytest.LogCaptureFixture) -> None:
    text = "Subnet = 10.0.0.1/8\nSubnet = 10.0.0.0/8\n"
    with pytest.raises(ConfigError):
        read_variables(config(text), Scope.OWN)
    fields = read_variables(config(text), Scope.PEER)
    assert fields == {"subnets": (Subnet.parse("10.0.0.0/8"),)}
    assert caplog.messages == [
        "Network address and prefix length do not match for configuration variable "
        "Subnet in tinc.conf line 1 (`10.0.0.1/8' has bits behind the prefix: "
        "10.0.0.0/8?)"
    ]
