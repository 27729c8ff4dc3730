#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

cfg=$IFE_ROOT/kamailio.cfg
accepts() {
	kamailio -c -f "$cfg" -L "$(kamailio_modules):$IFE_MODULE_DIR" -Y "$STACK/kamailio-run" "$@"
}
expect_ok "defaults" accepts
expect_ok "metrics" accepts -A WITH_METRICS
expect_ok "TLS" accepts -A WITH_TLS
expect_ok "everything" accepts -A WITH_TLS -A WITH_METRICS -A WITH_CALL_LOG -A WITH_MULTIHOMED
expect_ok "shadow, best effort" accepts -A 'MODE="shadow"' -A 'WITNESS="best_effort"' \
	-A WITNESS_WAIT_MS=200
kamailio_args
expect_ok "settings of the other cases" accepts "${KAMAILIO_ARGS[@]}"

sed 's/modparam("if_escalate", "registry"/modparam("if_escalate", "registri"/' "$cfg" \
	>"$STACK/wrong.cfg"
cfg=$STACK/wrong.cfg
expect_fails "a parameter that does not exist" registri accepts
