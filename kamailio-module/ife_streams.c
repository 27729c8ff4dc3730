/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bounds incoming connections by source address; Kamailio itself has only a total. Ten times a
 * second the process copies ids and addresses under the lock of the connection table and closes
 * connections that are too many for one address, too many for all strangers together, or a
 * stranger's and too old. A stranger is an address of no party: its requests are refused at once,
 * so it needs no lasting connection. Half of the connections are reserved for parties of the
 * registry. The kernel blocks an address over its bound for a minute, because it could open
 * connections faster than this process closes them.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cfg/cfg.h"
#include "core/dprint.h"
#include "core/globals.h"
#include "core/ip_addr.h"
#include "core/pass_fd.h"
#include "core/pt.h"
#include "core/sr_module.h"
#include "core/tcp_conn.h"
#include "core/timer_proc.h"

#include "ife_barrier.h"
#include "ife_core.h"
#include "ife_streams.h"

#define IFE_SWEEP_MS 100
/* Number of sweeps kept: it bounds the age that can be measured. */
#define IFE_SWEEPS 1024
/* Time for which an address over its bound is blocked. */
#define IFE_BLOCK_MS 60000
#define IFE_STRANGER_S_MAX (IFE_SWEEPS * IFE_SWEEP_MS / 1000 - 1)

extern gen_lock_t *tcpconn_lock;
extern struct tcp_connection **tcpconn_id_hash;

typedef struct stream
{
	int id;
	struct ip_addr ip;
} stream_t;

typedef struct source
{
	struct ip_addr ip;
	int used;
	int party;
	int count;
	int over; /* more than its bound */
} source_t;

/* Ids grow: a connection with an id up to highest_id is at least as old as the sweep. */
typedef struct sweep
{
	int64_t at_ms;
	int highest_id;
} sweep_t;

/* A blocked address. */
typedef struct blocked
{
	struct ip_addr ip;
	int64_t until_ms;
} blocked_t;

/* -1: by the scope. A proxy that serves others does not cut their connections. */
ife_streams_settings_t ife_streams_settings = {
		.per_source = -1, .stranger_s = -1, .party_source = 0};

static stream_t *streams;
static source_t *sources;
static size_t sources_size;
static blocked_t blocked[IFE_BARRIER_MAX];
static size_t blocked_count;
static sweep_t sweeps[IFE_SWEEPS];
static unsigned int sweeps_next;
static int highest_id;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Copies the open incoming connections; holds the lock for a few bytes of each. */
static size_t copy_streams(void)
{
	struct tcp_connection *con;
	size_t count = 0;
	int hash;

	TCPCONN_LOCK;
	for(hash = 0; hash < TCP_ID_HASH_SIZE; hash++) {
		for(con = tcpconn_id_hash[hash]; con != NULL; con = con->id_next) {
			if(!(con->flags & F_CONN_PASSIVE) || con->state == S_CONN_BAD
					|| (con->flags & F_CONN_FORCE_EOF))
				continue;
			if(count == (size_t)tcp_max_connections)
				break;
			streams[count].id = con->id;
			streams[count].ip = con->rcv.src_ip;
			count++;
		}
	}
	TCPCONN_UNLOCK;
	return count;
}

static int by_id(const void *a, const void *b)
{
	int left = ((const stream_t *)a)->id;
	int right = ((const stream_t *)b)->id;

	return (left > right) - (left < right);
}

static int is_party(struct ip_addr *ip)
{
	ife_str address = {NULL, 0};
	ife_error err = {{0}};

	address.ptr = ip_addr2a(ip);
	address.len = strlen(address.ptr);
	return ife_source_check(ife_handle, address, &err) == IFE_OK;
}

static source_t *source_of(struct ip_addr *ip)
{
	unsigned int h = ip->u.addr32[0];
	size_t at;

	if(ip->len == 16)
		h ^= ip->u.addr32[1] ^ ip->u.addr32[2] ^ ip->u.addr32[3];
	h = (h ^ h >> 15) * 2654435761U;
	for(at = h % sources_size; sources[at].used; at = (at + 1) % sources_size) {
		if(ip_addr_cmp(&sources[at].ip, ip))
			return &sources[at];
	}
	sources[at].used = 1;
	sources[at].ip = *ip;
	sources[at].party = is_party(ip);
	return &sources[at];
}

/* Asks the main TCP process to close a connection, as tcpops does. */
static void close_stream(int id)
{
	struct tcp_connection *con = tcpconn_get(id, NULL, 0, NULL, 0);
	long command[2];

	if(con == NULL)
		return;
	con->send_flags.f |= SND_F_CON_CLOSE;
	con->flags |= F_CONN_FORCE_EOF;
	command[0] = (long)con;
	command[1] = CONN_EOF;
	if(send_all(unix_tcp_sock, command, sizeof(command)) <= 0)
		LM_ERR("cannot close a connection over its bound\n");
}

/* Returns the highest id of the newest sweep not after ms, or 0. */
static int highest_id_before(int64_t ms)
{
	unsigned int i;
	const sweep_t *sweep;

	for(i = 1; i <= IFE_SWEEPS; i++) {
		sweep = &sweeps[(sweeps_next + IFE_SWEEPS - i) % IFE_SWEEPS];
		if(sweep->at_ms == 0)
			return 0;
		if(sweep->at_ms <= ms)
			return sweep->highest_id;
	}
	return 0;
}

/* Returns whether one more connection exceeds the bound of its source. */
static int is_over(const source_t *source)
{
	int bound = source->party ? ife_streams_settings.party_source : ife_streams_settings.per_source;

	return bound > 0 && source->count >= bound;
}

/* Streams are sorted by age: the oldest stay. */
static int close_too_many(size_t count, int old_id)
{
	int strangers = 0;
	int closed = 0;
	source_t *source;
	size_t i;

	for(i = 0; i < count; i++) {
		source = source_of(&streams[i].ip);
		if(is_over(source)) {
			source->over = 1;
		} else if(source->party
				  || (strangers < tcp_max_connections / 2 && streams[i].id > old_id)) {
			source->count++;
			strangers += !source->party;
			continue;
		}
		close_stream(streams[i].id);
		closed++;
	}
	return closed;
}

static blocked_t *find_blocked(struct ip_addr *ip)
{
	size_t i;

	for(i = 0; i < blocked_count; i++) {
		if(ip_addr_cmp(&blocked[i].ip, ip))
			return &blocked[i];
	}
	return NULL;
}

/* Blocks an address, or prolongs its block. 1 if it was added; 0 also if the table is full. */
static int block(struct ip_addr *ip, int64_t now)
{
	blocked_t *entry = find_blocked(ip);
	int is_new = entry == NULL;

	if(is_new) {
		if(blocked_count == IFE_BARRIER_MAX)
			return 0;
		entry = &blocked[blocked_count++];
		entry->ip = *ip;
		LM_WARN("an address has too many connections: it opens no more for %d s\n",
				IFE_BLOCK_MS / 1000);
	}
	entry->until_ms = now + IFE_BLOCK_MS;
	return is_new;
}

static int unblock_expired(int64_t now)
{
	size_t before = blocked_count;
	size_t i;

	for(i = 0; i < blocked_count;) {
		if(blocked[i].until_ms <= now)
			blocked[i] = blocked[--blocked_count];
		else
			i++;
	}
	return blocked_count != before;
}

static void update_barrier(int64_t now)
{
	static struct ip_addr addresses[IFE_BARRIER_MAX];
	int changed = unblock_expired(now);
	size_t i;

	for(i = 0; i < sources_size; i++) {
		if(sources[i].used && sources[i].over)
			changed |= block(&sources[i].ip, now);
	}
	if(!changed)
		return;
	for(i = 0; i < blocked_count; i++)
		addresses[i] = blocked[i].ip;
	ife_barrier_set(addresses, blocked_count);
}

static void sweep(unsigned int uticks, void *param)
{
	int64_t now = now_ms();
	int64_t stranger_ms = (int64_t)ife_streams_settings.stranger_s * 1000;
	int old_id = stranger_ms > 0 ? highest_id_before(now - stranger_ms) : 0;
	size_t count = copy_streams();
	int closed;

	(void)uticks;
	(void)param;
	qsort(streams, count, sizeof(*streams), by_id);
	if(count > 0 && streams[count - 1].id > highest_id)
		highest_id = streams[count - 1].id;
	sweeps[sweeps_next].at_ms = now;
	sweeps[sweeps_next].highest_id = highest_id;
	sweeps_next = (sweeps_next + 1) % IFE_SWEEPS;
	memset(sources, 0, sources_size * sizeof(*sources));
	closed = close_too_many(count, old_id);
	update_barrier(now);
	if(closed > 0)
		LM_DBG("%d of %zu connections closed\n", closed, count);
}

static int is_off(void)
{
	const ife_streams_settings_t *bound = &ife_streams_settings;

	return tcp_disable
		   || (ife_settings.scope == IFE_SCOPE_REGISTRY && bound->per_source == 0
				   && bound->stranger_s == 0 && bound->party_source == 0);
}

int ife_streams_register(void)
{
	ife_streams_settings_t *bound = &ife_streams_settings;
	int is_dedicated = ife_settings.scope == IFE_SCOPE_ALL;

	if(bound->per_source == -1)
		bound->per_source = is_dedicated ? 32 : 0;
	if(bound->stranger_s == -1)
		bound->stranger_s = is_dedicated ? 10 : 0;
	if(bound->per_source < 0 || bound->party_source < 0 || bound->stranger_s < 0
			|| bound->stranger_s > IFE_STRANGER_S_MAX) {
		LM_ERR("modparams tcp_per_source and tcp_party_source must not be negative, tcp_stranger_s"
			   " must be 0 to %d\n",
				IFE_STRANGER_S_MAX);
		return -1;
	}
	return is_off() ? 0 : register_basic_timers(1);
}

int ife_streams_fork(void)
{
	if(is_off())
		return 0;
	sources_size = (size_t)tcp_max_connections * 2 + 1;
	streams = calloc((size_t)tcp_max_connections + 1, sizeof(*streams));
	sources = calloc(sources_size, sizeof(*sources));
	if(streams == NULL || sources == NULL) {
		LM_ERR("no memory for a table of %d connections\n", tcp_max_connections);
		return -1;
	}
	if(ife_barrier_keep() < 0)
		return -1;
	if(fork_basic_utimer(PROC_TIMER, "if_escalate connections", 1, sweep, NULL, IFE_SWEEP_MS * 1000)
			< 0) {
		LM_ERR("cannot fork the process that bounds connections\n");
		return -1;
	}
	ife_barrier_close();
	return 0;
}
