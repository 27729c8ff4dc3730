/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process that resolves the host names of the registry's contacts and of the gateways.
 */
#ifndef IFE_NAMES_H
#define IFE_NAMES_H

#include "core/str.h"

/* modparam gateways: path of a dispatcher list whose URIs are resolved as well; empty for none. */
extern str ife_names_gateways;

/* Reserves the process, in mod_init. */
int ife_names_register(void);
/* Forks the process, in child_init of the main process. */
int ife_names_fork(void);

#endif /* IFE_NAMES_H */
