/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeps addresses from opening connections, in the kernel.
 */
#ifndef IFE_BARRIER_H
#define IFE_BARRIER_H

#include <stddef.h>

#include "core/ip_addr.h"

/* Maximum number of addresses, below the limit of one BPF program. */
#define IFE_BARRIER_MAX 256

/*
 * Duplicates the listening sockets for a process that is about to be forked, because Kamailio
 * closes them in all but one. 0, or -1 with the reason logged. The parent closes the copies after
 * the fork.
 */
int ife_barrier_keep(void);
void ife_barrier_close(void);

/*
 * Drops segments of these addresses at the TCP and TLS listeners; open connections stay. Replaces
 * the addresses of the last call; count 0 drops none. 0, or -1 if the kernel refuses. Only in the
 * process that the sockets were duplicated for.
 */
int ife_barrier_set(const struct ip_addr *addresses, size_t count);

#endif /* IFE_BARRIER_H */
