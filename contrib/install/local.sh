#!/bin/sh
# local.sh install|uninstall: what `make install' and `make uninstall' do.
#
# All that is installed is in PREFIX, an environment of Python's.  Below SHAREDIR, where
# man and the shells look, are links into it, and what there is no such link is not ours.
# PREFIX/installed has a line for each directory outside that had to be made, and for each
# package that came.
set -eu
: "${PREFIX:?}" "${SHAREDIR:?}"
PYTHON=${PYTHON:-python3}
tree=$(cd "$(dirname "$0")/../.." && pwd)
record=$PREFIX/installed
launcher=/usr/local/lib/tincd-compat
places='man/man5 man/man8 bash-completion/completions zsh/site-functions fish/vendor_completions.d'

refuse() {
    echo "$1" >&2
    exit 1
}

for directory in "$PREFIX" "$SHAREDIR"; do
    case $directory in
    *[[:space:]]* | */ | *//*) refuse "\`$directory' has a blank or a slash too many" ;;
    /?*) ;;
    *) refuse "\`$directory' is no absolute path" ;;
    esac
done
case $PREFIX in
/usr | /usr/local | /opt | /etc | /var | /home | /root | /srv)
    refuse "PREFIX has to be a directory of its own, like $PREFIX/tincd-compat"
    ;;
esac

is_ours() {
    [ -e "$PREFIX/pyvenv.cfg" ] && { [ -e "$PREFIX/bin/tincd-compat" ] || [ -e "$record" ]; }
}

is_empty() {
    [ -z "$(ls -A "$1" 2>/dev/null)" ]
}

# make_directory DIR: make it and those above it, and say which were not there.
make_directory() {
    [ -d "${1:-/}" ] && return
    make_directory "${1%/*}"
    mkdir "$1"
    echo "directory $1"
}

remove_links() {
    for place in $places; do
        for link in "$SHAREDIR/$place"/*; do
            [ -L "$link" ] || continue
            case $(readlink "$link") in
            "$PREFIX"/share/*) rm "$link" ;;
            esac
        done
    done
}

make_links() {
    for place in $places; do
        made=$(make_directory "$SHAREDIR/$place")
        [ -z "$made" ] || echo "$made" >>"$record"
        for file in "$PREFIX/share/$place"/*; do
            link=$SHAREDIR/$place/${file##*/}
            # Once these pages were copies.
            if [ ! -L "$link" ] && grep -qs tincd-compat "$link"; then
                rm "$link"
            fi
            if [ -e "$link" ] || [ -L "$link" ]; then
                echo "$link is there already, so ours is only in $file"
            else
                ln -s "$file" "$link"
            fi
        done
    done
}

install() {
    if [ -e "$PREFIX" ] && ! is_ours && ! is_empty "$PREFIX"; then
        refuse "$PREFIX is there and is no installation of tincd-compat; choose another PREFIX"
    fi
    made=$(make_directory "$PREFIX")
    [ -z "$made" ] || echo "$made" >>"$record"
    PYTHON="$PYTHON" sh "$tree/contrib/install/packages.sh" --keep "$record" ${BUILD-}
    "$PYTHON" -m venv "$PREFIX"
    # What an earlier build has left in the tree would be installed again.
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    (
        cd "$tree"
        cp -r setup.py setup.cfg pyproject.toml README.md LICENSE contrib man tincd_compat "$stage"
    )
    find "$stage" \( -name '*.so' -o -name '*.pyc' \) -delete
    # A library without pyproject.toml is built as if it had one: else old pips warn.
    "$PREFIX/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir \
        --use-pep517 "$stage"
    remove_links
    make_links
    "$PREFIX/bin/python" -c 'import tincd_compat._fast._core' 2>/dev/null ||
        echo "The part in C was not built, so Python moves packets; docs/troubleshooting.md says more."
    echo "Installed. Next: $PREFIX/bin/tincd-compat takeover --dry-run"
}

# What would break if the installation went now.
refuse_in_use() {
    if grep -qs "^#!$PREFIX/" "$launcher/ours/tincd" ||
        [ "$(readlink /usr/sbin/tincd)" = "$PREFIX/bin/tincd" ]; then
        refuse "/usr/sbin/tincd is this installation; give it back first: \`$launcher/release', or
\`$PREFIX/bin/tincd-compat release' where there is none"
    fi
    for maps in /proc/[0-9]*/maps; do
        if grep -qs " $PREFIX/" "$maps"; then
            process=${maps%/maps}
            refuse "process ${process##*/} runs from $PREFIX; stop it, or restart its net, first"
        fi
    done
}

uninstall() {
    refuse_in_use
    if [ -e "$PREFIX" ] && ! is_ours && ! is_empty "$PREFIX"; then
        refuse "$PREFIX is no installation of tincd-compat"
    fi
    directories=
    packages=
    if [ -e "$record" ]; then
        directories=$(sed -n 's/^directory //p' "$record" | sort -r)
        packages=$(sed -n 's/^package //p' "$record" | sort -u | tr '\n' ' ')
    elif [ -d "$PREFIX" ]; then
        directories=$PREFIX
    fi
    remove_links
    [ ! -d "$PREFIX" ] || find "$PREFIX/" -mindepth 1 -delete
    for directory in $directories; do
        [ ! -d "$directory" ] || rmdir --ignore-fail-on-non-empty "$directory"
    done
    echo "Uninstalled."
    if [ -n "$packages" ]; then
        echo "These packages came with it, and go where nothing else has come to need them:"
        echo "  apt-get purge $packages"
    fi
}

case ${1-} in
install | uninstall) "$1" ;;
*) refuse "Usage: local.sh install|uninstall" ;;
esac
