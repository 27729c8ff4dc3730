/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * $ife(name): a field of the last verdict on the message, or of the approved call's record.
 */
#ifndef IFE_PV_H
#define IFE_PV_H

#include "core/pvar.h"

int ife_pv_parse_name(pv_spec_t *sp, str *in);
int ife_pv_get(sip_msg_t *msg, pv_param_t *param, pv_value_t *res);

#endif /* IFE_PV_H */
