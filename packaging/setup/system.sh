#!/bin/sh
# Install the system packages that parts of the project use, where that is possible.
#   system.sh client|postgres|browser|clang|fitsverify|aarch64 ...
# A part that cannot be had is named in one sentence, and the script goes on: what needs the part
# says so itself, or does without. With --require a missing part is an error.
set -eu

say() { printf '%s\n' "$*" >&2; }

packages() {
    case $1 in
        client) echo "boinc-client faketime" ;;
        postgres) echo "postgresql" ;;
        browser) echo "chromium fonts-dejavu-core" ;;
        clang) echo "clang" ;;
        fitsverify) echo "fitsverify" ;;
        aarch64) echo "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" ;;
        *) say "setup: unknown part $1; there are client, postgres, browser, clang, fitsverify" \
               "and aarch64."
           exit 2 ;;
    esac
}

present() {
    case $1 in
        client)
            command -v boinc >/dev/null 2>&1 && command -v boinccmd >/dev/null 2>&1 &&
                command -v faketime >/dev/null 2>&1
            ;;
        postgres) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ;;
        browser) command -v chromium >/dev/null 2>&1 ;;
        clang) command -v clang >/dev/null 2>&1 ;;
        fitsverify) command -v fitsverify >/dev/null 2>&1 ;;
        aarch64)
            command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 &&
                command -v qemu-aarch64 >/dev/null 2>&1
            ;;
    esac
}

require=no
updated=no
missing=
for part in "$@"; do
    if [ "$part" = --require ]; then
        require=yes
        continue
    fi
    names=$(packages "$part")
    present "$part" && continue
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "setup: installing $names"
        [ $updated = yes ] || { apt-get update -qq >/dev/null 2>&1 || true; updated=yes; }
        # shellcheck disable=SC2086 # several package names are meant
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $names \
            >/dev/null 2>&1 || true
    fi
    present "$part" && continue
    say "setup: without $names the parts that need '$part' are left out" \
        "(as root: apt-get install $names)."
    missing="$missing $part"
done
[ $require = no ] || [ -z "$missing" ] || { say "setup: required here, but missing:$missing"; exit 1; }
