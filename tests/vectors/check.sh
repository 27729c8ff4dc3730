#!/bin/sh
# Regenerates the test vectors with the Python implementation and compares them with the published
# ones. Exits 1 if they differ.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
/usr/bin/python3 -B "$here/generate.py" "$fresh"
passed=0
failed=0
for file in "$here"/*.json "$fresh"/*.json; do
    name=$(basename "$file")
    [ "$file" = "$here/$name" ] || [ ! -e "$here/$name" ] || continue
    if diff -u "$here/$name" "$fresh/$name"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "tests/vectors/$name is not what tests/vectors/generate.py writes; look at the difference, then run generate.py" >&2
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
