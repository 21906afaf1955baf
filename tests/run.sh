#!/bin/sh
# Runs every test. Installs what is missing, where it can.
#
# `tests/run.sh all` runs those through the real binary, the real store and the scripted providers too; they join the plain call, and CI,
# when all of them are green (CHANGELOG.md).
#
# Packages that contain the database are tested apart from those that do not, because the second kind switches features of shared
# dependencies on (a paused clock) that would compile the database a second time.
set -eu
cd "$(dirname "$0")/.."

# Chromium is for the page's tests.
if ! command -v chromium >/dev/null 2>&1 || ! command -v chromedriver >/dev/null 2>&1; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null
    else
        echo "chromium and chromedriver are missing: install them for the page's tests" >&2
        exit 1
    fi
fi

if [ "${1:-}" = all ]; then
    echo "== the house, its store and its models"
    cargo test --release -p hearth -p hearth-adapters -p hearth-crash -p hearth-scripted
fi
echo "== supervision, domain, actors, page, rules of the source"
cargo test --release -p hearth-supervisor -p hearth-domain -p hearth-actors -p hearth-web -p hearth-conformance -p hearth-tidy
echo "== simulation"
cargo test --release -p hearth-simulations
