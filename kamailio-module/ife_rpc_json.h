/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Converts the library's JSON to RPC structures.
 */
#ifndef IFE_RPC_JSON_H
#define IFE_RPC_JSON_H

#include <stddef.h>

#include "core/rpc.h"

/*
 * Adds each object of the JSON array in buf to the RPC answer as one structure. Inner lists become
 * one string with ", " between the items, because some RPC transports cannot nest them. buf must
 * have room for one more byte. 0, or -1 if buf is not an array of objects.
 */
int ife_rpc_add_json(rpc_t *rpc, void *ctx, char *buf, size_t len);

#endif /* IFE_RPC_JSON_H */
