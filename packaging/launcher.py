"""The main program that clients start: a shell script that unpacks the app once and becomes it."""

from __future__ import annotations

TEMPLATE = r"""#!/bin/sh
# OpenAstro@home: __APP__ __VERSION__. Unpacks the app beside itself, once, and becomes it.
# One process: what the client suspends, kills and measures is the app itself.
set -eu
# A library loaded by force would compute inside the app, and a false clock would mislead it.
unset LD_PRELOAD FAKETIME
here=$(dirname "$0")
name=__NAME__
tree=$here/$name.d
list=$tree/app_files.sha256
OPENASTRO_APP_DIGEST=__DIGEST__
export OPENASTRO_APP_DIGEST

later() {
    # Not the task's fault: ask the client to try again.
    echo "$1" >&2
    printf '%s\n%s\n\n' 600 "$1" >boinc_temporary_exit
    exit 0
}

# The app takes the list away when it finds its files damaged: they are unpacked anew then.
if [ ! -f "$list" ]; then
    # What died while unpacking; and app versions whose archive the client has removed.
    for old in "$here"/__APP___*.tmp.*; do
        [ -d "$old" ] || continue
        kill -0 "${old##*.}" 2>/dev/null || rm -rf "$old"
    done
    for old in "$here"/__APP___*.d; do
        [ -d "$old" ] || continue
        [ -f "${old%.d}.tar.gz" ] || rm -rf "$old"
    done
    tmp=$tree.tmp.$$
    rm -rf "$tmp"
    mkdir "$tmp" || later "The app cannot be unpacked: $here cannot be written."
    if ! tar -xzf "$here/$name.tar.gz" -C "$tmp"; then
        rm -rf "$tmp"
        later "The app cannot be unpacked: the disk is full, or tar or gzip is missing."
    fi
    # Another task may have been quicker (then its tree is as good), or may run a damaged one.
    if [ -d "$tree" ] && [ ! -f "$list" ]; then
        mv -T "$tree" "$tree.tmp.$$.old" 2>/dev/null || true
    fi
    mv -T "$tmp" "$tree" 2>/dev/null || rm -rf "$tmp"
    rm -rf "$tree.tmp.$$.old"
fi
exec "$tree/__APP__" "$@"
"""


def launcher_text(app: str, version: int, name: str, digest: str) -> str:
    """Return the launcher's text.

    Parameters
    ----------
    app : str
        Name of the app and of its program inside the archive.
    version : int
        Version number.
    name : str
        Name of the archive without ``.tar.gz``; the tree is called ``<name>.d``.
    digest : str
        SHA-256 of the digest list inside the archive: the launcher is signed, so the list is, too.
    """
    words = {"__APP__": app, "__VERSION__": str(version), "__NAME__": name, "__DIGEST__": digest}
    text = TEMPLATE
    for word, value in words.items():
        text = text.replace(word, value)
    return text
