#!/bin/sh
# Puts the peers and the pictures into the directory $1: sharp from npm, Pillow and pyvips from PyPI, in the versions of
# package.json and requirements.txt, and photographs from Debian packages. Needs node, npm, python3, apt-get and dpkg-deb;
# neither root nor an installation. What is there already is kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"

if ! cmp -s "$here/package.json" package.json; then
    cp "$here/package.json" package.json.new
    mkdir -p unfinished
    mv package.json.new unfinished/package.json
    npm install --silent --no-audit --no-fund --prefix unfinished
    rm -rf node_modules
    mv unfinished/node_modules .
    mv unfinished/package.json .
    rm -rf unfinished
fi

if ! cmp -s "$here/requirements.txt" venv/requirements.txt; then
    python3 -m venv --clear venv
    venv/bin/pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" venv/requirements.txt
fi

# CC-BY-4.0 and CC0; CC-BY-SA-3.0; GPL-2+; CC-BY-SA-3.0; CC-BY-3.0; GPL-2+ (each package's copyright file names the
# photographers).
packages="lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds gnome-backgrounds gnome-user-docs colord-data"
# shellcheck disable=SC2086
"$here/../../../tests/debian.sh" packages $packages
exec venv/bin/python "$here/pictures.py" packages/usr/share pictures
