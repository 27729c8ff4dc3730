# Sourced: podman, podman-compose and buildah with images and state of their own, in
# target/containers.
# shellcheck shell=bash

CONTAINERS=$IFE_TARGET/containers
# Health checks are asked for here, not by timers of systemd.
export DISABLE_HC_SYSTEMD=true
export CONTAINERS_STORAGE_CONF=$CONTAINERS/storage.conf CONTAINERS_CONF=$CONTAINERS/containers.conf

podman_configured() {
	mkdir -p "$CONTAINERS"/{storage,networks}
	# Nothing here needs more than the machine that runs the tests allows, nor systemd.
	cat >"$CONTAINERS_CONF" <<-CONF
		[containers]
		default_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]
		[engine]
		runtime = "crun"
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		[network]
		network_backend = "netavark"
		network_config_dir = "$CONTAINERS/networks"
	CONF
	cat >"$CONTAINERS_STORAGE_CONF" <<-CONF
		[storage]
		driver = "overlay"
		graphroot = "$CONTAINERS/storage"
		runroot = "/run/if-escalate-containers"
	CONF
}

# podman_alone: in the mount namespace of a part, nothing of this machine's podman is seen, and no
# half of a hybrid cgroup hierarchy, which crun refuses.
podman_alone() {
	local dir
	for dir in /run/if-escalate-containers /run/containers /run/netns /run/libpod; do
		mkdir -p "$dir"
		mount -t tmpfs tmpfs "$dir"
	done
	! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
}

# podman_gone: removes the empty cgroups that podman leaves to the machine.
podman_gone() {
	find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2>/dev/null
}
