#!/usr/bin/env bash
# Lays out a deployment by compose.yaml: settings, secrets and a key for the bridge. What exists
# stays as it is. Needs root, because secrets belong to the users of the images, and ifectl.
#
# usage: packaging/containers/deployment.sh DIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/env.sh"

HERE=$IFE_ROOT/packaging/containers
EXAMPLES=$IFE_ROOT/docs/examples
# The signer of the bridge in the example of the registry.
BRIDGE_KID=bridge-2026a

main() {
	[ $# = 1 ] || die "usage: deployment.sh DIR"
	local dir=$1
	[ "$(id -u)" = 0 ] || die "deployment.sh needs root: secrets belong to the images' users"
	mkdir -p "$dir"/etc/asterisk "$dir"/secrets/{asterisk,bridge}
	cp "$HERE/compose.yaml" "$dir/"
	new "$dir/.env" settings
	new "$dir/asterisk.env" cat "$HERE/asterisk.env"
	. "$dir/.env"
	new "$dir/etc/registry.yaml" cat "$EXAMPLES/registry.yaml"
	new "$dir/etc/bridge.yaml" bridge_yaml
	new "$dir/etc/dispatcher.list" printf '1 sip:%s:5060 0 20\n' "$GATEWAY_IP"
	new "$dir/etc/kamailio-local.cfg" \
		printf '#!trydef TRUSTED_NETS "127.0.0.0/8,%s"\n' "$SIP_SUBNET"
	secrets "$dir/secrets"
	note "Settings are in $dir/.env, $dir/asterisk.env and $dir/etc."
}

# new FILE COMMAND...: makes a missing file of the command's output.
new() {
	[ -e "$1" ] || { "${@:2}" >"$1.new" && mv "$1.new" "$1"; }
}

number_of() { awk -v name="$1" '$1 == name { print $2 }' "$HERE/users"; }

settings() {
	cat <<-ENV
		# Version of the images.
		IFE_VERSION=$(ife_version)
		# The group of the images, for the volume in memory.
		IFE_GID=$(number_of if-escalate)

		# The log's name for ever, and this host's name in it.
		ORIGIN=witness.council.example/proxy-1
		NODE=proxy-1

		# The network of the SIP and H.323 services, Kamailio's address and Asterisk's.
		SIP_SUBNET=172.31.86.0/24
		PROXY_IP=172.31.86.10
		GATEWAY_IP=172.31.86.20

		# Their hardware addresses. One that changed with each restart would be unknown to the other
		# hosts of the network for up to a minute.
		PROXY_MAC=$(hardware_address)
		GATEWAY_MAC=$(hardware_address)
	ENV
}

# Prints a random one, locally administered.
hardware_address() { od -An -N5 -tx1 /dev/urandom | sed 's/ /:/g; s/^/02/'; }

# The shipped example, with secrets where compose.yaml has them.
bridge_yaml() {
	sed -e "s|/etc/if-escalate/$BRIDGE_KID.key|/run/secrets/$BRIDGE_KID.key|" \
		-e 's|/etc/if-escalate/ami-secret|/run/secrets/ami-secret|' \
		-e 's|^# \(witness_log:\)|\1|' "$EXAMPLES/bridge.yaml"
}

secrets() {
	local dir=$1 key=$1/bridge/$BRIDGE_KID.key secret
	umask 077
	if [ ! -e "$dir/bridge/ami-secret" ]; then
		secret=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
		echo "$secret" >"$dir/bridge/ami-secret"
		echo "$secret" >"$dir/asterisk/ami-secret"
	fi
	if [ ! -e "$key" ]; then
		note "The bridge's signer, for the registry:"
		"${IFECTL:-$(command -v ifectl || echo "$IFE_BIN/ifectl")}" \
			keygen --kid "$BRIDGE_KID" --out "$key"
	fi
	chown -R "$(number_of ife-bridge):$(number_of if-escalate)" "$dir/bridge"
	chown -R "$(number_of asterisk):$(number_of if-escalate)" "$dir/asterisk"
	chmod 700 "$dir"/{bridge,asterisk}
}

main "$@"
