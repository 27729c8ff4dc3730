/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Converts Kamailio's message to the ABI's, without a copy.
 */
#ifndef IFE_MSG_H
#define IFE_MSG_H

#include "ife_core.h"

/* Storage for fields of an ife_message that are not part of the SIP message. */
typedef struct ife_msg_room
{
	char peer_ip[64];
	ife_call call;
	ife_str routes[IFE_ROUTES_MAX];
	ife_str record_routes[IFE_ROUTES_MAX];
} ife_msg_room_t;

/*
 * Fills `out` from the received message with views into `msg` and `room`, valid while both are. If
 * the message cannot be parsed, or repeats a header that may occur once, the From URI is absent:
 * the gate refuses it as malformed and witnesses it.
 */
void ife_msg_fill(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room);

/* Sets source address, transport and bytes of `out` to those of `msg`. */
void ife_msg_fill_sender(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room);

/*
 * Completes `out` for an event: in a failure route with the reply that ended the transaction; with
 * trace id and hazard of the approved call or, if there is none, of the transaction's request.
 */
void ife_msg_complete(ife_message *out, ife_msg_room_t *room);

#endif /* IFE_MSG_H */
