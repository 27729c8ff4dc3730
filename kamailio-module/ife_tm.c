/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tm's state of the message being processed, and tm's callbacks for approved calls.
 *
 * Callbacks get tm's request in shared memory. Parsing it would attach private memory of this
 * process, so a watch has a copy of the parts that later events need.
 */
#include <stdio.h>
#include <string.h>

#include "core/dprint.h"
#include "core/error.h"
#include "core/mem/shm_mem.h"
#include "core/route.h"
#include "core/sr_module.h"
#include "modules/sl/sl.h"

#include "ife_gate.h"
#include "ife_msg.h"
#include "ife_tm.h"

/* Maximum length of all texts in a watch; check_message() bounds each part below it. */
#define IFE_WATCH_LEN_MAX 8192

/* The answer about a stranger's request is the same for all. */
static ife_note_t not_for_gate = {.not_for_gate = 1};

static tm_api_t tmb;
static int tm_loaded = 0;

const tm_api_t *ife_tm_api(void)
{
	return tm_loaded ? &tmb : NULL;
}

tm_cell_t *ife_tm_current(void)
{
	tm_cell_t *t = tm_loaded ? tmb.t_gett() : NULL;

	return t == T_UNDEFINED ? NULL : t;
}

const sip_msg_t *ife_tm_request(void)
{
	tm_cell_t *t = ife_tm_current();

	return t == NULL ? NULL : t->uas.request;
}

ife_tm_sender_t ife_tm_sender(sip_msg_t *reply)
{
	struct dest_info *dst;
	struct ip_addr ip;
	tm_cell_t *t;
	int branch = -1;

	if(!tm_loaded || tmb.t_check(reply, &branch) != 1 || (t = ife_tm_current()) == NULL)
		return IFE_TM_NO_TRANSACTION;
	if(branch < 0 || branch >= t->nr_of_outgoings)
		return IFE_TM_NO_TRANSACTION;
	dst = &t->uac[branch].request.dst;
	su2ip_addr(&ip, &dst->to);
	return ip_addr_cmp(&ip, &reply->rcv.src_ip) ? IFE_TM_DESTINATION : IFE_TM_ELSEWHERE;
}

void ife_tm_release(sip_msg_t *reply)
{
	if(ife_tm_current() != NULL)
		tmb.t_unref(reply);
}

int ife_tm_absorbs(sip_msg_t *msg)
{
	int branch = -1;

	return tm_loaded && msg->REQ_METHOD == METHOD_ACK && tmb.t_check(msg, &branch) == 1
		   && ife_tm_current() != NULL;
}

static ife_str of_text(const char *text)
{
	ife_str out = {text, text == NULL ? 0 : strlen(text)};

	return out;
}

int ife_tm_final(ife_tm_final_t *final)
{
	tm_cell_t *t = ife_tm_current();
	sip_msg_t *reply;
	int branch;

	if(t == NULL || t->uac == NULL || !is_route_type(FAILURE_ROUTE | BRANCH_FAILURE_ROUTE))
		return 0;
	branch = tmb.t_get_picked_branch();
	if(branch < 0 || branch >= t->nr_of_outgoings)
		return 0;

	memset(final, 0, sizeof(*final));
	reply = t->uac[branch].reply;
	if(reply != NULL && reply != FAKED_REPLY) {
		final->reply = reply;
		final->code = reply->first_line.u.reply.statuscode;
		final->reason = ife_from_str(&reply->first_line.u.reply.reason);
		return 1;
	}
	final->code = (uint32_t)t->uac[branch].last_received;
	final->reason = of_text(error_text(t->uac[branch].last_received));
	return 1;
}

static int is_method(const ife_watch_t *watch, const char *name)
{
	return (size_t)watch->method.len == strlen(name)
		   && memcmp(watch->method.s, name, strlen(name)) == 0;
}

static int is_answer_to(sip_msg_t *reply, const ife_watch_t *watch)
{
	ife_msg_room_t room;
	ife_message in;

	ife_msg_fill(reply, &in, &room);
	return in.method.len == (size_t)watch->method.len
		   && memcmp(in.method.ptr, watch->method.s, in.method.len) == 0;
}

/* Runs before the script. tm also passes replies to its own CANCEL of this transaction. */
static void on_reply(ife_watch_t *watch, sip_msg_t *reply)
{
	int code;

	if(reply == NULL || reply == FAKED_REPLY || !is_answer_to(reply, watch)
			|| !ife_gate_is_answer(reply))
		return;
	code = (int)reply->first_line.u.reply.statuscode;
	if(!watch->is_dialog) {
		if(code == 100)
			ife_gate_log(reply, "TRYING", NULL);
		else if(code < 200)
			ife_gate_log(reply, "RINGING", NULL);
		else if(code < 300)
			ife_gate_log(reply, "CONNECTED", NULL);
	} else if(code >= 200 && code < 300 && !watch->is_answered
			  && (is_method(watch, "INVITE") || is_method(watch, "UPDATE"))) {
		watch->is_answered = 1;
		ife_gate_log(reply, "REINVITE", "answered");
	}
}

/* Returns "Busy Here" of "SIP/2.0 486 Busy Here\r\n...". */
static ife_str reason_of(const str *sent)
{
	ife_str out = {NULL, 0};
	const char *start;
	const char *end;

	if(sent->s == NULL || sent->len < 13)
		return out;
	end = memchr(sent->s, '\r', (size_t)sent->len);
	start = sent->s + 12;
	if(end == NULL || end < start || end - start > 256)
		return out;
	out.ptr = start;
	out.len = (size_t)(end - start);
	return out;
}

void ife_watch_fill(const ife_watch_t *watch, ife_message *in)
{
	memset(in, 0, sizeof(*in));
	in->struct_size = sizeof(*in);
	in->method = ife_from_str(&watch->method);
	in->ruri = ife_from_str(&watch->ruri);
	in->from_uri = ife_from_str(&watch->from_uri);
	in->from_tag = ife_from_str(&watch->from_tag);
	in->to_uri = ife_from_str(&watch->to_uri);
	in->to_tag = ife_from_str(&watch->to_tag);
	in->call_id = ife_from_str(&watch->call_id);
	in->cseq = watch->cseq;
}

/* Describes the reply of the other side if the script, or tm, sends another one. */
static const char *other_answer(const tm_cell_t *t, int code, char *buf, size_t len)
{
	int i;
	int last;

	for(i = 0; t->uac != NULL && i < t->nr_of_outgoings; i++) {
		last = t->uac[i].last_received;
		if(last >= 300 && last != code && t->uac[i].reply != NULL) {
			snprintf(buf, len, "the other side answered %d", last);
			return buf;
		}
	}
	return NULL;
}

/* Runs before the final reply is sent to the requester. */
static void on_final(ife_watch_t *watch, tm_cell_t *t, struct tmcb_params *params)
{
	ife_msg_room_t room;
	ife_message in;
	char detail[64];
	int code = params->code;
	const char *event;
	const char *text = NULL;

	if(code < 200)
		return;
	if(!watch->is_dialog) {
		if(code < 300)
			return;
		event = "FAILED";
		text = other_answer(t, code, detail, sizeof(detail));
	} else if(is_method(watch, "BYE")) {
		event = "TERMINATED";
	} else if(code >= 300 && (is_method(watch, "INVITE") || is_method(watch, "UPDATE"))) {
		event = "REINVITE";
		text = "refused";
	} else {
		return;
	}
	ife_watch_fill(watch, &in);
	in.status_code = (uint32_t)code;
	if(params->rpl != NULL && params->rpl != FAKED_REPLY) {
		ife_msg_fill_sender(params->rpl, &in, &room);
		in.reason_phrase = ife_from_str(&params->rpl->first_line.u.reply.reason);
	} else {
		in.reason_phrase = reason_of(&params->send_buf);
	}
	ife_gate_log_message(&in, event, text);
}

/* Whether the call still stands on the decision of this watch and has no answer. Its Call-ID may be
 * that of a later INVITE by now, which another decision approved. */
static int is_unanswered(const ife_watch_t *watch)
{
	const ife_verdict *verdict = &watch->note.verdict;
	ife_call call;

	if(ife_call_find(ife_handle, ife_from_str(&watch->call_id), &call) != IFE_OK || call.connected)
		return 0;
	return !verdict->witnessed
		   || memcmp(call.leaf_hash, verdict->leaf_hash, sizeof(call.leaf_hash)) == 0;
}

/* A script that makes a transaction and ends without an answer leaves it to tm's wait timer. */
static void on_left(const ife_watch_t *watch, const tm_cell_t *t)
{
	ife_message in;

	/* When Kamailio stops tm frees all transactions, also those of phones that ring. It does so
	 * after this module has closed the gate, because it was loaded before. */
	if(watch->is_dialog || t->uas.status >= 200 || ife_handle == NULL || !is_unanswered(watch))
		return;
	ife_watch_fill(watch, &in);
	ife_gate_log_message(&in, "FAILED", "left by the script without an answer");
}

static void on_transaction(tm_cell_t *t, int type, struct tmcb_params *params)
{
	ife_watch_t *watch = params->param == NULL ? NULL : *params->param;

	if(watch == NULL || watch->is_refused)
		return;
	if(type == TMCB_RESPONSE_IN)
		on_reply(watch, params->rpl);
	else if(type == TMCB_RESPONSE_READY)
		on_final(watch, t, params);
	else if(type == TMCB_E2ECANCEL_IN)
		ife_gate_log(params->req, "CANCEL", NULL);
	else if(type == TMCB_E2EACK_IN)
		ife_gate_see(params->req, NULL);
	else if(type == TMCB_DESTROY)
		on_left(watch, t);
}

/* The script may relay an in-dialog request without check_policy(). */
static void on_request(tm_cell_t *t, int type, struct tmcb_params *params)
{
	(void)type;
	ife_gate_see(params->req, t);
}

static void free_watch(void *watch)
{
	shm_free(watch);
}

static str copy(char **room, ife_str text)
{
	str out = {*room, (int)text.len};

	if(text.len > 0)
		memcpy(*room, text.ptr, text.len);
	*room += text.len;
	return out;
}

static void on_end(tm_cell_t *t, int type, struct tmcb_params *params)
{
	(void)t;
	(void)type;
	(void)params;
}

/* Only in a request route tm may hold the transaction of another request. The copy that tm makes of
 * a request for a later route has the number before that of the request. */
static int is_of(const tm_cell_t *t, const sip_msg_t *msg)
{
	const sip_msg_t *request = t->uas.request;

	return msg->first_line.type == SIP_REPLY || !is_route_type(REQUEST_ROUTE)
		   || (request != NULL && request->pid == msg->pid
				   && (request->id == msg->id || request->id == msg->id + 1));
}

const ife_note_t *ife_tm_note(const sip_msg_t *msg)
{
	const tm_cell_t *t = ife_tm_current();
	volatile struct tm_callback *cb;

	if(t == NULL || msg == NULL || !is_of(t, msg))
		return NULL;
	for(cb = t->tmcb_hl.first; cb != NULL; cb = cb->next) {
		if(cb->callback == on_transaction)
			return &((const ife_watch_t *)cb->param)->note;
		if(cb->callback == on_end)
			return cb->param;
	}
	return NULL;
}

void ife_tm_keep(sip_msg_t *msg, const ife_note_t *note)
{
	ife_note_t *kept = &not_for_gate;

	/* The script ends a refused request at once, except in shadow mode. */
	if(!tm_loaded || (!note->not_for_gate && ife_settings.mode != IFE_MODE_SHADOW))
		return;
	if(!note->not_for_gate) {
		kept = shm_malloc(sizeof(*kept));
		if(kept == NULL) {
			SHM_MEM_ERROR;
			return;
		}
		*kept = *note;
	}
	if(tmb.register_tmcb(
			   msg, NULL, TMCB_DESTROY, on_end, kept, note->not_for_gate ? NULL : free_watch)
			<= 0) {
		LM_WARN("no memory to keep the gate's answer with a transaction\n");
		if(!note->not_for_gate)
			shm_free(kept);
	}
}

static ife_watch_t *new_watch(const ife_message *in)
{
	size_t len = in->method.len + in->ruri.len + in->from_uri.len + in->from_tag.len
				 + in->to_uri.len + in->to_tag.len + in->call_id.len;
	ife_watch_t *watch;
	char *room;

	if(len > IFE_WATCH_LEN_MAX) {
		LM_WARN("cannot follow a request, it is too long: its replies are not witnessed\n");
		return NULL;
	}
	watch = shm_malloc(sizeof(*watch) + len);
	if(watch == NULL) {
		SHM_MEM_ERROR;
		return NULL;
	}
	memset(watch, 0, sizeof(*watch));
	room = (char *)(watch + 1);
	watch->is_dialog = in->to_tag.len > 0;
	watch->cseq = in->cseq;
	watch->method = copy(&room, in->method);
	watch->ruri = copy(&room, in->ruri);
	watch->from_uri = copy(&room, in->from_uri);
	watch->from_tag = copy(&room, in->from_tag);
	watch->to_uri = copy(&room, in->to_uri);
	watch->to_tag = copy(&room, in->to_tag);
	watch->call_id = copy(&room, in->call_id);
	return watch;
}

ife_watch_t *ife_tm_watch(
		sip_msg_t *msg, tm_cell_t *t, const ife_message *in, const ife_note_t *note)
{
	int types = TMCB_RESPONSE_IN | TMCB_RESPONSE_READY | TMCB_DESTROY;
	ife_watch_t *watch;

	if(!tm_loaded)
		return NULL;
	watch = new_watch(in);
	if(watch == NULL)
		return NULL;
	watch->note = *note;
	if(is_method(watch, "INVITE"))
		types |= TMCB_E2ECANCEL_IN | TMCB_E2EACK_IN;
	if(tmb.register_tmcb(msg, t, types, on_transaction, watch, free_watch) <= 0) {
		LM_ERR("cannot follow a transaction: its replies are not witnessed\n");
		shm_free(watch);
		return NULL;
	}
	return watch;
}

static void on_stateless_reply(sl_cbp_t *params)
{
	if(params->type == SLCB_REPLY_READY)
		ife_gate_answered(params->req, params->code, params->reason);
}

/* A script may refuse an approved call without a transaction. */
static int follow_stateless_replies(void)
{
	static sl_cbelem_t callback = {.type = SLCB_REPLY_READY, .cbf = on_stateless_reply};
	sl_api_t sl;

	if(find_export("bind_sl", 0, 0) == NULL)
		return 0;
	if(sl_load_api(&sl) < 0 || sl.register_cb(&callback) < 0) {
		LM_ERR("cannot register a callback for stateless replies\n");
		return -1;
	}
	return 0;
}

int ife_tm_init(void)
{
	if(follow_stateless_replies() < 0)
		return -1;
	if(find_export("load_tm", NO_SCRIPT, 0) == NULL) {
		LM_WARN("tm is not loaded: calls are gated, but the script must witness their replies and"
				" their end\n");
		return 0;
	}
	if(load_tm_api(&tmb) != 0)
		return -1;
	tm_loaded = 1;
	if(tmb.register_tmcb(NULL, NULL, TMCB_REQUEST_IN, on_request, NULL, NULL) <= 0) {
		LM_ERR("cannot register a callback for requests with tm\n");
		return -1;
	}
	return 0;
}
