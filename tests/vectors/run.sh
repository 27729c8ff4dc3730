#!/bin/sh
# All checks by a second implementation: tests/vectors/run.sh
#   the test vectors, written again by Python; calls signed by ifectl, verified by Python; logs,
#   verified by the package aics-tlog.
# IFECTL names the binary (default target/release/ifectl).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
ifectl=${IFECTL:-$root/target/release/ifectl}
[ -x "$ifectl" ] || { echo "$0: $ifectl is not there; run make build" >&2; exit 2; }
passed=0
failed=0

# part LABEL COMMAND...: adds up its last line, "N passed, N failed".
part() {
    label=$1
    shift
    said=$("$@" 2>&1) || true
    line=$(printf '%s\n' "$said" | grep -E '^[0-9]+ passed, [0-9]+ failed$' | tail -n 1) ||
        line='0 passed, 1 failed'
    case $line in *' 0 failed') ;; *) printf '%s\n' "$said" ;; esac
    echo "$label: $line"
    passed=$((passed + ${line%% passed*}))
    line=${line#*, }
    failed=$((failed + ${line%% failed}))
}

part "test vectors" "$here/check.sh"
part "calls signed by ifectl" /usr/bin/python3 -B "$here/cross_check.py" "$ifectl"
part "logs and aics-tlog" "$root/tests/python/test.sh"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
