/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The library answers in JSON; RPC has structures of its own. This hands one on as the other.
 */
#ifndef IFE_RPC_JSON_H
#define IFE_RPC_JSON_H

#include <stddef.h>

#include "core/rpc.h"

/*
 * Adds each object of the JSON array in buf to the RPC answer as one structure. Lists inside become one string with
 * ", " between the items, as not every RPC transport can nest them. buf must have room for one more byte.
 * 0, or -1 if buf is not an array of objects.
 */
int ife_rpc_add_json(rpc_t *rpc, void *ctx, char *buf, size_t len);

#endif /* IFE_RPC_JSON_H */
