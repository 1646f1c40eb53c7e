#!/bin/sh
# Puts real photographs into target/photographs, from the Debian package lomiri-wallpapers-16.04 (CC-BY-4.0, CC0; the
# package's copyright file names each photographer). Needs apt-get and dpkg-deb, but neither root nor an installation.
set -eu
package=lomiri-wallpapers-16.04
here=$(cd "$(dirname "$0")" && pwd)
target=$here/../target
mkdir -p "$target"
cd "$target"
[ -d photographs ] && exit 0
unfinished=$(mktemp -d photographs.XXXXXX)
trap 'rm -rf "$unfinished"' EXIT
"$here/debian.sh" "$unfinished/package" "$package"
mkdir "$unfinished/pictures"
mv "$unfinished"/package/usr/share/backgrounds/*.jpg "$unfinished/pictures"
mv "$unfinished/package/usr/share/doc/$package/copyright" "$unfinished/pictures"
# Two test runs at once: whoever is second keeps what the first made.
mv -T "$unfinished/pictures" photographs 2>/dev/null || [ -d photographs ]
