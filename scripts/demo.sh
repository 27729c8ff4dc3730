#!/usr/bin/env bash
# Part 1, the gate: eight calls through a real Kamailio; one is answered, seven are refused, each
# for another reason. As root, part 2: an IFMessage, the expert's phone, H.323, the conference,
# hang-up; part 3: the H.323 messages; part 4: the call's entries in the log. Exits non-zero if a
# result differs from the announced one. Leaves nothing running and nothing mounted.
set -uo pipefail
. "$(dirname "$0")/lib/demo-stack.sh"
. "$IFE_ROOT/scripts/lib/demo-bridge.sh"

DEMO=${IFE_DEMO_DIR:-$IFE_TARGET/demo}
WRONG=0

main() {
	alone "make demo" "$DEMO.lock"
	# Left by a demo that was killed.
	if stack_load "$DEMO"; then demo_close; fi
	trap 'demo_close; page_network_close' EXIT
	trap 'note "Stopping all that runs"; exit 130' INT TERM
	[ -z "${IFE_INSTALLED:-}" ] || say "Installed programs: $(ifectl --version), $IFE_MODULE_DIR"
	SECURITY_ACCEPTANCE=key demo_stack "$DEMO" "${IFE_NET:-}"
	say "Part 1, the gate: eight calls through Kamailio $(kamailio_version) on 127.0.0.1:$SIP_PORT"
	say
	place_calls
	log_entries >"$STACK/captures/entries"
	print_table
	say
	print_trace "$(jq -r .trace_id "$STACK/captures/signed.outcomes")"
	say
	if bridge_possible; then full_way; else full_way_skipped; fi
	# The log is complete: the rest reads only files.
	demo_close
	if bridge_possible; then print_story; fi
	print_log
	[ "$WRONG" = 0 ] ||
		die "$WRONG results above differ from the announced ones; see ${DEMO#"$IFE_ROOT/"}/log"
	say
	say "The files of this run are in ${DEMO#"$IFE_ROOT/"}: the log in witness/, its verifier"
	say "key in witness.vkey, registry.yaml, private keys in keys/, network traces in captures/."
	say "\`make up\` leaves the same deployment running."
}

full_way_skipped() {
	say "Part 2, the full way to the council's H.323 conference, is skipped: only root can make and"
	say "enter the root directory of Asterisk. As root (or with sudo), make demo shows it."
	say
}

kamailio_version() { kamailio -v 2>/dev/null | awk 'NR == 1 { print $3 }'; }

# name | label in the table | announced verdict, gate, code
CALLS=(
	"signed|signed escalation|approved|-|200"
	"unsigned|unsigned|rejected|signature|428"
	"unknown|unknown expert|rejected|registry|403"
	"hazard|wrong hazard|rejected|hazard|403"
	"forged|forged signature|rejected|signature|438"
	"stale|stale|rejected|freshness|403"
	"replayed|replayed|rejected|replay|403"
	"quota|over quota|rejected|quota|503"
)

place_calls() {
	local at=$STACK/sipp
	signed_csv "$at/signed.csv" - council-2026a "$COUNCIL" "$SAFETY" safety
	signed_csv "$at/unsigned.csv" - council-2026a "$COUNCIL" "$SAFETY" safety
	signed_csv "$at/unknown.csv" - council-2026a "$COUNCIL" expert-nobody@external.advisor safety
	signed_csv "$at/hazard.csv" - council-2026a "$COUNCIL" "$SAFETY" security
	# Signed by the council's key for another expert than the called one.
	echo SEQUENTIAL >"$at/forged.csv"
	stack_sign council-2026a "$COUNCIL" "$SECURITY" safety |
		csv_lines "$COUNCIL" "$SAFETY" - >>"$at/forged.csv"
	signed_csv "$at/stale.csv" - council-2026a "$COUNCIL" "$SAFETY" safety \
		--iat $(($(date +%s) - 600))
	cp "$at/signed.csv" "$at/replayed.csv"
	signed_csv "$at/quota.csv" - council-2026a "$COUNCIL" "$SAFETY" safety

	local call name scenario
	for call in "${CALLS[@]}"; do
		name=${call%%|*} scenario=uac
		[ "$name" != unsigned ] || scenario=uac-unsigned
		stack_calls "$name" "$scenario" "$at/$name.csv" ||
			stack_fail "$name" "the call '$name' did not end as SIP requires"
	done
	wait_log 8 '.event == "APPROVED" or .event == "REJECTED"' ||
		die "the log does not hold a decision for each call"
	wait_log 1 '.event == "BYE"' || die "the log does not hold the end of the first call"
}

print_table() {
	local call name label verdict gate code row
	printf '  %-20s %-10s %-11s %s\n' call verdict gate "SIP reply"
	for call in "${CALLS[@]}"; do
		IFS='|' read -r name label verdict gate code <<<"$call"
		row=$(decision_of "$name")
		if [ "$(cut -d '|' -f 1,2,3 <<<"$row")" = "$verdict|$gate|$code" ]; then
			printf '  %-20s %-10s %-11s %s\n' "$label" "$verdict" "$gate" \
				"${row#"$verdict|$gate|"}" | tr '|' ' '
		else
			WRONG=$((WRONG + 1))
			printf '  %-20s %s   <- announced: %s %s %s\n' "$label" "${row//|/ }" \
				"$verdict" "$gate" "$code"
		fi
	done
}

# Prints verdict|gate|code|reason: the gate from the log, the reply from the caller.
decision_of() {
	local reply decision
	reply=$(jq -r '"\(.code)|\(.reason)" +
		(if .retry_after then ", Retry-After: \(.retry_after)" else "" end)' \
		"$STACK/captures/$1.outcomes")
	decision=$(jq -r --arg id "1.$1@caller.example" 'select(.call_id == $id) |
		if .event == "APPROVED" then "approved|-"
		elif .event == "REJECTED" then "rejected|\(.gate)" else empty end' \
		"$STACK/captures/entries")
	printf '%s|%s\n' "${decision:-not in the log|-}" "$reply"
}

# print_trace TRACE_ID: prints the ladder of a call.
print_trace() {
	say "Trace $1, from the log"
	ifectl witness show --log "$STACK/witness" --vkey "$STACK/witness.vkey" --trace "$1" ||
		WRONG=$((WRONG + 1))
}

print_log() {
	local report
	if report=$(stack_verify --json); then
		jq -r '"Log verified: \(.size) entries, root \(.root)"' <<<"$report"
		log_entries >"$STACK/captures/entries"
		[ "$(jq .size <<<"$report")" = "$(wc -l <"$STACK/captures/entries")" ] ||
			WRONG=$((WRONG + 1))
	else
		say "$report"
		WRONG=$((WRONG + 1))
	fi
}

main "$@"
