/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Statistics of group "if_escalate", from the shared state: each is the sum over all processes.
 */
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "core/counters.h"
#include "core/dprint.h"

#include "ife_core.h"
#include "ife_stats.h"
#include "ife_wait.h"

/* Maximum age of a statistic, milliseconds. */
#define IFE_STATS_LIFE_MS 100

typedef struct ife_stat
{
	const char *name;
	size_t offset;
	const char *doc;
} ife_stat_t;

/* clang-format off */
#define IFE_STAT(field, doc) {#field, offsetof(ife_stats, field), doc}
/* clang-format on */

static const ife_stat_t stats[] = {
		IFE_STAT(approved, "INVITEs that passed every gate"),
		IFE_STAT(not_for_gate, "requests that concern no party of the registry"),
		IFE_STAT(errors, "internal errors, each of them a refusal"),
		IFE_STAT(witness_queued, "entries put into the witness rings"),
		IFE_STAT(witness_dropped, "entries that found their ring full"),
		IFE_STAT(witness_waits, "decisions that waited for the disk"),
		IFE_STAT(reloads, "registries loaded after the start"),
		IFE_STAT(reload_failures, "registries refused; the old one stayed"),
		IFE_STAT(active_calls, "approved calls that have not ended"),
		IFE_STAT(replay_used, "entries of the replay table in use"),
		IFE_STAT(replay_slots, "size of the replay table"),
		IFE_STAT(replay_full, "INVITEs refused because the replay table was full"),
		IFE_STAT(calls_full, "INVITEs refused because the call table was full"),
		IFE_STAT(refusals_omitted, "refusals without a witness entry of their own"),
		IFE_STAT(overload_refused, "new calls refused before they were parsed: the queue was long"),
		IFE_STAT(buckets_full, "INVITEs refused because the table of sources was full"),
		IFE_STAT(registry_generation, "number of the registry in use"),
		IFE_STAT(registry_experts, "experts in the registry in use"),
		IFE_STAT(key_tables, "tables of public keys that workers keep"),
		IFE_STAT(key_table_bytes, "memory of these tables"),
};

/* Kamailio keeps pointers to the names. */
static char rejected_names[IFE_GATE_COUNT][32];

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Counting the tables takes up to 1 ms, and readers fetch all statistics at once: caches them. */
static const ife_stats *snapshot(void)
{
	static ife_stats last;
	static int64_t last_ms = -IFE_STATS_LIFE_MS;
	int64_t ms = now_ms();

	if(ms - last_ms >= IFE_STATS_LIFE_MS) {
		if(ife_handle == NULL || ife_policy_stats(ife_handle, &last) != IFE_OK)
			return NULL;
		last_ms = ms;
	}
	return &last;
}

static counter_val_t read_stat(counter_handle_t h, void *offset)
{
	const ife_stats *now = snapshot();

	(void)h;
	if(now == NULL)
		return 0;
	return (counter_val_t) * (const uint64_t *)((const char *)now + (size_t)offset);
}

static int register_one(const char *name, size_t offset, const char *doc)
{
	counter_handle_t handle;

	if(counter_register(&handle, IFE_NAME, name, 0, read_stat, (void *)offset, doc, 0) < 0) {
		LM_ERR("cannot register statistic %s\n", name);
		return -1;
	}
	return 0;
}

static counter_val_t read_waiting(counter_handle_t h, void *param)
{
	(void)h;
	(void)param;
	return ife_wait_count();
}

static int register_waiting(void)
{
	counter_handle_t handle;

	if(counter_register(&handle, IFE_NAME, "witness_waiting", 0, read_waiting, NULL,
			   "calls suspended until their decision is on disk", 0)
			< 0) {
		LM_ERR("cannot register statistic witness_waiting\n");
		return -1;
	}
	return 0;
}

int ife_stats_register(void)
{
	unsigned int gate;
	size_t i;

	for(i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		if(register_one(stats[i].name, stats[i].offset, stats[i].doc) < 0)
			return -1;
	}
	for(gate = IFE_GATE_HEADERS; gate < IFE_GATE_COUNT; gate++) {
		snprintf(rejected_names[gate], sizeof(rejected_names[gate]), "rejected_%s",
				ife_gate_name(gate));
		if(register_one(rejected_names[gate],
				   offsetof(ife_stats, rejected) + gate * sizeof(uint64_t),
				   "requests that this gate refused")
				< 0)
			return -1;
	}
	return register_waiting();
}
