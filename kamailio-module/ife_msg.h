/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From Kamailio's message to the ABI's, without copying a byte of it.
 */
#ifndef IFE_MSG_H
#define IFE_MSG_H

#include "ife_core.h"

/* Room that an ife_message points into when a field has no bytes of its own in the SIP message. */
typedef struct ife_msg_room
{
	char peer_ip[64];
	ife_call call;
	ife_str routes[IFE_ROUTES_MAX];
	ife_str record_routes[IFE_ROUTES_MAX];
} ife_msg_room_t;

/*
 * Fills `out` from the message as it was received. Everything is a view into `msg` or `room`, valid while both are.
 * A message that cannot be parsed, or repeats a header that may occur once, comes out without its From URI, which
 * the gate refuses as malformed: it is still witnessed.
 */
void ife_msg_fill(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room);

/* Source address, transport and bytes of `msg`, into an `out` that is about another message. */
void ife_msg_fill_sender(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room);

/*
 * For events: what the message does not say itself. In a failure route the reply that ended the transaction; the
 * trace id and hazard of the approved call, or those of the transaction's request if no such call is known.
 */
void ife_msg_complete(ife_message *out, ife_msg_room_t *room);

#endif /* IFE_MSG_H */
