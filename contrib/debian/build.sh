#!/bin/sh
# build.sh OUTPUT_DIRECTORY: make a Debian package of the tree this file is in.
#
# The package has a Python environment of its own in /usr/lib/tincd-compat, so nothing of
# it meets Debian's Python packages.  It serves each minor version of Debian's interpreter
# that the libraries are there for, so that a new one is no reason to remove it.  It
# depends on tinc, whose program it diverts: that runs where ours cannot.
#
# The libraries come from the Python Package Index while it is built, which no build of
# the archive may do.  So this is no source package with debian/rules, which could not
# keep that promise, but dpkg's own tools one after the other.  DEBFULLNAME and DEBEMAIL
# say who makes it.
set -eu

tree=$(cd "$(dirname "$0")/../.." && pwd)
output=$(mkdir -p "$1" && cd "$1" && pwd)
debian=$tree/contrib/debian
place=/usr/lib/tincd-compat
minors="11 12 13 14 15"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022

root=$stage/root
site=$root$place/lib/python3/site-packages
doc=$root/usr/share/doc/tincd-compat
source=$stage/source
version=$(sed -n 's/^__version__.*"\(.*\)"/\1/p' "$tree/tincd_compat/__init__.py")
maintainer="${DEBFULLNAME:-The maintainers of tincd-compat} <${DEBEMAIL:-maintainers@tincd-compat.example}>"
date=$(date -R -u -r "$tree/CHANGELOG.md")
mkdir -p "$site" "$doc" "$source/debian" "$root/DEBIAN" "$stage/elsewhere"

# The libraries.  Ours and that of cryptography serve every later Python; objects for one
# minor version alone have names that say so, and are side by side.
/usr/bin/python3 -m venv "$stage/builder"
pip="$stage/builder/bin/python -m pip -q --disable-pip-version-check"
for name in tincd_compat man setup.cfg setup.py pyproject.toml MANIFEST.in README.md LICENSE; do
    cp -r "$tree/$name" "$source"
done
mkdir "$source/contrib"
for name in systemd completions prometheus grafana; do
    cp -r "$tree/contrib/$name" "$source/contrib"
done
find "$source" -name '*.so' -delete
$pip install --no-compile --target "$site" "$source[metrics]"
# What `top' draws with; without what rich needs for source code and Markdown.
$pip install --no-compile --no-deps --target "$stage/rich" \
    "$(sed -n '/^top *=/{n;s/ //gp}' "$tree/setup.cfg")"
cp -r "$stage/rich"/rich* "$site"
wanted() {
    for library in cffi zstandard; do
        echo "$library==$(sed -n 's/^Version: //p' "$site/$library"-*.dist-info/METADATA)"
    done
}
fetch() {
    $pip download --no-deps --only-binary=:all: --python-version "3.$minor" \
        -d "$stage/wheels/$minor" "$@" 2>/dev/null
}
for minor in $minors; do
    [ ! -e "$site/_cffi_backend.cpython-3$minor-"* ] || continue
    # Mostly there is one of each, and all at once is sooner.
    fetch $(wanted) || for one in $(wanted); do
        fetch "$one" || echo "no $one for Python 3.$minor" >&2
    done
    for wheel in "$stage/wheels/$minor"/*.whl; do
        [ -e "$wheel" ] || continue
        /usr/bin/python3 -m zipfile -e "$wheel" "$stage/elsewhere"
    done
done
(cd "$stage/elsewhere" && find . -name '*.cpython-3*.so' -exec cp --parents {} "$site" \;)

mv "$site/share" "$stage"

# What no start imports: for those who build, check types or test, other platforms, and
# programs of the libraries.  Of cffi it is the object alone, and nothing parses C.
rm -rf "$site/bin" "$site/cffi" "$site"/pycparser* "$site"/zstandard/*cffi* \
    "$site"/pyroute2/fixtures "$site"/pyroute2/config/test_* \
    "$site"/prometheus_client/aiohttp "$site"/prometheus_client/bridge \
    "$site"/prometheus_client/django "$site"/prometheus_client/twisted
find "$site" -name '*.py' -exec sed -i '1{/^#!/d}' {} +
find "$site" \( -name '*.pyi' -o -name '*.h' -o -name py.typed -o -name licenses -o \
    -name RECORD -o -name REQUESTED -o -name INSTALLER -o -name direct_url.json -o \
    -name entry_points.txt -o -name top_level.txt -o -name __pycache__ \) \
    -prune -exec rm -rf {} +
find "$site" -name '*.so' -exec strip --strip-unneeded \
    --remove-section=.comment --remove-section=.note {} +
for library in "$site"/*.dist-info; do
    name=${library##*/}
    name=${name%%-*}
    [ "$name" = tincd_compat ] || grep -q "site-packages/$name-" "$debian/copyright" || {
        echo "contrib/debian/copyright does not know $name" >&2
        exit 1
    }
done

# The interpreter is Debian's, by a name of ours, beside which it finds the libraries.
mkdir "$root$place/bin"
ln -s ../../../bin/python3 "$root$place/bin/python"
printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$root$place/pyvenv.cfg"
for minor in $(seq 11 30); do
    ln -s python3 "$root$place/lib/python3.$minor"
done
export PYTHONPATH=$site PYTHONDONTWRITEBYTECODE=1
/usr/bin/python3 - "$root" "$place" <<'PY'
import sys
from pathlib import Path
from tincd_compat.service.launcher import Launcher

root, place = map(Path, sys.argv[1:])
Launcher(
    f"{place}/bin/python",
    Path("/usr/sbin/tincd.distrib"),
    root,
    place / "launcher",
    remedy="install a tincd-compat for this Python, or remove the package",
).write()
PY
# Here the removal of the package gives the place back.
rm -r "$root$place/launcher/release" "$site/tincd_compat/service/shell"
find "$site" -type d -empty -delete
/usr/bin/python3 -P -m tincd_compat.probe "$stage/seen"
unset PYTHONPATH
ln -sfn ../../../../sbin/tincd.distrib "$root$place/launcher/c/tincd"
install -D -m 755 "$debian/restart-nets" "$root$place/restart-nets"
install -D -m 755 "$debian/rtupdate" "$root/usr/share/python3/runtime.d/tincd-compat.rtupdate"
install -d "$root/usr/sbin"
ln -s ../lib/tincd-compat/launcher/tincd "$root/usr/sbin/tincd"

# The program of operators.  -I: neither PYTHONPATH nor what lies around is looked at.
install -d "$root/usr/bin"
cat >"$root/usr/bin/tincd-compat" <<PROGRAM
#!$place/bin/python -I
import sys
from tincd_compat.admin.main import main
sys.exit(main())
PROGRAM
chmod 755 "$root/usr/bin/tincd-compat"
# Its exporter is off until somebody enables it.
unit=$root/usr/lib/systemd/system/tincd-compat-exporter.service
install -d "${unit%/*}"
{
    echo "# Off by default: figures and health of all nets, for Prometheus, once it is enabled,"
    echo "# at http://127.0.0.1:9655/metrics.  Control sockets are of the group tinc."
    sed -e '1,/^\[Unit\]/{/^#/d}' -e 's|/opt/tincd-compat/bin/|/usr/bin/|' \
        "$tree/contrib/systemd/tincd-compat-exporter.service"
} >"$unit"
chmod 644 "$unit"

# What is to be read, and completed.
mkdir -p "$root/usr/share/zsh"
mv "$stage/share/man" "$stage/share/bash-completion" "$stage/share/fish" "$root/usr/share"
mv "$stage/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
install -D -m 644 -t "$doc/examples/tinc@.service.d" "$tree"/contrib/systemd/tinc@.service.d/*.conf
install -m 644 -t "$doc" "$tree/README.md" "$tree/SECURITY.md" "$debian/copyright"
install -D -m 644 -t "$doc/examples/prometheus" "$tree"/contrib/prometheus/*.yml
install -D -m 644 -t "$doc/examples/grafana" "$tree"/contrib/grafana/*.json
install -D -m 644 -t "$doc/docs" "$tree"/docs/*.md
install -m 644 "$tree/CHANGELOG.md" "$doc/changelog"
cat >"$source/debian/changelog" <<TXT
tincd-compat ($version-1) unstable; urgency=medium

  * What has changed is in changelog.gz.

 -- $maintainer  $date
TXT
install -m 644 "$source/debian/changelog" "$doc/changelog.Debian"
find "$root/usr/share/man" "$doc" -type f \( -name '*.[58]' -o -name 'changelog*' \) \
    -exec gzip -9n {} +
install -D -m 644 "$debian/lintian-overrides" "$root/usr/share/lintian/overrides/tincd-compat"

# What dpkg is told.
sed "s/@MAINTAINER@/$maintainer/" "$debian/control" >"$source/debian/control"
install -m 755 -t "$root/DEBIAN" "$debian/preinst" "$debian/postinst" "$debian/prerm" "$debian/postrm"
find "$root/usr" -exec touch -h -d "$date" {} +
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
cd "$source"
find "$site" -name '*.so' -exec dpkg-shlibdeps -Tdebian/substvars {} +
dpkg-gencontrol -ptincd-compat -P"$root" -Tdebian/substvars
dpkg-deb --root-owner-group -Zxz --build "$root" "$output" >/dev/null
echo "$output/tincd-compat_$version-1_$(dpkg --print-architecture).deb"
