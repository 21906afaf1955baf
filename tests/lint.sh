#!/bin/sh
# Clippy and the docs, without a warning. The sets of packages are those of run.sh: other sets would switch other features on, and
# compile the database once more.
set -eu
cd "$(dirname "$0")/.."
export RUSTDOCFLAGS="-D warnings"
lint() {
    cargo clippy --release "$@" --all-targets -- -D warnings
    cargo doc --release "$@" --no-deps --document-private-items
}
lint -p hearth -p hearth-engine -p hearth-adapters -p hearth-crash -p hearth-crash-shim -p hearth-scripted
lint -p hearth-supervisor -p hearth-domain -p hearth-actors -p hearth-web -p hearth-conformance -p hearth-tidy
lint -p hearth-simulations
