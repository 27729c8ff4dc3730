/* What a careless caller can do to the ABI. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <unistd.h>

#include "common.h"

static signed_call calls[8];

static void null_pointers(ife_policy *policy)
{
	ife_options options = good_options();
	ife_message msg = invite_of(&calls[0]);
	ife_policy *other = NULL;
	ife_verdict verdict;
	ife_ticket ticket = {0};
	ife_error err;
	char buf[64];
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_open(NULL, &other, &err), &err);
	CHECK(strstr(err.text, "options") != NULL);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_open(&options, NULL, &err), &err);
	CHECK(ife_policy_open(NULL, NULL, NULL) == IFE_NULL_PARAMETER);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_attach(NULL, 0, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_check(policy, NULL, &verdict, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_check(policy, &msg, NULL, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_check(NULL, &msg, &verdict, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_begin(policy, &msg, NULL, &ticket, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_begin(policy, &msg, &verdict, NULL, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_ticket_wait(policy, NULL, 0, &err), &err);
	CHECK_RESULT(IFE_INVALID_PARAMETER, ife_ticket_wait(policy, &ticket, 0, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER,
			ife_ticket_settle(policy, &ticket, &msg, NULL, 0, &verdict, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_explain(policy, NULL, buf, sizeof(buf), NULL, &err),
			&err);
	CHECK_RESULT(IFE_NULL_PARAMETER,
			ife_witness_log(policy, NULL, str_of("INVITE"), str_of(NULL), NULL, &err), &err);
	CHECK(ife_call_find(policy, str_of("x"), NULL) == IFE_NULL_PARAMETER);
	CHECK(ife_policy_generation(policy, NULL) == IFE_NULL_PARAMETER);
	CHECK(ife_policy_stats(policy, NULL) == IFE_NULL_PARAMETER);
	CHECK(ife_policy_stats(NULL, NULL) == IFE_NULL_PARAMETER);
	CHECK(ife_policy_stats_reset(NULL) == IFE_NULL_PARAMETER);
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_experts(policy, 0, 1, NULL, 0, NULL, &err), &err);
	CHECK_RESULT(IFE_NULL_PARAMETER,
			ife_overload_reply(
					policy, str_of("x"), str_of("127.0.0.1"), 1, buf, sizeof(buf), NULL, &err),
			&err);
	ife_policy_close(NULL);
}

static void null_strings_with_a_length(ife_policy *policy)
{
	ife_message msg = invite_of(&calls[0]);
	ife_verdict verdict;
	ife_error err;
	ife_str bad;
	bad.ptr = NULL;
	bad.len = 7;
	msg.call_id = bad;
	CHECK_RESULT(IFE_NULL_PARAMETER, ife_policy_check(policy, &msg, &verdict, &err), &err);
	CHECK(strstr(err.text, "call_id") != NULL);
	msg = invite_of(&calls[0]);
	CHECK_RESULT(
			IFE_NULL_PARAMETER, ife_witness_log(policy, &msg, bad, str_of(NULL), NULL, &err), &err);
	msg.raw.ptr = calls[0].raw;
	msg.raw.len = (size_t)-1;
	CHECK_RESULT(IFE_INVALID_PARAMETER, ife_policy_check(policy, &msg, &verdict, &err), &err);
}

static void structs_of_another_header(ife_policy *policy)
{
	ife_options options = good_options();
	ife_message msg = invite_of(&calls[0]);
	ife_policy *other = NULL;
	ife_verdict verdict;
	ife_error err;
	options.abi_version++;
	CHECK_RESULT(IFE_ABI_MISMATCH, ife_policy_open(&options, &other, &err), &err);
	options = good_options();
	options.struct_size--;
	CHECK_RESULT(IFE_ABI_MISMATCH, ife_policy_open(&options, &other, &err), &err);
	msg.struct_size = 0;
	CHECK_RESULT(IFE_ABI_MISMATCH, ife_policy_check(policy, &msg, &verdict, &err), &err);
	CHECK(other == NULL);
}

static void options_out_of_range(void)
{
	static const char long_name[] =
			"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
	ife_options options;
	ife_policy *policy = NULL;
	ife_error err;
#define REFUSED(field, value, result)                                         \
	do {                                                                      \
		options = good_options();                                             \
		options.field = value;                                                \
		CHECK_RESULT(result, ife_policy_open(&options, &policy, &err), &err); \
		CHECK(policy == NULL && err.text[0] != '\0');                         \
	} while(0)
	REFUSED(mode, 2, IFE_INVALID_PARAMETER);
	REFUSED(witness_mode, 2, IFE_INVALID_PARAMETER);
	REFUSED(witness_wait_ms, 10001, IFE_INVALID_PARAMETER);
	REFUSED(max_processes, 0, IFE_INVALID_PARAMETER);
	REFUSED(max_processes, UINT32_MAX, IFE_INVALID_PARAMETER);
	REFUSED(replay_slots, UINT32_MAX, IFE_INVALID_PARAMETER);
	REFUSED(node, str_of(""), IFE_INVALID_PARAMETER);
	REFUSED(node, str_of(long_name), IFE_INVALID_PARAMETER);
	REFUSED(node, str_of("a b"), IFE_INVALID_PARAMETER);
	REFUSED(node, str_of("\xff\xfe"), IFE_INVALID_PARAMETER);
	REFUSED(producer, str_of("UPPER"), IFE_INVALID_PARAMETER);
	REFUSED(producer, str_of("../x"), IFE_INVALID_PARAMETER);
	REFUSED(registry_path, str_of(NULL), IFE_INVALID_PARAMETER);
	REFUSED(registry_path, str_of("/nonexistent/registry.yaml"), IFE_REGISTRY_INVALID);
	REFUSED(state_dir, str_of(NULL), IFE_INVALID_PARAMETER);
	REFUSED(state_dir, str_of("/nonexistent/a/b"), IFE_STATE_DIR);
	REFUSED(state_dir, str_of("/proc/self"), IFE_STATE_DIR);
	REFUSED(state_dir, str_of("/"), IFE_STATE_DIR);
#undef REFUSED
}

static void bytes_of_every_kind(ife_policy *policy)
{
	static char large[70000];
	static const char *const odd[] = {"", "\xff\xfe\x80", "a\r\nVia: x", "\t \t", "%00%0d%0a",
			"<sip:", "sip:@", "\"", "\x01\x7f"};
	ife_message msg;
	ife_verdict verdict;
	ife_receipt receipt;
	ife_error err;
	size_t i;
	memset(large, 'A', sizeof(large));
	for(i = 0; i <= sizeof(odd) / sizeof(odd[0]); i++) {
		ife_str value = i < sizeof(odd) / sizeof(odd[0]) ? str_of(odd[i]) : str_of(NULL);
		if(value.ptr == NULL) {
			value.ptr = large;
			value.len = sizeof(large);
		}
		msg = invite_of(&calls[0]);
		msg.method = msg.ruri = msg.from_uri = msg.from_tag = msg.to_uri = msg.call_id = value;
		msg.contact = msg.content_type = msg.body = msg.raw = msg.reason_phrase = value;
		msg.trace_id.value = msg.hazard.value = msg.signature.value = value;
		CHECK_RESULT(IFE_OK, ife_policy_check(policy, &msg, &verdict, &err), &err);
		CHECK(verdict.approved == 0 && verdict.code >= 400);
		CHECK(memchr(verdict.reason, '\0', sizeof(verdict.reason)) != NULL);
		CHECK(strpbrk(verdict.detail, "\r\n") == NULL);
		msg.to_tag = value;
		CHECK_RESULT(IFE_OK, ife_policy_check(policy, &msg, &verdict, &err), &err);
		CHECK(verdict.approved == 0);
		CHECK_RESULT(IFE_OK, ife_witness_log(policy, &msg, str_of("INVITE"), value, &receipt, &err),
				&err);
		CHECK_RESULT(IFE_INVALID_PARAMETER,
				ife_witness_log(policy, &msg, value, value, &receipt, &err), &err);
	}
	msg = invite_of(&calls[0]);
	msg.trace_id.count = UINT32_MAX;
	CHECK_RESULT(IFE_OK, ife_policy_check(policy, &msg, &verdict, &err), &err);
	CHECK(verdict.gate == IFE_GATE_HEADERS && verdict.code == 400);
}

static void an_address_that_is_none(ife_policy *policy)
{
	static const char *const bad[] = {"", "localhost", "127.0.0.1:5060", "[::1]", "1.2.3", "\xff"};
	ife_message msg;
	ife_verdict verdict;
	ife_error err;
	size_t i;
	for(i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		msg = invite_of(&calls[0]);
		msg.peer_ip = str_of(bad[i]);
		CHECK_RESULT(IFE_INVALID_PARAMETER, ife_policy_check(policy, &msg, &verdict, &err), &err);
	}
	msg = invite_of(&calls[0]);
	msg.peer_port = 65536;
	CHECK_RESULT(IFE_INVALID_PARAMETER, ife_policy_check(policy, &msg, &verdict, &err), &err);
	msg = invite_of(&calls[0]);
	msg.transport = 99;
	CHECK_RESULT(IFE_INVALID_PARAMETER, ife_policy_check(policy, &msg, &verdict, &err), &err);
	msg = invite_of(&calls[0]);
	msg.status_code = 200;
	CHECK_RESULT(IFE_INVALID_PARAMETER, ife_policy_check(policy, &msg, &verdict, &err), &err);
}

static void outputs_are_written_on_success_only(ife_policy *policy)
{
	ife_message msg = invite_of(&calls[0]);
	ife_verdict verdict, before;
	ife_error err;
	char buf[4] = "abc";
	size_t len = 77;
	memset(&verdict, 0x5a, sizeof(verdict));
	memcpy(&before, &verdict, sizeof(before));
	msg.peer_ip = str_of("nowhere");
	CHECK_RESULT(IFE_INVALID_PARAMETER, ife_policy_check(policy, &msg, &verdict, &err), &err);
	CHECK(memcmp(&before, &verdict, sizeof(before)) == 0);
	CHECK_RESULT(IFE_BUFFER_TOO_SMALL,
			ife_policy_experts(policy, 0, 9, buf, sizeof(buf), &len, &err), &err);
	CHECK(len == 77 && strcmp(buf, "abc") == 0 && strstr(err.text, "bytes are needed") != NULL);
	strcpy(err.text, "untouched");
	CHECK_RESULT(IFE_OK, ife_policy_experts(policy, 99, 9, buf, sizeof(buf), &len, &err), &err);
	CHECK(len == 2 && memcmp(buf, "[]", 2) == 0 && strcmp(err.text, "untouched") == 0);
	CHECK_RESULT(IFE_BUFFER_TOO_SMALL,
			ife_overload_reply(
					policy, str_of("x"), str_of("127.0.0.1"), 1, buf, sizeof(buf), &len, &err),
			&err);
	CHECK_RESULT(IFE_INVALID_PARAMETER,
			ife_overload_reply(
					policy, str_of("x"), str_of("here"), 1, buf, sizeof(buf), &len, &err),
			&err);
	CHECK_RESULT(IFE_INVALID_PARAMETER,
			ife_overload_reply(
					policy, str_of("x"), str_of("127.0.0.1"), 65536, buf, sizeof(buf), &len, &err),
			&err);
	CHECK(len == 2 && memcmp(buf, "[]", 2) == 0);
	CHECK_RESULT(IFE_OK, ife_policy_contacts(policy, 99, 9, buf, sizeof(buf), &len, &err), &err);
	CHECK(len == 0);
}

static void before_attach_and_after_close(void)
{
	ife_policy *policy = open_policy(-1);
	ife_message msg = invite_of(&calls[0]);
	ife_verdict verdict;
	ife_stats stats;
	ife_error err;
	uint64_t generation;
	char buf[IFE_OVERLOAD_REPLY_SIZE];
	size_t len;
	CHECK_RESULT(IFE_NOT_ATTACHED, ife_policy_check(policy, &msg, &verdict, &err), &err);
	CHECK_RESULT(IFE_NOT_ATTACHED,
			ife_witness_log(policy, &msg, str_of("INVITE"), str_of(NULL), NULL, &err), &err);
	CHECK_RESULT(IFE_NOT_ATTACHED,
			ife_overload_reply(policy, str_of("x"), str_of("::1"), 1, buf, sizeof(buf), &len, &err),
			&err);
	CHECK(ife_policy_stats(policy, &stats) == IFE_OK);
	CHECK_RESULT(IFE_INVALID_PARAMETER, ife_policy_attach(policy, 16, &err), &err);
	CHECK_RESULT(IFE_OK, ife_policy_attach(policy, 15, &err), &err);
	CHECK_RESULT(IFE_ALREADY_ATTACHED, ife_policy_attach(policy, 15, &err), &err);
	CHECK_RESULT(IFE_OK, ife_policy_check(policy, &msg, &verdict, &err), &err);
	ife_policy_close(policy);
	CHECK_RESULT(IFE_CLOSED, ife_policy_attach(policy, 15, &err), &err);
	CHECK_RESULT(IFE_CLOSED, ife_policy_check(policy, &msg, &verdict, &err), &err);
	CHECK_RESULT(IFE_CLOSED,
			ife_witness_log(policy, &msg, str_of("INVITE"), str_of(NULL), NULL, &err), &err);
	CHECK_RESULT(IFE_CLOSED, ife_policy_reload(policy, &generation, &err), &err);
	CHECK_RESULT(IFE_CLOSED,
			ife_overload_reply(policy, str_of("x"), str_of("::1"), 1, buf, sizeof(buf), &len, &err),
			&err);
	CHECK(ife_policy_stats(policy, &stats) == IFE_CLOSED);
	CHECK(ife_policy_generation(policy, &generation) == IFE_CLOSED);
	ife_policy_close(policy);
	ife_policy_close(policy);
}

static void handles_that_were_never_given(void)
{
	char memory[64] = {0};
	ife_message msg = invite_of(&calls[0]);
	ife_verdict verdict;
	ife_error err;
	void *made_up[3];
	size_t i;
	made_up[0] = memory;
	made_up[1] = (void *)(uintptr_t)1;
	made_up[2] = (void *)UINTPTR_MAX;
	for(i = 0; i < 3; i++) {
		CHECK_RESULT(
				IFE_INVALID_PARAMETER, ife_policy_check(made_up[i], &msg, &verdict, &err), &err);
		ife_policy_close(made_up[i]);
	}
}

void test_body(void)
{
	ife_policy *policy;
	CHECK(read_calls("calls.txt", calls, 8) == 8);
	options_out_of_range();
	before_attach_and_after_close();
	handles_that_were_never_given();
	policy = open_policy(0);
	null_pointers(policy);
	null_strings_with_a_length(policy);
	structs_of_another_header(policy);
	bytes_of_every_kind(policy);
	an_address_that_is_none(policy);
	outputs_are_written_on_success_only(policy);
	ife_policy_close(policy);
}
