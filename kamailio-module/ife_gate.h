/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * check_policy() and witness_log(): the logic behind the script's functions and KEMI's.
 */
#ifndef IFE_GATE_H
#define IFE_GATE_H

#include "ife_core.h"

/* Return codes of witness_log(); those of check_policy() are 1 and -(gate number). */
#define IFE_WL_OK 1
#define IFE_WL_REFUSED -1     /* the event is not one of the log's, or the entry is malformed or too large */
#define IFE_WL_FULL -2        /* the ring is full or not there: the event is not in the log */
#define IFE_WL_NOT_DURABLE -3 /* in the ring, but not on disk in time */

int ki_check_policy(sip_msg_t *msg);
int ki_check_policy_values(sip_msg_t *msg, str *hazard, str *trace_id, str *signature);
int ki_witness_log(sip_msg_t *msg, str *event);
int ki_witness_log_detail(sip_msg_t *msg, str *event, str *detail);
/* 1 if the request's dialog is an approved one and its other party was seen at address, "host:port"; else -1. */
int ki_is_call_party(sip_msg_t *msg, str *address);

/* The verdict that check_policy() reached on this very message, or NULL. */
const ife_verdict *ife_verdict_of(const sip_msg_t *msg);

#endif /* IFE_GATE_H */
