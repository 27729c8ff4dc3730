/* Sizes and offsets that Rust asserts too (crates/ife-policy-ffi/src/abi.rs), and the texts of
 * all numbers. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stddef.h>

#include "common.h"

_Static_assert(sizeof(ife_str) == 16, "ife_str");
_Static_assert(sizeof(ife_header) == 24, "ife_header");
_Static_assert(sizeof(ife_error) == 1024, "ife_error");
_Static_assert(sizeof(ife_options) == 152, "ife_options");
_Static_assert(sizeof(ife_message) == 352, "ife_message");
_Static_assert(sizeof(ife_verdict) == 1080, "ife_verdict");
_Static_assert(sizeof(ife_call) == 396, "ife_call");
_Static_assert(sizeof(ife_receipt) == 48, "ife_receipt");
_Static_assert(sizeof(ife_stats) == 288, "ife_stats");
_Static_assert(sizeof(ife_ticket) == 40, "ife_ticket");
_Static_assert(offsetof(ife_options, log) == 112, "ife_options.log");
_Static_assert(offsetof(ife_message, cseq) == 176, "ife_message.cseq");
_Static_assert(offsetof(ife_message, raw) == 288, "ife_message.raw");
_Static_assert(offsetof(ife_verdict, seq) == 24, "ife_verdict.seq");
_Static_assert(offsetof(ife_verdict, reason) == 64, "ife_verdict.reason");
_Static_assert(offsetof(ife_message, routes) == 304, "ife_message.routes");
_Static_assert(offsetof(ife_verdict, kid) == 932, "ife_verdict.kid");
_Static_assert(offsetof(ife_verdict, next_hop) == 997, "ife_verdict.next_hop");
_Static_assert(offsetof(ife_call, expert) == 40, "ife_call.expert");
_Static_assert(offsetof(ife_receipt, leaf_hash) == 12, "ife_receipt.leaf_hash");
_Static_assert(offsetof(ife_ticket, epoch) == 16, "ife_ticket.epoch");
_Static_assert(offsetof(ife_stats, active_calls) == 168, "ife_stats.active_calls");
_Static_assert(offsetof(ife_options, scope) == 144, "ife_options.scope");
_Static_assert(offsetof(ife_message, if_header_count) == 344, "ife_message.if_header_count");

static void every_result_has_a_text_of_its_own(void)
{
	static const ife_result results[] = {IFE_OK, IFE_NULL_PARAMETER, IFE_INVALID_PARAMETER,
			IFE_ABI_MISMATCH, IFE_NOT_ATTACHED, IFE_ALREADY_ATTACHED, IFE_CLOSED,
			IFE_CONCURRENT_USE, IFE_REGISTRY_INVALID, IFE_REGISTRY_BUSY, IFE_STATE_DIR,
			IFE_STATE_FORMAT, IFE_WITNESS_FULL, IFE_WITNESS_TIMEOUT, IFE_WITNESS_TOO_LARGE,
			IFE_WITNESS_UNAVAILABLE, IFE_NOT_FOUND, IFE_BUFFER_TOO_SMALL, IFE_NOT_FOR_GATE,
			IFE_PANIC};
	const size_t count = sizeof(results) / sizeof(results[0]);
	const char *unknown = ife_result_text(1);
	size_t i, j;
	for(i = 0; i < count; i++) {
		CHECK(strcmp(ife_result_text(results[i]), unknown) != 0);
		for(j = 0; j < i; j++)
			CHECK(strcmp(ife_result_text(results[i]), ife_result_text(results[j])) != 0);
	}
}

void test_body(void)
{
	uint32_t gate;
	CHECK(ife_abi_version() == IFE_ABI_VERSION);
	CHECK(strcmp(ife_version(), "1.0.0") == 0);
	CHECK(strcmp(ife_gate_name(IFE_GATE_DIALOG), "dialog") == 0);
	for(gate = 0; gate < IFE_GATE_COUNT; gate++)
		CHECK(strcmp(ife_gate_name(gate), "unknown") != 0);
	CHECK(strcmp(ife_gate_name(IFE_GATE_COUNT), "unknown") == 0);
	CHECK(strcmp(ife_gate_name(UINT32_MAX), "unknown") == 0);
	every_result_has_a_text_of_its_own();
}
