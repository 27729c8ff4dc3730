/*
 * if_escalate - the gate and the witness of IF.ESCALATE inside Kamailio
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shared by all files of this module: the policy handle, the settings, log lines.
 */
#ifndef IFE_CORE_H
#define IFE_CORE_H

#include "core/parser/msg_parser.h"
#include "core/str.h"

#include "if_policy.h"

/* The module's name: group of the statistics, package of the KEMI functions. */
#define IFE_NAME "if_escalate"

typedef struct ife_settings
{
	str registry;
	str state_dir;
	str node;
	str mode_name;
	str witness_name;
	str scope_name;
	str event_callback;
	int witness_wait_ms;
	int freshness_s;
	int replay_slots;
	int refusals_per_s;
	ife_mode mode;
	ife_witness_mode witness;
	ife_scope scope;
} ife_settings_t;

/* The gate's answer about one request. */
typedef struct ife_note
{
	int not_for_gate;
	ife_verdict verdict;
} ife_note_t;

extern ife_settings_t ife_settings;
extern ife_policy *ife_handle;

/* Checks the module's parameters. 0, or -1 with the reason logged. */
int ife_check_settings(void);

/* Opens the policy, before Kamailio forks. 0, or -1 with the reason logged. */
int ife_open(void);
void ife_close(void);

/* Maps this process's ring if that has not been done. 0, or -1 with the reason logged. */
int ife_attach(void);

/* Logs a text of the library, one log line for each of its lines. */
void ife_log_text(int level, const char *text, size_t len);
void ife_log_error(const char *what, ife_result result, const ife_error *err);

static inline ife_str ife_from_str(const str *s)
{
	ife_str out = {NULL, 0};

	if(s != NULL && s->s != NULL && s->len > 0) {
		out.ptr = s->s;
		out.len = (size_t)s->len;
	}
	return out;
}

#endif /* IFE_CORE_H */
