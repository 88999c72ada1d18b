#!/bin/sh
# Make the virtual environment DIR from the locked requirements FILE, and install the project in it.
#   python.sh DIR FILE
# Safe to repeat: does nothing while the lock file is the one it was made from.
set -eu

dir=$1
lock=$2
root=$(CDPATH='' cd "$(dirname "$0")/../.." && pwd)
stamp=$dir/.made-from

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }

kernels() { (cd "$root" && find apps boinc_project -name '*.[ch]' | LC_ALL=C sort | xargs cat); }
wanted=$({ cat "$lock" "$root/pyproject.toml" "$root/setup.py"; kernels; } | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
install() {
    can_install || fail "$1 is missing: install it (Debian: apt-get install $1) and try again."
    say "setup: installing $1"
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3.11 python3 python3.12 python3.13; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ]; then
    install python3
    python=python3
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed; set PYTHON to one."
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
# The kernels and TTVFast are compiled on installation.
command -v gcc >/dev/null 2>&1 || command -v cc >/dev/null 2>&1 || install gcc
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
[ -f "$header" ] ||
    install "$("$python" -c 'import sys; print("libpython%d.%d-dev" % sys.version_info[:2])')"
# The C library's own headers come with this package on Debian.
echo '#include <stdlib.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || install libc6-dev

say "setup: making $dir (a few minutes the first time)"
"$python" -m venv "$dir"
# The lock names everything, so nothing is left to resolve: pip 23 otherwise asks for the newest
# release of a package that another one wants with an extra, and then finds no hash for it.
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 \
    --no-deps --require-hashes -r "$lock"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -e "$root"
printf '%s\n' "$wanted" >"$stamp"
