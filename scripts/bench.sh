#!/usr/bin/env bash
# Runs benchmarks: scripts/bench.sh [NAME ...]; without a name all. Figures go to
# target/bench/NAME.json. A figure that misses its target is printed as missed and does not fail the
# run.
set -euo pipefail
. "$(dirname "$0")/env.sh"

[ $# -gt 0 ] || for dir in "$IFE_ROOT"/tests/bench/*/; do set -- "$@" "$(basename "$dir")"; done
for name in "$@"; do
	[ -f "$IFE_ROOT/tests/bench/$name/run.py" ] || die "no benchmark $name in tests/bench"
	/usr/bin/python3 "$IFE_ROOT/tests/bench/$name/run.py"
done
