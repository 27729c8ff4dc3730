/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Settings, the policy handle and this process's ring, the library's log lines.
 */
#include <string.h>
#include <unistd.h>

#include "core/dprint.h"
#include "core/forward.h"
#include "core/globals.h"
#include "core/pt.h"

#include "ife_core.h"

/* Maximum number of rings: before the fork Kamailio does not know its number of processes. */
#define IFE_MAX_PROCESSES 1024

ife_policy *ife_handle = NULL;

ife_settings_t ife_settings = {
		.registry = str_init("/etc/if-escalate/registry.yaml"),
		.state_dir = str_init("/run/if-escalate"),
		.node = str_init(""),
		.mode_name = str_init("enforce"),
		.witness_name = str_init("required"),
		.scope_name = str_init("registry"),
		.event_callback = str_init(""),
		.refusals_per_s = 50,
};

static void log_line(int level, int len, const char *line)
{
	if(level <= 3)
		LM_ERR("%.*s\n", len, line);
	else if(level <= 4)
		LM_WARN("%.*s\n", len, line);
	else if(level <= 6)
		LM_INFO("%.*s\n", len, line);
	else
		LM_DBG("%.*s\n", len, line);
}

void ife_log_text(int level, const char *text, size_t len)
{
	const char *end;

	while(text != NULL && len > 0) {
		end = memchr(text, '\n', len);
		if(end == NULL)
			end = text + len;
		if(end > text)
			log_line(level, (int)(end - text), text);
		len -= (size_t)(end - text);
		if(len > 0) {
			end++;
			len--;
		}
		text = end;
	}
}

void ife_log_error(const char *what, ife_result result, const ife_error *err)
{
	LM_ERR("%s: %s\n", what, ife_result_text(result));
	if(err != NULL)
		ife_log_text(3, err->text, strnlen(err->text, sizeof(err->text)));
}

static void on_library_log(void *ctx, int32_t level, const char *text, size_t text_len)
{
	(void)ctx;
	ife_log_text(level, text, text_len);
}

/* Compares with the sockets and aliases; resolves no name. The library calls it. */
static int32_t is_own(void *ctx, ife_str host, uint32_t port, uint32_t transport)
{
	str name = {(char *)host.ptr, (int)host.len};

	(void)ctx;
	(void)transport;
	return check_self(&name, (unsigned short)port, PROTO_NONE) == 1;
}

static int parse_choice(const char *param, const str *value, const char *first, const char *second)
{
	if((size_t)value->len == strlen(first) && memcmp(value->s, first, strlen(first)) == 0)
		return 0;
	if((size_t)value->len == strlen(second) && memcmp(value->s, second, strlen(second)) == 0)
		return 1;
	LM_ERR("modparam %s: \"%.*s\" is neither \"%s\" nor \"%s\"\n", param, value->len, value->s,
			first, second);
	return -1;
}

int ife_check_settings(void)
{
	static char host[65];
	int mode = parse_choice("mode", &ife_settings.mode_name, "enforce", "shadow");
	int witness = parse_choice("witness", &ife_settings.witness_name, "required", "best_effort");
	int scope = parse_choice("scope", &ife_settings.scope_name, "registry", "all");

	if(mode < 0 || witness < 0 || scope < 0)
		return -1;
	ife_settings.scope = scope == 0 ? IFE_SCOPE_REGISTRY : IFE_SCOPE_ALL;
	ife_settings.mode = mode == 0 ? IFE_MODE_ENFORCE : IFE_MODE_SHADOW;
	ife_settings.witness = witness == 0 ? IFE_WITNESS_REQUIRED : IFE_WITNESS_BEST_EFFORT;
	if(ife_settings.witness_wait_ms < 0 || ife_settings.freshness_s < 0
			|| ife_settings.replay_slots < 0 || ife_settings.refusals_per_s < 0) {
		LM_ERR("modparams witness_wait_ms, freshness_s, replay_slots and refusals_per_s must not be"
			   " negative\n");
		return -1;
	}
	if(ife_settings.node.len <= 0) {
		if(gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0') {
			LM_ERR("this host has no name; set modparam node\n");
			return -1;
		}
		ife_settings.node.s = host;
		ife_settings.node.len = (int)strlen(host);
	}
	return 0;
}

int ife_open(void)
{
	ife_options options;
	ife_error err = {{0}};
	ife_result result;

	memset(&options, 0, sizeof(options));
	options.abi_version = IFE_ABI_VERSION;
	options.struct_size = sizeof(options);
	options.registry_path = ife_from_str(&ife_settings.registry);
	options.state_dir = ife_from_str(&ife_settings.state_dir);
	options.node = ife_from_str(&ife_settings.node);
	options.producer.ptr = "kamailio";
	options.producer.len = 8;
	options.mode = ife_settings.mode;
	options.witness_mode = ife_settings.witness;
	options.witness_wait_ms = (uint32_t)ife_settings.witness_wait_ms;
	options.freshness_s = (uint32_t)ife_settings.freshness_s;
	options.replay_slots = (uint32_t)ife_settings.replay_slots;
	options.refusals_per_s = (uint32_t)ife_settings.refusals_per_s;
	options.max_processes = IFE_MAX_PROCESSES;
	/* Kamailio changes to them (options -u and -g, or user and group) after mod_init. */
	options.owner_uid = uid > 0 ? (uint32_t)uid : 0;
	options.owner_gid = gid > 0 ? (uint32_t)gid : 0;
	options.log = on_library_log;
	options.is_own = is_own;
	options.scope = ife_settings.scope;

	result = ife_policy_open(&options, &ife_handle, &err);
	if(result != IFE_OK) {
		ife_log_error("cannot open the gate", result, &err);
		return -1;
	}
	return 0;
}

int ife_attach(void)
{
	/* A child of an attached process inherits the number but not its ring. */
	static int attached_process = -1;
	ife_error err = {{0}};
	ife_result result;

	if(attached_process == process_no)
		return 0;
	if(ife_handle == NULL || process_no < 0)
		return -1;
	result = ife_policy_attach(ife_handle, (uint32_t)process_no, &err);
	if(result != IFE_OK && result != IFE_ALREADY_ATTACHED) {
		ife_log_error("this process has no witness ring", result, &err);
		return -1;
	}
	attached_process = process_no;
	return 0;
}

void ife_close(void)
{
	ife_policy_close(ife_handle);
	ife_handle = NULL;
}
