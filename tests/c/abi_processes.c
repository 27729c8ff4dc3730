/* Many processes on one state: forks that may not speak, workers that share a call, a reload
 * under load. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define WORKERS 6
#define CALLS 200

static signed_call calls[CALLS];

static void a_fork_of_a_worker_is_refused(ife_policy *policy)
{
	ife_message msg = invite_of(&calls[0]);
	ife_verdict verdict;
	ife_error err;
	int pid = fork();
	if(pid == 0) {
		CHECK_RESULT(IFE_NOT_ATTACHED, ife_policy_check(policy, &msg, &verdict, &err), &err);
		CHECK_RESULT(IFE_NOT_ATTACHED,
				ife_witness_log(policy, &msg, str_of("INVITE"), str_of(NULL), NULL, &err), &err);
		/* The parent's ring is the parent's. */
		CHECK_RESULT(IFE_WITNESS_UNAVAILABLE, ife_policy_attach(policy, 0, &err), &err);
		CHECK_RESULT(IFE_OK, ife_policy_attach(policy, 1, &err), &err);
		CHECK_RESULT(IFE_OK,
				ife_witness_log(policy, &msg, str_of("INVITE"), str_of(NULL), NULL, &err), &err);
		ife_policy_close(policy);
		_exit(0);
	}
	wait_for_child(pid);
	CHECK_RESULT(IFE_OK, ife_witness_log(policy, &msg, str_of("INVITE"), str_of(NULL), NULL, &err),
			&err);
}

/* Every worker brings every call from a port of its own, so that only the first is let in. */
static void bring_calls(ife_policy *policy, uint32_t worker, unsigned *approved)
{
	ife_error err;
	char peer_ip[16];
	size_t i;
	CHECK_RESULT(IFE_OK, ife_policy_attach(policy, worker, &err), &err);
	snprintf(peer_ip, sizeof(peer_ip), "127.0.1.%u", (unsigned)worker & 0xff);
	for(i = 0; i < CALLS; i++) {
		ife_message msg = invite_of(&calls[i]);
		ife_verdict verdict;
		msg.peer_ip = str_of(peer_ip);
		CHECK_RESULT(IFE_OK, ife_policy_check(policy, &msg, &verdict, &err), &err);
		if(verdict.approved)
			__atomic_add_fetch(&approved[i], 1, __ATOMIC_SEQ_CST);
		else
			CHECK(verdict.gate == IFE_GATE_REPLAY);
	}
	ife_policy_close(policy);
}

static void each_call_is_let_in_once(void)
{
	ife_policy *policy = open_policy(-1);
	const size_t size = CALLS * sizeof(unsigned);
	unsigned *approved =
			mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pids[WORKERS];
	ife_stats stats;
	ife_error err;
	uint64_t generation;
	uint32_t worker;
	size_t i;
	CHECK(approved != MAP_FAILED);
	for(worker = 0; worker < WORKERS; worker++) {
		pids[worker] = fork();
		CHECK(pids[worker] >= 0);
		if(pids[worker] == 0) {
			bring_calls(policy, worker, approved);
			_exit(0);
		}
	}
	/* The registry is loaded anew under their feet. */
	for(i = 0; i < 20; i++)
		CHECK_RESULT(IFE_OK, ife_policy_reload(policy, &generation, &err), &err);
	for(worker = 0; worker < WORKERS; worker++)
		wait_for_child(pids[worker]);
	for(i = 0; i < CALLS; i++)
		CHECK(approved[i] == 1);
	CHECK(ife_policy_stats(policy, &stats) == IFE_OK);
	CHECK(stats.approved == CALLS && stats.rejected[IFE_GATE_REPLAY] == CALLS * (WORKERS - 1));
	CHECK(stats.active_calls == CALLS && stats.reloads == 20 && stats.errors == 0);
	CHECK(munmap(approved, size) == 0);
	ife_policy_close(policy);
}

void test_body(void)
{
	ife_policy *policy;
	CHECK(read_calls("calls.txt", calls, CALLS) == CALLS);
	each_call_is_let_in_once();
	policy = open_policy(0);
	a_fork_of_a_worker_is_refused(policy);
	ife_policy_close(policy);
}
