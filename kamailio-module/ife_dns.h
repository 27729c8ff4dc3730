/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers of the DNS for one SIP target (RFC 3263), in the form of Kamailio's DNS cache.
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

/* The records of one name and type. */
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
	IFE_DNS_NO_NAME, /* the DNS has no such name */
	IFE_DNS_FAILED   /* no usable answer */
} ife_dns_result_t;

/* Prepares the resolver of this process with the system's servers; workers may have others. */
void ife_dns_init(void);

/*
 * Resolves host. port is 0 if the URI has none: then NAPTR and SRV are queried, and their answers
 * stand in the result under the SRV name that Kamailio makes of host and protocol. proto is that of
 * the URI, or PROTO_NONE. On IFE_DNS_FOUND the answer is filled and must be freed. Blocks while the
 * servers are silent.
 */
ife_dns_result_t ife_dns_resolve(const char *host, int port, int proto, ife_answer_t *answer);

void ife_answer_free(ife_answer_t *answer);

#endif /* IFE_DNS_H */
