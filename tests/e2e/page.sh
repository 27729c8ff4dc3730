# Sourced by the cases of the expert's page after lib.sh: Chromium, node's modules, pictures.
# shellcheck shell=bash

. "$IFE_ROOT/scripts/lib/page-network.sh"

export IFE_SHOTS=${IFE_SHOTS:-$IFE_TARGET/artifacts}

page_setup() {
	"$IFE_ROOT/tests/browser/install.sh" >/dev/null ||
		die "the browser tests' packages cannot be installed"
	mkdir -p "$IFE_SHOTS"
	page_network
}

# browser LABEL SCRIPT ARG...: a node program whose steps must all pass; its output is shown when
# one does not.
browser() {
	local label=$1
	shift
	mkdir -p "$STACK/log"
	expect_ok "page: $label" browser_steps "$STACK/log/page-$label.log" "$@"
}

browser_steps() {
	local log=$1 rc=0
	shift
	timeout --foreground -k 5 220 node "$@" >"$log" 2>&1 || rc=$?
	cat "$log"
	return "$rc"
}

# The bridge that lies, built like the other tests' programs; its path on stdout.
faulty_bridge() { "$IFE_ROOT/tests/tools/build" faulty_bridge; }
