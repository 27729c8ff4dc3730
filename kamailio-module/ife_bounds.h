/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bounds on what a stranger sends, checked before any other module's function sees the message.
 */
#ifndef IFE_BOUNDS_H
#define IFE_BOUNDS_H

#include "core/parser/msg_parser.h"

/* Other modules copy URIs into buffers of 1,024 bytes (nathelper's aborts the worker), and names into smaller ones. */
#define IFE_URI_LEN_MAX 1000
#define IFE_HOST_LEN_MAX 253
#define IFE_PARAMETERS_LEN_MAX 600
#define IFE_CALL_ID_LEN_MAX 256
#define IFE_TAG_LEN_MAX 256
#define IFE_BRANCH_LEN_MAX 512
#define IFE_FIELD_LEN_MAX 4096
#define IFE_FIELDS_MAX 128

/* What a message that breaks a bound is answered. */
typedef struct ife_bound
{
	uint32_t code;
	const char *reason;
	const char *detail;
} ife_bound_t;

/* The bound that the message breaks, or NULL. */
const ife_bound_t *ife_bounds_check(sip_msg_t *msg);

#endif /* IFE_BOUNDS_H */
