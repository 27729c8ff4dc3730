/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Suspended calls. A worker suspends the transaction and writes the address of its watch into a
 * pipe. One process reads each pipe, waits for the disk or the deadline, settles the decision and
 * continues the transaction. No lock is held meanwhile.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2(), F_SETPIPE_SZ */
#endif
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dprint.h"
#include "core/fmsg.h"
#include "core/kemi.h"
#include "core/mem/shm_mem.h"
#include "core/pt.h"
#include "core/receive.h"
#include "core/route.h"
#include "core/sr_module.h"
#include "core/timer_ticks.h"

#include "ife_gate.h"
#include "ife_msg.h"
#include "ife_tm.h"
#include "ife_wait.h"

#define IFE_WAIT_WORKERS_MAX 32
#define IFE_WAIT_CALLS_MAX 65536
/* Addition to the deadline after which tm itself ends the call: a process should have done so. */
#define IFE_WAIT_MARGIN_MS 2000
/* Time between two looks at all waiting calls: a younger entry may be on disk first. */
#define IFE_WAIT_LOOK_MS 5
#define IFE_WAIT_IDLE_MS 1000

ife_wait_settings_t ife_wait_settings = {.workers = 2, .calls = 4096};

/* Calls that wait, in shared memory. */
static int *waiting;
static int pipes[IFE_WAIT_WORKERS_MAX][2];

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int is_off(void)
{
	return ife_tm_api() == NULL || ife_settings.witness_wait_ms == 0
		   || ife_wait_settings.workers == 0;
}

int ife_wait_count(void)
{
	return waiting == NULL ? 0 : __atomic_load_n(waiting, __ATOMIC_RELAXED);
}

/* ----- in a worker ----- */

int ife_wait_is_possible(sip_msg_t *msg)
{
	return !is_off() && msg->first_line.type == SIP_REQUEST && msg->REQ_METHOD == METHOD_INVITE
		   && is_route_type(REQUEST_ROUTE) && !faked_msg_match(msg);
}

int ife_wait_resume_by(const char *name, ife_resume_t *resume)
{
	int route;

	memset(resume, 0, sizeof(*resume));
	resume->route = -1;
	if(sr_kemi_eng_get() != NULL) {
		if(name == NULL || name[0] == '\0' || strlen(name) >= sizeof(resume->callback)) {
			LM_ERR("the name of the function that takes up a call must have 1 to %zu bytes\n",
					sizeof(resume->callback) - 1);
			return -1;
		}
		strcpy(resume->callback, name);
		return 0;
	}
	route = route_lookup(&main_rt, (char *)name);
	if(route < 0 || main_rt.rlist[route] == NULL) {
		LM_ERR("there is no route[%s] to take up a call after its wait\n", name);
		return -1;
	}
	resume->route = route;
	return 0;
}

static int reserve(void)
{
	if(__atomic_add_fetch(waiting, 1, __ATOMIC_RELAXED) <= ife_wait_settings.calls)
		return 0;
	__atomic_sub_fetch(waiting, 1, __ATOMIC_RELAXED);
	return -1;
}

static void release(void)
{
	__atomic_sub_fetch(waiting, 1, __ATOMIC_RELAXED);
}

/* Suspends for longer than the deadline: the branch of a suspended transaction has fr_timer. */
static int suspend(sip_msg_t *msg, tm_cell_t *t, ife_wait_t *wait)
{
	ticks_t normal = t->fr_timeout;
	ticks_t longest = MS_TO_TICKS(ife_settings.witness_wait_ms + IFE_WAIT_MARGIN_MS);
	int rc;

	if(longest > normal)
		t->fr_timeout = longest;
	rc = ife_tm_api()->t_suspend(msg, &wait->hash_index, &wait->label);
	t->fr_timeout = normal;
	return rc == 0 ? 0 : -1;
}

static void unsuspend(tm_cell_t *t, const ife_wait_t *wait)
{
	ife_tm_api()->t_cancel_suspend(wait->hash_index, wait->label);
	/* Kamailio 5.6 leaves the flag. */
	t->flags &= ~T_ASYNC_SUSPENDED;
}

/* Gives the watch to the process of its transaction's hash. */
static int hand_over(ife_watch_t *watch)
{
	const int *ends = pipes[watch->wait.hash_index % (unsigned int)ife_wait_settings.workers];

	/* The pipe has room for all calls that may wait. */
	return write(ends[1], &watch, sizeof(watch)) == (ssize_t)sizeof(watch) ? 0 : -1;
}

/* A final reply ended the transaction: the caller has cancelled it, or tm's timer fired. */
static int has_ended(const tm_cell_t *t)
{
	return (t->flags & T_CANCELED) != 0 || t->uas.status >= 200;
}

static ife_wait_result_t make_transaction(sip_msg_t *msg)
{
	int rc;

	if(ife_tm_current() != NULL)
		return IFE_WAIT_READY;
	rc = ife_tm_api()->t_newtran(msg);
	if(rc == 0)
		return IFE_WAIT_ABSORBED;
	return rc < 0 || ife_tm_current() == NULL ? IFE_WAIT_IMPOSSIBLE : IFE_WAIT_READY;
}

ife_wait_result_t ife_wait_open(sip_msg_t *msg)
{
	ife_wait_result_t result;

	if(reserve() < 0)
		return IFE_WAIT_IMPOSSIBLE;
	result = make_transaction(msg);
	if(result != IFE_WAIT_READY)
		release();
	return result;
}

static ife_wait_result_t keep(
		sip_msg_t *msg, ife_watch_t *watch, const ife_ticket *ticket, const ife_resume_t *resume)
{
	ife_wait_t *wait = &watch->wait;
	tm_cell_t *t = ife_tm_current();

	wait->t = t;
	wait->ticket = *ticket;
	wait->resume = *resume;
	wait->deadline_ms = now_ms() + ife_settings.witness_wait_ms;
	if(suspend(msg, t, wait) < 0)
		return has_ended(t) ? IFE_WAIT_ABSORBED : IFE_WAIT_IMPOSSIBLE;
	atomic_inc(&t->ref_count);
	if(hand_over(watch) == 0)
		return IFE_WAIT_SUSPENDED;
	unsuspend(t, wait);
	ife_tm_api()->unref_cell(t);
	return IFE_WAIT_IMPOSSIBLE;
}

ife_wait_result_t ife_wait_begin(
		sip_msg_t *msg, ife_watch_t *watch, const ife_ticket *ticket, const ife_resume_t *resume)
{
	ife_wait_result_t result = IFE_WAIT_IMPOSSIBLE;

	if(watch != NULL)
		result = keep(msg, watch, ticket, resume);
	if(result != IFE_WAIT_SUSPENDED)
		release();
	return result;
}

/* ----- in a process that takes up calls ----- */

static void continue_script(ife_wait_t *wait)
{
	static str event = str_init("if_escalate:resume");
	const tm_api_t *tmb = ife_tm_api();
	str callback = {wait->resume.callback, (int)strlen(wait->resume.callback)};

	if(wait->resume.route >= 0)
		tmb->t_continue(wait->hash_index, wait->label, main_rt.rlist[wait->resume.route]);
	else
		tmb->t_continue_cb(wait->hash_index, wait->label, &callback, &event);
	ksr_msg_env_reset();
}

static void take_up(ife_watch_t *watch)
{
	/* The script may end the transaction, but not free it: this reference is the wait's. */
	tm_cell_t *t = watch->wait.t;

	ife_gate_settle(watch, t->uas.request);
	if(!has_ended(t))
		continue_script(&watch->wait);
	ife_tm_api()->unref_cell(t);
	release();
}

static int is_due(const ife_watch_t *watch, int64_t now)
{
	return watch->wait.deadline_ms <= now
		   || ife_ticket_wait(ife_handle, &watch->wait.ticket, 0, NULL) == IFE_OK;
}

/* Takes up each call whose entry is on disk or whose deadline is over. Returns how many remain. */
static size_t take_up_due(ife_watch_t **calls, size_t count)
{
	size_t kept = 0;
	size_t i;

	for(i = 0; i < count; i++) {
		if(is_due(calls[i], now_ms()))
			take_up(calls[i]);
		else
			calls[kept++] = calls[i];
	}
	return kept;
}

static size_t take_new(int fd, ife_watch_t **calls, size_t count)
{
	while(count < (size_t)ife_wait_settings.calls
			&& read(fd, &calls[count], sizeof(*calls)) == (ssize_t)sizeof(*calls))
		count++;
	return count;
}

static void run(int fd)
{
	ife_watch_t **calls = calloc((size_t)ife_wait_settings.calls, sizeof(*calls));
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	size_t count = 0;

	if(calls == NULL) {
		LM_ERR("no memory for a table of %d waiting calls\n", ife_wait_settings.calls);
		exit(-1);
	}
	for(;;) {
		cfg_update();
		count = take_up_due(calls, take_new(fd, calls, count));
		if(count == 0)
			poll(&readable, 1, IFE_WAIT_IDLE_MS);
		else
			ife_ticket_wait(ife_handle, &calls[0]->wait.ticket, IFE_WAIT_LOOK_MS, NULL);
	}
}

/* ----- start ----- */

static int make_pipe(int *ends)
{
	size_t needed = (size_t)ife_wait_settings.calls * sizeof(ife_watch_t *);
	int size;

	if(pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	size = fcntl(ends[0], F_GETPIPE_SZ);
	if(size > 0 && (size_t)size < needed)
		size = fcntl(ends[0], F_SETPIPE_SZ, (int)needed);
	return size > 0 && (size_t)size >= needed ? 0 : -1;
}

int ife_wait_register(void)
{
	const ife_wait_settings_t *set = &ife_wait_settings;
	int i;

	if(set->workers < 0 || set->workers > IFE_WAIT_WORKERS_MAX || set->calls < 1
			|| set->calls > IFE_WAIT_CALLS_MAX) {
		LM_ERR("modparam witness_wait_workers must be 0 to %d, witness_wait_calls 1 to %d\n",
				IFE_WAIT_WORKERS_MAX, IFE_WAIT_CALLS_MAX);
		return -1;
	}
	if(is_off())
		return 0;
	waiting = shm_malloc(sizeof(*waiting));
	if(waiting == NULL) {
		SHM_MEM_ERROR;
		return -1;
	}
	*waiting = 0;
	for(i = 0; i < set->workers; i++) {
		if(make_pipe(pipes[i]) < 0) {
			LM_ERR("cannot make a pipe for %d waiting calls: lower witness_wait_calls\n",
					set->calls);
			return -1;
		}
	}
	if(register_procs(set->workers) < 0) {
		LM_ERR("cannot register processes that take up calls\n");
		return -1;
	}
	cfg_register_child(set->workers);
	return 0;
}

int ife_wait_fork(void)
{
	int pid;
	int i;

	if(is_off())
		return 0;
	for(i = 0; i < ife_wait_settings.workers; i++) {
		/* With child_init() of all modules and a way to the TCP process: it runs the script. */
		pid = fork_process(PROC_RPC, "if_escalate resume", 1);
		if(pid < 0) {
			LM_ERR("cannot fork a process that takes up calls\n");
			return -1;
		}
		if(pid > 0)
			continue;
		if(cfg_child_init() < 0)
			exit(-1);
		run(pipes[i][0]);
	}
	return 0;
}
