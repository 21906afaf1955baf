#!/bin/sh
# Attacks on the flow core: AgentDojo's banking suite with a scripted worst-case model (see README.md). Loopback only, no language model.
# usage: run.sh [venv]
set -eu
cd "$(dirname "$0")"
venv="${1:-${TMPDIR:-/tmp}/hearth-agentdojo-venv}"
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --no-deps agentdojo==0.1.35
    "$venv/bin/pip" install -q 'pydantic[email]' pyyaml rich tenacity typing-extensions docstring-parser deepdiff click python-dotenv requests
fi
export PYTHONDONTWRITEBYTECODE=1
exec cargo run -q -p hearth-agentdojo -- "$venv/bin/python" suite_server.py manifest.json
