/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signs of overload, for a script that sheds load.
 */
#ifndef IFE_LOAD_H
#define IFE_LOAD_H

#include "core/parser/msg_parser.h"
#include "core/socket_info.h"

/* 1 if the receive queue of the message's socket is at least `percent` full, else -1. */
int ki_queue_above(sip_msg_t *msg, int percent);
/* The same of a UDP socket: 1, else 0. */
int ife_load_socket_above(const struct socket_info *si, int percent);
/* 1 if at least `percent` of the shared memory is in use, else -1. */
int ki_memory_above(sip_msg_t *msg, int percent);

/* modparam udp_receive_buffer: bytes for each UDP socket; 0 keeps Kamailio's value. */
extern int ife_load_receive_buffer;

/* Applies it to every open UDP socket, before the first fork. Logs sockets that get less. */
void ife_load_widen_receive_buffers(void);

/* Compares the shared memory with the configured connections. 0, or -1 if it is too small. */
int ife_load_check_memory(void);

#endif /* IFE_LOAD_H */
