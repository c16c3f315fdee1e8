#!/bin/sh
# foreign.sh ARCHITECTURE: the compiled half on another processor, which qemu plays.
#
# Compiles everything with Debian's cross compiler, warnings being errors, runs the
# drivers under UndefinedBehaviorSanitizer, and compares what they make of the same
# inputs here and there.  Beside arm64 there are armhf, for numbers of 32 bits, and s390x,
# for the other order of bytes.
#
# The compiler and qemu are installed if they are missing; libraries of the foreign
# architecture are only unpacked below build/, so that nothing of the system changes.
set -eu

architecture=$1
parts=
case $architecture in
arm64) triplet=aarch64-linux-gnu machine=aarch64 ;;
armhf) triplet=arm-linux-gnueabihf machine=arm ;;
# Not the pumps: qemu leaves the numbers in control messages in the wrong order.
s390x) triplet=s390x-linux-gnu machine=s390x parts=-DPARTS=5u ;;
*) echo "no such architecture: $architecture" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/../.."
fast=tincd_compat/_fast
place=$PWD/build/$architecture
root=$place/root
thousands=${FUZZ_THOUSANDS:-20}
packets=${SOAK_PACKETS:-100000}

cannot() {
    echo "not run on $architecture: $1" >&2
    exit 1
}

here() {
    command -v "$triplet-gcc" && command -v "qemu-$machine" && test -e "/usr/$triplet/include/stdio.h"
} >/dev/null

if ! here; then
    apt-get update -qq || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "gcc-$triplet" "libc6-dev-$architecture-cross" qemu-user >/dev/null || true
    here || cannot "it takes gcc-$triplet, libc6-dev-$architecture-cross and qemu-user"
fi

# apt with lists and a cache of its own takes this for a machine of that architecture.
foreign() {
    command=$1
    shift
    "$command" -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" \
        -o "Dir::State::Lists=$place/lists" -o Dir::State::status=/dev/null \
        -o "Dir::Cache=$place/cache" -o APT::Sandbox::User=root "$@"
}

if ! test -e "$place/unpacked"; then
    mkdir -p "$place/lists/partial" "$place/cache/archives/partial" "$root"
    # An incomplete list may be enough.
    foreign apt-get update -qq || true
    needed=$(foreign apt-cache depends libssl-dev libpython3-dev | sed -n 's/.*Depends: //p')
    (cd "$place" && foreign apt-get download -qq libssl-dev $needed) \
        || cannot "there are no packages for it here"
    for package in "$place"/*.deb; do
        dpkg -x "$package" "$root"
    done
    touch "$place/unpacked"
fi

core=$(ls $fast/*.c | grep -v /binding)
headers="-I$fast -isystem $root/usr/include -isystem $root/usr/include/$triplet"
warn="-std=gnu11 -Wall -Wextra -Wconversion -Werror $parts"
hardened="-O3 -fvisibility=hidden -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
sanitize="-fsanitize=undefined -fno-sanitize-recover=undefined"
libraries="-L$root/usr/lib/$triplet -lcrypto"
run="qemu-$machine -L /usr/$triplet -E LD_LIBRARY_PATH=$root/usr/lib/$triplet"

for source in "$fast"/binding*.c; do
    "$triplet-gcc" $warn $hardened $headers -isystem "$root"/usr/include/python3* \
        -c -o "$place/binding.o" "$source"
done
"$triplet-gcc" $warn $sanitize -O1 $headers -o "$place/fuzz" tests/fast/fuzz*.c $core $libraries
"$triplet-gcc" $warn $hardened $headers -o "$place/soak" tests/fast/soak.c $core $libraries
cc $warn -O1 -I$fast -o "$place/fuzz-here" tests/fast/fuzz*.c $core -lcrypto

echo "$architecture: $("$triplet-gcc" -dumpmachine), gcc $("$triplet-gcc" -dumpfullversion)"
ours=$("$place/fuzz-here" 600 1 "$thousands")
theirs=$($run "$place/fuzz" 600 1 "$thousands")
echo "here:  $ours"
echo "there: $theirs"
test "$ours" = "$theirs" || { echo "the same inputs do not make the same" >&2; exit 1; }
$run "$place/soak" "$packets"
