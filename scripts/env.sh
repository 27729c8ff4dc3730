# Sourced by every script here: paths and output functions.
# shellcheck shell=bash

IFE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
IFE_TARGET=$IFE_ROOT/target
IFE_CARGO_TARGET=${CARGO_TARGET_DIR:-$IFE_TARGET}
# Cargo's profile: release, or quick (make demo).
IFE_PROFILE=${IFE_PROFILE:-release}
IFE_BIN=$IFE_CARGO_TARGET/$IFE_PROFILE
case $IFE_PROFILE in
release) IFE_MODULE_DIR=$IFE_TARGET/module ;;
*) IFE_MODULE_DIR=$IFE_TARGET/module-$IFE_PROFILE ;;
esac
IFE_RUST_MIN=1.89
export IFE_ROOT IFE_TARGET IFE_CARGO_TARGET IFE_PROFILE IFE_BIN IFE_MODULE_DIR

case ":$PATH:" in
*":${CARGO_HOME:-$HOME/.cargo}/bin:"*) ;;
*) PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin ;;
esac
# Kamailio and tcpdump are here; PATH of a Debian user lacks it.
PATH=$PATH:/usr/sbin:/sbin
export PATH
# Programs in Python leave no compiled files beside their sources.
export PYTHONDONTWRITEBYTECODE=1

# ife_version: the version of all parts, which stands in Cargo.toml.
ife_version() {
	sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$IFE_ROOT/Cargo.toml"
}

say() { printf '%s\n' "$*"; }
note() { [ -n "${QUIET:-}" ] || printf '%s\n' "$*" >&2; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# contains [GREP-OPTION ...] PATTERN: whether the input has such a line. `grep -q` would end at the
# first match, and with pipefail the end of the program that still writes to it would count as "no".
contains() {
	local input
	input=$(cat)
	grep -q "$@" <<<"$input"
}

# alone WHAT FILE: holds the lock FILE until the script ends. It waits for another script that holds
# it, and prints it. Processes that outlive the script must close descriptor 8.
alone() {
	mkdir -p "$(dirname "$2")"
	exec 8>>"$2"
	flock -n 8 && return
	note "  another $1 runs in this directory: waiting for its end"
	flock 8
}

# run_quietly LABEL COMMAND...: prints the command's output only if it fails or VERBOSE is set.
# IFE_LOG names the file for the output.
run_quietly() {
	local label=$1 log
	shift
	note "  $label"
	if [ -n "${VERBOSE:-}" ]; then
		"$@" >&2
		return
	fi
	mkdir -p "$IFE_TARGET"
	log=${IFE_LOG:-$(mktemp "$IFE_TARGET/.log.XXXXXX")}
	if "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
	else
		local rc=$?
		tail -n 60 "$log" >&2
		printf 'error: %s failed (exit %d); its output is in %s\n' "$label" "$rc" "$log" >&2
		return "$rc"
	fi
}
