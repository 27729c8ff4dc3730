#!/usr/bin/env bash
# root.sh ROOT MACHINE ADDRESS ...: becomes systemd on a copy of ROOT, which is left as it is: what
# the machine writes goes to MACHINE/upper.
set -euo pipefail
. "$(dirname "$0")/../e2e/machine-root.sh"
lower=$1 machine=$2 root=$2/root
shift 2

mkdir -p "$root" "$machine"/{upper,work}
mount -t overlay -o "lowerdir=$lower,upperdir=$machine/upper,workdir=$machine/work" machine "$root"
kernel_files "$root"
mkdir -p "$root/debs"
mount --bind "$machine/debs" "$root/debs"
ip link set lo up
for address in "$@"; do ip addr add "$address/32" dev lo; done
enter_root "$root"
become_systemd
