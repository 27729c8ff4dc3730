/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request whose transaction the module follows: the copy that later events need.
 */
#ifndef IFE_WATCH_H
#define IFE_WATCH_H

#include <stdint.h>

#include "modules/tm/tm_load.h"

#include "ife_core.h"

/* Size of the name of a KEMI function, NUL included. */
#define IFE_CALLBACK_SIZE 64

/* The part of the script that takes up a suspended call. */
typedef struct ife_resume
{
	int route;                        /* index of main_rt, or -1: the KEMI function */
	char callback[IFE_CALLBACK_SIZE]; /* name of a KEMI function */
} ife_resume_t;

/* A suspended transaction, see ife_wait.h. */
typedef struct ife_wait
{
	tm_cell_t *t; /* with a reference of its own, so that the watch lives */
	unsigned int hash_index;
	unsigned int label;
	int64_t deadline_ms; /* of CLOCK_MONOTONIC */
	ife_resume_t resume;
	ife_ticket ticket;
} ife_wait_t;

/* In shared memory; tm frees it with the transaction. */
typedef struct ife_watch
{
	int is_dialog;   /* within a dialog, not the INVITE that began the call */
	int is_answered; /* its 2xx has an entry */
	int is_refused;  /* after a wait: its events are not those of an approved call */
	uint32_t cseq;
	str method;
	str ruri;
	str from_uri;
	str from_tag;
	str to_uri;
	str to_tag;
	str call_id;
	ife_note_t note;
	ife_wait_t wait;
} ife_watch_t;

/* Fills `in` with views of the watch: the request without sender, headers and body. */
void ife_watch_fill(const ife_watch_t *watch, ife_message *in);

#endif /* IFE_WATCH_H */
