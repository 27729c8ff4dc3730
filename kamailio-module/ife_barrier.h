/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeps addresses from opening connections, in the kernel.
 */
#ifndef IFE_BARRIER_H
#define IFE_BARRIER_H

#include <stddef.h>

#include "core/ip_addr.h"

/* As many addresses as one filter takes, with room to spare. */
#define IFE_BARRIER_MAX 256

/*
 * Keeps the listening sockets for a process that is about to be forked: Kamailio closes them in all but one. 0, or -1 with the reason logged.
 * The parent lets go of them after the fork.
 */
int ife_barrier_keep(void);
void ife_barrier_close(void);

/*
 * Drops what these addresses send to the TCP and TLS listeners; connections that they have stay. Replaces the addresses of the last call;
 * none ends it. 0, or -1 where the kernel refuses. In the process that the sockets were kept for.
 */
int ife_barrier_set(const struct ip_addr *addresses, size_t count);

#endif /* IFE_BARRIER_H */
