#!/bin/sh
# That aics-tlog accepts logs written by ife-witness, and refuses them once a byte is changed:
# tests/python/test.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
synth=$(tests/tools/build synth_log)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0
failed=0

# check NAME accept|refuse LOG VKEYS
check() {
    if "$here/run.sh" "$3" "$4" >"$scratch/out" 2>&1; then said=accept; else said=refuse; fi
    # A refusal must be the verifier's word about the log, not a missing package.
    if [ "$said" = "$2" ] && { [ "$said" = accept ] || grep -q "^$3: " "$scratch/out"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1: expected $2, got $said:" >&2
        cat "$scratch/out" >&2
    fi
}

# flip FILE OFFSET: inverts one byte
flip() {
    old=$(od -An -tu1 -j "$2" -N1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf %o $((255 - old)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

for size in 0 1 256 257 66000; do
    "$synth" "$scratch/$size" "$size" --entry-bytes 400 --publish-every 1000 >/dev/null
    check "size $size" accept "$scratch/$size/log" "$scratch/$size/vkeys"
done

log=$scratch/257/log
for damage in checkpoint:5 checkpoint:40 tile/0/000:4000 tile/1/000.p/1:31 tile/0/001.p/1:0 \
    tile/entries/000:9000 tile/entries/001.p/1:40; do
    file=${damage%:*}
    cp "$log/$file" "$scratch/good"
    flip "$log/$file" "${damage##*:}"
    check "$damage changed" refuse "$log" "$scratch/257/vkeys"
    rm "$log/$file"
    check "$file missing" refuse "$log" "$scratch/257/vkeys"
    cp "$scratch/good" "$log/$file"
done
check "all restored" accept "$log" "$scratch/257/vkeys"

sed '1s/+[^+]*+/+00000000+/' "$scratch/257/vkeys" >"$scratch/wrong"
check "another key" refuse "$log" "$scratch/wrong"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
