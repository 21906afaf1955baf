#!/bin/sh
# Crashes a real house: kill -9 while people talk to it, and power cuts. Prints a table; exit code 1 if anything is wrong.
#
#   tests/crash/run.sh [KILLS=500] [CUTS=200] [options of the crash program, such as --json, --seed 7, --dir /tmp/x --keep]
set -eu
cd "$(dirname "$0")/../.."
kills=500
cuts=200
case "${1:-}" in '' | -*) ;; *) kills=$1; shift ;; esac
case "${1:-}" in '' | -*) ;; *) cuts=$1; shift ;; esac
cargo build --release -p hearth -p hearth-crash -p hearth-crash-shim >&2
exec "${CARGO_TARGET_DIR:-target}/release/crash" --kills "$kills" --cuts "$cuts" "$@"
