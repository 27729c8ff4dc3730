#!/bin/sh
# Builds target/module/if_escalate.so for the installed Kamailio and copies libife_policy.so beside
# it.
#
# usage: scripts/build-module.sh
#   IFE_POLICY_LIB  the library to link (default target/release/libife_policy.so)
#   IFE_MODULE_DIR  output directory (default target/module)
#   IFE_KSR         a Kamailio source tree after `make cfg` (default: scripts/kamailio-headers.sh)
#   IFE_CFLAGS      more compiler flags, such as -fsanitize=address
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
out=${IFE_MODULE_DIR:-$root/target/module}
lib=${IFE_POLICY_LIB:-$root/target/release/libife_policy.so}

die() {
	printf 'build-module: %s\n' "$*" >&2
	exit 1
}

[ -f "$lib" ] || die "$lib is missing: cargo build --release -p ife-policy-ffi"
ksr=${IFE_KSR:-$("$root/scripts/kamailio-headers.sh")}
[ -f "$ksr/src/config.mak" ] || die "$ksr/src/config.mak is missing: run make cfg in $ksr"

# One directory of objects per Kamailio tree, so that a new version never uses old objects.
build=$out/build-$(basename "$ksr")
mkdir -p "$build"
from=$root/kamailio-module
cp -p "$from/"*.c "$from/"*.h "$from/Makefile" "$build/"
libdir=$(CDPATH='' cd -- "$(dirname -- "$lib")" && pwd)

log=$build/log
# Kamailio's makefiles take no path with a blank: links name such paths, for this run alone.
case $ksr$libdir$build in
*[[:space:]]*)
	links=$(mktemp -d "${TMPDIR:-/tmp}/if-escalate-build.XXXXXX")
	trap 'rm -rf "$links"' EXIT
	rm -f "$build/"*.d
	ln -s "$ksr" "$links/kamailio"
	ln -s "$libdir" "$links/lib"
	ln -s "$build" "$links/module"
	ksr=$links/kamailio libdir=$links/lib makes=$links/module
	;;
*) makes=$build ;;
esac
if ! make -C "$makes" KSR="$ksr" IFE_LIB="$libdir" Q=0 IFE_CFLAGS="${IFE_CFLAGS:-}" \
	>"$log" 2>&1; then
	cat "$log" >&2
	die "compilation failed"
fi
# Replaces the files by rename: a running Kamailio keeps the mapped ones.
install -m 0755 "$build/if_escalate.so" "$out/.if_escalate.so.new"
install -m 0755 "$lib" "$out/.libife_policy.so.new"
mv "$out/.if_escalate.so.new" "$out/if_escalate.so"
mv "$out/.libife_policy.so.new" "$out/libife_policy.so"
printf '%s\n' "$out/if_escalate.so"
