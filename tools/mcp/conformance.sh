#!/bin/sh
# Holds the client of MCP servers against the protocol's own reference server and conformance suite. Needs npm and the network.
#
# Ends with 0 when everything came out as CONFORMANCE.md says.
set -eu
cd "$(dirname "$0")/../.."
expected="$PWD/tools/mcp/conformance-expected.yml"
cargo build -p hearth-mcp --example client
client="${CARGO_TARGET_DIR:-$PWD/target}/debug/examples/client"

folder="$(mktemp -d)"
server=""
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" \
    node@22 @modelcontextprotocol/server-everything@2026.8.31 @modelcontextprotocol/conformance@0.1.16
modules="$folder/node_modules"
node="$modules/node/bin/node"
everything="$modules/@modelcontextprotocol/server-everything/dist/index.js"

operations="13 operations"
sum="The sum of 3 and 3 is 6"

echo "== the reference server, by stdio, confined"
"$client" "$folder/own" "$modules" -- "$node" "$everything" stdio >"$folder/stdio.log"
cat "$folder/stdio.log"
grep -q "$operations" "$folder/stdio.log" && grep -q "$sum" "$folder/stdio.log"

echo "== the reference server, by streamable HTTP"
port=39871
PORT="$port" "$node" "$everything" streamableHttp >"$folder/server.log" 2>&1 &
server="$!"
tries=0
until "$client" "http://127.0.0.1:$port/mcp" >"$folder/http.log"; do
    tries=$((tries + 1))
    test "$tries" -lt 20
    sleep 1
done
cat "$folder/http.log"
grep -q "$operations" "$folder/http.log" && grep -q "$sum" "$folder/http.log"

echo "== the conformance suite"
"$node" "$modules/@modelcontextprotocol/conformance/dist/index.js" client --command "$client" --suite all \
    --expected-failures "$expected" --output-dir "$folder/results" >"$folder/suite.log" 2>&1 || {
    cat "$folder/suite.log"
    exit 1
}
sed -n '/=== SUITE SUMMARY/,$p' "$folder/suite.log"
