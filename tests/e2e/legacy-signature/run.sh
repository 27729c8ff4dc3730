#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

registry_edit() {
	sed "s|^default_expert: .*|&\nlegacy_store: $STACK/legacy.store|; s|\(kid: council-2026a.*\)covers: \[base\]}|\1covers: [base], legacy_signature: true}|"
}
# legacy_csv FILE EXPECTED KEY FROM TO: the signature is one field here, and the tenth is what is
# expected.
legacy_csv() {
	[ -s "$1" ] || echo SEQUENTIAL >"$1"
	stack_sign "$3" "$4" "$5" safety --legacy "${6:-$SAFETY}" |
		jq -r --arg from "$4" --arg to "$5" --arg expected "$2" \
		'[$from, $to, .trace_id, .hazard, .signature, "", "", "", "", $expected] | join(";")' >>"$1"
}

start
legacy_csv "$STACK/first.csv" 200 council-2026a "$COUNCIL" "$SAFETY"
expect_ok "allowed signer" stack_calls first uac-legacy "$STACK/first.csv"
expect_calls first "$STACK/first.csv"

# Not for this expert, and not from a signer who may not.
legacy_csv "$STACK/refused.csv" 438/signature council-2026a "$COUNCIL" "$SAFETY" "$ETHICS"
legacy_csv "$STACK/expert.csv" 438/signature safety-2026a "$SAFETY" "$COUNCIL"
expect_ok "refused" stack_calls refused uac-legacy "$STACK/refused.csv"
CALLER_IP=$EXPERT_IP expect_ok "expert refused" stack_calls expert uac-legacy "$STACK/expert.csv"
expect_calls refused "$STACK/refused.csv"
expect_calls expert "$STACK/expert.csv"

sed 's|;200$|;403/replay|' "$STACK/first.csv" >"$STACK/again.csv"
expect_ok "a second time" stack_calls again uac-legacy "$STACK/again.csv"
expect_calls again "$STACK/again.csv"

# As after a reboot: processes and tmpfs are new.
proc_stop kamailio
proc_stop witnessd
rm -rf "${STATE:?}"/*
stack_start_witnessd
stack_start_kamailio
expect_ok "after a reboot" stack_calls reboot uac-legacy "$STACK/again.csv"
expect_calls reboot "$STACK/again.csv"
expect_alive
