#!/usr/bin/env bash
# The pages' logic under node, and their libraries compared with what npm has. The last line is "N
# passed, N failed".
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)

"$here/install.sh" >/dev/null || exit 1
log=$(node --test --test-reporter=tap "$here"/unit/*.test.mjs 2>&1)
rc=$?
[ "$rc" = 0 ] || sed -n '/^not ok/,/^  \.\.\./p' <<<"$log"
printf '%d passed, %d failed\n' "$(sed -n 's/^# pass //p' <<<"$log")" \
	"$(sed -n 's/^# fail //p' <<<"$log")"
exit "$rc"
