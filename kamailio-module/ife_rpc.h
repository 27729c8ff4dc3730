/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RPC commands ife.*.
 */
#ifndef IFE_RPC_H
#define IFE_RPC_H

#include "core/rpc.h"

extern rpc_export_t ife_rpc_exports[];

#endif /* IFE_RPC_H */
