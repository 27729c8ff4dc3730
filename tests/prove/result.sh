# Sourced by lib.sh and bridge.sh: one line of a part's results.
# shellcheck shell=bash

# result FAULT ROUNDS LOST DOUBLED THROUGH OK(true|false) NOTE
result() {
	jq -cn --arg fault "$1" --argjson rounds "$2" --argjson lost "$3" --argjson doubled "$4" \
		--argjson through "$5" \
		--argjson ok "$6" --arg note "$7" '{$fault, $rounds, $lost, $doubled, $through, $ok, $note}' \
		>>"$PROVE_RESULTS"
}
