/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checks lengths only. A field that cannot be parsed passes: the gate refuses it, with an entry.
 */
#include <stdint.h>
#include <string.h>

#include "core/parser/contact/parse_contact.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_to.h"
#include "core/parser/parse_uri.h"

#include "ife_bounds.h"

static const ife_bound_t long_ruri = {414, "Request-URI Too Long", "Request-URI too long"};
static const ife_bound_t long_uri = {
		400, "URI Too Long", "a URI of From, To or Contact is too long"};
static const ife_bound_t long_id = {400, "Identifier Too Long", "Call-ID, tag or branch too long"};
static const ife_bound_t long_field = {400, "Header Field Too Long", "a header field is too long"};
static const ife_bound_t many_fields = {400, "Too Many Header Fields", "too many header fields"};

static const ife_bound_t *check_fields(const sip_msg_t *msg)
{
	const hdr_field_t *hf;
	int fields = 0;

	for(hf = msg->headers; hf != NULL; hf = hf->next) {
		if(++fields > IFE_FIELDS_MAX)
			return &many_fields;
		if(hf->body.len > IFE_FIELD_LEN_MAX)
			return &long_field;
	}
	return NULL;
}

static int is_long_uri(const sip_uri_t *uri)
{
	return uri->host.len > IFE_HOST_LEN_MAX || uri->params.len > IFE_PARAMETERS_LEN_MAX
		   || uri->sip_params.len > IFE_PARAMETERS_LEN_MAX;
}

/* Parses into a copy on the stack, so that the message's own parsed URI stays as it is. */
static const ife_bound_t *check_ruri(const sip_msg_t *msg)
{
	const str *ruri = &msg->first_line.u.request.uri;
	sip_uri_t uri;

	if(msg->first_line.type != SIP_REQUEST)
		return NULL;
	if(ruri->len > IFE_URI_LEN_MAX)
		return &long_ruri;
	if(parse_uri(ruri->s, ruri->len, &uri) < 0)
		return NULL;
	return is_long_uri(&uri) ? &long_ruri : NULL;
}

static const ife_bound_t *check_parties(sip_msg_t *msg)
{
	const struct to_body *from;
	const struct to_body *to;

	if(msg->from == NULL || msg->to == NULL)
		return NULL;
	if(parse_from_header(msg) < 0 || (from = get_from(msg)) == NULL || (to = get_to(msg)) == NULL)
		return NULL;
	if(from->uri.len > IFE_URI_LEN_MAX || to->uri.len > IFE_URI_LEN_MAX)
		return &long_uri;
	if(from->tag_value.len > IFE_TAG_LEN_MAX || to->tag_value.len > IFE_TAG_LEN_MAX)
		return &long_id;
	return NULL;
}

static const ife_bound_t *check_contact(sip_msg_t *msg)
{
	const hdr_field_t *hf;
	const contact_body_t *body;
	const contact_t *contact;

	for(hf = msg->contact; hf != NULL; hf = hf->next) {
		if(hf->type != HDR_CONTACT_T)
			continue;
		if(hf->body.len > IFE_URI_LEN_MAX && parse_contact((hdr_field_t *)hf) < 0)
			return &long_uri;
		if(hf->parsed == NULL)
			continue;
		body = hf->parsed;
		for(contact = body->contacts; contact != NULL; contact = contact->next) {
			if(contact->uri.len > IFE_URI_LEN_MAX)
				return &long_uri;
		}
	}
	return NULL;
}

static const ife_bound_t *check_ids(const sip_msg_t *msg)
{
	if(msg->callid != NULL && msg->callid->body.len > IFE_CALL_ID_LEN_MAX)
		return &long_id;
	if(msg->via1 != NULL && msg->via1->branch != NULL
			&& msg->via1->branch->value.len > IFE_BRANCH_LEN_MAX)
		return &long_id;
	if(msg->via1 != NULL && msg->via1->host.len > IFE_HOST_LEN_MAX)
		return &long_field;
	return NULL;
}

const ife_bound_t *ife_bounds_check(sip_msg_t *msg)
{
	const ife_bound_t *bound = check_ruri(msg);

	if(bound != NULL)
		return bound;
	parse_headers(msg, HDR_EOH_F, 0);
	if((bound = check_fields(msg)) != NULL || (bound = check_ids(msg)) != NULL)
		return bound;
	if((bound = check_parties(msg)) != NULL)
		return bound;
	return check_contact(msg);
}
