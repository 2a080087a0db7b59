// SPDX-License-Identifier: GPL-2.0
#include "rs/plane.h"

const char *const ntm_rs_plane_drop_names[NTM_RS_PLANE_DROPS] = {
	"short", "path", "source", "unbound", "rate", "too_big", "hops", "send", "no_mem",
};
