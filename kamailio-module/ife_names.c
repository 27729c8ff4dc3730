/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeps the names of the registry's contacts and of the gateways in Kamailio's DNS cache: resolves
 * them before a call needs them, and again when they expire. Answers are permanent entries,
 * replaced only by newer answers, so the last good one serves while the DNS is silent. Workers
 * never query the DNS: kamailio.cfg leaves them no server (dns_servers_no=0).
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dns_cache.h"
#include "core/dprint.h"
#include "core/ip_addr.h"
#include "core/parser/parse_uri.h"
#include "core/pt.h"
#include "core/resolve.h"
#include "core/sr_module.h"

#include "ife_core.h"
#include "ife_dns.h"
#include "ife_names.h"

/* Bounds of the time until an answer is refreshed; between them its TTL counts. */
#define IFE_NAMES_TTL_MIN_S 5
#define IFE_NAMES_TTL_MAX_S 300
/* Time to the next attempt after a failure, doubled each time up to the maximum. */
#define IFE_NAMES_RETRY_S 2
#define IFE_NAMES_RETRY_MAX_S 60
/* Interval of checks for a new registry or new gateways. */
#define IFE_NAMES_LOOK_MS 500
/* The cache requires a TTL, also for a permanent entry. */
#define IFE_NAMES_CACHE_TTL_S (365 * 86400)
#define IFE_NAMES_PAGE 200
#define IFE_NAMES_BUCKETS 4096

/* Records in the cache, with the number of targets that use them. */
typedef struct held
{
	struct held *next;
	ife_rrset_t set;
	unsigned int users;
} held_t;

typedef struct target
{
	struct target *next;
	char host[IFE_DNS_NAME_SIZE];
	int port;
	int proto;
	unsigned int seen;    /* last round with this target */
	time_t due_s;         /* monotonic */
	unsigned int retry_s; /* 0: the last answer was good */
	int known;
	size_t uses_count;
	held_t **uses;
} target_t;

str ife_names_gateways = STR_NULL;

static held_t *helds[IFE_NAMES_BUCKETS];
static target_t *targets[IFE_NAMES_BUCKETS];
static unsigned int current_round;

static unsigned int bucket_of(const char *name)
{
	unsigned int h = 5381;

	for(; *name != '\0'; name++)
		h = h * 33 + ((unsigned char)*name | 0x20);
	return h % IFE_NAMES_BUCKETS;
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* ----- records in the cache ----- */

static int has_rr(const ife_rrset_t *set, const ife_rr_t *rr)
{
	size_t i;

	for(i = 0; i < set->count; i++) {
		if(strcasecmp(set->rr[i].value, rr->value) == 0)
			return 1;
	}
	return 0;
}

static int same_set(const ife_rrset_t *a, const ife_rrset_t *b)
{
	size_t i;
	size_t j;

	if(a->count != b->count)
		return 0;
	for(i = 0; i < a->count; i++) {
		for(j = 0; j < b->count; j++) {
			if(a->rr[i].priority == b->rr[j].priority && a->rr[i].weight == b->rr[j].weight
					&& a->rr[i].port == b->rr[j].port
					&& strcasecmp(a->rr[i].value, b->rr[j].value) == 0)
				break;
		}
		if(j == b->count)
			return 0;
	}
	return 1;
}

static void cache_add(ife_rrset_t *set, ife_rr_t *rr)
{
	str name = {set->name, (int)strlen(set->name)};
	str value = {rr->value, (int)strlen(rr->value)};

	if(dns_cache_add_record(set->type, &name, IFE_NAMES_CACHE_TTL_S, &value, rr->priority,
			   rr->weight, rr->port, DNS_FLAG_PERMANENT)
			< 0)
		LM_ERR("cannot add a record for %s to the DNS cache; raise dns_cache_mem\n", set->name);
}

static void cache_delete(ife_rrset_t *set, ife_rr_t *rr)
{
	str name = {set->name, (int)strlen(set->name)};
	str value = {rr->value, (int)strlen(rr->value)};

	dns_cache_delete_single_record(set->type, &name, &value, DNS_FLAG_PERMANENT);
}

/* Adds new records before it deletes old ones, so that a name always has an answer. */
static void cache_replace(ife_rrset_t *old, ife_rrset_t *set)
{
	size_t i;

	if(old != NULL && same_set(old, set))
		return;
	for(i = 0; i < set->count; i++)
		cache_add(set, &set->rr[i]);
	for(i = 0; old != NULL && i < old->count; i++) {
		if(!has_rr(set, &old->rr[i]))
			cache_delete(old, &old->rr[i]);
	}
}

static held_t *find_held(const ife_rrset_t *set)
{
	held_t *held;

	for(held = helds[bucket_of(set->name)]; held != NULL; held = held->next) {
		if(held->set.type == set->type && strcasecmp(held->set.name, set->name) == 0)
			return held;
	}
	return NULL;
}

/* Moves a set into the cache. NULL if there is no memory. */
static held_t *hold(ife_rrset_t *set)
{
	held_t *held = find_held(set);
	unsigned int bucket = bucket_of(set->name);

	if(held != NULL) {
		cache_replace(&held->set, set);
		free(held->set.rr);
	} else {
		held = calloc(1, sizeof(*held));
		if(held == NULL)
			return NULL;
		cache_replace(NULL, set);
		held->next = helds[bucket];
		helds[bucket] = held;
	}
	held->set = *set;
	set->rr = NULL;
	held->users++;
	return held;
}

static void release(held_t *held)
{
	held_t **at = &helds[bucket_of(held->set.name)];
	size_t i;

	if(--held->users > 0)
		return;
	for(i = 0; i < held->set.count; i++)
		cache_delete(&held->set, &held->set.rr[i]);
	while(*at != NULL && *at != held)
		at = &(*at)->next;
	if(*at != NULL)
		*at = held->next;
	free(held->set.rr);
	free(held);
}

static void release_all(target_t *target)
{
	size_t i;

	for(i = 0; i < target->uses_count; i++)
		release(target->uses[i]);
	free(target->uses);
	target->uses = NULL;
	target->uses_count = 0;
}

/* ----- one target ----- */

static void take_answer(target_t *target, ife_answer_t *answer)
{
	held_t **uses = calloc(answer->count > 0 ? answer->count : 1, sizeof(*uses));
	held_t *held;
	size_t count = 0;
	size_t i;

	if(uses == NULL)
		return;
	for(i = 0; i < answer->count; i++) {
		if(answer->set[i].count == 0)
			continue;
		held = hold(&answer->set[i]);
		if(held != NULL)
			uses[count++] = held;
	}
	release_all(target);
	target->uses = uses;
	target->uses_count = count;
}

static unsigned int next_retry(unsigned int retry_s)
{
	if(retry_s == 0)
		return IFE_NAMES_RETRY_S;
	return retry_s * 2 > IFE_NAMES_RETRY_MAX_S ? IFE_NAMES_RETRY_MAX_S : retry_s * 2;
}

static void schedule_retry(target_t *target, const char *why, const char *meanwhile)
{
	if(target->retry_s == 0)
		LM_WARN("%s is not resolved: %s; %s\n", target->host, why, meanwhile);
	target->retry_s = next_retry(target->retry_s);
	target->due_s = now_s() + target->retry_s;
}

static unsigned int clamp_ttl(unsigned int ttl_s)
{
	if(ttl_s < IFE_NAMES_TTL_MIN_S)
		return IFE_NAMES_TTL_MIN_S;
	return ttl_s > IFE_NAMES_TTL_MAX_S ? IFE_NAMES_TTL_MAX_S : ttl_s;
}

static void refresh(target_t *target)
{
	ife_answer_t answer;

	switch(ife_dns_resolve(target->host, target->port, target->proto, &answer)) {
		case IFE_DNS_FOUND:
			if(target->retry_s != 0)
				LM_NOTICE("%s is resolved again\n", target->host);
			take_answer(target, &answer);
			target->known = 1;
			target->retry_s = 0;
			target->due_s = now_s() + clamp_ttl(answer.ttl_s);
			ife_answer_free(&answer);
			return;
		case IFE_DNS_NO_NAME:
			release_all(target);
			target->known = 0;
			schedule_retry(target, "the DNS has no address for it", "calls to it are refused");
			return;
		case IFE_DNS_FAILED:
			schedule_retry(target, "the DNS does not answer",
					target->known ? "its last answer stays" : "calls to it are refused");
			return;
	}
}

/* ----- the list of targets ----- */

static void add_target(const char *host, int port, int proto)
{
	unsigned int bucket = bucket_of(host);
	target_t *target;

	for(target = targets[bucket]; target != NULL; target = target->next) {
		if(target->port == port && target->proto == proto && strcasecmp(target->host, host) == 0) {
			target->seen = current_round;
			return;
		}
	}
	target = calloc(1, sizeof(*target));
	if(target == NULL)
		return;
	snprintf(target->host, sizeof(target->host), "%s", host);
	target->port = port;
	target->proto = proto;
	target->seen = current_round;
	target->next = targets[bucket];
	targets[bucket] = target;
}

static void add_uri(char *text, int len)
{
	char host[IFE_DNS_NAME_SIZE];
	struct sip_uri uri;

	if(len <= 0 || parse_uri(text, len, &uri) < 0 || uri.host.len <= 0
			|| uri.host.len >= (int)sizeof(host))
		return;
	if(str2ip(&uri.host) != NULL || str2ip6(&uri.host) != NULL)
		return;
	snprintf(host, sizeof(host), "%.*s", uri.host.len, uri.host.s);
	add_target(host, uri.port_no, uri.type == SIPS_URI_T ? PROTO_TLS : uri.proto);
}

static int add_contacts(void)
{
	static char page[IFE_NAMES_PAGE * (IFE_CONTACT_SIZE + 1)];
	ife_error err = {{0}};
	uint32_t offset;
	size_t len;
	char *line;
	char *end;

	for(offset = 0;; offset += IFE_NAMES_PAGE) {
		if(ife_policy_contacts(ife_handle, offset, IFE_NAMES_PAGE, page, sizeof(page), &len, &err)
				!= IFE_OK)
			return -1;
		if(len == 0)
			return 0;
		for(line = page; line < page + len; line = end + 1) {
			end = memchr(line, '\n', (size_t)(page + len - line));
			if(end == NULL)
				break;
			add_uri(line, (int)(end - line));
		}
	}
}

/* Adds the second word of each line of a dispatcher list: set, destination, flags, ... */
static void add_gateways(void)
{
	char path[PATH_MAX];
	char line[1024];
	char uri[1024];
	FILE *file;

	if(ife_names_gateways.len <= 0)
		return;
	snprintf(path, sizeof(path), "%.*s", ife_names_gateways.len, ife_names_gateways.s);
	file = fopen(path, "re");
	if(file == NULL)
		return;
	while(fgets(line, sizeof(line), file) != NULL) {
		if(line[strspn(line, " \t")] != '#' && sscanf(line, "%*s %1023s", uri) == 1)
			add_uri(uri, (int)strlen(uri));
	}
	fclose(file);
}

static void drop_unnamed(void)
{
	target_t **at;
	target_t *target;
	unsigned int i;

	for(i = 0; i < IFE_NAMES_BUCKETS; i++) {
		for(at = &targets[i]; *at != NULL;) {
			target = *at;
			if(target->seen == current_round) {
				at = &target->next;
				continue;
			}
			*at = target->next;
			release_all(target);
			free(target);
		}
	}
}

static time_t gateways_changed(void)
{
	char path[PATH_MAX];
	struct stat status;

	if(ife_names_gateways.len <= 0)
		return 0;
	snprintf(path, sizeof(path), "%.*s", ife_names_gateways.len, ife_names_gateways.s);
	return stat(path, &status) < 0 ? 0 : status.st_mtime;
}

/* Rebuilds the targets if the registry or the list of gateways has changed. */
static void update_targets(void)
{
	static uint64_t generation;
	static time_t changed = -1;
	uint64_t now;
	time_t gateways = gateways_changed();

	if(ife_policy_generation(ife_handle, &now) != IFE_OK)
		return;
	if(now == generation && gateways == changed)
		return;
	current_round++;
	add_gateways();
	if(add_contacts() < 0)
		return;
	drop_unnamed();
	generation = now;
	changed = gateways;
}

static target_t *first_due(void)
{
	target_t *first = NULL;
	target_t *target;
	unsigned int i;

	for(i = 0; i < IFE_NAMES_BUCKETS; i++) {
		for(target = targets[i]; target != NULL; target = target->next) {
			if(first == NULL || target->due_s < first->due_s)
				first = target;
		}
	}
	return first != NULL && first->due_s <= now_s() ? first : NULL;
}

static void run(void)
{
	target_t *target;

	ife_dns_init();
	for(;;) {
		cfg_update();
		update_targets();
		target = first_due();
		if(target != NULL)
			refresh(target);
		else
			usleep(IFE_NAMES_LOOK_MS * 1000);
	}
}

int ife_names_register(void)
{
	if(register_procs(1) < 0) {
		LM_ERR("cannot register a process for the resolver\n");
		return -1;
	}
	cfg_register_child(1);
	return 0;
}

int ife_names_fork(void)
{
	int pid = fork_process(PROC_NOCHLDINIT, "if_escalate names", 0);

	if(pid < 0) {
		LM_ERR("cannot fork the resolver\n");
		return -1;
	}
	if(pid > 0)
		return 0;
	if(cfg_child_init() < 0)
		exit(-1);
	run();
	return 0;
}
