#!/bin/sh
# build.sh OUTPUT_DIRECTORY: make a Debian package of the tree this file is in.
#
# The package holds a virtual environment of its own under /usr/lib/tincd-compat, so
# nothing of it meets Debian's Python packages.  It serves each minor version of Debian's
# interpreter that the libraries are there for, so that a new one is no reason to remove
# it.  It depends on tinc, whose program it diverts: that runs where ours cannot.
set -eu

tree=$(cd "$(dirname "$0")/../.." && pwd)
output=$(mkdir -p "$1" && cd "$1" && pwd)
python=/usr/bin/python3
place=/usr/lib/tincd-compat
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

version=$(sed -n 's/^__version__.*"\(.*\)"/\1/p' "$tree/tincd_compat/__init__.py")
minor=$($python -c 'import sys; print(sys.version_info.minor)')
architecture=$(dpkg --print-architecture)

# Built as installed: the paths inside are those of the target.
root="$stage/root"
mkdir -p "$root$place"
$python -m venv "$root$place"
mkdir "$stage/source"
cp -r "$tree/tincd_compat" "$tree/setup.cfg" "$tree/setup.py" "$tree/pyproject.toml" \
    "$tree/README.md" "$tree/LICENSE" "$stage/source"
find "$stage/source" -name '*.so' -delete
"$root$place/bin/pip" install -q --disable-pip-version-check --no-compile "$stage/source"
# Objects for other minor versions have names of their own; ours is for all from 3.11 on.
site="$root$place/lib/python3.$minor/site-packages"
for other in 11 12 13 14 15; do
    [ "$other" != "$minor" ] || continue
    for library in cffi zstandard; do
        wanted=$library==$(sed -n 's/^Version: //p' "$site/$library"-*.dist-info/METADATA)
        mkdir -p "$stage/wheels/$other"
        "$root$place/bin/pip" download -q --disable-pip-version-check --no-deps \
            --only-binary=:all: --python-version "3.$other" -d "$stage/wheels/$other" \
            "$wanted" 2>/dev/null || echo "no $wanted for Python 3.$other" >&2
    done
    for wheel in "$stage/wheels/$other"/*.whl; do
        [ ! -e "$wheel" ] || $python -m zipfile -e "$wheel" "$stage/wheels/$other/files"
    done
    [ ! -d "$stage/wheels/$other/files" ] || (
        cd "$stage/wheels/$other/files"
        find . -name "*.cpython-3$other-*.so" ! -path './zstandard/_cffi*' \
            -exec cp --parents {} "$site" \;
    )
done
find "$site" -name '*.so' -exec strip --strip-unneeded {} +
for other in $(seq 11 30); do
    [ "$other" = "$minor" ] || ln -s "python3.$minor" "$root$place/lib/python3.$other"
done
"$root$place/bin/python" - "$root" "$place/launcher" "$place/bin/python" <<'PY'
import sys
from pathlib import Path
from tincd_compat.service.launcher import Launcher

root, here, interpreter = sys.argv[1:]
parked = Path("/usr/sbin/tincd.distrib")
remedy = "install a tincd-compat for this Python, or remove the package"
Launcher(Path(root + here), interpreter, parked, Path(here), remedy).write()
(Path(root + here) / "release").unlink()
PY
"$root$place/bin/pip" uninstall -q -y pip setuptools
find "$root$place/bin" ! -type d ! -name 'python*' ! -name tincd ! -name tincd-compat -delete
find "$root$place" -name __pycache__ -type d -prune -exec rm -rf {} +
grep -rlI "$root" "$root$place/bin" "$root$place/pyvenv.cfg" |
    xargs -r sed -i "s|$root||g"
find "$root$place" -name direct_url.json -delete

install -d "$root/usr/sbin" "$root/usr/share/man/man5" "$root/usr/share/man/man8"
ln -s "$place/launcher/tincd" "$root/usr/sbin/tincd"
install -D -m 644 -t "$root/usr/share/doc/tincd-compat/examples/tinc@.service.d" \
    "$tree"/contrib/systemd/tinc@.service.d/*.conf
install -D -m 644 "$tree/LICENSE" "$root/usr/share/doc/tincd-compat/copyright"
install -m 644 "$tree/README.md" "$tree/SECURITY.md" "$root/usr/share/doc/tincd-compat"
install -D -m 644 -t "$root/usr/share/doc/tincd-compat/docs" "$tree"/docs/*.md
gzip -9n -c "$tree/CHANGELOG.md" >"$root/usr/share/doc/tincd-compat/changelog.gz"
for page in "$tree"/man/*.[58]; do
    [ -e "$page" ] || continue
    gzip -9n -c "$page" >"$root/usr/share/man/man${page##*.}/${page##*/}.gz"
done
install -d "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<TXT
Package: tincd-compat
Version: $version
Architecture: $architecture
Maintainer: tincd-compat maintainers <tincd-compat@localhost>
Section: net
Priority: optional
Depends: python3 (>= 3.11), libssl3 | libssl3t64, tinc (>= 1.0.36), tinc (<< 1.1~)
Recommends: iproute2
Installed-Size: $(du -sk "$root" | cut -f1)
Description: tincd for meshes of tinc 1.0, a drop-in replacement
 A tincd that takes the place of C tincd 1.0 on one host at a time: same
 configuration, same wire protocol, same units, scripts and signals.  C tincd is
 diverted, and runs where this one cannot, after an upgrade of Python say.
TXT
cp "$tree"/contrib/debian/p* "$root/DEBIAN/"
chmod 755 "$root"/DEBIAN/p*
chmod -R u=rwX,go=rX "$root/usr"

dpkg-deb --root-owner-group -Zxz --build "$root" "$output" >/dev/null
echo "$output/tincd-compat_${version}_$architecture.deb"
