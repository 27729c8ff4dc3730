/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Unfolds header fields before Kamailio parses them. RFC 3261 7.3.1 allows a line break for each
 * space and lets a proxy replace it; Kamailio's parsers of CSeq and others drop a folded request
 * silently.
 */
#include <string.h>
#include <strings.h>

#include "core/dprint.h"
#include "core/events.h"
#include "core/str.h"

#include "ife_fold.h"

/* Replaces line breaks inside header fields by spaces; the length and the body stay. X-IF headers
 * stay folded: they have one spelling, and the gate refuses others. */
static void unfold(char *text, const char *end)
{
	const char *field = text;
	char *lf = text;

	for(; (lf = memchr(lf, '\n', end - lf)) != NULL && lf + 1 < end; lf++) {
		if(lf[1] == '\n' || lf[1] == '\r')
			return;
		if(lf[1] != ' ' && lf[1] != '\t') {
			field = lf + 1;
		} else if(strncasecmp(field, "X-IF-", 5) != 0) {
			if(lf > text && lf[-1] == '\r')
				lf[-1] = ' ';
			*lf = ' ';
		}
	}
}

static int on_data(sr_event_param_t *event)
{
	str *message = (str *)event->data;

	if(message != NULL && message->s != NULL && message->len > 0)
		unfold(message->s, message->s + message->len);
	return 0;
}

int ife_fold_init(void)
{
	if(sr_event_register_cb(SREV_NET_DATA_IN, on_data) < 0) {
		LM_ERR("cannot register a callback for received data\n");
		return -1;
	}
	return 0;
}
