#!/usr/bin/env bash
# Places one signed call in the deployment of `make up`.
#
# usage: scripts/call.sh EXPERT HAZARD [--unsigned]
#        scripts/call.sh expert-security@external.advisor security
set -uo pipefail
. "$(dirname "$0")/lib/stack.sh"

UP=${IFE_UP_DIR:-$IFE_TARGET/up}
[ $# -ge 2 ] || die "usage: scripts/call.sh EXPERT HAZARD [--unsigned]"
{ stack_load "$UP" && proc_alive kamailio; } || die "nothing is running; start it with make up"
name=call-$(date +%s%N) scenario=uac
[ "${3:-}" != --unsigned ] || scenario=uac-unsigned

signed_csv "$STACK/sipp/$name.csv" - council-2026a "$COUNCIL" "$1" "$2"
stack_calls "$name" "$scenario" "$STACK/sipp/$name.csv" ||
	stack_fail "$name" "the call did not end as SIP requires"
jq -r '"\(.code) \(.reason)\ntrace id \(.trace_id)"' "$STACK/captures/$name.outcomes"
trace_id=$(jq -r .trace_id "$STACK/captures/$name.outcomes")
say "its trace: ${IFE_BIN#"$IFE_ROOT/"}/ifectl witness show" \
	"--log ${UP#"$IFE_ROOT/"}/witness --trace $trace_id"
