/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Refusals of new calls before Kamailio parses them.
 */
#ifndef IFE_OVERLOAD_H
#define IFE_OVERLOAD_H

/* modparam refuse_above: percent of the receive queue of a UDP socket; 0 refuses nothing here. */
extern int ife_overload_refuse_above;

/* Starts to see datagrams, if the parameter asks for it. 0, or -1 with the reason logged. */
int ife_overload_register(void);

#endif /* IFE_OVERLOAD_H */
