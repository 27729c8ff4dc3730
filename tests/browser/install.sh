#!/usr/bin/env bash
# Installs what package-lock.json pins into target/browser, once; prints that directory.
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"

here=$(cd "$(dirname "$0")" && pwd)
there=$IFE_TARGET/browser
mkdir -p "$there"
# Cases that run side by side must not install over each other.
exec 9>"$there/.lock"
flock 9
if ! cmp -s "$here/package-lock.json" "$there/installed.json"; then
	command -v npm >/dev/null || die "npm is missing: scripts/setup.sh installs it"
	cp "$here/package.json" "$here/package-lock.json" "$there/"
	# No package may run a script of its own, and nothing native is needed.
	QUIET=1 run_quietly "npm ci" npm ci --prefix "$there" --ignore-scripts --omit=optional \
		--no-audit --no-fund
	cp "$here/package-lock.json" "$there/installed.json"
fi
printf '%s\n' "$there"
