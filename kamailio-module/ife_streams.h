/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process that bounds incoming TCP and TLS connections.
 */
#ifndef IFE_STREAMS_H
#define IFE_STREAMS_H

typedef struct ife_streams_settings
{
	int per_source;   /* connections of one address that is no party's; 0: no bound */
	int stranger_s;   /* maximum age of a connection of such an address, seconds */
	int party_source; /* connections of one address of a party; 0: no bound */
} ife_streams_settings_t;

extern ife_streams_settings_t ife_streams_settings;

/* Checks the settings and reserves the process, in mod_init. */
int ife_streams_register(void);
/* Forks the process, in child_init of the main process. */
int ife_streams_fork(void);

#endif /* IFE_STREAMS_H */
