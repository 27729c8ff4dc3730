/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * check_policy(), witness_log() and is_call_party(): the logic behind the script's functions and KEMI's.
 */
#include <stdio.h>
#include <string.h>

#include "core/dprint.h"

#include "ife_gate.h"
#include "ife_msg.h"

/* One message is processed at a time in a process, so its verdict needs one place. */
typedef struct last_verdict
{
	unsigned int msg_id;
	int msg_pid;
	int valid;
	ife_verdict verdict;
} last_verdict_t;

static last_verdict_t last = {0};

const ife_verdict *ife_verdict_of(const sip_msg_t *msg)
{
	if(msg == NULL || !last.valid || last.msg_id != msg->id || last.msg_pid != msg->pid)
		return NULL;
	return &last.verdict;
}

/* The gate could not be asked: refused, and the caller learns no more than that. */
static void refuse_internal(ife_verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->gate = IFE_GATE_INTERNAL;
	verdict->code = 500;
	snprintf(verdict->reason, sizeof(verdict->reason), "Server Internal Error");
}

static int return_code(const ife_verdict *verdict)
{
	if(verdict->approved)
		return 1;
	/* 0 would end the script and let Kamailio go on as if nothing had been asked. */
	if(verdict->gate == IFE_GATE_NONE || verdict->gate >= IFE_GATE_COUNT)
		return -IFE_GATE_INTERNAL;
	return -(int)verdict->gate;
}

/* A value that the script passes stands for the header; an empty one for an absent header. */
static void replace_header(ife_header *header, const str *value)
{
	if(value == NULL)
		return;
	header->value = ife_from_str(value);
	header->count = header->value.len > 0 ? 1 : 0;
}

static int check(sip_msg_t *msg, const str *hazard, const str *trace_id, const str *signature)
{
	ife_msg_room_t room;
	ife_message in;
	ife_error err;
	ife_result result;
	int rc;

	last.valid = 0;
	refuse_internal(&last.verdict);
	if(msg == NULL || msg->first_line.type != SIP_REQUEST) {
		LM_ERR("check_policy() is for requests\n");
		goto out;
	}
	if(ife_attach() < 0)
		goto out;

	ife_msg_fill(msg, &in, &room);
	replace_header(&in.hazard, hazard);
	replace_header(&in.trace_id, trace_id);
	replace_header(&in.signature, signature);
	err.text[0] = '\0';
	result = ife_policy_check(ife_handle, &in, &last.verdict, &err);
	if(result != IFE_OK) {
		ife_log_error("the gate failed and the request is refused", result, &err);
		refuse_internal(&last.verdict);
	}

out:
	rc = return_code(&last.verdict);
	if(msg != NULL) {
		last.msg_id = msg->id;
		last.msg_pid = msg->pid;
		last.valid = 1;
	}
	LM_DBG("gate %s, code %u: %s\n", ife_gate_name(last.verdict.gate), last.verdict.code, last.verdict.detail);
	return ife_settings.mode == IFE_MODE_SHADOW ? 1 : rc;
}

int ki_check_policy(sip_msg_t *msg)
{
	return check(msg, NULL, NULL, NULL);
}

int ki_check_policy_values(sip_msg_t *msg, str *hazard, str *trace_id, str *signature)
{
	return check(msg, hazard, trace_id, signature);
}

static int witness_code(ife_result result)
{
	switch(result) {
		case IFE_OK:
		case IFE_WITNESS_OMITTED: /* a refusal that a summary stands for */
			return IFE_WL_OK;
		case IFE_WITNESS_FULL:
		case IFE_WITNESS_UNAVAILABLE:
		case IFE_NOT_ATTACHED:
		case IFE_CLOSED:
			return IFE_WL_FULL;
		case IFE_WITNESS_TIMEOUT:
			return IFE_WL_NOT_DURABLE;
		default:
			return IFE_WL_REFUSED;
	}
}

int ki_witness_log_detail(sip_msg_t *msg, str *event, str *detail)
{
	ife_msg_room_t room;
	ife_message in;
	ife_receipt receipt;
	ife_error err;
	ife_result result;
	int rc = IFE_WL_FULL;

	if(msg == NULL || event == NULL || event->s == NULL || event->len <= 0) {
		LM_ERR("witness_log() needs a message and the name of an event\n");
		rc = IFE_WL_REFUSED;
		goto out;
	}
	if(ife_attach() < 0)
		goto out;

	ife_msg_fill(msg, &in, &room);
	ife_msg_complete(&in, &room);
	err.text[0] = '\0';
	result = ife_witness_log(ife_handle, &in, ife_from_str(event), ife_from_str(detail), &receipt, &err);
	rc = witness_code(result);
	/* best_effort means that a call does not depend on this; the log proves the hole. */
	if(rc == IFE_WL_FULL && ife_settings.witness == IFE_WITNESS_BEST_EFFORT)
		rc = IFE_WL_OK;
	if(rc == IFE_WL_REFUSED)
		LM_WARN("event not witnessed: %s (%.*s)\n", ife_result_text(result), (int)strcspn(err.text, "\r\n"), err.text);
	else if(rc != IFE_WL_OK)
		LM_DBG("%.*s: %s\n", event->len, event->s, ife_result_text(result));

out:
	return ife_settings.mode == IFE_MODE_SHADOW ? IFE_WL_OK : rc;
}

int ki_witness_log(sip_msg_t *msg, str *event)
{
	return ki_witness_log_detail(msg, event, NULL);
}

int ki_is_call_party(sip_msg_t *msg, str *address)
{
	ife_msg_room_t room;
	ife_message in;
	ife_error err;
	ife_result result;

	if(msg == NULL || address == NULL || address->s == NULL || address->len <= 0 || ife_handle == NULL) {
		LM_ERR("is_call_party() needs a message and an address\n");
		return -1;
	}
	ife_msg_fill(msg, &in, &room);
	err.text[0] = '\0';
	result = ife_call_has_party(ife_handle, &in, ife_from_str(address), &err);
	if(result != IFE_OK && result != IFE_NOT_FOUND)
		ife_log_error("the parties of a call cannot be looked up", result, &err);
	return result == IFE_OK ? 1 : -1;
}
