/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Clears thread-local data of the parent after a fork.
 */
#ifndef IFE_FORK_H
#define IFE_FORK_H

/* Makes each fork drop its thread-local data in shared memory. For mod_init; -1 on failure. */
int ife_fork_init(void);

#endif
