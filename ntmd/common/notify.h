/* SPDX-License-Identifier: GPL-2.0 */
/* Tells systemd (Type=notify) how the service is; does nothing where no one listens. */
#ifndef NTM_NOTIFY_H
#define NTM_NOTIFY_H

/** ntm_notify() - e.g. "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=..."; 0 or a negative errno */
int ntm_notify(const char *state);
/** ntm_notify_reloading() - a reload begins; "READY=1" ends it */
int ntm_notify_reloading(void);

#endif
