/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * KSR.if_escalate.*: the same functions for Lua, Python, JavaScript and the other KEMI languages.
 */
#include "core/kemi.h"

#include "ife_gate.h"
#include "ife_kemi.h"
#include "ife_load.h"

/* clang-format off */
static sr_kemi_t sr_kemi_if_escalate_exports[] = {
	{ str_init(IFE_NAME), str_init("check_policy"),
		SR_KEMIP_INT, ki_check_policy,
		{ SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("check_policy_values"),
		SR_KEMIP_INT, ki_check_policy_values,
		{ SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("check_policy_resume"),
		SR_KEMIP_INT, ki_check_policy_resume,
		{ SR_KEMIP_STR, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("check_policy_values_resume"),
		SR_KEMIP_INT, ki_check_policy_values_resume,
		{ SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR,
			SR_KEMIP_STR, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("witness_log"),
		SR_KEMIP_INT, ki_witness_log,
		{ SR_KEMIP_STR, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("witness_log_detail"),
		SR_KEMIP_INT, ki_witness_log_detail,
		{ SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("check_message"),
		SR_KEMIP_INT, ki_check_message,
		{ SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("is_party_source"),
		SR_KEMIP_INT, ki_is_party_source,
		{ SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("queue_above"),
		SR_KEMIP_INT, ki_queue_above,
		{ SR_KEMIP_INT, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init(IFE_NAME), str_init("memory_above"),
		SR_KEMIP_INT, ki_memory_above,
		{ SR_KEMIP_INT, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},

	{ {0, 0}, {0, 0}, 0, NULL, { 0, 0, 0, 0, 0, 0 } }
};
/* clang-format on */

int ife_kemi_register(void)
{
	return sr_kemi_modules_add(sr_kemi_if_escalate_exports);
}
