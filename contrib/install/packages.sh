#!/bin/sh
# packages.sh [--keep LIST] COMMAND:PACKAGE...: let apt bring what is missing of these, and
# of what Python and its headers are in.
#
# With --keep nothing that is installed gets another version or goes; a line `package NAME'
# for all that came is appended to the file LIST.  What cannot be had is said, and is no error: the
# commands that need it say so themselves.
set -u
PYTHON=${PYTHON:-python3}
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive

keep=
if [ "${1-}" = --keep ]; then
    keep=$2
    shift 2
fi

missing=
for tool in "$@"; do
    command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
done
$PYTHON -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3 python3-venv"
$PYTHON -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' \
    2>/dev/null || missing="$missing libpython3-dev"
[ -e /usr/include/openssl/evp.h ] ||
    missing="$missing libssl-dev libc6-dev"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "missing:$missing (Debian's names); install what holds them, or some of this will not work" >&2
    exit 0
fi

pins=$(mktemp)
trap 'rm -f "$pins"' EXIT

# Mirrors fail now and then.
apt() {
    apt-get -q -o Acquire::Retries=3 "$@"
}

# Headers want the library of their own version, and the archive has mostly a newer one
# than is installed.  So whatever comes from the same source as an installed package is
# wanted in the version of that package.
pin() {
    dpkg-query -W -f '${db:Status-Status} ${source:Package} ${Version}\n' | sort -u |
        sed -n 's/^installed \([^ ]*\) \([^ ]*\)$/Package: src:\1\nPin: version \2\nPin-Priority: 1001\n/p'
    cat /etc/apt/preferences 2>/dev/null
}

install_kept() {
    set -- -o "Dir::Etc::Preferences=$pins" -y --no-install-recommends --no-remove install "$1"
    plan=$(apt -s "$@" 2>/dev/null) || return
    # `Inst NAME [OLD] (NEW' is another version of what is there.
    ! printf '%s\n' "$plan" | grep -q '^Inst [^ ]* \[' || return
    apt -qq "$@" >/dev/null || return
    printf '%s\n' "$plan" | sed -n 's/^Inst \([^ ]*\) .*/package \1/p' >>"$keep"
}

apt -qq update
[ -z "$keep" ] || pin >"$pins"
for package in $missing; do
    if [ -z "$keep" ]; then
        apt -y -qq --no-install-recommends install "$package" || echo "could not install $package" >&2
    elif ! install_kept "$package"; then
        cat >&2 <<TXT
$package was left out: it cannot be had without another version of something that is
installed.  Where that may be, run \`apt-get install $package' and this again.
TXT
    fi
done
