/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Follows calls through tm, independent of the script: replies, failures, CANCEL, ACK, end of a
 * BYE.
 */
#ifndef IFE_TM_H
#define IFE_TM_H

#include "modules/tm/tm_load.h"

#include "ife_core.h"
#include "ife_watch.h"

/* The final reply of a failure route. `reply` is NULL if this server made it. */
typedef struct ife_tm_final
{
	uint32_t code;
	ife_str reason;
	sip_msg_t *reply;
} ife_tm_final_t;

/* Call it before the fork. 0, also without tm (logged): then the script must witness replies. */
int ife_tm_init(void);

/* Returns tm's functions, or NULL without tm. */
const tm_api_t *ife_tm_api(void);

/* Returns the current transaction, or NULL. */
tm_cell_t *ife_tm_current(void);

/* Returns the current transaction's request in shared memory (read strings only), or NULL. */
const sip_msg_t *ife_tm_request(void);

/* The sender of a reply, compared with its transaction. */
typedef enum ife_tm_sender
{
	IFE_TM_NO_TRANSACTION,
	IFE_TM_DESTINATION, /* the address that the request was sent to */
	IFE_TM_ELSEWHERE
} ife_tm_sender_t;

/* Compares the source address: tm compares branches only and accepts a reply from any address. */
ife_tm_sender_t ife_tm_sender(sip_msg_t *reply);

/* Releases the transaction of a reply that the script drops: tm would hold it for ever. */
void ife_tm_release(sip_msg_t *reply);

/* Returns 1 for an ACK that ends in a transaction of this server: that of a refusal. */
int ife_tm_absorbs(sip_msg_t *msg);

/* 1 and the final reply when called in a failure route, else 0. */
int ife_tm_final(ife_tm_final_t *final);

/*
 * Follows the transaction of an approved request to its end. `t` is NULL for the current
 * transaction or the one that the script will create. `in` describes `msg`; its strings are copied,
 * and so is the gate's answer `note`. Returns the watch, or NULL (logged).
 */
ife_watch_t *ife_tm_watch(
		sip_msg_t *msg, tm_cell_t *t, const ife_message *in, const ife_note_t *note);

/* Keeps the gate's answer with the transaction that the script may create, and does no more. */
void ife_tm_keep(sip_msg_t *msg, const ife_note_t *note);

/* Returns the gate's answer about the request of msg's transaction, or NULL. */
const ife_note_t *ife_tm_note(const sip_msg_t *msg);

#endif /* IFE_TM_H */
