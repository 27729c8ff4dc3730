#!/bin/sh
# Makes a test CA and certificates for Kamailio's TLS listener and its peers. For tests only: the
# CA's private key is stored unprotected beside the certificates.
#
# usage: scripts/make-test-ca.sh DIR [NAME=SIP-URI ...]
#   DIR/ca.{pem,key}      the CA
#   DIR/server.{pem,key}  Kamailio, and other listeners: localhost, 127.0.0.1, ::1
#   DIR/client.{pem,key}  a caller of council.example
#   DIR/NAME.{pem,key}    a further peer, its SIP URI in the certificate (for WITH_TLS_IDENTITY)
# Keeps certificates that are valid for another day.
set -eu

die() {
	printf 'make-test-ca: %s\n' "$*" >&2
	exit 1
}

[ $# -ge 1 ] || die "usage: make-test-ca.sh DIR [NAME=SIP-URI ...]"
command -v openssl >/dev/null || die "openssl is not installed"
dir=$1
shift
mkdir -p "$dir"
cd "$dir"
umask 077
days=365

# valid NAME: exists, signed by this CA, and valid for another day.
valid() {
	[ -s "$1.pem" ] && [ -s "$1.key" ] &&
		openssl x509 -in "$1.pem" -noout -checkend 86400 >/dev/null 2>&1 &&
		openssl verify -CAfile ca.pem "$1.pem" >/dev/null 2>&1
}

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

# issue NAME CN SUBJECT-ALT-NAMES: for client and server, because a SIP peer is both.
issue() {
	if valid "$1"; then return 0; fi
	new_key "$1.key"
	printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
		"extendedKeyUsage=serverAuth,clientAuth" "subjectKeyIdentifier=hash" \
		"authorityKeyIdentifier=keyid" "subjectAltName=$3" >"$1.ext"
	openssl req -new -key "$1.key" -subj "/O=IF.ESCALATE test/CN=$2" -out "$1.csr"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key \
		-set_serial "0x$(openssl rand -hex 16)" \
		-days "$days" -sha256 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
	rm -f "$1.ext" "$1.csr"
}

if ! valid ca; then
	new_key ca.key
	openssl req -x509 -new -key ca.key -subj "/O=IF.ESCALATE test/CN=test CA" \
		-days "$days" -sha256 -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
		-addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.pem
fi
issue server localhost "DNS:localhost,IP:127.0.0.1,IP:::1"
issue client council.example "DNS:council.example,URI:sip:council@council.example"
for peer in "$@"; do
	name=${peer%%=*}
	uri=${peer#*=}
	[ "$name" != "$peer" ] && [ -n "$name" ] || die "$peer is not NAME=SIP-URI"
	issue "$name" "${uri#sip:}" "URI:$uri"
done
chmod 0644 ./*.pem
