/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Unfolds header fields before Kamailio parses them.
 */
#ifndef IFE_FOLD_H
#define IFE_FOLD_H

/* Starts to unfold every message. For mod_init; -1 if Kamailio accepts no further callback. */
int ife_fold_init(void);

#endif
