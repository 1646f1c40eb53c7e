#!/bin/sh
# Unpacks Debian packages into a directory, unless it is there. Needs apt-get and dpkg-deb, but neither root nor an
# installation.
#
# usage: debian.sh DIRECTORY PACKAGE...
set -eu
target=$1
shift
[ -d "$target" ] && exit 0
mkdir -p "$(dirname "$target")"
unfinished=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$unfinished"' EXIT
if ! (cd "$unfinished" && apt-get download "$@" >/dev/null 2>&1); then
    # A machine without package lists, such as a fresh container.
    apt-get update >/dev/null
    (cd "$unfinished" && apt-get download "$@" >/dev/null)
fi
for package in "$unfinished"/*.deb; do
    dpkg-deb -x "$package" "$unfinished"
    rm "$package"
done
# Of two at once, whoever is second keeps what the first made.
mv -T "$unfinished" "$target" 2>/dev/null || [ -d "$target" ]
