/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * check_policy(), witness_log() and helpers, for the script, KEMI and the callbacks of tm.
 */
#ifndef IFE_GATE_H
#define IFE_GATE_H

#include "modules/tm/tm_load.h"

#include "ife_core.h"
#include "ife_watch.h"

/* Return codes of check_policy(); a refusal is -(gate number). */
#define IFE_CP_SUSPENDED 0 /* ends the script; a route takes up the call */
#define IFE_CP_APPROVED 1
#define IFE_CP_NOT_FOR_GATE 2

/* Return codes of witness_log(). */
#define IFE_WL_OK 1
#define IFE_WL_REFUSED -1     /* unknown event, or an entry that is malformed or too large */
#define IFE_WL_FULL -2        /* the ring is full or missing: the event is not in the log */
#define IFE_WL_NOT_DURABLE -3 /* in the ring, but not on disk in time */

/* The script's values for the three headers of the gate. */
typedef struct ife_header_values
{
	str hazard;
	str trace_id;
	str signature;
} ife_header_values_t;

int ki_check_policy(sip_msg_t *msg);
int ki_check_policy_values(sip_msg_t *msg, str *hazard, str *trace_id, str *signature);
/*
 * The same; a call that must wait for the disk is suspended (0) and taken up by the KEMI function,
 * or by the route, of this name.
 */
int ki_check_policy_resume(sip_msg_t *msg, str *name);
int ki_check_policy_values_resume(
		sip_msg_t *msg, str *hazard, str *trace_id, str *signature, str *name);
int ife_gate_check(sip_msg_t *msg, const ife_header_values_t *values, const ife_resume_t *resume);
int ki_witness_log(sip_msg_t *msg, str *event);
int ki_witness_log_detail(sip_msg_t *msg, str *event, str *detail);
/* 1 if every part of the message is within bounds, else -1, with $ife(code) and $ife(reason). */
int ki_check_message(sip_msg_t *msg);
/* 1 if the source address is that of a party of the registry or of a call under way, else -1. */
int ki_is_party_source(sip_msg_t *msg);

/* Returns the answer of check_policy() on this message, or on the request of its transaction, or
 * NULL. */
const ife_note_t *ife_note_of(const sip_msg_t *msg);

/* Settles a decision that waited, and notes the answer in the watch. request: tm's copy. */
void ife_gate_settle(ife_watch_t *watch, sip_msg_t *request);

/* Witnesses the end of an approved call that the script refuses without a transaction. */
void ife_gate_answered(sip_msg_t *msg, int code, const str *reason);

/* 1 if a reply comes from its request's destination or a known address of its sender, else 0. */
int ife_gate_is_answer(sip_msg_t *reply);

/* Checks a request in a dialog without check_policy(), for the log. t: its transaction, or NULL. */
void ife_gate_see(sip_msg_t *msg, tm_cell_t *t);

/* Writes an entry about the message being processed. detail may be NULL. */
int ife_gate_log(sip_msg_t *msg, const char *event, const char *detail);
/* Writes an entry about `in`. */
int ife_gate_log_message(const ife_message *in, const char *event, const char *detail);

#endif /* IFE_GATE_H */
