/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A classic BPF program on the listening sockets. Linux runs it on each segment that goes to a
 * listener, the SYN first. An accepted connection inherits the program that let its SYN pass.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/socket_info.h"

#include "ife_barrier.h"

/* Instructions of the longest comparison, that of an IPv6 address. */
#define IFE_BPF_EACH 9
#define IFE_BPF_PASS 0xffffffffU

typedef struct listener
{
	int fd;
	unsigned int family;
} listener_t;

static listener_t *listeners;
static size_t listeners_count;
static struct sock_filter program[IFE_BARRIER_MAX * IFE_BPF_EACH + 2];
static unsigned short length;

static void put(unsigned short code, unsigned char jt, unsigned char jf, unsigned int k)
{
	struct sock_filter instruction = BPF_JUMP(code, k, jt, jf);

	program[length++] = instruction;
}

/* Compares the source address word by word; the first difference jumps past the drop. */
static void put_address(const struct ip_addr *ip)
{
	unsigned int words = ip->len / 4;
	unsigned int at = ip->af == AF_INET ? 12 : 8;
	unsigned int i;

	for(i = 0; i < words; i++) {
		put(BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned int)SKF_NET_OFF + at + i * 4);
		put(BPF_JMP | BPF_JEQ | BPF_K, 0, (unsigned char)((words - i - 1) * 2 + 1),
				ntohl(ip->u.addr32[i]));
	}
	put(BPF_RET | BPF_K, 0, 0, 0);
}

/* A listener serves one family: only addresses of that family are compared. */
static void compile(const struct ip_addr *addresses, size_t count, unsigned int family)
{
	size_t i;

	length = 0;
	for(i = 0; i < count && i < IFE_BARRIER_MAX; i++) {
		if(addresses[i].af == family)
			put_address(&addresses[i]);
	}
	put(BPF_RET | BPF_K, 0, 0, IFE_BPF_PASS);
}

static int attach(const listener_t *listener)
{
	struct sock_fprog filter = {length, program};

	/* Without addresses the program passes everything, so SO_DETACH_FILTER is not needed. */
	if(setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0)
		return 0;
	LM_ERR("cannot attach a filter to a listening socket: %s\n", strerror(errno));
	return -1;
}

static int keep(const struct socket_info *from)
{
	listener_t *more;

	for(; from != NULL; from = from->next) {
		if(from->socket < 0)
			continue;
		more = realloc(listeners, (listeners_count + 1) * sizeof(*listeners));
		if(more == NULL)
			return -1;
		listeners = more;
		listeners[listeners_count].family = from->address.af;
		listeners[listeners_count].fd = dup(from->socket);
		if(listeners[listeners_count].fd < 0) {
			LM_ERR("cannot duplicate a listening socket: %s\n", strerror(errno));
			return -1;
		}
		listeners_count++;
	}
	return 0;
}

int ife_barrier_keep(void)
{
	if(keep(tcp_listen) < 0)
		return -1;
#ifdef USE_TLS
	return tls_disable ? 0 : keep(tls_listen);
#else
	return 0;
#endif
}

void ife_barrier_close(void)
{
	size_t i;

	for(i = 0; i < listeners_count; i++)
		close(listeners[i].fd);
	free(listeners);
	listeners = NULL;
	listeners_count = 0;
}

int ife_barrier_set(const struct ip_addr *addresses, size_t count)
{
	size_t i;

	for(i = 0; i < listeners_count; i++) {
		compile(addresses, count, listeners[i].family);
		if(attach(&listeners[i]) < 0)
			return -1;
	}
	return 0;
}
