/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tm knows of the message being processed.
 */
#include <string.h>

#include "core/error.h"
#include "core/route.h"
#include "core/sr_module.h"
#include "modules/tm/tm_load.h"

#include "ife_tm.h"

static tm_api_t tmb;
static int tm_loaded = 0;

void ife_tm_init(void)
{
	if(find_export("load_tm", NO_SCRIPT, 0) == NULL) {
		LM_INFO("tm is not loaded: events in reply routes are matched by Call-ID only\n");
		return;
	}
	tm_loaded = load_tm_api(&tmb) == 0;
}

static tm_cell_t *current(void)
{
	tm_cell_t *t = tm_loaded ? tmb.t_gett() : NULL;

	return t == T_UNDEFINED ? NULL : t;
}

const sip_msg_t *ife_tm_request(void)
{
	tm_cell_t *t = current();

	return t == NULL ? NULL : t->uas.request;
}

int ife_tm_final(ife_tm_final_t *final)
{
	tm_cell_t *t = current();
	sip_msg_t *reply;
	char *text;
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
	text = error_text((int)final->code);
	if(text != NULL) {
		final->reason.ptr = text;
		final->reason.len = strlen(text);
	}
	return 1;
}
