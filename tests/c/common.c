/* Helpers of the C tests of the ABI. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <sys/types.h>
#include <sys/wait.h>

#include "common.h"

char test_dir[512];
char test_state_dir[512];
char test_registry[600];

static void log_to_nowhere(void *ctx, int32_t level, const char *text, size_t text_len)
{
	/* What the library promises of each line. */
	CHECK(ctx == test_dir);
	CHECK(level == 3 || level == 4 || level == 6 || level == 7);
	CHECK(memchr(text, '\n', text_len) == NULL);
}

ife_str str_of(const char *text)
{
	ife_str str;
	str.ptr = text;
	str.len = text == NULL ? 0 : strlen(text);
	return str;
}

ife_header header_of(const char *text)
{
	ife_header header;
	header.value = str_of(text);
	header.count = 1;
	return header;
}

ife_options good_options(void)
{
	ife_options options;
	memset(&options, 0, sizeof(options));
	options.abi_version = IFE_ABI_VERSION;
	options.struct_size = sizeof(options);
	options.registry_path = str_of(test_registry);
	options.state_dir = str_of(test_state_dir);
	options.node = str_of("node1");
	options.producer = str_of("ctest");
	options.mode = IFE_MODE_ENFORCE;
	options.witness_mode = IFE_WITNESS_BEST_EFFORT;
	options.replay_slots = 4096;
	options.max_processes = 16;
	options.log = log_to_nowhere;
	options.log_ctx = test_dir;
	return options;
}

ife_policy *open_policy(int process_no)
{
	ife_options options = good_options();
	ife_policy *policy = NULL;
	ife_error err;
	CHECK_RESULT(IFE_OK, ife_policy_open(&options, &policy, &err), &err);
	CHECK(policy != NULL);
	if(process_no >= 0)
		CHECK_RESULT(IFE_OK, ife_policy_attach(policy, (uint32_t)process_no, &err), &err);
	return policy;
}

/* Cuts the next field off a line of tab-separated ones. */
static void next_field(char **line, char *field, size_t size)
{
	size_t len = strcspn(*line, "\t\n");
	CHECK(len > 0 && len < size);
	memcpy(field, *line, len);
	field[len] = '\0';
	*line += len;
	if(**line == '\t')
		++*line;
}

size_t read_calls(const char *file, signed_call *calls, size_t max)
{
	char path[600];
	char line[1024];
	size_t count = 0;
	FILE *in;
	snprintf(path, sizeof(path), "%s/%s", test_dir, file);
	in = fopen(path, "r");
	CHECK(in != NULL);
	while(count < max && fgets(line, sizeof(line), in) != NULL) {
		signed_call *call = &calls[count++];
		char *rest = line;
		next_field(&rest, call->call_id, sizeof(call->call_id));
		next_field(&rest, call->from_tag, sizeof(call->from_tag));
		next_field(&rest, call->trace_id, sizeof(call->trace_id));
		next_field(&rest, call->callee, sizeof(call->callee));
		next_field(&rest, call->hazard, sizeof(call->hazard));
		next_field(&rest, call->signature, sizeof(call->signature));
		snprintf(call->raw, sizeof(call->raw),
				"INVITE %s SIP/2.0\r\nCall-ID: %s\r\nX-IF-Trace-ID: %s\r\nX-IF-Signature: "
				"%s\r\n\r\n",
				call->callee, call->call_id, call->trace_id, call->signature);
	}
	fclose(in);
	return count;
}

ife_message invite_of(signed_call *call)
{
	ife_message msg;
	memset(&msg, 0, sizeof(msg));
	msg.struct_size = sizeof(msg);
	msg.transport = IFE_TRANSPORT_UDP;
	msg.peer_ip = str_of("127.0.0.1");
	msg.peer_port = 5062;
	msg.method = str_of("INVITE");
	msg.ruri = str_of(call->callee);
	msg.from_uri = str_of("sip:council@council.example");
	msg.from_tag = str_of(call->from_tag);
	msg.to_uri = str_of(call->callee);
	msg.call_id = str_of(call->call_id);
	msg.cseq = 1;
	msg.trace_id = header_of(call->trace_id);
	msg.hazard = header_of(call->hazard);
	msg.signature = header_of(call->signature);
	msg.raw = str_of(call->raw);
	return msg;
}

void wait_for_child(int pid)
{
	int status = -1;
	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	if(argc != 2 || strlen(argv[1]) > 400) {
		fprintf(stderr, "usage: %s DIRECTORY-OF-THE-FIXTURE\n", argv[0]);
		return 2;
	}
	snprintf(test_dir, sizeof(test_dir), "%s", argv[1]);
	snprintf(test_state_dir, sizeof(test_state_dir), "%s/state", argv[1]);
	snprintf(test_registry, sizeof(test_registry), "%s/registry.yaml", argv[1]);
	test_body();
	return 0;
}
