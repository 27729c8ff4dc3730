# Sourced by every script here: paths and output functions.
# shellcheck shell=bash

IFE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
IFE_TARGET=$IFE_ROOT/target
IFE_CARGO_TARGET=${CARGO_TARGET_DIR:-$IFE_TARGET}
IFE_BIN=$IFE_CARGO_TARGET/release
IFE_MODULE_DIR=$IFE_TARGET/module
IFE_RUST_MIN=1.89
export IFE_ROOT IFE_TARGET IFE_CARGO_TARGET IFE_BIN IFE_MODULE_DIR

case ":$PATH:" in
*":${CARGO_HOME:-$HOME/.cargo}/bin:"*) ;;
*) PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin ;;
esac
# Kamailio and tcpdump are here; PATH of a Debian user lacks it.
PATH=$PATH:/usr/sbin:/sbin
export PATH

say() { printf '%s\n' "$*"; }
note() { [ -n "${QUIET:-}" ] || printf '%s\n' "$*" >&2; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# run_quietly LABEL COMMAND...: prints the command's output only if it fails or VERBOSE is set.
run_quietly() {
	local label=$1 log
	shift
	note "  $label"
	if [ -n "${VERBOSE:-}" ]; then
		"$@" >&2
		return
	fi
	mkdir -p "$IFE_TARGET"
	log=$(mktemp "$IFE_TARGET/.log.XXXXXX")
	if "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
	else
		local rc=$?
		tail -n 60 "$log" >&2
		printf 'error: %s failed (exit %d); its output is in %s\n' "$label" "$rc" "$log" >&2
		return "$rc"
	fi
}
