/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Folded header fields, before Kamailio parses them.
 */
#ifndef IFE_FOLD_H
#define IFE_FOLD_H

/* Unfolds every message from here on. Call it in mod_init; -1 when Kamailio takes no further callback. */
int ife_fold_init(void);

#endif
