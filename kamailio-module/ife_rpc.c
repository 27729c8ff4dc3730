/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RPC commands ife.*.
 */
#include <string.h>

#include "core/mem/mem.h"
#include "core/rpc_lookup.h"

#include "ife_core.h"
#include "ife_gate.h"
#include "ife_reload.h"
#include "ife_rpc.h"
#include "ife_rpc_json.h"
#include "ife_wait.h"

#define IFE_RPC_BUF_SIZE (256 * 1024)
#define IFE_RPC_EXPERTS_DEFAULT 100
#define IFE_RPC_EXPERTS_MAX 1000

static void fault(rpc_t *rpc, void *ctx, ife_result result, const ife_error *err)
{
	const char *text = err != NULL && err->text[0] != '\0' ? err->text : ife_result_text(result);

	int code = 500;

	if(result == IFE_REGISTRY_BUSY)
		code = 503;
	else if(result == IFE_INVALID_PARAMETER)
		code = 400;
	rpc->fault(ctx, code, "%s", text);
}

/* With some transports scan() reports no missing parameter. */
static void usage(rpc_t *rpc, void *ctx, const char *text)
{
	rpc->fault(ctx, 400, "parameters: %s", text);
}

/* JSON-RPC's integers are int; larger counters are decimal strings. */
static int add_u64(rpc_t *rpc, void *th, const char *name, uint64_t value)
{
	if(value <= 0x7fffffffu)
		return rpc->struct_add(th, "d", name, (int)value);
	return rpc->struct_printf(th, (char *)name, "%llu", (unsigned long long)value);
}

static const char *rpc_status_doc[] = {"Version, settings, registry and load of the gate", 0};
static void rpc_status(rpc_t *rpc, void *ctx)
{
	ife_stats now;
	ife_result result = ife_policy_stats(ife_handle, &now);
	void *th;

	if(result != IFE_OK) {
		fault(rpc, ctx, result, NULL);
		return;
	}
	if(rpc->add(ctx, "{", &th) < 0)
		return;
	rpc->struct_add(th, "sSSSSSS", "version", ife_version(), "mode", &ife_settings.mode_name,
			"scope", &ife_settings.scope_name, "witness", &ife_settings.witness_name, "node",
			&ife_settings.node, "registry", &ife_settings.registry, "state_dir",
			&ife_settings.state_dir);
	rpc->struct_add(th, "ddd", "abi", (int)ife_abi_version(), "witness_wait_ms",
			ife_settings.witness_wait_ms, "witness_waiting", ife_wait_count());
	add_u64(rpc, th, "registry_generation", now.registry_generation);
	add_u64(rpc, th, "registry_experts", now.registry_experts);
	add_u64(rpc, th, "registry_loaded_unix_s", now.registry_loaded_unix_s);
	add_u64(rpc, th, "started_unix_s", now.started_unix_s);
	add_u64(rpc, th, "active_calls", now.active_calls);
	add_u64(rpc, th, "replay_used", now.replay_used);
	add_u64(rpc, th, "replay_slots", now.replay_slots);
	add_u64(rpc, th, "key_tables", now.key_tables);
	add_u64(rpc, th, "key_table_bytes", now.key_table_bytes);
}

static const char *rpc_stats_doc[] = {"Counters over all processes", 0};
static void rpc_stats(rpc_t *rpc, void *ctx)
{
	ife_stats now;
	ife_result result = ife_policy_stats(ife_handle, &now);
	unsigned int gate;
	void *th;
	void *rejected;

	if(result != IFE_OK) {
		fault(rpc, ctx, result, NULL);
		return;
	}
	if(rpc->add(ctx, "{", &th) < 0)
		return;
	add_u64(rpc, th, "approved", now.approved);
	if(rpc->struct_add(th, "{", "rejected", &rejected) < 0)
		return;
	for(gate = IFE_GATE_HEADERS; gate < IFE_GATE_COUNT; gate++)
		add_u64(rpc, rejected, ife_gate_name(gate), now.rejected[gate]);
	add_u64(rpc, th, "errors", now.errors);
	add_u64(rpc, th, "witness_queued", now.witness_queued);
	add_u64(rpc, th, "witness_dropped", now.witness_dropped);
	add_u64(rpc, th, "witness_waits", now.witness_waits);
	add_u64(rpc, th, "reloads", now.reloads);
	add_u64(rpc, th, "reload_failures", now.reload_failures);
	add_u64(rpc, th, "active_calls", now.active_calls);
	add_u64(rpc, th, "replay_full", now.replay_full);
	add_u64(rpc, th, "calls_full", now.calls_full);
	add_u64(rpc, th, "buckets_full", now.buckets_full);
	add_u64(rpc, th, "refusals_omitted", now.refusals_omitted);
	add_u64(rpc, th, "not_for_gate", now.not_for_gate);
	add_u64(rpc, th, "overload_refused", now.overload_refused);
}

static const char *rpc_reset_stats_doc[] = {"Sets the counters to zero", 0};
static void rpc_reset_stats(rpc_t *rpc, void *ctx)
{
	ife_result result = ife_policy_stats_reset(ife_handle);

	if(result != IFE_OK)
		fault(rpc, ctx, result, NULL);
}

static const char *rpc_reload_doc[] = {
		"Loads the registry anew; the old one stays if the new one is bad", 0};
static void rpc_reload(rpc_t *rpc, void *ctx)
{
	uint64_t generation = 0;
	ife_error err = {{0}};
	ife_result result;
	void *th;

	if(ife_attach() < 0) {
		rpc->fault(ctx, 500, "this process has no witness ring");
		return;
	}
	result = ife_reload(&generation, &err);
	if(result != IFE_OK) {
		fault(rpc, ctx, result, &err);
		return;
	}
	if(rpc->add(ctx, "{", &th) < 0)
		return;
	add_u64(rpc, th, "generation", generation);
}

/* Adds the JSON array of the library to the answer as RPC structures. */
static void add_json(rpc_t *rpc, void *ctx, char *buf, size_t len)
{
	if(ife_rpc_add_json(rpc, ctx, buf, len) < 0)
		rpc->fault(ctx, 500, "cannot parse the library's answer");
}

static const char *rpc_experts_doc[] = {"Experts in the registry: [offset [limit]]", 0};
static void rpc_experts(rpc_t *rpc, void *ctx)
{
	int offset = 0;
	int limit = 0;
	int given;
	size_t len = 0;
	ife_error err = {{0}};
	ife_result result;
	char *buf;

	given = rpc->scan(ctx, "*dd", &offset, &limit);
	if(given < 0) {
		usage(rpc, ctx, "[offset [limit]], two numbers");
		return;
	}
	if(given < 1)
		offset = 0;
	if(given < 2)
		limit = IFE_RPC_EXPERTS_DEFAULT;
	if(offset < 0 || limit < 1 || limit > IFE_RPC_EXPERTS_MAX) {
		rpc->fault(ctx, 400, "offset from 0, limit from 1 to %d", IFE_RPC_EXPERTS_MAX);
		return;
	}
	buf = pkg_malloc(IFE_RPC_BUF_SIZE + 1);
	if(buf == NULL) {
		PKG_MEM_ERROR;
		rpc->fault(ctx, 500, "out of memory");
		return;
	}
	result = ife_policy_experts(
			ife_handle, (uint32_t)offset, (uint32_t)limit, buf, IFE_RPC_BUF_SIZE, &len, &err);
	if(result == IFE_OK)
		add_json(rpc, ctx, buf, len);
	else
		fault(rpc, ctx, result, &err);
	pkg_free(buf);
}

static int transport_by_name(const str *name)
{
	static const char *const names[] = {"", "udp", "tcp", "tls", "sctp", "ws", "wss"};
	int i;

	for(i = 1; i < (int)(sizeof(names) / sizeof(names[0])); i++) {
		if((size_t)name->len == strlen(names[i])
				&& strncasecmp(name->s, names[i], (size_t)name->len) == 0)
			return i;
	}
	return -1;
}

static void explain_header(ife_header *header, const str *value)
{
	/* "-" stands for an absent header on a command line. */
	if(value->len == 1 && value->s[0] == '-')
		return;
	header->value = ife_from_str(value);
	header->count = 1;
}

/* Sets the constant parts of the INVITE to explain. */
static void explain_request(ife_message *in, int transport)
{
	memset(in, 0, sizeof(*in));
	in->struct_size = sizeof(*in);
	in->transport = (uint32_t)transport;
	in->peer_port = 5060;
	in->method.ptr = "INVITE";
	in->method.len = 6;
	in->from_tag.ptr = "explain";
	in->from_tag.len = 7;
	in->cseq = 1;
}

/* The answer in place of the gates' when check_policy() would have asked none of them. */
static void add_not_for_gate(rpc_t *rpc, void *ctx)
{
	void *th;

	if(rpc->add(ctx, "{", &th) < 0)
		return;
	rpc->struct_add(th, "sdsds", "gate", ife_gate_name(IFE_GATE_NONE), "number", (int)IFE_GATE_NONE,
			"outcome", "not_for_gate", "returns", IFE_CP_NOT_FOR_GATE, "detail",
			"names no party of the registry and has no X-IF header: check_policy() lets it pass");
}

static void explain(rpc_t *rpc, void *ctx, const ife_message *in)
{
	ife_error err = {{0}};
	ife_result result;
	size_t len = 0;
	char *buf = pkg_malloc(IFE_RPC_BUF_SIZE + 1);

	if(buf == NULL) {
		PKG_MEM_ERROR;
		rpc->fault(ctx, 500, "out of memory");
		return;
	}
	result = ife_policy_explain(ife_handle, in, buf, IFE_RPC_BUF_SIZE, &len, &err);
	if(result == IFE_OK)
		add_json(rpc, ctx, buf, len);
	else if(result == IFE_NOT_FOR_GATE)
		add_not_for_gate(rpc, ctx);
	else
		fault(rpc, ctx, result, &err);
	pkg_free(buf);
}

static const char *rpc_release_doc[] = {
		"Frees the slot of a call whose end was never seen: call_id", 0};
static void rpc_release(rpc_t *rpc, void *ctx)
{
	str call_id;
	str more;
	ife_error err = {{0}};
	ife_result result;

	if(rpc->scan(ctx, "S*S", &call_id, &more) != 1 || call_id.len <= 0) {
		usage(rpc, ctx, "call_id, and nothing else");
		return;
	}
	if(ife_attach() < 0) {
		rpc->fault(ctx, 500, "this process has no witness ring");
		return;
	}
	result = ife_call_release(ife_handle, ife_from_str(&call_id), &err);
	if(result == IFE_NOT_FOUND)
		rpc->fault(ctx, 404, "%s", err.text);
	else if(result != IFE_OK)
		fault(rpc, ctx, result, &err);
}

static const char *rpc_explain_doc[] = {
		"Every gate's answer for a call that is not made: hazard trace_id signature caller callee"
		" [peer_ip [transport [call_id]]]; - for an absent header",
		0};
static void rpc_explain(rpc_t *rpc, void *ctx)
{
	static str default_peer = str_init("127.0.0.1");
	static str default_transport = str_init("udp");
	static str default_call_id = str_init("explain");
	str hazard, trace_id, signature, caller, callee;
	str peer, transport, call_id, more;
	ife_message in;
	int given;
	int proto;

	given = rpc->scan(ctx, "SSSSS*SSSS", &hazard, &trace_id, &signature, &caller, &callee, &peer,
			&transport, &call_id, &more);
	if(given < 5 || given > 8) {
		usage(rpc, ctx, "hazard trace_id signature caller callee [peer_ip [transport [call_id]]]");
		return;
	}
	/* scan() may overwrite parameters that are not given. */
	if(given < 6)
		peer = default_peer;
	if(given < 7)
		transport = default_transport;
	if(given < 8)
		call_id = default_call_id;
	proto = transport_by_name(&transport);
	if(proto < 0) {
		rpc->fault(ctx, 400, "transport is udp, tcp, tls, sctp, ws or wss");
		return;
	}

	explain_request(&in, proto);
	in.peer_ip = ife_from_str(&peer);
	in.from_uri = ife_from_str(&caller);
	in.ruri = ife_from_str(&callee);
	in.to_uri = in.ruri;
	in.call_id = ife_from_str(&call_id);
	explain_header(&in.hazard, &hazard);
	explain_header(&in.trace_id, &trace_id);
	explain_header(&in.signature, &signature);
	explain(rpc, ctx, &in);
}

/* clang-format off */
rpc_export_t ife_rpc_exports[] = {
	{"ife.status",      rpc_status,      rpc_status_doc,      0},
	{"ife.reload",      rpc_reload,      rpc_reload_doc,      0},
	{"ife.experts",     rpc_experts,     rpc_experts_doc,     RET_ARRAY},
	{"ife.explain",     rpc_explain,     rpc_explain_doc,     RET_ARRAY},
	{"ife.release",     rpc_release,     rpc_release_doc,     0},
	{"ife.stats",       rpc_stats,       rpc_stats_doc,       0},
	{"ife.reset_stats", rpc_reset_stats, rpc_reset_stats_doc, 0},
	{0, 0, 0, 0}
};
/* clang-format on */
