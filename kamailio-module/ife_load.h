/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signs of overload, for a script that sheds load.
 */
#ifndef IFE_LOAD_H
#define IFE_LOAD_H

#include "core/parser/msg_parser.h"

/* 1 if what waits behind this message in its socket fills at least so many percent of it, else -1. */
int ki_queue_above(sip_msg_t *msg, int percent);
/* 1 if at least so many percent of the shared memory are in use, else -1. */
int ki_memory_above(sip_msg_t *msg, int percent);

/* The receive buffer that UDP sockets are to have, in bytes; 0 leaves what Kamailio asked for. */
extern int ife_load_receive_buffer;

/* Asks the kernel for it, for every UDP socket; before the first fork, when they are open. Logs where it gets less. */
void ife_load_widen_receive_buffers(void);

/* Compares the shared memory with what the configured connections can take; logs what is wrong. 0, or -1 if it cannot do. */
int ife_load_check_memory(void);

#endif /* IFE_LOAD_H */
