#!/bin/sh
# build.sh OUTPUT_DIRECTORY: make a Debian package of the tree this file is in.
#
# The package holds a virtual environment of its own under /usr/lib/tincd-compat, so
# nothing of it meets Debian's Python packages; it needs Debian's interpreter of the
# version it was built with.  It takes the place of the package tinc.
set -eu

tree=$(cd "$(dirname "$0")/../.." && pwd)
output=$(mkdir -p "$1" && cd "$1" && pwd)
python=/usr/bin/python3
place=/usr/lib/tincd-compat
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

version=$(sed -n 's/^__version__.*"\(.*\)"/\1/p' "$tree/tincd_compat/__init__.py")
minor=$($python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next=$($python -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
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
"$root$place/bin/pip" uninstall -q -y pip setuptools
find "$root$place/bin" ! -type d ! -name 'python*' ! -name tincd ! -name tincd-compat -delete
find "$root$place" -name __pycache__ -type d -prune -exec rm -rf {} +
grep -rlI "$root" "$root$place/bin" "$root$place/pyvenv.cfg" |
    xargs -r sed -i "s|$root||g"
find "$root$place" -name direct_url.json -delete

install -d "$root/usr/sbin" "$root/usr/share/man/man5" "$root/usr/share/man/man8"
ln -s "$place/bin/tincd" "$root/usr/sbin/tincd"
install -D -m 644 -t "$root/lib/systemd/system" "$tree"/contrib/systemd/*.service
install -D -m 644 -t "$root/usr/share/doc/tincd-compat/examples/tinc@.service.d" \
    "$tree"/contrib/systemd/tinc@.service.d/*.conf
install -D -m 644 "$tree/LICENSE" "$root/usr/share/doc/tincd-compat/copyright"
install -m 644 "$tree/README.md" "$tree/SECURITY.md" "$root/usr/share/doc/tincd-compat"
gzip -9n -c "$tree/CHANGELOG.md" >"$root/usr/share/doc/tincd-compat/changelog.gz"
for page in "$tree"/man/*.[58]; do
    [ -e "$page" ] || continue
    gzip -9n -c "$page" >"$root/usr/share/man/man${page##*.}/${page##*/}.gz"
done
install -d "$root/etc/tinc"

install -d "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<TXT
Package: tincd-compat
Version: $version
Architecture: $architecture
Maintainer: tincd-compat maintainers <tincd-compat@localhost>
Section: net
Priority: optional
Depends: python3 (>= $minor), python3 (<< $next~), libssl3 | libssl3t64
Recommends: iproute2
Provides: tinc (= 1.0.36+compat)
Conflicts: tinc
Replaces: tinc
Installed-Size: $(du -sk "$root" | cut -f1)
Description: tincd for meshes of tinc 1.0, a drop-in replacement
 A tincd that takes the place of C tincd 1.0 on one host at a time: same
 configuration, same wire protocol, same units, scripts and signals.
TXT
cp "$tree/contrib/debian/postinst" "$tree/contrib/debian/prerm" \
    "$tree/contrib/debian/postrm" "$root/DEBIAN/"
chmod 755 "$root"/DEBIAN/p*
chmod -R u=rwX,go=rX "$root/usr" "$root/lib" "$root/etc"

dpkg-deb --root-owner-group -Zxz --build "$root" "$output" >/dev/null
echo "$output/tincd-compat_${version}_$architecture.deb"
