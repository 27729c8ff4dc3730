/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * KSR.if_escalate.*: the same functions for Lua, Python, JavaScript and the other KEMI languages.
 */
#ifndef IFE_KEMI_H
#define IFE_KEMI_H

int ife_kemi_register(void);

#endif /* IFE_KEMI_H */
