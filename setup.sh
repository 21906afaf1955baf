#!/bin/sh
# Makes sure that what the build needs beside Rust is there: a C++ compiler, and libclang for the database engine's bindings.
# Installs what is missing where it can (Debian and its kin, as root), and says what to install where it cannot.
#
#   ./setup.sh           what the house needs
#   ./setup.sh --tests   and what its tests need: Chromium, strace
set -eu

missing=""
has() { command -v "$1" >/dev/null 2>&1; }
libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for file in /usr/lib/llvm*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib*/libclang*.so* /usr/local/lib/libclang*.so* \
        /Library/Developer/CommandLineTools/usr/lib/libclang.dylib /opt/homebrew/opt/llvm/lib/libclang.dylib; do
        case "$file" in *libclang-cpp*) continue ;; esac
        [ -e "$file" ] && return 0
    done
    return 1
}

has cargo || { echo "Rust is missing: install it from https://rustup.rs, version 1.95 or newer" >&2; exit 1; }
has c++ || missing="$missing g++"
libclang || missing="$missing libclang-dev"
if [ "${1:-}" = --tests ]; then
    has chromium || missing="$missing chromium"
    has chromedriver || missing="$missing chromium-driver"
    has strace || missing="$missing strace"
fi

[ -n "$missing" ] || exit 0
if has apt-get && [ "$(id -u)" = 0 ]; then
    echo "installing$missing" >&2
    apt-get update -qq >&2
    # shellcheck disable=SC2086 # one word for each package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "missing (by their Debian names):$missing" >&2
    if has apt-get; then echo "install them with: sudo apt-get install$missing" >&2; fi
    exit 1
fi
