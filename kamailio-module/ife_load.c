/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signs of overload: the receive queue of a message's socket, and shared memory. Each costs at most
 * one system call, so a script can check them before any expensive step.
 */
#include <linux/sock_diag.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/mem/shm_mem.h"
#include "core/socket_info.h"
#include "core/tcp_conn.h"
#include "core/tcp_options.h"

#include "ife_core.h"
#include "ife_load.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/* Unread bytes of a connection that count as a full queue. */
#define IFE_STREAM_FULL_BYTES (128 * 1024)
/* Estimate for OpenSSL's buffers and context of a TLS connection, in shared memory. */
#define IFE_TLS_BYTES (64 * 1024)
/* Kamailio's own tables, before the first message. */
#define IFE_BASE_BYTES (8UL * 1024 * 1024)

/* Returns the used percentage of the receive buffer, or -1 (before Linux 4.12). */
static int datagram_queue(int fd)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t len = sizeof(info);

	if(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 || info[SK_MEMINFO_RCVBUF] == 0)
		return -1;
	return (int)((uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * 100 / info[SK_MEMINFO_RCVBUF]);
}

/* Returns the unhandled bytes of the connection, in percent of IFE_STREAM_FULL_BYTES. */
static int stream_queue(const sip_msg_t *msg)
{
	struct tcp_connection *con = tcpconn_get(msg->rcv.proto_reserved1, NULL, 0, NULL, 0);
	long waiting;
	int unread = 0;

	if(con == NULL)
		return -1;
	if(ioctl(con->fd, FIONREAD, &unread) < 0)
		unread = 0;
	waiting = unread;
	if(con->req.pos > con->req.parsed)
		waiting += con->req.pos - con->req.parsed;
	tcpconn_put(con);
	return (int)(waiting * 100 / IFE_STREAM_FULL_BYTES);
}

int ife_load_receive_buffer = 0;

/* Returns bytes as setsockopt() counts them: getsockopt() reports the double. */
static int receive_buffer_of(int fd)
{
	int bytes = 0;
	socklen_t len = sizeof(bytes);

	return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len) < 0 ? -1 : bytes / 2;
}

void ife_load_widen_receive_buffers(void)
{
	struct socket_info *si;
	int asked = ife_load_receive_buffer;
	int got;

	for(si = udp_listen; si != NULL; si = si->next) {
		got = receive_buffer_of(si->socket);
		if(got < 0 || got >= asked)
			continue;
		/* SO_RCVBUFFORCE needs CAP_NET_ADMIN; net.core.rmem_max limits SO_RCVBUF. */
		if(setsockopt(si->socket, SOL_SOCKET, SO_RCVBUFFORCE, &asked, sizeof(asked)) < 0)
			setsockopt(si->socket, SOL_SOCKET, SO_RCVBUF, &asked, sizeof(asked));
		got = receive_buffer_of(si->socket);
		if(got < asked)
			LM_WARN("%.*s has a receive buffer of %d bytes, not the %d of"
					" udp_receive_buffer: set the sysctl net.core.rmem_max to %d, or new"
					" calls are refused early under load\n",
					si->sock_str.len, si->sock_str.s, got, asked, asked);
	}
}

int ife_load_socket_above(const struct socket_info *si, int percent)
{
	int used = datagram_queue(si->socket);

	return used >= 0 && used >= percent;
}

int ki_queue_above(sip_msg_t *msg, int percent)
{
	int used;

	if(msg->rcv.bind_address == NULL)
		return -1;
	if(msg->rcv.proto == PROTO_UDP)
		used = datagram_queue(msg->rcv.bind_address->socket);
	else if(msg->rcv.proto == PROTO_TCP || msg->rcv.proto == PROTO_TLS)
		used = stream_queue(msg);
	else
		used = -1;
	return used >= 0 && used >= percent ? 1 : -1;
}

int ki_memory_above(sip_msg_t *msg, int percent)
{
	unsigned long left = shm_available();

	(void)msg;
	if(left > shm_mem_size)
		return -1;
	return (shm_mem_size - left) / (shm_mem_size / 100 + 1) >= (unsigned long)percent ? 1 : -1;
}

int ife_load_check_memory(void)
{
	unsigned long per_connection = sizeof(struct tcp_connection) + tcp_default_cfg.rd_buf_size;
	unsigned long streams = 0;
	unsigned long all_mib = shm_mem_size >> 20;

	if(!tcp_disable)
		streams = (unsigned long)tcp_max_connections * per_connection;
#ifdef USE_TLS
	if(!tcp_disable && !tls_disable)
		streams += (unsigned long)tls_max_connections * IFE_TLS_BYTES;
#endif
	if(streams + IFE_BASE_BYTES > shm_mem_size && ife_settings.scope == IFE_SCOPE_ALL) {
		LM_ERR("shared memory of %lu MiB is too small: tcp_max_connections=%d and"
			   " tls_max_connections=%d can take %lu MiB of it; start Kamailio with -m %lu or more,"
			   " or lower them\n",
				all_mib, tcp_max_connections, tls_max_connections, streams >> 20,
				((streams + IFE_BASE_BYTES) >> 20) * 2);
		return -1;
	}
	if(streams > shm_mem_size / 2)
		LM_WARN("TCP and TLS connections can take %lu of %lu MiB of shared memory, more than half:"
				" start Kamailio with -m %lu or lower tcp_max_connections\n",
				streams >> 20, all_mib, (streams >> 20) * 2 + 1);
	return 0;
}
