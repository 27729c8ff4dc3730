/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * $ife(name): a field of the last verdict on the message, or of the approved call's record.
 */
#include <stdio.h>
#include <string.h>

#include "core/dprint.h"
#include "core/pvapi.h"

#include "ife_core.h"
#include "ife_gate.h"
#include "ife_pv.h"

typedef enum ife_pv_name
{
	IFE_PV_VERDICT,
	IFE_PV_GATE,
	IFE_PV_CODE,
	IFE_PV_REASON,
	IFE_PV_DETAIL,
	IFE_PV_RETRY_AFTER,
	IFE_PV_EXPERT,
	IFE_PV_EXPERT_CONTACT,
	IFE_PV_HAZARD,
	IFE_PV_TRACE_ID,
	IFE_PV_KID,
	IFE_PV_DIRECTION,
	IFE_PV_WITNESS,
	IFE_PV_SEQ,
	IFE_PV_NEXT_HOP,
	IFE_PV_COUNT
} ife_pv_name_t;

static const char *const pv_names[IFE_PV_COUNT] = {"verdict", "gate", "code", "reason", "detail",
		"retry_after", "expert", "expert_contact", "hazard", "trace_id", "kid", "direction",
		"witness", "seq", "next_hop"};

int ife_pv_parse_name(pv_spec_t *sp, str *in)
{
	int i;

	if(sp == NULL || in == NULL || in->s == NULL || in->len <= 0)
		return -1;
	for(i = 0; i < IFE_PV_COUNT; i++) {
		if((size_t)in->len == strlen(pv_names[i])
				&& memcmp(in->s, pv_names[i], (size_t)in->len) == 0) {
			sp->pvp.pvn.type = PV_NAME_INTSTR;
			sp->pvp.pvn.u.isname.type = 0;
			sp->pvp.pvn.u.isname.name.n = i;
			return 0;
		}
	}
	LM_ERR("$ife(%.*s): unknown name\n", in->len, in->s);
	return -1;
}

/* Copies to Kamailio's ring of buffers, because the text must outlive this call. */
static int get_text(sip_msg_t *msg, pv_param_t *param, pv_value_t *res, const char *text)
{
	char *buf = pv_get_buffer();
	size_t len = strlen(text);
	str out;

	if(len == 0 || buf == NULL || len >= (size_t)pv_get_buffer_size())
		return pv_get_null(msg, param, res);
	memcpy(buf, text, len + 1);
	out.s = buf;
	out.len = (int)len;
	return pv_get_strval(msg, param, res, &out);
}

static int get_hash(sip_msg_t *msg, pv_param_t *param, pv_value_t *res, const uint8_t *hash)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * IFE_HASH_SIZE + 1];
	int i;

	for(i = 0; i < IFE_HASH_SIZE; i++) {
		text[2 * i] = digits[hash[i] >> 4];
		text[2 * i + 1] = digits[hash[i] & 0x0f];
	}
	text[2 * IFE_HASH_SIZE] = '\0';
	return get_text(msg, param, res, text);
}

static const char *direction_name(uint32_t direction)
{
	switch(direction) {
		case IFE_DIRECTION_TO_EXPERT:
			return "to_expert";
		case IFE_DIRECTION_TO_COUNCIL:
			return "to_council";
		default:
			return "";
	}
}

static int get_seq(sip_msg_t *msg, pv_param_t *param, pv_value_t *res, uint64_t seq)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
	return get_text(msg, param, res, text);
}

static int get_from_verdict(
		sip_msg_t *msg, pv_param_t *param, pv_value_t *res, const ife_verdict *v)
{
	switch(param->pvn.u.isname.name.n) {
		case IFE_PV_VERDICT:
			return get_text(msg, param, res, v->approved ? "approved" : "rejected");
		case IFE_PV_GATE:
			return get_text(
					msg, param, res, v->gate == IFE_GATE_NONE ? "" : ife_gate_name(v->gate));
		case IFE_PV_CODE:
			return pv_get_uintval(msg, param, res, v->code);
		case IFE_PV_REASON:
			return get_text(msg, param, res, v->reason);
		case IFE_PV_DETAIL:
			return get_text(msg, param, res, v->detail);
		case IFE_PV_RETRY_AFTER:
			return pv_get_uintval(msg, param, res, v->retry_after_s);
		case IFE_PV_EXPERT:
			return get_text(msg, param, res, v->expert);
		case IFE_PV_EXPERT_CONTACT:
			return get_text(msg, param, res, v->expert_contact);
		case IFE_PV_HAZARD:
			return get_text(msg, param, res, v->hazard);
		case IFE_PV_TRACE_ID:
			return get_text(msg, param, res, v->trace_id);
		case IFE_PV_KID:
			return get_text(msg, param, res, v->kid);
		case IFE_PV_DIRECTION:
			return get_text(msg, param, res, direction_name(v->direction));
		case IFE_PV_WITNESS:
			return v->witnessed ? get_hash(msg, param, res, v->leaf_hash)
								: pv_get_null(msg, param, res);
		case IFE_PV_SEQ:
			return v->witnessed ? get_seq(msg, param, res, v->seq) : pv_get_null(msg, param, res);
		case IFE_PV_NEXT_HOP:
			return get_text(msg, param, res, v->next_hop);
		default:
			return pv_get_null(msg, param, res);
	}
}

static int get_from_call(sip_msg_t *msg, pv_param_t *param, pv_value_t *res, const ife_call *call)
{
	switch(param->pvn.u.isname.name.n) {
		case IFE_PV_EXPERT:
			return get_text(msg, param, res, call->expert);
		case IFE_PV_HAZARD:
			return get_text(msg, param, res, call->hazard);
		case IFE_PV_TRACE_ID:
			return get_text(msg, param, res, call->trace_id);
		case IFE_PV_KID:
			return get_text(msg, param, res, call->kid);
		case IFE_PV_DIRECTION:
			return get_text(msg, param, res, direction_name(call->direction));
		case IFE_PV_WITNESS:
			return get_hash(msg, param, res, call->leaf_hash);
		default:
			return pv_get_null(msg, param, res);
	}
}

int ife_pv_get(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	const ife_note_t *note;
	ife_call call;

	if(param == NULL || res == NULL)
		return -1;
	note = ife_note_of(msg);
	if(note != NULL && note->not_for_gate)
		return get_text(msg, param, res,
				param->pvn.u.isname.name.n == IFE_PV_VERDICT ? "not_for_gate" : "");
	if(note != NULL)
		return get_from_verdict(msg, param, res, &note->verdict);

	/* A reply, or the same call in another process: the record is shared. */
	if(msg == NULL || ife_handle == NULL)
		return pv_get_null(msg, param, res);
	if((msg->callid == NULL && parse_headers(msg, HDR_CALLID_F, 0) < 0) || msg->callid == NULL)
		return pv_get_null(msg, param, res);
	if(ife_call_find(ife_handle, ife_from_str(&msg->callid->body), &call) != IFE_OK)
		return pv_get_null(msg, param, res);
	return get_from_call(msg, param, res, &call);
}
