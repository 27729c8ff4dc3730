/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Calls that wait for the disk without a worker: their transactions are suspended, and processes of
 * the module take them up when their entries are on disk.
 */
#ifndef IFE_WAIT_H
#define IFE_WAIT_H

#include "ife_core.h"
#include "ife_watch.h"

typedef struct ife_wait_settings
{
	int workers; /* processes that take up calls; 0: a decision waits in its worker */
	int calls;   /* calls that may wait at a time */
} ife_wait_settings_t;

extern ife_wait_settings_t ife_wait_settings;

typedef enum ife_wait_result
{
	IFE_WAIT_READY,     /* of ife_wait_open(): there are a place and a transaction */
	IFE_WAIT_SUSPENDED, /* the script ends here */
	IFE_WAIT_ABSORBED,  /* a retransmission, or cancelled meanwhile: the script ends here, too */
	IFE_WAIT_IMPOSSIBLE
} ife_wait_result_t;

/* Checks the settings, makes the pipes and reserves the processes: after ife_tm_init(). */
int ife_wait_register(void);
/* Forks the processes, in child_init of the main process. */
int ife_wait_fork(void);

/* Names the route, or with a KEMI engine the function, that takes up calls. 0, or -1 (logged). */
int ife_wait_resume_by(const char *name, ife_resume_t *resume);

/* 1 if the decision on msg may wait in another process. */
int ife_wait_is_possible(sip_msg_t *msg);

/* Takes a place among the calls that wait, and makes the transaction of msg if there is none. After
 * IFE_WAIT_READY call ife_wait_begin(), after any other result nothing waits. */
ife_wait_result_t ife_wait_open(sip_msg_t *msg);
/* Suspends the transaction of msg, which `watch` follows; NULL: none does, and nothing waits. */
ife_wait_result_t ife_wait_begin(
		sip_msg_t *msg, ife_watch_t *watch, const ife_ticket *ticket, const ife_resume_t *resume);

/* Returns the number of calls that wait. */
int ife_wait_count(void);

#endif /* IFE_WAIT_H */
