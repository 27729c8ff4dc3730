/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RFC 3263 section 4: NAPTR, SRV and addresses of one target, from the DNS and not from a cache.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/ip_addr.h"
#include "core/mem/mem.h"
#include "core/resolve.h"

#include "ife_dns.h"

/* Wait for each answer of a server, and number of attempts. */
#define IFE_DNS_RETRANS_S 2
#define IFE_DNS_TRIES 2
/* Maximum number of records of one name. */
#define IFE_DNS_RECORDS_MAX 32
#define IFE_DNS_SETS_MAX (2 + 2 * IFE_DNS_RECORDS_MAX + 4)

void ife_dns_init(void)
{
	res_init();
	_res.retrans = IFE_DNS_RETRANS_S;
	_res.retry = IFE_DNS_TRIES;
	_res.options &= ~(RES_DEFNAMES | RES_DNSRCH);
}

void ife_answer_free(ife_answer_t *answer)
{
	size_t i;

	for(i = 0; i < answer->count; i++)
		free(answer->set[i].rr);
	free(answer->set);
	memset(answer, 0, sizeof(*answer));
}

/* Queries one name and type. *records is Kamailio's list, to be freed; NULL unless IFE_DNS_FOUND.
 * */
static ife_dns_result_t ask(const char *name, int type, struct rdata **records)
{
	char copy[IFE_DNS_NAME_SIZE];

	snprintf(copy, sizeof(copy), "%s", name);
	h_errno = HOST_NOT_FOUND;
	*records = get_record(copy, type, RES_ONLY_TYPE);
	if(*records != NULL)
		return IFE_DNS_FOUND;
	if(h_errno == TRY_AGAIN || h_errno == NO_RECOVERY || h_errno == NETDB_INTERNAL)
		return IFE_DNS_FAILED;
	return IFE_DNS_NO_NAME;
}

static ife_rrset_t *add_set(ife_answer_t *answer, const char *name, unsigned short type)
{
	ife_rrset_t *set;

	if(answer->set == NULL)
		answer->set = calloc(IFE_DNS_SETS_MAX, sizeof(*answer->set));
	if(answer->set == NULL || answer->count == IFE_DNS_SETS_MAX)
		return NULL;
	set = &answer->set[answer->count];
	set->rr = calloc(IFE_DNS_RECORDS_MAX, sizeof(*set->rr));
	if(set->rr == NULL)
		return NULL;
	answer->count++;
	snprintf(set->name, sizeof(set->name), "%s", name);
	set->type = type;
	return set;
}

static void shorten_ttl(ife_answer_t *answer, unsigned int ttl_s)
{
	if(ttl_s < answer->ttl_s)
		answer->ttl_s = ttl_s;
}

static void add_address(ife_answer_t *answer, ife_rrset_t *set, const struct rdata *record)
{
	int family = record->type == T_A ? AF_INET : AF_INET6;

	if(set->count == IFE_DNS_RECORDS_MAX)
		return;
	if(inet_ntop(family, record->rdata, set->rr[set->count].value, IFE_DNS_NAME_SIZE) == NULL)
		return;
	set->count++;
	shorten_ttl(answer, record->ttl);
}

/* Adds the addresses of one family under the queried name; the DNS server follows aliases. */
static ife_dns_result_t add_family(ife_answer_t *answer, const char *host, int type)
{
	struct rdata *records;
	const struct rdata *record;
	ife_rrset_t *set;
	ife_dns_result_t result = ask(host, type, &records);

	if(result != IFE_DNS_FOUND)
		return result;
	set = add_set(answer, host, (unsigned short)type);
	for(record = records; set != NULL && record != NULL; record = record->next) {
		if(record->type == type && record->rdata != NULL)
			add_address(answer, set, record);
	}
	free_rdata_list(records);
	return set != NULL ? IFE_DNS_FOUND : IFE_DNS_FAILED;
}

static int has_set(const ife_answer_t *answer, const char *name, int type)
{
	size_t i;

	for(i = 0; i < answer->count; i++) {
		if(answer->set[i].type == type && strcasecmp(answer->set[i].name, name) == 0)
			return 1;
	}
	return 0;
}

static ife_dns_result_t add_addresses(ife_answer_t *answer, const char *host)
{
	ife_dns_result_t v4 = IFE_DNS_NO_NAME;
	ife_dns_result_t v6 = IFE_DNS_NO_NAME;

	if(has_set(answer, host, T_A) || has_set(answer, host, T_AAAA))
		return IFE_DNS_FOUND;
	v4 = add_family(answer, host, T_A);
	if(socket_types & SOCKET_T_IPV6)
		v6 = add_family(answer, host, T_AAAA);
	if(v4 == IFE_DNS_FOUND || v6 == IFE_DNS_FOUND)
		return IFE_DNS_FOUND;
	return v4 == IFE_DNS_FAILED || v6 == IFE_DNS_FAILED ? IFE_DNS_FAILED : IFE_DNS_NO_NAME;
}

/* Writes the SRV name that Kamailio looks up: _sip._udp.host, _sip._tcp.host, _sips._tcp.host. */
static void srv_name(char *out, int proto, const char *host)
{
	const char *prefix = proto == PROTO_TLS   ? "_sips._tcp."
						 : proto == PROTO_TCP ? "_sip._tcp."
											  : "_sip._udp.";

	snprintf(out, IFE_DNS_NAME_SIZE, "%s%.*s", prefix, IFE_DNS_NAME_SIZE - 12, host);
}

/* Adds the SRV records of `asked` under the name for proto and host, and their targets' addresses.
 * */
static ife_dns_result_t add_services(
		ife_answer_t *answer, const char *asked, int proto, const char *host)
{
	char name[IFE_DNS_NAME_SIZE];
	struct rdata *records;
	const struct rdata *record;
	const struct srv_rdata *srv;
	ife_rrset_t *set;
	ife_rr_t *rr;
	size_t i;
	size_t reached = 0;
	ife_dns_result_t result = ask(asked, T_SRV, &records);

	if(result != IFE_DNS_FOUND)
		return result;
	srv_name(name, proto, host);
	set = add_set(answer, name, T_SRV);
	for(record = records; set != NULL && record != NULL && set->count < IFE_DNS_RECORDS_MAX;
			record = record->next) {
		srv = record->rdata;
		/* RFC 2782: a target of "." means no service. */
		if(record->type != T_SRV || srv == NULL || srv->name_len == 0)
			continue;
		rr = &set->rr[set->count++];
		snprintf(rr->value, sizeof(rr->value), "%.*s", (int)srv->name_len, srv->name);
		rr->priority = srv->priority;
		rr->weight = srv->weight;
		rr->port = srv->port;
		shorten_ttl(answer, record->ttl);
	}
	free_rdata_list(records);
	result = IFE_DNS_NO_NAME;
	for(i = 0; set != NULL && i < set->count; i++) {
		switch(add_addresses(answer, set->rr[i].value)) {
			case IFE_DNS_FOUND:
				reached++;
				break;
			case IFE_DNS_FAILED:
				result = IFE_DNS_FAILED;
				break;
			case IFE_DNS_NO_NAME:
				break;
		}
	}
	return reached > 0 ? IFE_DNS_FOUND : result;
}

static int is_enabled(int proto)
{
	if(proto == PROTO_UDP)
		return 1;
#ifdef USE_TLS
	if(proto == PROTO_TLS)
		return !tcp_disable && !tls_disable;
#endif
	return proto == PROTO_TCP && !tcp_disable;
}

/* RFC 3263 4.1: the NAPTR record of lowest order, then preference, whose protocol is enabled. */
static const struct naptr_rdata *best_service(const struct rdata *records, int *proto)
{
	const struct naptr_rdata *best = NULL;
	const struct rdata *record;
	struct naptr_rdata *naptr;
	int enabled;

	for(record = records; record != NULL; record = record->next) {
		naptr = record->rdata;
		if(record->type != T_NAPTR || naptr == NULL)
			continue;
		enabled = naptr_get_sip_proto(naptr);
		if(enabled <= 0 || !is_enabled(enabled))
			continue;
		if(best == NULL || naptr->order < best->order
				|| (naptr->order == best->order && naptr->pref < best->pref)) {
			best = naptr;
			*proto = enabled;
		}
	}
	return best;
}

static ife_dns_result_t add_by_naptr(ife_answer_t *answer, const char *host)
{
	char replacement[IFE_DNS_NAME_SIZE];
	struct rdata *records;
	const struct naptr_rdata *best;
	int proto = PROTO_NONE;
	ife_dns_result_t result = ask(host, T_NAPTR, &records);

	if(result != IFE_DNS_FOUND)
		return result;
	best = best_service(records, &proto);
	if(best != NULL)
		snprintf(replacement, sizeof(replacement), "%s", best->repl);
	free_rdata_list(records);
	if(best == NULL)
		return IFE_DNS_NO_NAME;
	return add_services(answer, replacement, proto, host);
}

/* Adds the SRV records of the URI's protocol, else of each enabled protocol. */
static ife_dns_result_t add_by_srv(ife_answer_t *answer, const char *host, int proto)
{
	static const int all[] = {PROTO_UDP, PROTO_TCP, PROTO_TLS};
	char name[IFE_DNS_NAME_SIZE];
	ife_dns_result_t found = IFE_DNS_NO_NAME;
	ife_dns_result_t result;
	size_t i;

	for(i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if((proto != PROTO_NONE && proto != all[i]) || !is_enabled(all[i]))
			continue;
		srv_name(name, all[i], host);
		result = add_services(answer, name, all[i], host);
		if(result == IFE_DNS_FAILED)
			return result;
		if(result == IFE_DNS_FOUND)
			found = result;
	}
	return found;
}

static ife_dns_result_t resolve(const char *host, int port, int proto, ife_answer_t *answer)
{
	ife_dns_result_t result = IFE_DNS_NO_NAME;

	if(port == 0) {
		if(proto == PROTO_NONE)
			result = add_by_naptr(answer, host);
		if(result == IFE_DNS_NO_NAME)
			result = add_by_srv(answer, host, proto);
		if(result != IFE_DNS_NO_NAME)
			return result;
	}
	return add_addresses(answer, host);
}

ife_dns_result_t ife_dns_resolve(const char *host, int port, int proto, ife_answer_t *answer)
{
	ife_dns_result_t result;

	memset(answer, 0, sizeof(*answer));
	answer->ttl_s = ~0U;
	result = resolve(host, port, proto, answer);
	if(result != IFE_DNS_FOUND)
		ife_answer_free(answer);
	return result;
}
