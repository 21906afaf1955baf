#!/bin/sh
# Runs every test. Installs what is missing, where it can.
#
# Packages that contain the database are tested apart from those that do not, because the second kind switches features of shared
# dependencies on (a paused clock) that would compile the database a second time.
set -eu
cd "$(dirname "$0")/.."
./setup.sh --tests

echo "== the house, its store, its models, and what crashes leave of them"
cargo test --release -p hearth -p hearth-engine -p hearth-adapters -p hearth-crash -p hearth-crash-shim -p hearth-scripted -p hearth-vault
echo "== supervision, domain, actors, page, rules of the source"
cargo test --release -p hearth-supervisor -p hearth-domain -p hearth-actors -p hearth-rules -p hearth-web -p hearth-conformance -p hearth-tidy -p hearth-vault -p hearth-tool-package -p hearth-own-tools -p hearth-tool -p hearth-tool-author -p hearth-mcp -p hearth-tool-host --features hearth-tool-host/compromised
echo "== simulation"
cargo test --release -p hearth-simulations
echo "== the logic of the tools that come along"
(cd tools/guests && cargo test --locked)
