/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Calls as tm sees them: replies, failures, CANCEL, ACK and the end of a BYE, whatever the script does about them.
 */
#ifndef IFE_TM_H
#define IFE_TM_H

#include "modules/tm/tm_load.h"

#include "ife_core.h"

/* The final reply that a failure route is about. `reply` is NULL when it was made here. */
typedef struct ife_tm_final
{
	uint32_t code;
	ife_str reason;
	sip_msg_t *reply;
} ife_tm_final_t;

/* Before the fork. 0; without tm loaded too, which is logged: then the script must witness replies itself. */
int ife_tm_init(void);

/* The current transaction's request, in tm's shared memory (read strings only), or NULL. */
const sip_msg_t *ife_tm_request(void);

/* Where a reply comes from, by the transaction that it answers. */
typedef enum ife_tm_sender
{
	IFE_TM_NO_TRANSACTION,
	IFE_TM_DESTINATION, /* the address that the request was sent to */
	IFE_TM_ELSEWHERE
} ife_tm_sender_t;

/* Looks the reply's transaction up. tm itself compares branches, and takes a reply from any address. */
ife_tm_sender_t ife_tm_sender(sip_msg_t *reply);

/* Of a reply that the script will drop: tm never sees it, and would hold the transaction for it for ever. */
void ife_tm_release(sip_msg_t *reply);

/* 1 and the final reply when called in a failure route, else 0. */
int ife_tm_final(ife_tm_final_t *final);

/*
 * Follows the transaction of an approved request to its end. `t` is NULL for the current one, or the one that the script
 * will make of this message. `in` describes `msg`; its strings are copied.
 */
void ife_tm_watch(sip_msg_t *msg, tm_cell_t *t, const ife_message *in);

#endif /* IFE_TM_H */
