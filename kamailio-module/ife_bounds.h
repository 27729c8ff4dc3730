/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bounds on the parts of a message, checked before another module's function reads it.
 */
#ifndef IFE_BOUNDS_H
#define IFE_BOUNDS_H

#include "core/parser/msg_parser.h"

/* Other modules copy URIs into buffers of 1,024 bytes (nathelper aborts the worker), names into
 * less. */
#define IFE_URI_LEN_MAX 1000
#define IFE_HOST_LEN_MAX 253
#define IFE_PARAMETERS_LEN_MAX 600
#define IFE_CALL_ID_LEN_MAX 256
#define IFE_TAG_LEN_MAX 256
#define IFE_BRANCH_LEN_MAX 512
#define IFE_FIELD_LEN_MAX 4096
#define IFE_FIELDS_MAX 128

/* The answer to a message that breaks a bound. */
typedef struct ife_bound
{
	uint32_t code;
	const char *reason;
	const char *detail;
} ife_bound_t;

/* Returns the bound that the message breaks, or NULL. */
const ife_bound_t *ife_bounds_check(sip_msg_t *msg);

#endif /* IFE_BOUNDS_H */
