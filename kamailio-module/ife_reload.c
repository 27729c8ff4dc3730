/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reload of the registry and event_route[ife:reloaded].
 */
#include "core/action.h"
#include "core/dprint.h"
#include "core/fmsg.h"
#include "core/kemi.h"
#include "core/route.h"

#include "ife_reload.h"

#define IFE_EVENT_RELOADED "ife:reloaded"

/* The route gets a fake request, as in other modules, because there is no SIP message. */
static void run_event_route(void)
{
	static str event_name = str_init(IFE_EVENT_RELOADED);
	struct run_act_ctx ctx;
	sr_kemi_eng_t *engine = NULL;
	sip_msg_t *msg;
	int previous_type;
	int route = -1;

	if(ife_settings.event_callback.len > 0) {
		engine = sr_kemi_eng_get();
	} else {
		route = route_lookup(&event_rt, IFE_EVENT_RELOADED);
		if(route < 0 || event_rt.rlist[route] == NULL)
			return;
	}
	if((engine == NULL && route < 0) || faked_msg_init() < 0)
		return;

	msg = faked_msg_next();
	previous_type = get_route_type();
	set_route_type(EVENT_ROUTE);
	init_run_actions_ctx(&ctx);
	if(engine == NULL)
		run_top_route(event_rt.rlist[route], msg, &ctx);
	else if(sr_kemi_route(engine, msg, EVENT_ROUTE, &ife_settings.event_callback, &event_name) < 0)
		LM_ERR("the callback for %s failed\n", IFE_EVENT_RELOADED);
	set_route_type(previous_type);
}

ife_result ife_reload(uint64_t *generation, ife_error *err)
{
	ife_result result = ife_policy_reload(ife_handle, generation, err);

	if(result != IFE_OK) {
		ife_log_error("cannot reload the registry, the old one stays", result, err);
		return result;
	}
	LM_NOTICE("registry reloaded, generation %llu\n", (unsigned long long)*generation);
	run_event_route();
	return result;
}
