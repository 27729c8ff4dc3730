#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

accepts() { kamailio -c -f "$1" -L "$(kamailio_modules):$IFE_MODULE_DIR" -Y "$STACK/kamailio-run"; }
mkdir -p "$STACK/snippets"
for page in docs/kamailio.md docs/migration.md kamailio-module/doc/if_escalate_admin.xml; do
	/usr/bin/python3 -B "$IFE_ROOT/tests/docs/blocks.py" scripts "$IFE_ROOT/$page" "$STACK/snippets"
done
sed -i "s|/usr/lib/if-escalate/|$IFE_MODULE_DIR/|" "$STACK"/snippets/*.cfg
for script in "$STACK"/snippets/*.cfg; do
	expect_ok "$(basename "$script" .cfg)" accepts "$script"
done
calling=$(grep -l 'check_policy(' "$STACK"/snippets/kamailio.md-*.cfg | sort -V | head -n 1)
sed 's/check_policy(/check_polity(/' "$calling" >"$STACK/wrong.cfg"
expect_fails "a function that does not exist" 'unknown command|check_polity' accepts \
	"$STACK/wrong.cfg"
