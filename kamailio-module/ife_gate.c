/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * check_policy(), witness_log() and helpers, for the script, KEMI and the callbacks of tm.
 */
#include <stdio.h>
#include <string.h>

#include "core/dprint.h"
#include "core/dset.h"
#include "core/ip_addr.h"
#include "core/parser/parse_to.h"

#include "ife_bounds.h"
#include "ife_gate.h"
#include "ife_msg.h"
#include "ife_tm.h"
#include "ife_wait.h"

/* A process handles one message at a time, so it keeps one verdict. */
typedef struct last_verdict
{
	unsigned int msg_id;
	int msg_pid;
	int valid;
	int in_dialog; /* the request has a To tag: the verdict is reused */
	int suspended; /* another process goes on with it */
	ife_note_t note;
} last_verdict_t;

static last_verdict_t last = {0};

static int is_last(const sip_msg_t *msg)
{
	return msg != NULL && last.valid && last.msg_id == msg->id && last.msg_pid == msg->pid;
}

const ife_note_t *ife_note_of(const sip_msg_t *msg)
{
	return is_last(msg) ? &last.note : ife_tm_note(msg);
}

static void remember(const sip_msg_t *msg, int in_dialog)
{
	last.msg_id = msg->id;
	last.msg_pid = msg->pid;
	last.in_dialog = in_dialog;
	last.valid = 1;
}

/* The refusal when the gate fails: the peer gets no details. Of the call it keeps what is known:
 * shadow mode lets it pass. */
static void refuse_internal(ife_verdict *verdict)
{
	verdict->approved = 0;
	verdict->gate = IFE_GATE_INTERNAL;
	verdict->code = 500;
	verdict->retry_after_s = 0;
	verdict->witnessed = 0;
	snprintf(verdict->reason, sizeof(verdict->reason), "Server Internal Error");
	verdict->detail[0] = '\0';
	verdict->next_hop[0] = '\0';
	if(ife_settings.mode != IFE_MODE_SHADOW)
		verdict->expert_contact[0] = '\0';
}

/* Until a decision is made the answer is a refusal. */
static void forget(void)
{
	last.valid = 0;
	last.suspended = 0;
	memset(&last.note, 0, sizeof(last.note));
	refuse_internal(&last.note.verdict);
}

static int return_code(const ife_note_t *note)
{
	const ife_verdict *verdict = &note->verdict;

	if(note->not_for_gate)
		return IFE_CP_NOT_FOR_GATE;
	if(verdict->approved || ife_settings.mode == IFE_MODE_SHADOW)
		return IFE_CP_APPROVED;
	/* 0 would end the script without a refusal. */
	if(verdict->gate == IFE_GATE_NONE || verdict->gate >= IFE_GATE_COUNT)
		return -IFE_GATE_INTERNAL;
	return -(int)verdict->gate;
}

/* Replaces a header by the script's value; an empty value is an absent header. */
static void replace_header(ife_header *header, const str *value)
{
	header->value = ife_from_str(value);
	header->count = header->value.len > 0 ? 1 : 0;
}

static void fail(ife_result result, const ife_error *err)
{
	ife_log_error("the gate failed, the request is refused", result, err);
	refuse_internal(&last.note.verdict);
}

/* The request cannot wait elsewhere: a refusal (with best_effort an approval) without a wait.
 * watch: NULL if there is none. */
static void give_up(const ife_message *in, ife_watch_t *watch, const ife_ticket *ticket)
{
	ife_verdict begun = last.note.verdict;
	ife_error err = {{0}};
	ife_result result =
			ife_ticket_settle(ife_handle, ticket, in, &begun, 1, &last.note.verdict, &err);

	if(result != IFE_OK)
		fail(result, &err);
	if(watch == NULL)
		return;
	watch->note = last.note;
	watch->is_refused = !last.note.verdict.approved;
}

/* Keeps the answer with the transaction, and follows that of an approved request. */
static void follow(sip_msg_t *msg, tm_cell_t *t, const ife_message *in)
{
	if(!last.note.not_for_gate && last.note.verdict.approved)
		ife_tm_watch(msg, t, in, &last.note);
	else if(msg->REQ_METHOD == METHOD_INVITE && in->to_tag.len == 0)
		ife_tm_keep(msg, &last.note);
}

/* Suspends an approved call until its entry is on disk. The watch comes after the transaction: tm
 * frees it if it cannot make one. */
static void wait_elsewhere(
		sip_msg_t *msg, const ife_message *in, const ife_ticket *ticket, const ife_resume_t *resume)
{
	ife_wait_result_t result = ife_wait_open(msg);
	ife_watch_t *watch = NULL;

	if(result == IFE_WAIT_READY) {
		watch = ife_tm_watch(msg, NULL, in, &last.note);
		result = ife_wait_begin(msg, watch, ticket, resume);
	}
	last.suspended = result != IFE_WAIT_IMPOSSIBLE;
	/* A retransmission in another worker may be of a decision that waits already. */
	if(result == IFE_WAIT_IMPOSSIBLE || (result == IFE_WAIT_ABSORBED && ticket->began))
		give_up(in, watch, ticket);
	if(result == IFE_WAIT_IMPOSSIBLE && watch == NULL)
		follow(msg, NULL, in);
}

/* Returns 1 if the request has a To tag. resume: NULL if the decision waits in this process. */
static int decide(
		sip_msg_t *msg, tm_cell_t *t, const ife_header_values_t *values, const ife_resume_t *resume)
{
	ife_msg_room_t room;
	ife_message in;
	ife_error err;
	ife_result result;
	ife_ticket ticket = {0};

	ife_msg_fill(msg, &in, &room);
	if(values != NULL) {
		replace_header(&in.hazard, &values->hazard);
		replace_header(&in.trace_id, &values->trace_id);
		replace_header(&in.signature, &values->signature);
	}
	err.text[0] = '\0';
	if(resume != NULL && ife_wait_is_possible(msg))
		result = ife_policy_begin(ife_handle, &in, &last.note.verdict, &ticket, &err);
	else
		result = ife_policy_check(ife_handle, &in, &last.note.verdict, &err);
	last.note.not_for_gate = result == IFE_NOT_FOR_GATE;
	if(result != IFE_OK && result != IFE_NOT_FOR_GATE)
		fail(result, &err);
	if(msg->REQ_METHOD == METHOD_ACK)
		return 1;
	if(result == IFE_OK && ticket.waits)
		wait_elsewhere(msg, &in, &ticket, resume);
	else
		follow(msg, t, &in);
	return in.to_tag.len > 0;
}

void ife_gate_settle(ife_watch_t *watch, sip_msg_t *request)
{
	ife_msg_room_t room;
	ife_message in;
	ife_verdict verdict;
	ife_error err = {{0}};
	ife_result result;

	ife_watch_fill(watch, &in);
	verdict = watch->note.verdict;
	if(request != NULL)
		ife_msg_fill_sender(request, &in, &room);
	result = ife_ticket_settle(
			ife_handle, &watch->wait.ticket, &in, &watch->note.verdict, 0, &verdict, &err);
	if(result != IFE_OK) {
		ife_log_error("a decision cannot be settled, the call is refused", result, &err);
		refuse_internal(&verdict);
	}
	watch->note.verdict = verdict;
	watch->is_refused = !verdict.approved;
}

/* Sends the request to the dialog's next hop, not by its Route and Request-URI. */
static int apply_next_hop(sip_msg_t *msg)
{
	ife_verdict *verdict = &last.note.verdict;
	str next_hop = {verdict->next_hop, (int)strlen(verdict->next_hop)};

	if(last.note.not_for_gate || !verdict->approved || next_hop.len == 0)
		return 0;
	return set_dst_uri(msg, &next_hop);
}

static ife_result ask_about_reply(sip_msg_t *msg, const str *via)
{
	ife_msg_room_t room;
	ife_message in;
	ife_error err;
	ife_result result;

	ife_msg_fill(msg, &in, &room);
	err.text[0] = '\0';
	result = ife_reply_check(ife_handle, &in, ife_from_str(via), &err);
	if(result != IFE_OK && result != IFE_NOT_FOUND && result != IFE_NOT_FOR_GATE)
		LM_DBG("a reply is dropped: %s\n", ife_result_text(result));
	return result;
}

int ife_gate_is_answer(sip_msg_t *reply)
{
	static const str no_via = STR_NULL;

	return ife_tm_sender(reply) != IFE_TM_ELSEWHERE || ask_about_reply(reply, &no_via) == IFE_OK;
}

static int check_reply(sip_msg_t *msg)
{
	str via = STR_NULL;

	if(ife_handle == NULL)
		return -IFE_GATE_INTERNAL;
	if(ife_tm_sender(msg) != IFE_TM_NO_TRANSACTION) {
		if(ife_gate_is_answer(msg))
			return 1;
		ife_tm_release(msg);
		return -IFE_GATE_DIALOG;
	}
	/* The target of a reply without a transaction: RFC 3261 18.2.2. */
	if(parse_headers(msg, HDR_VIA2_F, 0) < 0 || msg->via2 == NULL || msg->via2->error != PARSE_OK)
		return -IFE_GATE_DIALOG;
	via = msg->via2->host;
	if(msg->via2->received != NULL && msg->via2->received->value.s != NULL)
		via = msg->via2->received->value;
	switch(ask_about_reply(msg, &via)) {
		case IFE_OK:
			return IFE_CP_APPROVED;
		case IFE_NOT_FOR_GATE:
			return IFE_CP_NOT_FOR_GATE;
		default:
			return -IFE_GATE_DIALOG;
	}
}

/* Takes the verdict on a request from its transaction: another process decided, or this one has
 * decided on others since. Returns 0 if there is none. */
static int recall(const sip_msg_t *msg)
{
	const ife_note_t *note = ife_tm_note(msg);

	if(note == NULL)
		return 0;
	last.note = *note;
	last.suspended = 0;
	remember(msg, 1);
	return 1;
}

int ife_gate_check(sip_msg_t *msg, const ife_header_values_t *values, const ife_resume_t *resume)
{
	const ife_verdict *verdict = &last.note.verdict;
	int in_dialog = 0;

	if(msg != NULL && msg->first_line.type == SIP_REPLY)
		return check_reply(msg);
	if(!(is_last(msg) && last.in_dialog) && !(msg != NULL && recall(msg))) {
		forget();
		if(msg == NULL || msg->first_line.type != SIP_REQUEST) {
			LM_ERR("check_policy() needs a message\n");
			return -IFE_GATE_INTERNAL;
		}
		if(ife_tm_absorbs(msg))
			last.note.not_for_gate = in_dialog = 1;
		else if(is_last(msg))
			in_dialog = last.in_dialog; /* tm has shown it to ife_gate_see() */
		else if(ife_attach() == 0)
			in_dialog = decide(msg, NULL, values, resume);
		remember(msg, in_dialog);
	}
	if(last.suspended)
		return IFE_CP_SUSPENDED;
	if(apply_next_hop(msg) < 0) {
		LM_ERR("no memory for the next hop\n");
		refuse_internal(&last.note.verdict);
	}
	LM_DBG("gate %s, code %u: %s\n", ife_gate_name(verdict->gate), verdict->code, verdict->detail);
	return return_code(&last.note);
}

static int has_to_tag(sip_msg_t *msg)
{
	struct to_body *to;

	if(parse_headers(msg, HDR_TO_F, 0) < 0 || msg->to == NULL || (to = get_to(msg)) == NULL)
		return 0;
	return to->tag_value.s != NULL && to->tag_value.len > 0;
}

void ife_gate_see(sip_msg_t *msg, tm_cell_t *t)
{
	ife_call call;

	if(msg == NULL || msg->first_line.type != SIP_REQUEST || is_last(msg) || !has_to_tag(msg))
		return;
	/* Requests of other dialogs have no entry. */
	if(ife_attach() < 0 || parse_headers(msg, HDR_CALLID_F, 0) < 0 || msg->callid == NULL
			|| ife_call_find(ife_handle, ife_from_str(&msg->callid->body), &call) != IFE_OK)
		return;
	forget();
	decide(msg, t, NULL, NULL);
	remember(msg, 1);
}

void ife_gate_answered(sip_msg_t *msg, int code, const str *reason)
{
	ife_msg_room_t room;
	ife_message in;

	if(code < 300 || !is_last(msg) || last.in_dialog || last.note.not_for_gate
			|| !last.note.verdict.approved || msg->REQ_METHOD != METHOD_INVITE)
		return;
	ife_msg_fill(msg, &in, &room);
	in.status_code = (uint32_t)code;
	in.reason_phrase = ife_from_str(reason);
	ife_gate_log_message(&in, "FAILED", "refused by the script");
}

/* A fault of the script. */
static int refuse_at_once(const sip_msg_t *msg)
{
	forget();
	if(msg != NULL)
		remember(msg, 0);
	return -IFE_GATE_INTERNAL;
}

int ki_check_policy(sip_msg_t *msg)
{
	return ife_gate_check(msg, NULL, NULL);
}

int ki_check_policy_values(sip_msg_t *msg, str *hazard, str *trace_id, str *signature)
{
	ife_header_values_t values = {*hazard, *trace_id, *signature};

	return ife_gate_check(msg, &values, NULL);
}

int ki_check_policy_resume(sip_msg_t *msg, str *name)
{
	ife_resume_t resume;

	if(ife_wait_resume_by(name->s, &resume) < 0)
		return refuse_at_once(msg);
	return ife_gate_check(msg, NULL, &resume);
}

int ki_check_policy_values_resume(
		sip_msg_t *msg, str *hazard, str *trace_id, str *signature, str *name)
{
	ife_header_values_t values = {*hazard, *trace_id, *signature};
	ife_resume_t resume;

	if(ife_wait_resume_by(name->s, &resume) < 0)
		return refuse_at_once(msg);
	return ife_gate_check(msg, &values, &resume);
}

static int witness_code(ife_result result)
{
	switch(result) {
		case IFE_OK:
		case IFE_WITNESS_OMITTED: /* counted in a summary */
		case IFE_NOT_FOR_GATE:
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

static int log_entry(const ife_message *in, ife_str event, ife_str detail)
{
	ife_error err;
	ife_result result;
	int rc;

	err.text[0] = '\0';
	result = ife_witness_log(ife_handle, in, event, detail, NULL, &err);
	rc = witness_code(result);
	/* With best_effort a call does not depend on its entries; the log shows the gap. */
	if(rc == IFE_WL_FULL && ife_settings.witness == IFE_WITNESS_BEST_EFFORT)
		rc = IFE_WL_OK;
	if(rc == IFE_WL_REFUSED)
		LM_WARN("event not witnessed: %s (%.*s)\n", ife_result_text(result),
				(int)strcspn(err.text, "\r\n"), err.text);
	else if(rc != IFE_WL_OK)
		LM_DBG("%.*s: %s\n", (int)event.len, event.ptr, ife_result_text(result));
	return rc;
}

static ife_str of_text(const char *text)
{
	ife_str out = {text, text == NULL ? 0 : strlen(text)};

	return out;
}

int ife_gate_log_message(const ife_message *in, const char *event, const char *detail)
{
	if(ife_attach() < 0)
		return IFE_WL_FULL;
	return log_entry(in, of_text(event), of_text(detail));
}

int ife_gate_log(sip_msg_t *msg, const char *event, const char *detail)
{
	ife_msg_room_t room;
	ife_message in;

	if(ife_attach() < 0)
		return IFE_WL_FULL;
	ife_msg_fill(msg, &in, &room);
	ife_msg_complete(&in, &room);
	return log_entry(&in, of_text(event), of_text(detail));
}

int ki_witness_log_detail(sip_msg_t *msg, str *event, str *detail)
{
	ife_msg_room_t room;
	ife_message in;
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
	rc = log_entry(&in, ife_from_str(event), ife_from_str(detail));

out:
	return ife_settings.mode == IFE_MODE_SHADOW ? IFE_WL_OK : rc;
}

int ki_witness_log(sip_msg_t *msg, str *event)
{
	return ki_witness_log_detail(msg, event, NULL);
}

int ki_check_message(sip_msg_t *msg)
{
	ife_verdict *verdict = &last.note.verdict;
	const ife_bound_t *bound;

	if(msg == NULL)
		return -1;
	bound = ife_bounds_check(msg);
	if(bound == NULL)
		return 1;
	memset(&last.note, 0, sizeof(last.note));
	verdict->gate = IFE_GATE_HEADERS;
	verdict->code = bound->code;
	snprintf(verdict->reason, sizeof(verdict->reason), "%s", bound->reason);
	snprintf(verdict->detail, sizeof(verdict->detail), "%s", bound->detail);
	remember(msg, 0);
	return -1;
}

int ki_is_party_source(sip_msg_t *msg)
{
	const char *ip;
	ife_str peer;
	ife_error err;
	ife_result result;

	if(msg == NULL || ife_handle == NULL)
		return -1;
	ip = ip_addr2a(&msg->rcv.src_ip);
	peer = of_text(ip);
	err.text[0] = '\0';
	result = ife_source_check(ife_handle, peer, &err);
	if(result != IFE_OK && result != IFE_NOT_FOUND)
		ife_log_error("cannot look up a source address", result, &err);
	return result == IFE_OK ? 1 : -1;
}
