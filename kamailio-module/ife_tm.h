/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tm knows of the message being processed. Without tm loaded, nothing; that is no error.
 */
#ifndef IFE_TM_H
#define IFE_TM_H

#include "ife_core.h"

/* The final reply that a failure route is about. `reply` is NULL when it was made here. */
typedef struct ife_tm_final
{
	uint32_t code;
	ife_str reason;
	sip_msg_t *reply;
} ife_tm_final_t;

void ife_tm_init(void);

/* The current transaction's request, in tm's shared memory (read strings only), or NULL. */
const sip_msg_t *ife_tm_request(void);

/* 1 and the final reply when called in a failure route, else 0. */
int ife_tm_final(ife_tm_final_t *final);

#endif /* IFE_TM_H */
