#!/bin/sh
# Attacks by what a tool reads: AgentDojo's suites with a scripted worst-case model (see README.md). Loopback only, no language model.
# usage: run.sh [core | undefended] [--suite=NAME] [--renamed] [--bare] [modes [planners [members]]]   such as: run.sh --suite=slack benign,wc1 plain ideal
set -eu
cd "$(dirname "$0")"
venv="${TMPDIR:-/tmp}/hearth-agentdojo-venv"
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --no-deps agentdojo==0.1.35
    "$venv/bin/pip" install -q 'pydantic[email]' pyyaml rich tenacity typing-extensions docstring-parser deepdiff click python-dotenv requests
fi
export PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = core ]; then
    exec cargo run -q -p hearth-agentdojo -- "$venv/bin/python" suite_server.py manifests/banking.json
fi
if [ "${1:-}" = undefended ]; then
    shift
    exec "$venv/bin/python" house.py none "$@"
fi
cargo build -q --release -p hearth
binary="${CARGO_TARGET_DIR:-../../target}/release/hearth"
exec "$venv/bin/python" house.py "$binary" "$@"
