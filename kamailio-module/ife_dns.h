/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers of the DNS for one SIP target, by RFC 3263, in the shape in which Kamailio's DNS cache is asked for them.
 */
#ifndef IFE_DNS_H
#define IFE_DNS_H

#include <stddef.h>

#define IFE_DNS_NAME_SIZE 256

/* One record: an address, or an SRV target. */
typedef struct ife_rr
{
	char value[IFE_DNS_NAME_SIZE];
	unsigned short priority;
	unsigned short weight;
	unsigned short port;
} ife_rr_t;

/* The records of one name and type, as the cache shall hold them. */
typedef struct ife_rrset
{
	char name[IFE_DNS_NAME_SIZE];
	unsigned short type;
	size_t count;
	ife_rr_t *rr;
} ife_rrset_t;

typedef struct ife_answer
{
	size_t count;
	ife_rrset_t *set;
	unsigned int ttl_s; /* shortest of all records */
} ife_answer_t;

typedef enum ife_dns_result
{
	IFE_DNS_FOUND,   /* at least one address */
	IFE_DNS_NO_NAME, /* the DNS says that there is none */
	IFE_DNS_FAILED   /* no server answered, or not usably */
} ife_dns_result_t;

/* Prepares the resolver of this process: the system's servers, whatever the workers may use. */
void ife_dns_init(void);

/*
 * Resolves host. port is 0 where the URI has none: NAPTR and SRV are asked then, and their answers stand in the result under the SRV name
 * that Kamailio makes of host and protocol. proto is that of the URI, or PROTO_NONE. On IFE_DNS_FOUND the answer is filled and
 * must be freed. Blocks for as long as the servers are silent.
 */
ife_dns_result_t ife_dns_resolve(const char *host, int port, int proto, ife_answer_t *answer);

void ife_answer_free(ife_answer_t *answer);

#endif /* IFE_DNS_H */
