/* Helpers of the C tests of the ABI. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef IFE_TEST_COMMON_H
#define IFE_TEST_COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "if_policy.h"

#define CHECK(condition)                                                            \
	do {                                                                            \
		if(!(condition)) {                                                          \
			fprintf(stderr, "%s:%d: %s: not so\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                                \
		}                                                                           \
	} while(0)

/* The result that is wanted, or the library's own words. */
#define CHECK_RESULT(wanted, call, err)                                                \
	do {                                                                               \
		ife_result result_ = (call);                                                   \
		if(result_ != (wanted)) {                                                      \
			fprintf(stderr, "%s:%d: %s gave %u (%s): %s\n", __FILE__, __LINE__, #call, \
					(unsigned)result_, ife_result_text(result_), (err)->text);         \
			exit(1);                                                                   \
		}                                                                              \
	} while(0)

/* One signed call, as the fixture program wrote it. */
typedef struct signed_call
{
	char call_id[128];
	char from_tag[64];
	char trace_id[129];
	char callee[160];
	char hazard[33];
	char signature[256];
	char raw[1200];
} signed_call;

/* Each test defines it; common.c has main. */
void test_body(void);

/* Where the fixture lies and the state of this test goes; set by main. */
extern char test_dir[512];
extern char test_state_dir[512];
extern char test_registry[600];

ife_str str_of(const char *text);
ife_header header_of(const char *text);

/* Options that open; change what the test is about. Strings live as long as the program. */
ife_options good_options(void);
/* An open handle; attached unless process_no is negative. */
ife_policy *open_policy(int process_no);

/* Reads at most max calls of a fixture file; returns how many there are. */
size_t read_calls(const char *file, signed_call *calls, size_t max);
/* The INVITE of a call. Points into the call. */
ife_message invite_of(signed_call *call);

/* Ends the test when a child did not end well. */
void wait_for_child(int pid);

#endif
