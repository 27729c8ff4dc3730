/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a forked process must forget of its parent.
 */
#ifndef IFE_FORK_H
#define IFE_FORK_H

/* From here on each fork starts without thread-local data of its parent in shared memory. Call it in mod_init; -1 on failure. */
int ife_fork_init(void);

#endif
