/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Statistics of group "if_escalate", from the shared state: each is the sum over all processes.
 */
#ifndef IFE_STATS_H
#define IFE_STATS_H

/* Call it before the fork. 0, or -1 with the reason logged. */
int ife_stats_register(void);

#endif /* IFE_STATS_H */
