#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# Lines of an SDP by the way that media are secured. Each secret has the word SECRET in it.
SDES='a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETsdes0WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9|2^20|1:4'
MIKEY='a=key-mgmt:mikey SECRETmikey0AQAFgM0XflABAAAAAAAAAAAAAAsAyO'
CLEAR='k=base64:SECRETclear0MTIzNDU2'
ICE='a=ice-ufrag:8hhY\na=ice-pwd:SECRETice0asd88fgpdd777uzj\na=candidate:1 1 UDP 2130706431 192.0.2.1 40000 typ host'
DTLS="$ICE"'\na=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B\na=setup:actpass'

# secured NAME LINES: the scenario NAME with these lines in its SDP, and secrets of its own.
secured() {
	local lines=${2//SECRET/SECRET-$1-}
	sed "s~^a=rtpmap:101 .*~&\\n$lines~" "$SIPP_DIR/$1.xml"
}

secured uas "$SDES\n$MIKEY\n$CLEAR\n$DTLS" >"$STACK/expert.xml"
EXPERT_SCENARIO=$STACK/expert.xml
start
for kind in SDES MIKEY CLEAR ICE DTLS; do
	secured uac "${!kind}" >"$STACK/$kind.xml"
	signed_csv "$STACK/$kind.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
	expect_ok "a call with $kind" stack_calls "$kind" "$STACK/$kind.xml" "$STACK/$kind.csv"
	expect "secrets of $kind on the wire" true \
		"$(grep -q SECRET-uac- "$STACK/captures/$kind.msg" && echo true)"
done
expect_log 5 '.event == "TERMINATED"'
expect_log 5 '.event == "CONNECTED" and (.sdp | contains("4A:AD:B9:B1"))'
expect_log 2 '.event == "APPROVED" and (.sdp | contains("a=ice-pwd:****"))'
expect "files with a secret in them" "" "$(grep -rl SECRET "$STACK/witness" "$STATE")"
stack_verify_quietly
expect_alive
