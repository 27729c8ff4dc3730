/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Refusals of new calls before Kamailio parses them. A refusal by the script parses all header
 * fields first; under overload that takes the time of calls that could be served.
 */
#define _GNU_SOURCE
#include <string.h>

#include "core/dprint.h"
#include "core/events.h"
#include "core/ip_addr.h"
#include "core/udp_server.h"

#include "ife_core.h"
#include "ife_load.h"
#include "ife_overload.h"

int ife_overload_refuse_above = 0;

static int begins_with(const char *buf, int len, const char *method, int method_len)
{
	return len > method_len && memcmp(buf, method, (size_t)method_len) == 0;
}

/* An ACK counts at any time: it follows its refusal when the queue may be short again. */
static int is_worth_a_look(const char *buf, int len, const receive_info_t *rcv)
{
	if(begins_with(buf, len, "INVITE ", 7))
		return ife_load_socket_above(rcv->bind_address, ife_overload_refuse_above);
	if(begins_with(buf, len, "ACK ", 4))
		return memmem(buf, (size_t)len, IFE_OVERLOAD_TAG, strlen(IFE_OVERLOAD_TAG)) != NULL;
	return 0;
}

/* Returns the length of the reply, 0 for none, or -1 if Kamailio must handle the datagram. */
static int reply_to(const char *buf, int len, receive_info_t *rcv, char *reply, size_t reply_size)
{
	ife_str datagram = {buf, (size_t)len};
	ife_str peer = {ip_addr2a(&rcv->src_ip), 0};
	size_t reply_len = 0;
	ife_error err;
	ife_result result;

	if(ife_attach() < 0)
		return -1;
	peer.len = strlen(peer.ptr);
	err.text[0] = '\0';
	result = ife_overload_reply(
			ife_handle, datagram, peer, rcv->src_port, reply, reply_size, &reply_len, &err);
	if(result != IFE_OK && result != IFE_NOT_FOUND)
		ife_log_error("cannot refuse a call under overload", result, &err);
	return result == IFE_OK ? (int)reply_len : -1;
}

/* Kamailio calls it for each datagram. A negative return ends the datagram's handling. */
static int on_datagram(sr_event_param_t *event)
{
	char reply[IFE_OVERLOAD_REPLY_SIZE];
	void **datagram = (void **)event->data;
	const char *buf = (const char *)datagram[0];
	int len = *(int *)datagram[1];
	receive_info_t *rcv = (receive_info_t *)datagram[2];
	struct dest_info to;
	int reply_len;

	if(rcv->bind_address == NULL || rcv->src_port == 0 || !is_worth_a_look(buf, len, rcv))
		return 0;
	reply_len = reply_to(buf, len, rcv, reply, sizeof(reply));
	if(reply_len < 0)
		return 0;
	if(reply_len > 0) {
		init_dst_from_rcv(&to, rcv);
		/* A refusal that is lost is like one that is lost on the way: the caller sends again. */
		if(udp_send(&to, reply, (unsigned)reply_len) < 0)
			LM_DBG("a refusal was not sent\n");
	}
	return -1;
}

int ife_overload_register(void)
{
	if(ife_overload_refuse_above < 0 || ife_overload_refuse_above > 1000) {
		LM_ERR("modparam refuse_above: %d is no percentage of a queue (0 to 1000)\n",
				ife_overload_refuse_above);
		return -1;
	}
	if(ife_overload_refuse_above == 0)
		return 0;
	if(ife_settings.scope != IFE_SCOPE_ALL) {
		LM_ERR("modparam refuse_above needs scope \"all\": with \"registry\" other calls leave no"
			   " record, and their INVITEs that are sent again would be refused\n");
		return -1;
	}
	if(ife_settings.mode == IFE_MODE_SHADOW)
		return 0;
	if(sr_event_register_cb(SREV_NET_DGRAM_IN, on_datagram) < 0)
		LM_WARN("refuse_above has no effect: another module (sipcapture?) takes the datagrams\n");
	return 0;
}
