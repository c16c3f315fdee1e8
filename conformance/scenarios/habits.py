"""What distributions, appliances and scripts do with tincd, in their own words.

Command lines are theirs; what they look for in syslog, logs and stderr is looked for
with their own expressions, and what they find must be what they find with C.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.outputs import Row, compare
from conformance.harness.scenario import Scenario

#: All that OpenWrt's script writes, tinc 1.1's among it.
_OPENWRT: Final = """\
AutoConnect = no
DecrementTTL = no
DeviceStandby = no
DirectOnly = no
ExperimentalProtocol = no
Hostnames = no
LocalDiscovery = no
PriorityInheritance = no
StrictSubnets = no
TunnelServer = no
ClampMSS = yes
IndirectData = no
PMTUDiscovery = yes
TCPOnly = no
AddressFamily = any
Broadcast = mst
BroadcastSubnet = 224.0.0.0/4
Ed25519PrivateKeyFile = /etc/tinc/vpn/ed25519_key.priv
Forwarding = internal
Interface = tinc0
ListenAddress = 127.0.0.1
LocalDiscoveryAddress = 127.0.0.1
Mode = router
KeyExpire = 3600
MACExpire = 600
MaxConnectionBurst = 100
PingInterval = 60
PingTimeout = 5
ProcessPriority = normal
ReplayWindow = 16
UDPRcvBuf = 1048576
UDPSndBuf = 1048576
GraphDumpFile = /run/graph
IffOneQueue = no
MaxTimeout = 600
"""
_NIXOS: Final = """\
Name = alpha
DeviceType = dummy
Ed25519PrivateKeyFile = /etc/tinc/vpn/ed25519_key.priv
PrivateKeyFile = /etc/tinc/vpn/rsa_key.priv
ListenAddress = 127.0.0.1 4711
BindToAddress = 127.0.0.1 4711
Interface = tinc.vpn
"""
_CHAOSVPN: Final = """\
Name=alpha
DeviceType=dummy
TCPonly=yes
PingTimeout=60
Hostnames=no
StrictSubnets=yes
TunnelServer=yes
GraphDumpFile=/run/graph
"""
_THOUSAND: Final = "".join(
    f"Subnet = 10.{number // 250}.{number % 250}.0/24\n" for number in range(1000)
)
_PLAIN: Final = "cp -R $net/. /etc/tinc/\n"


def play(lab: Lab, placement: Placement) -> None:
    compare(lab, placement, [*_ROWS, _tinc_boot(lab)])


def _row(name: str, script: str, files: Mapping[str, str | None] | None = None) -> Row:
    return Row(name=name, script=script, files=files or {})


#: Read once the daemon ends or is at rest.
_IN_FRONT: Final = """
{command} > /run/out 2> /run/err & pid=$!
over() {{ ! [ -e /proc/$pid/exe ] || {{ said 'Ready$' {log} && idle {pidfile}; }}; }}
await over
{meanwhile}
kill $pid; wait $pid; echo "status $?"
rm -f {pidfile}
"""


def _in_front(
    name: str,
    command: str,
    files: Mapping[str, str | None],
    *,
    log: str = "/run/err",
    pidfile: str = "/run/tinc.vpn.pid",
    meanwhile: str = "",
) -> Row:
    script = _IN_FRONT.format(
        command=command, log=log, pidfile=pidfile, meanwhile=meanwhile
    )
    return _row(name, script, files)


#: pfSense's page: signal, half a second, cut the log between markers.  What has not
#: come by then is waited for: the machine may be busy.
_PFSENSE: Final = r"""
/usr/sbin/tincd --config=$net
await idle /run/tinc.pid
found() {
  sed -e 's/.*tinc\[.*\]: //' /dev/messages | sed -n "/$1/,/$2/p" > /run/found
  tail -n 1 /run/found | grep -q "$2"
}
show() {
  : > /dev/messages
  /usr/sbin/tincd --config=$net -k$1
  sleep 0.5
  await found "$2" "$3"
  cat /run/found
  rm /run/found
}
show USR1 'Connections:' 'End of connections\.'
show USR2 'Statistics for [A-Za-z0-9]* ' 'End of subnet list\.'
end /run/tinc.pid
"""
#: vyatta-tinc: the pid from the pid file, the lines of this pid in the log.
_VYATTA: Final = r"""
/usr/sbin/tincd -n vpn
await idle
ls /var/run/tinc.*.pid
pid=$(cat /var/run/tinc.vpn.pid)
lines() { grep "tinc.vpn\[$pid\]" /dev/messages | sed 's/.*\]: //'; }
ended() { lines | grep -q "$1"; }
kill -USR1 $(cat /var/run/tinc.vpn.pid); await ended '^End of connections'
kill -USR2 $(cat /var/run/tinc.vpn.pid); await ended '^End of subnet list'
lines | sed -n '/^Connections/,/^End of subnet list/p'
end
"""
#: A peer on the same machine, and what tinc-boot reads from standard error meanwhile.
_BETA: Final = "Name = beta\nDeviceType = dummy\nPort = 656\nStrictSubnets = yes\n"
_TINC_BOOT: Final = r"""
mkdir /run/d
/usr/sbin/tincd -D -d -d -d -d --pidfile /run/d/pid -c $net 2> /dev/err & pid=$!
await said '^Ready$' /dev/err
await idle /run/d/pid
/dev/peer -n beta --logfile
await grep -Eq "$added" /dev/err
sleep 1.1
sed -i /^Subnet/d /etc/tinc/beta/hosts/beta $net/hosts/alpha
/dev/peer -n beta -kHUP
await grep -Eq "$deleted" /dev/err
kill -HUP $pid
await grep -Eq "$told" /dev/err
grep -cx Ready /dev/err
grep -Eo "$added" /dev/err | sed -E 's/port [0-9]+\): 10 [0-9a-f]+/port N): 10 #/'
grep -Eo "$deleted" /dev/err | sed -E 's/port [0-9]+\): 11 [0-9a-f]+/port N): 11 #/'
grep -Ex "$told" /dev/err | sed -E 's/ 11 [0-9a-f]+ / 11 # /'
/dev/peer -n beta -k; await gone /run/tinc.beta.pid
kill $pid; wait $pid; echo "status $?"
rm /var/log/*
"""
_EXPRESSIONS: Final = r"""
added='ADD_SUBNET from [^ ]+ \([^ ]+ port [0-9]+\): 10 [0-9a-f]+ [^ ]+ [^# ]+#'
deleted='DEL_SUBNET from [^ ]+ \([^ ]+ port [0-9]+\): 11 [0-9a-f]+ [^ ]+ [^# ]+#'
told='Sending DEL_SUBNET to everyone \(BROADCAST\): 11 [0-9a-f]+ [^ ]+ [^# ]+#10'
"""


def _tinc_boot(lab: Lab) -> Row:
    keys = [lab.keys.pair(number) for number in (0, 1)]
    alpha = f"Address = 127.0.0.1\nSubnet = 10.1.0.0/16\n{keys[0].public}"
    beta = f"Address = 127.0.0.1 656\nSubnet = 10.2.0.0/16\n{keys[1].public}"
    main = "Name = alpha\nDeviceType = dummy\nStrictSubnets = yes\nMaxTimeout = 1\n"
    files = {
        "vpn/tinc.conf": main,
        "vpn/hosts/alpha": alpha,
        "vpn/hosts/beta": beta,
        "beta/tinc.conf": f"{_BETA}ConnectTo = alpha\n",
        "beta/rsa_key.priv": keys[1].private,
        "beta/hosts/alpha": alpha,
        "beta/hosts/beta": beta,
    }
    return _row("tinc-boot", _EXPRESSIONS + _TINC_BOOT, files)


#: Everything by which a process is looked for, here where nobody else has one.
_IDENTITY: Final = r"""
/usr/sbin/tincd -n vpn -d 1 --logfile
await said ': Ready$'; await idle
pid=$(cat /run/tinc.vpn.pid)
same() { sed "s/\b$pid\b/PID/"; }
echo pidof $(pidof tincd | same)
echo pidof /usr/sbin/tincd $(pidof /usr/sbin/tincd | same)
pgrep tincd | same
pgrep -x tincd | same
pgrep -f "tincd -n vpn" | same
pgrep -fx "/usr/sbin/tincd -n vpn -d 1 --logfile" | same
pgrep -f "tincd -n other"; echo $?
cat /proc/$pid/comm
ps -o comm=,args= -p $pid
ps ax | grep '[t]incd -n vpn' | grep -c .
run killall -0 tincd
run pkill -0 tincd
run pkill -0 -f "tincd -n vpn"
run start-stop-daemon --status --pidfile /run/tinc.vpn.pid
run start-stop-daemon --status --pidfile /run/tinc.vpn.pid --name tincd
run start-stop-daemon --status --name tincd
killall -USR2 tincd
await said 'End of subnet list'
run start-stop-daemon --stop --quiet --signal HUP --pidfile /run/tinc.vpn.pid
await said 'Got HUP signal'
run start-stop-daemon --stop --quiet --retry 5 --pidfile /run/tinc.vpn.pid
gone && echo gone
"""

#: A shell, with what it is linked to, where the daemon will find it.
_CHROOT: Final = r"""
copy() { cp --parents /bin/sh $(ldd /bin/sh | grep -o '/[^ ]*') $net; }
COPY
/usr/sbin/tincd -n vpn -R -d2 --logfile
await said ': Ready$'; await idle
kill $(cat /run/tinc.vpn.pid)
await said ': Terminating$'
cat $net/seen
rm -Rf /run/tinc.vpn.pid $net/bin $net/usr $net/lib $net/lib64
"""
_SCRIPT_INSIDE: Final = {
    "vpn/tinc-down": '#!/bin/sh\necho "$0 $NAME $NETNAME $INTERFACE" > /seen\n'
}

_ROWS: Final = (
    _row("pfSense", _PFSENSE),
    _row("pfSense, 1000 subnets", _PFSENSE, {"vpn/hosts/alpha": _THOUSAND}),
    _row("vyatta", _VYATTA),
    _row("vyatta, 1000 subnets", _VYATTA, {"vpn/hosts/alpha": _THOUSAND}),
    Row(
        name="identity",
        script=_IDENTITY,
        ours=((r"^(pidof /usr/sbin/tincd) PID$", r"\1"),),
        why="the file that the kernel runs is Python's",
    ),
    _row(
        "1000 subnets in a log file",
        """
/usr/sbin/tincd -n vpn --logfile
await said Ready; await idle
/usr/sbin/tincd -n vpn -kUSR2
await said 'End of subnet list'
end
""",
        {"vpn/hosts/alpha": _THOUSAND},
    ),
    _row(
        "OpenWrt",
        """
start-stop-daemon -S -q -x /usr/sbin/tincd -- -c $net -n vpn \\
  --logfile=/var/log/w --debug=2 --pidfile=/var/run/tinc.vpn.pid 2>&1
await said ': Ready$' /var/log/w; await idle
run start-stop-daemon -K -q -s HUP -p /var/run/tinc.vpn.pid
await said 'Got HUP' /var/log/w; await idle
run start-stop-daemon -K -q -p /var/run/tinc.vpn.pid
await gone
""",
        {"vpn/tinc.conf": f"Name = alpha\nDeviceType = dummy\n{_OPENWRT}"},
    ),
    Row(
        name="OpenWrt, keys",
        script="""
run /usr/sbin/tincd -c $net --generate-keys=1024 </dev/null
run /usr/sbin/tincd -c $net --generate-keys=512 </dev/null
""",
        files={"vpn/rsa_key.priv": None},
        ours=((r"^(etc/vpn/hosts/alpha, mode )600", r"\g<1>644"),),
        why="a host file stays readable for who may read it",
    ),
    _in_front(
        "NixOS",
        "/usr/sbin/tincd -D -U nobody -n vpn -R --pidfile /run/tinc.vpn.pid -d 0",
        {"vpn/tinc.conf": _NIXOS},
    ),
    _in_front(
        "NixOS, no chroot",
        "/usr/sbin/tincd -D -U nobody -n vpn --pidfile /run/tinc.vpn.pid -d 1",
        {"vpn/tinc.conf": _NIXOS},
    ),
    _in_front(
        "ChaosVPN",
        "/usr/sbin/tincd -n vpn --debug=1 -D --user nobody",
        {"vpn/tinc.conf": _CHAOSVPN},
    ),
    _in_front(
        "debops",
        "/usr/sbin/tincd --net vpn --no-detach --mlock --chroot --user=nobody",
        {"vpn/hosts/alpha.d/50_x": "Subnet = 10.9.0.0/16\nPort\n"},
    ),
    _in_front(
        "debops, --kill=HUP",
        "/usr/sbin/tincd --net vpn --no-detach -d2",
        {"vpn/hosts/beta.d/00_x": "Port\n"},
        meanwhile="run /usr/sbin/tincd --net vpn --kill=HUP; await said HUP /run/err",
    ),
    _in_front(
        "SmartOS",
        "/usr/sbin/tincd -D -n vpn -U nobody -R -L --logfile=/run/l --pidfile=/run/p",
        {},
        log="/run/l",
        pidfile="/run/p",
    ),
    _row(
        "SmartOS, detached",
        """
run /usr/sbin/tincd -n vpn -U nobody --logfile=/run/l --pidfile=/run/p
await said ': Ready$' /run/l; await idle /run/p
run /usr/sbin/tincd -k --pidfile=/run/p
await said ': Terminating$' /run/l
rm -f /run/p
""",
    ),
    _row(
        "lvpn",
        _PLAIN
        + """
run /usr/sbin/tincd --logfile -U nobody
await said ': Ready$' /var/log/tinc.log; await idle /run/tinc.pid
killall -SIGUSR2 tincd
await said 'End of subnet list' /var/log/tinc.log; await idle /run/tinc.pid
run killall tincd
await said ': Terminating$' /var/log/tinc.log
rm -f /run/tinc.pid
""",
    ),
    _row(
        "puppet",
        """
run /usr/sbin/tincd --net=vpn --kill=USR1
run /usr/sbin/tincd --net=vpn
await idle
run /usr/sbin/tincd --net=vpn --kill=USR1; sleep 0.1; await idle
run /usr/sbin/tincd --net=vpn --kill=HUP; sleep 0.1; await idle
run /usr/sbin/tincd --net=vpn --kill
await gone
run /usr/sbin/tincd --net=vpn --kill=USR1
""",
    ),
    _row(
        "ifupdown",
        """
EXTRA="-d1 --mlock --logfile=/run/l --pidfile=/run/p --user=nobody"
run /usr/sbin/tincd -n vpn -o Interface=tinc0 $EXTRA
there() { [ -d /proc/$(head -n 1 /run/p) ]; }
await there
await said ': Ready$' /run/l; await idle /run/p
kill -ALRM $(head -n 1 /run/p); await said ALRM /run/l; await idle /run/p
run /usr/sbin/tincd -n vpn -k --pidfile=/run/p
await said ': Terminating$' /run/l
rm -f /run/p
""",
    ),
    _row("chroot, no shell in it", _CHROOT.replace("COPY", ":"), _SCRIPT_INSIDE),
    _row("chroot, a shell in it", _CHROOT.replace("COPY", "copy"), _SCRIPT_INSIDE),
    _row(
        "-o after HUP",
        """
run /usr/sbin/tincd -n vpn --logfile -d1 -o ConnectTo=beta -o beta.Port=700
await said 'Cannot open config file .*hosts/beta'; await idle
run /usr/sbin/tincd -n vpn -kHUP
heard() { [ $(grep -c 'Cannot open config file' /var/log/tinc.vpn.log) = 2 ]; }
await heard; await idle
end
""",
    ),
    _row(
        "chef",
        """
yes | /usr/sbin/tincd -n vpn -K1024; echo $?
openssl rsa -in $net/rsa_key.priv -pubout 2> /dev/null | head -n 1
head -n 2 $net/rsa_key.priv
""",
        {"vpn/rsa_key.priv": None, "vpn/hosts/alpha": "Subnet = 10.0.0.0/8\n"},
    ),
)

SCENARIO: Final = Scenario(
    name="habits",
    summary="command lines and scraping of distributions and appliances, as with C",
    placements=ONE,
    play=play,
    seconds=20,
    needs_c=True,
    tools=("killall", "openssl", "pgrep", "pidof", "start-stop-daemon"),
)
