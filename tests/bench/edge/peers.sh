#!/bin/sh
# Everything about the edge's speed, peers included; they are installed into a directory that is removed again.
# NODE names the binary.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
node=${NODE:-node}
peers=$(mktemp -d)
trap 'rm -rf "$peers"' EXIT
(cd "$peers" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund jsonwebtoken jose @aws-sdk/client-kms)
"$node" "$here/check.mjs"
"$node" "$here/cold.mjs" --sdk "$peers"
"$node" "$here/constant.mjs"
"$node" "$here/peers.mjs" "$peers"
