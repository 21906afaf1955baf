#!/bin/sh
# Clippy and the docs, without a warning, for all packages that do not contain the database.
#
# Those that do (`hearth`, `hearth-adapters`, `hearth-engine`, `hearth-crash`) are left to a developer's machine (`just lint-all`): checking
# them compiles the database's C++ once more, which takes a quarter of an hour that CI does not have.
set -eu
cd "$(dirname "$0")/.."
export RUSTDOCFLAGS="-D warnings"
lint() {
    cargo clippy --release "$@" --all-targets -- -D warnings
    cargo doc --release "$@" --no-deps
}
lint -p hearth-supervisor -p hearth-domain -p hearth-actors -p hearth-web -p hearth-conformance -p hearth-tidy
lint -p hearth-simulations
