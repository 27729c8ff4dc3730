#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

printf 'a report\n' >"$STACK/evidence/report.txt"
: >"$STACK/evidence/empty.bin"
mkdir "$STACK/evidence/other"
printf 'another report\n' >"$STACK/evidence/other/report.txt"
head -c 150000000 /dev/urandom >"$STACK/evidence/large.bin"
start_with_evidence
cd "$STACK/received" || die "no place for files"
receive() { timeout 200 "$IFE_BIN/ifectl" evidence receive "$@"; }
link_about() { call_about "$@" | jq -r .evidence_link; }
same() { cmp -s "$STACK/evidence/$1" "$STACK/received/$2" || fail "$2 is not $1"; }

# Several files, two of one name and one of no bytes; the link comes by stdin.
answer=$(call_about report.txt other/report.txt empty.bin)
call=$(jq -r .call_id <<<"$answer") link=$(jq -r .evidence_link <<<"$answer")
told=$(receive --json --to first - <<<"$link")
expect "exit code" 0 $?
expect "files" '["report.txt",true,"report.txt",true,"empty.bin",true]' \
	"$(jq -c '[.files[] | .name, .verified]' <<<"$told")"
same report.txt first/report.txt
same other/report.txt "first/report (2).txt"
same empty.bin first/empty.bin
expect "files in the directory" 3 "$(find first -type f | wc -l)"
expect_evidence "$call" verified
entry=$(jq -r .receipt.entry <<<"$told")
[ -n "$entry" ] && [ "$entry" != null ] || fail "no receipt: $told"
receipt_is_in_log() {
	"$IFE_BIN/ifectl" witness prove --log "$STACK/witness" --vkey "$STACK/witness.vkey" \
		--witness-hash "$entry" >"$STACK/receipt.proof" 2>&1
}
wait_until 30 receipt_is_in_log
receipt_is_in_log || fail "the receipt is not in the log: $(cat "$STACK/receipt.proof")"

# The link is used up; a wrong one shows no token; nothing is overwritten.
refused() {
	local label=$1 code=$2 pattern=$3 said rc=0
	shift 3
	said=$(receive "$@" 2>&1) || rc=$?
	expect "$label: exit code" "$code" "$rc"
	grep -qE "$pattern" <<<"$said" || fail "$label: no /$pattern/ in: $said"
}
refused "a used link" 1 'LINK_USED' --to second "$link"
refused "a wrong token" 1 'LINK_INVALID' --to second "${link%#*}#$(printf 'x%.0s' {1..43})"
refused "no link" 2 'not an evidence link' "http://bridge.example/e/abc#secret"
link=$(ROOM=second link_about report.txt)
refused "a file that exists" 1 'exists already' --to first "$link"
expect "what was there" 3 "$(find first -type f | wc -l)"

# A redemption that cannot be stored uses no link up.
link=$(ROOM=unstored link_about report.txt)
redeem() {
	curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer ${link#*#}" \
		"${link%%#*}/redeem"
}
mv "$STACK/store/evidence" "$STACK/store/evidence.away"
expect "status of a redemption that cannot be stored" 503 "$(redeem)"
mv "$STACK/store/evidence.away" "$STACK/store/evidence"
expect "status of the next redemption" 200 "$(redeem)"
expect "status of one more" 409 "$(redeem)"

# A file that the bridge cannot offer is named, and the answer is no.
link=$(ROOM=third link_about report.txt missing.txt)
refused "a file that cannot be had" 1 'cannot offer missing.txt: not_found' --to third "$link"
same report.txt third/report.txt

# The bridge is killed in the middle: the command connects again and takes the missing bytes.
link=$(ROOM=fourth link_about large.bin)
receive --json --to fourth "$link" >"$STACK/fourth.json" 2>"$STACK/fourth.err" &
receiver=$!
some_of_it() { [ "$(stat -c %s fourth/.receiving-0 2>/dev/null || echo 0)" -gt 5000000 ]; }
wait_until 60 some_of_it
proc_kill bridge
bridge_start
wait "$receiver"
expect "exit code after a kill" 0 $?
same large.bin fourth/large.bin
grep -q 'connecting again' "$STACK/fourth.err" ||
	fail "the kill was not noticed: $(cat "$STACK/fourth.err")"
expect_alive
