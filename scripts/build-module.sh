#!/bin/sh
# Builds target/module/if_escalate.so for the installed Kamailio and copies libife_policy.so beside
# it.
#
# usage: scripts/build-module.sh
#   IFE_POLICY_LIB  the library to link (default target/release/libife_policy.so)
#   IFE_MODULE_DIR  output directory (default target/module)
#   IFE_KSR         a Kamailio source tree after `make cfg` (default: scripts/kamailio-headers.sh)
#   IFE_KAMAILIO    the program that will load the module: its compile flags are taken, whatever
#                   the tree is configured for (default: kamailio, or with IFE_KSR the tree's)
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
kamailio=${IFE_KAMAILIO:-}
[ -n "${IFE_KSR:-}" ] || kamailio=${kamailio:-kamailio}
# Kamailio is here; PATH of a Debian user lacks it.
PATH=$PATH:/usr/sbin

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

# compile TARGET
compile() {
	make -C "$makes" KSR="$ksr" IFE_LIB="$libdir" Q=0 IFE_CFLAGS="${IFE_CFLAGS:-}" \
		IFE_DEFS="$defs" "$1" >"$log" 2>&1 || {
		cat "$log" >&2
		die "compilation failed"
	}
}

# built_as FILE: prints what Kamailio compares when it loads a module, as a line of its version with
# machine and system, and one of its compile flags.
built_as() {
	tr '\0' '\n' <"$1" | LC_ALL=C grep -aE '^kamailio [0-9][^ ]* \([^ /]+/[^ )]+\)$' | head -n 1
	tr '\0' '\n' <"$1" | LC_ALL=C grep -aE '^[A-Z_, -]*(USE_TCP|SHM_MMAP)[A-Z_, -]*$' | head -n 1
}

# Flags of which Kamailio prints the name, one a line.
flag_names() { printf '%s\n' "$1" | sed -n 2p | tr -s ', -' '\n' | sort -u | grep .; }

# define_alike HAVE WANTED: the definitions that make the one of the other.
define_alike() {
	flag_names "$1" >"$build/flags"
	flag_names "$2" >"$build/flags.wanted"
	printf " -UOS_QUOTED -DOS_QUOTED='\"%s\"'" \
		"$(printf '%s\n' "$2" | sed -n '1s|.*/\(.*\))$|\1|p')"
	comm -3 "$build/flags" "$build/flags.wanted" | sed \
		-e 's/TLS_PTHREAD_MUTEX_SHARED/KSR_PTHREAD_MUTEX_SHARED/' \
		-e 's/^\([A-Z]\)/ -U\1/; s/^\t/ -D/' \
		-e 's/^ -DADAPTIVE_WAIT$/& -DADAPTIVE_WAIT_LOOPS=1024/' | tr -d '\n'
}

# The tree may have been configured otherwise than that Kamailio: by another program (since 6.1 by
# CMake), or where other libraries were.
defs=
if [ -n "$kamailio" ]; then
	modules=$("$kamailio" -I | sed -n 's/^ *Default paths to modules: *//p')
	[ -f "$modules/tm.so" ] || die "$kamailio has no module tm.so in '$modules'"
	wanted=$(built_as "$modules/tm.so")
	rm -f "$build/if_escalate_mod.o"
	compile if_escalate_mod.o
	have=$(built_as "$build/if_escalate_mod.o")
	if [ "$have" != "$wanted" ]; then
		defs=$(define_alike "$have" "$wanted")
		rm -f "$build/if_escalate_mod.o"
		compile if_escalate_mod.o
		have=$(built_as "$build/if_escalate_mod.o")
		[ "$have" = "$wanted" ] || {
			printf '%s is\n%s\nthe module in %s would be\n%s\n' "$kamailio" "$wanted" "$ksr" "$have" >&2
			die "this tree does not make a module for $kamailio"
		}
	fi
fi
# Objects of other flags are of no use.
if [ "$(cat "$build/defs" 2>/dev/null)" != "$defs" ]; then
	rm -f "$build/"*.o
	printf '%s\n' "$defs" >"$build/defs"
fi
compile if_escalate.so
# Replaces the files by rename: a running Kamailio keeps the mapped ones.
install -m 0755 "$build/if_escalate.so" "$out/.if_escalate.so.new"
install -m 0755 "$lib" "$out/.libife_policy.so.new"
mv "$out/.if_escalate.so.new" "$out/if_escalate.so"
mv "$out/.libife_policy.so.new" "$out/libife_policy.so"
printf '%s\n' "$out/if_escalate.so"
