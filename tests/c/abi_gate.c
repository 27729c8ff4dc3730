/* One call from INVITE to BYE through the ABI, replay, quota and reload.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

static signed_call calls[8];
static signed_call narrow[8];
static const uint8_t zero_hash[IFE_HASH_SIZE];

static ife_verdict check(ife_policy *policy, const ife_message *msg)
{
	ife_verdict verdict;
	ife_error err;
	CHECK_RESULT(IFE_OK, ife_policy_check(policy, msg, &verdict, &err), &err);
	return verdict;
}

static void log_event(ife_policy *policy, const ife_message *msg, const char *event)
{
	ife_receipt receipt;
	ife_error err;
	CHECK_RESULT(IFE_OK, ife_witness_log(policy, msg, str_of(event), str_of(NULL), &receipt, &err),
			&err);
	CHECK(memcmp(receipt.leaf_hash, zero_hash, IFE_HASH_SIZE) != 0 && receipt.on_disk == 0);
}

static ife_message reply_of(signed_call *call, uint32_t code, const char *to_tag)
{
	ife_message msg = invite_of(call);
	msg.status_code = code;
	msg.reason_phrase = str_of("Some Reason");
	msg.to_tag = str_of(to_tag);
	return msg;
}

static void a_call_from_invite_to_bye(ife_policy *policy)
{
	ife_message msg = invite_of(&calls[0]);
	ife_verdict verdict = check(policy, &msg);
	ife_call call;
	ife_stats stats;
	CHECK(verdict.approved == 1 && verdict.gate == IFE_GATE_NONE && verdict.code == 200
			&& verdict.witnessed == 1);
	CHECK(verdict.direction == IFE_DIRECTION_TO_EXPERT && verdict.retry_after_s == 0);
	CHECK(strcmp(verdict.trace_id, calls[0].trace_id) == 0
			&& strcmp(verdict.hazard, "safety") == 0);
	CHECK(strcmp(verdict.expert_contact, "sip:phone@127.0.0.1:5070") == 0
			&& strcmp(verdict.kid, "council-test") == 0);
	CHECK(ife_call_find(policy, str_of(calls[0].call_id), &call) == IFE_OK);
	CHECK(call.connected == 0 && memcmp(call.leaf_hash, verdict.leaf_hash, IFE_HASH_SIZE) == 0);
	CHECK(strcmp(call.trace_id, calls[0].trace_id) == 0
			&& strcmp(call.expert, verdict.expert) == 0);

	/* A request within the dialog is known once the callee's tag was seen. */
	msg.method = str_of("BYE");
	msg.to_tag = str_of("callee");
	verdict = check(policy, &msg);
	CHECK(verdict.approved == 0 && verdict.gate == IFE_GATE_DIALOG && verdict.code == 481);
	msg = reply_of(&calls[0], 180, "callee");
	log_event(policy, &msg, "RINGING");
	msg = reply_of(&calls[0], 200, "callee");
	log_event(policy, &msg, "CONNECTED");
	CHECK(ife_call_find(policy, str_of(calls[0].call_id), &call) == IFE_OK && call.connected == 1);
	msg = invite_of(&calls[0]);
	msg.to_tag = str_of("callee");
	verdict = check(policy, &msg);
	CHECK(verdict.approved == 1 && verdict.gate == IFE_GATE_DIALOG
			&& strcmp(verdict.trace_id, calls[0].trace_id) == 0);
	msg.from_tag = str_of("callee");
	msg.to_tag = str_of(calls[0].from_tag);
	CHECK(check(policy, &msg).approved == 1);
	msg.from_tag = str_of("stranger");
	CHECK(check(policy, &msg).approved == 0);

	CHECK(ife_policy_stats(policy, &stats) == IFE_OK && stats.active_calls == 1);
	msg.method = str_of("BYE");
	msg.from_tag = str_of("callee");
	log_event(policy, &msg, "BYE");
	CHECK(ife_policy_stats(policy, &stats) == IFE_OK && stats.active_calls == 1);
	msg.status_code = 200;
	log_event(policy, &msg, "TERMINATED");
	CHECK(ife_policy_stats(policy, &stats) == IFE_OK && stats.active_calls == 0);
}

static void the_same_call_again(ife_policy *policy)
{
	ife_message msg = invite_of(&calls[1]);
	ife_message reply;
	ife_verdict first = check(policy, &msg);
	ife_verdict again = check(policy, &msg);
	CHECK(first.approved == 1 && again.approved == 1);
	CHECK(first.seq == again.seq && memcmp(first.leaf_hash, again.leaf_hash, IFE_HASH_SIZE) == 0);
	/* Another INVITE of the call while this one rings; then once it has failed. */
	msg.cseq = 2;
	again = check(policy, &msg);
	CHECK(again.approved == 0 && again.gate == IFE_GATE_QUOTA && again.code == 486);
	reply = reply_of(&calls[1], 401, "callee");
	log_event(policy, &reply, "FAILED");
	again = check(policy, &msg);
	CHECK(again.approved == 1 && again.seq != first.seq);
	msg.peer_ip = str_of("127.0.0.9");
	again = check(policy, &msg);
	CHECK(again.approved == 0 && again.gate == IFE_GATE_REPLAY && again.code == 403);
	/* Its third repetition was the last. */
	msg.peer_ip = str_of("127.0.0.1");
	msg.peer_port = 5999;
	CHECK(check(policy, &msg).gate == IFE_GATE_REPLAY);
}

static void the_expert_is_busy(ife_policy *policy)
{
	ife_message msg;
	ife_verdict verdict;
	size_t i;
	for(i = 0; i < 2; i++) {
		msg = invite_of(&narrow[i]);
		CHECK(check(policy, &msg).approved == 1);
	}
	msg = invite_of(&narrow[2]);
	verdict = check(policy, &msg);
	CHECK(verdict.approved == 0 && verdict.gate == IFE_GATE_QUOTA && verdict.code == 486);
	/* The first call fails, which frees its slot; the third of the minute may start, the fourth
	 * may not. */
	msg = reply_of(&narrow[0], 486, "callee");
	log_event(policy, &msg, "FAILED");
	msg = invite_of(&narrow[3]);
	CHECK(check(policy, &msg).approved == 1);
	msg = reply_of(&narrow[1], 486, "callee");
	log_event(policy, &msg, "FAILED");
	msg = invite_of(&narrow[4]);
	verdict = check(policy, &msg);
	CHECK(verdict.gate == IFE_GATE_QUOTA && verdict.code == 503 && verdict.retry_after_s > 0
			&& verdict.retry_after_s <= 61);
}

static void refusals_and_their_numbers(ife_policy *policy)
{
	ife_message msg = invite_of(&calls[2]);
	ife_stats before, after;
	CHECK(ife_policy_stats(policy, &before) == IFE_OK);
	msg.hazard.count = 2;
	CHECK(check(policy, &msg).gate == IFE_GATE_HEADERS);
	msg = invite_of(&calls[2]);
	msg.ruri = str_of("sip:nobody@nowhere.example");
	CHECK(check(policy, &msg).gate == IFE_GATE_REGISTRY);
	msg = invite_of(&calls[2]);
	msg.hazard = header_of("ethics");
	CHECK(check(policy, &msg).gate == IFE_GATE_HAZARD);
	msg = invite_of(&calls[2]);
	msg.peer_ip = str_of("2001:db8::1");
	CHECK(check(policy, &msg).gate == IFE_GATE_SOURCE);
	msg = invite_of(&calls[2]);
	msg.call_id = str_of("another-call");
	CHECK(check(policy, &msg).gate == IFE_GATE_SIGNATURE);
	CHECK(ife_policy_stats(policy, &after) == IFE_OK);
	CHECK(after.rejected[IFE_GATE_SIGNATURE] == before.rejected[IFE_GATE_SIGNATURE] + 1);
	CHECK(after.rejected[IFE_GATE_SOURCE] == before.rejected[IFE_GATE_SOURCE] + 1);
	CHECK(after.approved == before.approved && after.errors == 0);
	CHECK(after.registry_experts == 2 && after.replay_slots == 4096 && after.replay_used > 0);
	CHECK(ife_policy_stats_reset(policy) == IFE_OK);
	CHECK(ife_policy_stats(policy, &after) == IFE_OK && after.rejected[IFE_GATE_SOURCE] == 0
			&& after.replay_used > 0);
}

static void explain_touches_nothing(ife_policy *policy)
{
	char buf[8192];
	size_t len = 0;
	ife_error err;
	ife_message msg = invite_of(&calls[3]);
	int i;
	for(i = 0; i < 9; i++) {
		CHECK_RESULT(
				IFE_OK, ife_policy_explain(policy, &msg, buf, sizeof(buf) - 1, &len, &err), &err);
		CHECK(len < sizeof(buf));
		buf[len] = '\0';
		CHECK(strstr(buf, "\"gate\":\"signature\"") != NULL && strstr(buf, "refuse") == NULL);
	}
	CHECK(check(policy, &msg).approved == 1);
}

static void decisions_are_the_gates_alone(ife_policy *policy)
{
	ife_message msg = invite_of(&calls[4]);
	ife_receipt receipt;
	ife_error err;
	CHECK_RESULT(IFE_INVALID_PARAMETER,
			ife_witness_log(policy, &msg, str_of("APPROVED"), str_of(NULL), &receipt, &err), &err);
	CHECK_RESULT(IFE_INVALID_PARAMETER,
			ife_witness_log(policy, &msg, str_of("GAP"), str_of(NULL), &receipt, &err), &err);
	CHECK_RESULT(IFE_INVALID_PARAMETER,
			ife_witness_log(policy, &msg, str_of("invite"), str_of(NULL), &receipt, &err), &err);
	CHECK_RESULT(IFE_OK,
			ife_witness_log(
					policy, &msg, str_of("REJECTED"), str_of("too many hops"), &receipt, &err),
			&err);
	CHECK_RESULT(IFE_OK, ife_witness_log(policy, &msg, str_of("INVITE"), str_of(NULL), NULL, &err),
			&err);
}

static void a_bad_registry_keeps_the_old_one(ife_policy *policy)
{
	uint64_t generation = 0, next = 0;
	char path[640];
	char buf[4096];
	size_t len = 0;
	FILE *file;
	ife_error err;
	ife_message msg = invite_of(&calls[5]);
	CHECK_RESULT(IFE_OK, ife_policy_reload(policy, &generation, &err), &err);
	snprintf(path, sizeof(path), "%s.kept", test_registry);
	CHECK(rename(test_registry, path) == 0);
	file = fopen(test_registry, "w");
	CHECK(file != NULL && fputs("version: 1\nhazards: []\n", file) >= 0 && fclose(file) == 0);
	CHECK_RESULT(IFE_REGISTRY_INVALID, ife_policy_reload(policy, &next, &err), &err);
	CHECK(next == 0 && strstr(err.text, "registry.yaml:") != NULL);
	CHECK(remove(test_registry) == 0);
	CHECK_RESULT(IFE_REGISTRY_INVALID, ife_policy_reload(policy, &next, &err), &err);
	CHECK(check(policy, &msg).approved == 1);
	CHECK(ife_policy_generation(policy, &next) == IFE_OK && next == generation);
	CHECK(rename(path, test_registry) == 0);
	CHECK_RESULT(IFE_OK, ife_policy_reload(policy, &next, &err), &err);
	CHECK(next == generation + 1);
	CHECK(ife_policy_generation(policy, &generation) == IFE_OK && generation == next);
	CHECK_RESULT(IFE_OK, ife_policy_experts(policy, 0, 10, buf, sizeof(buf) - 1, &len, &err), &err);
	buf[len] = '\0';
	CHECK(strstr(buf, "\"id\":\"expert-ethics@external.advisor\"") != NULL
			&& strstr(buf, "\"active_calls\":") != NULL);
	CHECK_RESULT(
			IFE_OK, ife_policy_contacts(policy, 0, 10, buf, sizeof(buf) - 1, &len, &err), &err);
	buf[len] = '\0';
	CHECK(strncmp(buf, "sip:", 4) == 0 && buf[len - 1] == '\n');
}

static void what_was_seen_outlives_a_restart(void)
{
	ife_policy *policy = open_policy(0);
	ife_message msg = invite_of(&calls[5]);
	ife_call call;
	msg.peer_ip = str_of("127.0.0.9");
	CHECK(check(policy, &msg).gate == IFE_GATE_REPLAY);
	CHECK(ife_call_find(policy, str_of(calls[5].call_id), &call) == IFE_OK);
	ife_policy_close(policy);
}

void test_body(void)
{
	ife_policy *policy;
	CHECK(read_calls("calls.txt", calls, 8) == 8 && read_calls("narrow.txt", narrow, 8) == 8);
	policy = open_policy(0);
	a_call_from_invite_to_bye(policy);
	the_same_call_again(policy);
	the_expert_is_busy(policy);
	refusals_and_their_numbers(policy);
	explain_touches_nothing(policy);
	decisions_are_the_gates_alone(policy);
	a_bad_registry_keeps_the_old_one(policy);
	ife_policy_close(policy);
	what_was_seen_outlives_a_restart();
}
