#!/bin/sh
# Regenerates the test vectors with the Python implementation and compares them with the published ones. Exits 1 if they differ.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
/usr/bin/python3 -B "$here/generate.py" "$fresh"
for file in headers aor signatures legacy keys ifmessage; do
    if ! diff -u "$here/$file.json" "$fresh/$file.json"; then
        echo "tests/vectors/$file.json differs from what tests/vectors/generate.py writes; run it and look at the difference" >&2
        exit 1
    fi
done
echo "test vectors: 6 files agree with the Python implementation"
