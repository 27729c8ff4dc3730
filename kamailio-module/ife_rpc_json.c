/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Converts the library's JSON to RPC structures.
 */
#include <stdio.h>
#include <string.h>

#include "core/utils/srjson.h"

#include "ife_rpc_json.h"

#define IFE_LIST_SIZE 2048

static void add_list(rpc_t *rpc, void *th, const srjson_t *list)
{
	char text[IFE_LIST_SIZE];
	size_t used = 0;
	const srjson_t *item;
	int n;

	text[0] = '\0';
	for(item = list->child; item != NULL; item = item->next) {
		if((item->type & 0xff) != srjson_String || item->valuestring == NULL)
			continue;
		n = snprintf(
				text + used, sizeof(text) - used, "%s%s", used > 0 ? ", " : "", item->valuestring);
		if(n < 0 || (size_t)n >= sizeof(text) - used)
			break;
		used += (size_t)n;
	}
	rpc->struct_add(th, "s", list->string, text);
}

static void add_field(rpc_t *rpc, void *th, const srjson_t *field)
{
	if(field->string == NULL)
		return;
	switch(field->type & 0xff) {
		case srjson_True:
			rpc->struct_add(th, "s", field->string, "yes");
			break;
		case srjson_False:
			rpc->struct_add(th, "s", field->string, "no");
			break;
		case srjson_Number:
			if(field->valuedouble >= -2147483648.0 && field->valuedouble <= 2147483647.0)
				rpc->struct_add(th, "d", field->string, SRJSON_GET_INT(field));
			else
				rpc->struct_printf(th, field->string, "%.0f", field->valuedouble);
			break;
		case srjson_String:
			rpc->struct_add(
					th, "s", field->string, field->valuestring == NULL ? "" : field->valuestring);
			break;
		case srjson_Array:
			add_list(rpc, th, field);
			break;
		default: /* null and nested objects: left out */
			break;
	}
}

int ife_rpc_add_json(rpc_t *rpc, void *ctx, char *buf, size_t len)
{
	srjson_doc_t doc;
	const srjson_t *item;
	const srjson_t *field;
	void *th;
	int rc = -1;

	buf[len] = '\0';
	srjson_InitDoc(&doc, NULL);
	doc.root = srjson_Parse(&doc, buf);
	if(doc.root == NULL || (doc.root->type & 0xff) != srjson_Array)
		goto out;
	for(item = doc.root->child; item != NULL; item = item->next) {
		if((item->type & 0xff) != srjson_Object || rpc->add(ctx, "{", &th) < 0)
			goto out;
		for(field = item->child; field != NULL; field = field->next)
			add_field(rpc, th, field);
	}
	rc = 0;

out:
	srjson_DestroyDoc(&doc);
	return rc;
}
