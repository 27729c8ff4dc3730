/*
 * if_escalate - the gate and the witness of IF.ESCALATE inside Kamailio
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kamailio is free software; you can redistribute it and/or modify it under the terms of the GNU
 * General Public License as published by the Free Software Foundation; either version 2 of the
 * License, or (at your option) any later version. See LICENSE in this directory.
 *
 * The module's interface to Kamailio: functions, parameters, variables, start and end of each
 * process.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/mem/mem.h"
#include "core/mod_fix.h"
#include "core/sr_module.h"
#include "core/timer.h"

#include "ife_core.h"
#include "ife_fold.h"
#include "ife_fork.h"
#include "ife_gate.h"
#include "ife_kemi.h"
#include "ife_load.h"
#include "ife_names.h"
#include "ife_overload.h"
#include "ife_pv.h"
#include "ife_rpc.h"
#include "ife_stats.h"
#include "ife_streams.h"
#include "ife_tm.h"
#include "ife_wait.h"

MODULE_VERSION

/* Interval of ife_policy_tend(), seconds. */
#define IFE_TEND_S 5

static int mod_init(void);
static int child_init(int rank);
static void mod_destroy(void);

static int w_check_policy(sip_msg_t *msg, char *p1, char *p2);
static int w_check_policy_values(sip_msg_t *msg, char *phazard, char *ptrace_id, char *psignature);
static int w_check_policy_resume(sip_msg_t *msg, char *proute, char *p2);
static int w_check_policy_values_resume(
		sip_msg_t *msg, char *phazard, char *ptrace_id, char *psignature, char *proute);
static int w_witness_log(sip_msg_t *msg, char *pevent, char *p2);
static int w_witness_log_detail(sip_msg_t *msg, char *pevent, char *pdetail);
static int w_check_message(sip_msg_t *msg, char *p1, char *p2);
static int w_is_party_source(sip_msg_t *msg, char *p1, char *p2);
static int w_queue_above(sip_msg_t *msg, char *ppercent, char *p2);
static int w_memory_above(sip_msg_t *msg, char *ppercent, char *p2);

static int fixup_resume(void **param, int param_no);
static int fixup_values_resume(void **param, int param_no);

/* clang-format off */
static cmd_export_t cmds[] = {
	{"check_policy", (cmd_function)w_check_policy, 0,
		0, 0, ANY_ROUTE},
	{"check_policy", (cmd_function)w_check_policy_values, 3,
		fixup_spve_all, fixup_free_spve_all, ANY_ROUTE},
	{"check_policy", (cmd_function)w_check_policy_resume, 1,
		fixup_resume, 0, ANY_ROUTE},
	{"check_policy", (cmd_function)w_check_policy_values_resume, 4,
		fixup_values_resume, 0, ANY_ROUTE},
	{"witness_log", (cmd_function)w_witness_log, 1,
		fixup_spve_null, fixup_free_spve_null, ANY_ROUTE},
	{"witness_log", (cmd_function)w_witness_log_detail, 2,
		fixup_spve_spve, fixup_free_spve_spve, ANY_ROUTE},
	{"check_message", (cmd_function)w_check_message, 0,
		0, 0, ANY_ROUTE},
	{"is_party_source", (cmd_function)w_is_party_source, 0,
		0, 0, ANY_ROUTE},
	{"queue_above", (cmd_function)w_queue_above, 1,
		fixup_igp_null, fixup_free_igp_null, ANY_ROUTE},
	{"memory_above", (cmd_function)w_memory_above, 1,
		fixup_igp_null, fixup_free_igp_null, ANY_ROUTE},
	{0, 0, 0, 0, 0, 0}
};

static param_export_t params[] = {
	{"registry",        PARAM_STR, &ife_settings.registry},
	{"state_dir",       PARAM_STR, &ife_settings.state_dir},
	{"node",            PARAM_STR, &ife_settings.node},
	{"mode",            PARAM_STR, &ife_settings.mode_name},
	{"witness",         PARAM_STR, &ife_settings.witness_name},
	{"scope",           PARAM_STR, &ife_settings.scope_name},
	{"witness_wait_ms", PARAM_INT, &ife_settings.witness_wait_ms},
	{"witness_wait_workers", PARAM_INT, &ife_wait_settings.workers},
	{"witness_wait_calls", PARAM_INT, &ife_wait_settings.calls},
	{"freshness_s",     PARAM_INT, &ife_settings.freshness_s},
	{"replay_slots",    PARAM_INT, &ife_settings.replay_slots},
	{"refusals_per_s",  PARAM_INT, &ife_settings.refusals_per_s},
	{"event_callback",  PARAM_STR, &ife_settings.event_callback},
	{"gateways",        PARAM_STR, &ife_names_gateways},
	{"tcp_per_source",  PARAM_INT, &ife_streams_settings.per_source},
	{"tcp_stranger_s",  PARAM_INT, &ife_streams_settings.stranger_s},
	{"tcp_party_source", PARAM_INT, &ife_streams_settings.party_source},
	{"udp_receive_buffer", PARAM_INT, &ife_load_receive_buffer},
	{"refuse_above",    PARAM_INT, &ife_overload_refuse_above},
	{0, 0, 0}
};

static pv_export_t mod_pvs[] = {
	{{"ife", (sizeof("ife")-1)}, PVT_OTHER, ife_pv_get, 0,
		ife_pv_parse_name, 0, 0, 0},
	{{0, 0}, 0, 0, 0, 0, 0, 0, 0}
};

struct module_exports exports = {
	IFE_NAME,
	DEFAULT_DLFLAGS,
	cmds,
	params,
	ife_rpc_exports,
	mod_pvs,
	0,              /* response function */
	mod_init,
	child_init,
	mod_destroy
};
/* clang-format on */

static void on_timer(unsigned int ticks, void *param)
{
	ife_error err = {{0}};
	ife_result result;

	(void)ticks;
	(void)param;
	if(ife_attach() < 0)
		return;
	result = ife_policy_tend(ife_handle, &err);
	if(result != IFE_OK)
		ife_log_error("periodic housekeeping failed", result, &err);
}

static int mod_init(void)
{
	if(ife_abi_version() != IFE_ABI_VERSION) {
		LM_ERR("libife_policy.so %s has ABI %u, this module was built for %u; install both from one"
			   " build\n",
				ife_version(), ife_abi_version(), IFE_ABI_VERSION);
		return -1;
	}
	if(ife_check_settings() < 0 || ife_load_check_memory() < 0 || ife_stats_register() < 0)
		return -1;
	if(ife_names_register() < 0 || ife_streams_register() < 0 || ife_overload_register() < 0)
		return -1;
	if(ife_fork_init() < 0 || ife_fold_init() < 0)
		return -1;
	if(ife_tm_init() < 0 || ife_wait_register() < 0 || ife_open() < 0)
		return -1;
	if(register_timer(on_timer, NULL, IFE_TEND_S) < 0) {
		LM_ERR("cannot register a timer\n");
		return -1;
	}
	LM_INFO("libife_policy.so %s, mode %.*s, witness %.*s, scope %.*s\n", ife_version(),
			ife_settings.mode_name.len, ife_settings.mode_name.s, ife_settings.witness_name.len,
			ife_settings.witness_name.s, ife_settings.scope_name.len, ife_settings.scope_name.s);
	return 0;
}

/*
 * SIP runs in workers of any rank: UDP, TCP, timers (failure routes), and PROC_RPC where one
 * process receives for a pool. The main process runs no route, but only it runs mod_destroy(): it
 * attaches so that one STOP entry is written.
 */
static int child_init(int rank)
{
	if(rank == PROC_INIT)
		ife_load_widen_receive_buffers();
	if(rank == PROC_MAIN && (ife_names_fork() < 0 || ife_streams_fork() < 0 || ife_wait_fork() < 0))
		return -1;
	if(rank == PROC_INIT || rank == PROC_TCP_MAIN || rank == PROC_POSTCHILDINIT)
		return 0;
	return ife_attach();
}

/* Runs in the main process only, after all others have ended: children of Kamailio _exit(). */
static void mod_destroy(void)
{
	ife_close();
}

static int w_check_policy(sip_msg_t *msg, char *p1, char *p2)
{
	(void)p1;
	(void)p2;
	return ki_check_policy(msg);
}

static int param_text(sip_msg_t *msg, char *param, str *out, const char *name)
{
	if(fixup_get_svalue(msg, (gparam_t *)param, out) < 0) {
		LM_ERR("cannot evaluate parameter %s\n", name);
		return -1;
	}
	return 0;
}

/* A variable without a value is an absent header. */
static void header_values(sip_msg_t *msg, char *phazard, char *ptrace_id, char *psignature,
		ife_header_values_t *values)
{
	memset(values, 0, sizeof(*values));
	if(fixup_get_svalue(msg, (gparam_t *)phazard, &values->hazard) < 0)
		values->hazard.len = 0;
	if(fixup_get_svalue(msg, (gparam_t *)ptrace_id, &values->trace_id) < 0)
		values->trace_id.len = 0;
	if(fixup_get_svalue(msg, (gparam_t *)psignature, &values->signature) < 0)
		values->signature.len = 0;
}

static int w_check_policy_values(sip_msg_t *msg, char *phazard, char *ptrace_id, char *psignature)
{
	ife_header_values_t values;

	header_values(msg, phazard, ptrace_id, psignature, &values);
	return ife_gate_check(msg, &values, NULL);
}

static int w_check_policy_resume(sip_msg_t *msg, char *proute, char *p2)
{
	(void)p2;
	return ife_gate_check(msg, NULL, (const ife_resume_t *)proute);
}

static int w_check_policy_values_resume(
		sip_msg_t *msg, char *phazard, char *ptrace_id, char *psignature, char *proute)
{
	ife_header_values_t values;

	header_values(msg, phazard, ptrace_id, psignature, &values);
	return ife_gate_check(msg, &values, (const ife_resume_t *)proute);
}

/* The route is looked up at start, so that a wrong name is no surprise in a call. */
static int fixup_resume(void **param, int param_no)
{
	ife_resume_t *resume;

	if(param_no != 1)
		return 0;
	resume = pkg_malloc(sizeof(*resume));
	if(resume == NULL) {
		PKG_MEM_ERROR;
		return -1;
	}
	if(ife_wait_resume_by(*param, resume) < 0) {
		pkg_free(resume);
		return -1;
	}
	*param = resume;
	return 0;
}

static int fixup_values_resume(void **param, int param_no)
{
	return param_no == 4 ? fixup_resume(param, 1) : fixup_spve_all(param, param_no);
}

static int w_witness_log(sip_msg_t *msg, char *pevent, char *p2)
{
	str event = STR_NULL;

	(void)p2;
	if(param_text(msg, pevent, &event, "event") < 0)
		return IFE_WL_REFUSED;
	return ki_witness_log(msg, &event);
}

static int w_witness_log_detail(sip_msg_t *msg, char *pevent, char *pdetail)
{
	str event = STR_NULL;
	str detail = STR_NULL;

	if(param_text(msg, pevent, &event, "event") < 0
			|| param_text(msg, pdetail, &detail, "detail") < 0)
		return IFE_WL_REFUSED;
	return ki_witness_log_detail(msg, &event, &detail);
}

static int w_check_message(sip_msg_t *msg, char *p1, char *p2)
{
	(void)p1;
	(void)p2;
	return ki_check_message(msg);
}

static int w_is_party_source(sip_msg_t *msg, char *p1, char *p2)
{
	(void)p1;
	(void)p2;
	return ki_is_party_source(msg);
}

static int w_queue_above(sip_msg_t *msg, char *ppercent, char *p2)
{
	int percent = 0;

	(void)p2;
	if(fixup_get_ivalue(msg, (gparam_t *)ppercent, &percent) < 0)
		return -1;
	return ki_queue_above(msg, percent);
}

static int w_memory_above(sip_msg_t *msg, char *ppercent, char *p2)
{
	int percent = 0;

	(void)p2;
	if(fixup_get_ivalue(msg, (gparam_t *)ppercent, &percent) < 0)
		return -1;
	return ki_memory_above(msg, percent);
}

int mod_register(char *path, int *dlflags, void *p1, void *p2)
{
	(void)path;
	(void)dlflags;
	(void)p1;
	(void)p2;
	return ife_kemi_register();
}
