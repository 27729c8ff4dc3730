/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Converts Kamailio's message to the ABI's. The bytes are untrusted: fields are checked before use.
 */
#include <string.h>
#include <strings.h>

#include "core/ip_addr.h"
#include "core/parser/parse_content.h"
#include "core/parser/parse_cseq.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_to.h"
#include "core/ut.h"

#include "ife_msg.h"
#include "ife_tm.h"

/* Occurrences of the headers that may occur once (RFC 3261 7.3.1), except the three of the gate. */
typedef struct header_counts
{
	unsigned int from;
	unsigned int to;
	unsigned int call_id;
	unsigned int cseq;
	unsigned int content_length;
} header_counts_t;

static uint32_t transport_of(int proto)
{
	switch(proto) {
		case PROTO_UDP:
			return IFE_TRANSPORT_UDP;
		case PROTO_TCP:
			return IFE_TRANSPORT_TCP;
		case PROTO_TLS:
			return IFE_TRANSPORT_TLS;
		case PROTO_SCTP:
			return IFE_TRANSPORT_SCTP;
		case PROTO_WS:
			return IFE_TRANSPORT_WS;
		case PROTO_WSS:
			return IFE_TRANSPORT_WSS;
		default:
			return 0;
	}
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Returns the body, folding included: the gate refuses a fold, Kamailio's parser skips it. */
static ife_str raw_body(const hdr_field_t *hf)
{
	ife_str out = {NULL, 0};
	const char *p = hf->name.s + hf->name.len;
	const char *end = hf->name.s + hf->len;

	while(p < end && *p != ':')
		p++;
	if(p < end)
		p++;
	while(p < end && is_blank(*p))
		p++;
	if(end > p && end[-1] == '\n')
		end--;
	if(end > p && end[-1] == '\r')
		end--;
	while(end > p && is_blank(end[-1]))
		end--;
	out.ptr = p;
	out.len = (size_t)(end - p);
	return out;
}

static int name_is(const hdr_field_t *hf, const char *name, int name_len)
{
	int len = hf->name.len;

	/* "Name :" is the same header (RFC 3261 7.3.1); otherwise a second value would pass. */
	while(len > 0 && is_blank(hf->name.s[len - 1]))
		len--;
	return len == name_len && strncasecmp(hf->name.s, name, (size_t)len) == 0;
}

static void count_header(ife_header *out, const hdr_field_t *hf)
{
	if(out->count++ == 0)
		out->value = raw_body(hf);
}

static void count_other(const hdr_field_t *hf, ife_message *out)
{
	if(hf->name.s == NULL || hf->name.len < 5 || strncasecmp(hf->name.s, "X-IF-", 5) != 0)
		return;
	out->if_header_count++;
	if(name_is(hf, "X-IF-Trace-ID", 13))
		count_header(&out->trace_id, hf);
	else if(name_is(hf, "X-IF-Hazard", 11))
		count_header(&out->hazard, hf);
	else if(name_is(hf, "X-IF-Signature", 14))
		count_header(&out->signature, hf);
}

/* Reads only string fields, so it is safe on tm's request in shared memory. */
static void walk_headers(const sip_msg_t *msg, ife_message *out, header_counts_t *counts)
{
	const hdr_field_t *hf;

	for(hf = msg->headers; hf != NULL; hf = hf->next) {
		switch(hf->type) {
			case HDR_OTHER_T:
				count_other(hf, out);
				break;
			case HDR_FROM_T:
				counts->from++;
				break;
			case HDR_TO_T:
				counts->to++;
				break;
			case HDR_CALLID_T:
				counts->call_id++;
				break;
			case HDR_CSEQ_T:
				counts->cseq++;
				break;
			case HDR_CONTACT_T:
				if(out->contact.ptr == NULL)
					out->contact = ife_from_str(&hf->body);
				break;
			case HDR_CONTENTLENGTH_T:
				counts->content_length++;
				break;
			default:
				break;
		}
	}
}

static int fill_parties(sip_msg_t *msg, ife_message *out)
{
	struct to_body *from;
	struct to_body *to;

	if(msg->from == NULL || parse_from_header(msg) < 0 || (from = get_from(msg)) == NULL)
		return -1;
	if(msg->to == NULL || (to = get_to(msg)) == NULL)
		return -1;
	out->from_uri = ife_from_str(&from->uri);
	out->from_tag = ife_from_str(&from->tag_value);
	out->to_uri = ife_from_str(&to->uri);
	out->to_tag = ife_from_str(&to->tag_value);
	return 0;
}

static int fill_cseq(sip_msg_t *msg, ife_message *out)
{
	struct cseq_body *cseq;
	unsigned int number = 0;

	if(msg->cseq == NULL || (cseq = get_cseq(msg)) == NULL)
		return -1;
	if(str2int(&cseq->number, &number) < 0 || number > 0x7fffffffu)
		return -1;
	out->cseq = number;
	if(msg->first_line.type == SIP_REPLY)
		out->method = ife_from_str(&cseq->method);
	return 0;
}

/* The body has Content-Length bytes, if that is given (RFC 3261 18.3). */
static int fill_body(sip_msg_t *msg, ife_message *out)
{
	char *body = get_body(msg);
	size_t available;
	size_t len;

	if(body == NULL || body < msg->buf || body > msg->buf + msg->len)
		return -1;
	available = (size_t)(msg->buf + msg->len - body);
	len = available;
	if(msg->content_length != NULL) {
		long announced = (long)get_content_length(msg);

		if(announced < 0 || (size_t)announced > available)
			return -1;
		len = (size_t)announced;
	}
	if(len > 0) {
		out->body.ptr = body;
		out->body.len = len;
	}
	if(msg->content_type != NULL)
		out->content_type = ife_from_str(&msg->content_type->body);
	return 0;
}

static void fill_peer(struct receive_info *rcv, ife_message *out, ife_msg_room_t *room)
{
	const char *text = ip_addr2a(&rcv->src_ip);
	size_t len = text == NULL ? 0 : strlen(text);

	if(len >= sizeof(room->peer_ip))
		len = 0;
	memcpy(room->peer_ip, text == NULL ? "" : text, len);
	room->peer_ip[len] = '\0';
	out->peer_ip.ptr = room->peer_ip;
	out->peer_ip.len = len;
	out->peer_port = rcv->src_port;
	out->transport = transport_of(rcv->proto);
}

static void fill_first_line(sip_msg_t *msg, ife_message *out)
{
	if(msg->first_line.type == SIP_REPLY) {
		out->status_code = msg->first_line.u.reply.statuscode;
		out->reason_phrase = ife_from_str(&msg->first_line.u.reply.reason);
		return;
	}
	out->method = ife_from_str(&msg->first_line.u.request.method);
	/* The current URI, rewritten or not: the call goes there. */
	out->ruri = ife_from_str(GET_RURI(msg));
	if(GET_RURI(msg) != &msg->first_line.u.request.uri)
		out->other_ruri = ife_from_str(&msg->first_line.u.request.uri);
}

/* The dialog knows the received Request-URI; loose_route() may have rewritten it. */
static void fill_dialog_ruri(sip_msg_t *msg, ife_message *out)
{
	if(msg->first_line.type != SIP_REQUEST || out->to_tag.len == 0)
		return;
	out->other_ruri = ife_from_str(GET_RURI(msg));
	out->ruri = ife_from_str(&msg->first_line.u.request.uri);
}

static int add_route(ife_str *routes, uint32_t *count, const hdr_field_t *hf)
{
	if(*count >= IFE_ROUTES_MAX)
		return -1;
	routes[(*count)++] = ife_from_str(&hf->body);
	return 0;
}

static int fill_routes(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room)
{
	const hdr_field_t *hf;

	for(hf = msg->headers; hf != NULL; hf = hf->next) {
		if(hf->type == HDR_ROUTE_T && add_route(room->routes, &out->route_count, hf) < 0)
			return -1;
		if(hf->type == HDR_RECORDROUTE_T
				&& add_route(room->record_routes, &out->record_route_count, hf) < 0)
			return -1;
	}
	out->routes = out->route_count > 0 ? room->routes : NULL;
	out->record_routes = out->record_route_count > 0 ? room->record_routes : NULL;
	return 0;
}

static int fill_headers(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room)
{
	header_counts_t counts;

	memset(&counts, 0, sizeof(counts));
	if(parse_headers(msg, HDR_EOH_F, 0) < 0)
		return -1;
	walk_headers(msg, out, &counts);
	if(counts.from != 1 || counts.to != 1 || counts.call_id != 1 || counts.cseq != 1
			|| counts.content_length > 1)
		return -1;
	out->call_id = ife_from_str(&msg->callid->body);
	if(fill_parties(msg, out) < 0 || fill_cseq(msg, out) < 0 || fill_routes(msg, out, room) < 0)
		return -1;
	fill_dialog_ruri(msg, out);
	return fill_body(msg, out);
}

void ife_msg_fill(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room)
{
	memset(out, 0, sizeof(*out));
	out->struct_size = sizeof(*out);
	fill_peer(&msg->rcv, out, room);
	fill_first_line(msg, out);
	out->raw.ptr = msg->buf;
	out->raw.len = msg->len;
	if(fill_headers(msg, out, room) < 0) {
		LM_DBG("malformed message\n");
		out->from_uri.ptr = NULL;
		out->from_uri.len = 0;
		out->routes = out->record_routes = NULL;
		out->route_count = out->record_route_count = 0;
	}
}

void ife_msg_fill_sender(sip_msg_t *msg, ife_message *out, ife_msg_room_t *room)
{
	fill_peer(&msg->rcv, out, room);
	out->raw.ptr = msg->buf;
	out->raw.len = msg->len;
}

static void clear_header(ife_header *header)
{
	header->value.ptr = NULL;
	header->value.len = 0;
	header->count = 0;
}

static void set_header(ife_header *header, const char *text)
{
	clear_header(header);
	header->value.len = strlen(text);
	if(header->value.len > 0) {
		header->value.ptr = text;
		header->count = 1;
	}
}

/* The reply that ended the transaction; a reply of this server (timeout) has no sender or bytes. */
static void fill_final_reply(const ife_tm_final_t *final, ife_message *out, ife_msg_room_t *room)
{
	out->status_code = final->code;
	out->reason_phrase = final->reason;
	out->body.ptr = NULL;
	out->body.len = 0;
	out->content_type = out->body;
	if(final->reply == NULL) {
		out->peer_ip = out->body;
		out->peer_port = 0;
		out->raw = out->body;
		return;
	}
	ife_msg_fill_sender(final->reply, out, room);
}

void ife_msg_complete(ife_message *out, ife_msg_room_t *room)
{
	header_counts_t counts;
	ife_tm_final_t final;
	const sip_msg_t *request = ife_tm_request();
	int is_reply = out->status_code != 0;

	if(ife_tm_final(&final))
		fill_final_reply(&final, out, room);
	if(is_reply && request != NULL)
		out->ruri = ife_from_str(GET_RURI(request));

	/* Headers of replies and in-dialog requests are unverified, the approved call's record is
	 * not. */
	if(ife_call_find(ife_handle, out->call_id, &room->call) == IFE_OK) {
		set_header(&out->trace_id, room->call.trace_id);
		set_header(&out->hazard, room->call.hazard);
		return;
	}
	if(is_reply) {
		clear_header(&out->trace_id);
		clear_header(&out->hazard);
		clear_header(&out->signature);
		out->if_header_count = 0;
		memset(&counts, 0, sizeof(counts));
		if(request != NULL)
			walk_headers(request, out, &counts);
	}
}
