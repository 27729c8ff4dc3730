# Sourced by run.sh: the programs at the paths of the shipped units, and the shipped units, users
# and configuration, as the packages install them.
# shellcheck shell=bash

EXAMPLES=$IFE_ROOT/docs/examples
TREE=$WORK/tree

# machine_tree: what goes over the host's /usr, and all of /etc.
machine_tree() {
	local bin=$TREE/usr/bin lib=$TREE/usr/lib etc=$TREE/etc modules units name
	modules=$TREE$(kamailio_modules) units=$lib/systemd/system
	mkdir -p "$bin" "$modules" "$lib"/{sysusers.d,tmpfiles.d} "$units"/kamailio.service.d \
		"$etc"/{default,if-escalate,systemd/system}
	for name in ife-witnessd ife-bridge ifectl; do
		cp -l "$IFE_BIN/$name" "$bin/" || die "$name is not built"
	done
	cp -r "$IFE_MODULE_DIR"/{if_escalate.so,libife_policy.so,glibc-hwcaps} "$modules/"
	for name in "$EXAMPLES"/systemd/*.sysusers.conf; do
		cp "$name" "$lib/sysusers.d/$(basename "${name%.sysusers.conf}").conf"
	done
	cp "$EXAMPLES/systemd/if-escalate.tmpfiles.conf" "$lib/tmpfiles.d/if-escalate.conf"
	cp "$EXAMPLES"/systemd/*.service "$units/"
	cp "$EXAMPLES/systemd/run-if-escalate.mount" "$units/run-if\\x2descalate.mount"
	cp "$EXAMPLES/systemd/kamailio-if-escalate.conf" "$units/kamailio.service.d/if-escalate.conf"
	printf 'ORIGIN=witness.council.example/proxy-1\nNODE=proxy-1\n' >"$etc/default/ife-witnessd"
	echo CFGFILE=/etc/if-escalate/kamailio.cfg >"$etc/default/kamailio"
	: >"$etc/machine-id"
	cp /etc/{ld.so.cache,nsswitch.conf,protocols,services} "$etc/"
	{ echo 'root:x:0:0:root:/root:/bin/sh'; getent passwd kamailio; } >"$etc/passwd"
	{ echo 'root:x:0:'; getent group kamailio; } >"$etc/group"
	machine_configuration "$etc/if-escalate"
}

# machine_configuration DIR: the shipped examples. The bridge's key is made here, as docs/bridge.md
# says, and this host has no certificate.
machine_configuration() {
	local public
	cp "$IFE_ROOT/kamailio.cfg" "$EXAMPLES"/{bridge.yaml,registry.yaml,dispatcher.list} "$1/"
	grep -vE 'WITH_TLS|TLS_CONFIG|MODE "shadow"' "$EXAMPLES/kamailio-local.cfg" \
		>"$1/kamailio-local.cfg"
	public=$(ifectl keygen --kid bridge-2026a --out "$1/bridge-2026a.key" --json | jq -r .public_key)
	sed -i "/kid: bridge-2026a/{n;s|public_key: .*|public_key: \"$public\"|}" "$1/registry.yaml"
	echo "a-secret-that-no-asterisk-asks-for" >"$1/ami-secret"
	chmod 600 "$1/ami-secret" "$1/bridge-2026a.key"
}

# machine_start: boots it. The bridge's secrets are its user's, which the machine has made.
machine_start() {
	machine_boot "$CASE_DIR/root.sh" "$TREE" "$MACHINE"
	in_machine chown ife-bridge: /etc/if-escalate/ami-secret /etc/if-escalate/bridge-2026a.key
}
