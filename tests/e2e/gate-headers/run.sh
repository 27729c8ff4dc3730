#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
sed '/^X-IF-Trace-ID:/d' "$SIPP_DIR/uac.xml" >"$STACK/sipp/no-trace.xml"
sed '/^X-IF-Hazard:/d' "$SIPP_DIR/uac.xml" >"$STACK/sipp/no-hazard.xml"
sed 's/^X-IF-Trace-ID: .*/X-IF-Trace-ID: short/' "$SIPP_DIR/uac.xml" >"$STACK/sipp/short-trace.xml"
sed 's/^X-IF-Trace-ID: .*/X-IF-Trace-ID: not allowed here!/' "$SIPP_DIR/uac.xml" \
	>"$STACK/sipp/bad-trace.xml"
sed 's/^X-IF-Hazard: .*/X-IF-Hazard: Safety, ethics/' "$SIPP_DIR/uac.xml" \
	>"$STACK/sipp/bad-hazard.xml"
sed 's/^X-IF-Signature: .*/X-IF-Signature: v=2;[field5];[field6];[field7];[field8]/' \
	"$SIPP_DIR/uac.xml" >"$STACK/sipp/version.xml"
sed 's/^X-IF-Signature: .*/X-IF-Signature: [field4];[field5];[field6];[field7]/' \
	"$SIPP_DIR/uac.xml" >"$STACK/sipp/cut.xml"

for name in no-trace no-hazard short-trace bad-trace bad-hazard version cut; do
	signed_csv "$STACK/$name.csv" 400/headers council-2026a "$COUNCIL" "$SAFETY" safety
	expect_ok "$name refused" stack_calls "$name" "$STACK/sipp/$name.xml" "$STACK/$name.csv"
	expect_calls "$name" "$STACK/$name.csv"
done
expect "calls that reached the expert" 0 \
	"$(grep -c witness-hash "$STACK/log/safety.actions" 2>/dev/null)"
expect_alive
