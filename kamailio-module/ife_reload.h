/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reload of the registry and event_route[ife:reloaded].
 */
#ifndef IFE_RELOAD_H
#define IFE_RELOAD_H

#include "ife_core.h"

/* Reloads the registry and, if it is valid, runs the event route. One reload runs at a time. */
ife_result ife_reload(uint64_t *generation, ife_error *err);

#endif /* IFE_RELOAD_H */
