/* SPDX-License-Identifier: GPL-2.0 */
/* The out-lane: from the TUN device to the peers. */
#ifndef NTM_PIPE_OUT_H
#define NTM_PIPE_OUT_H

#include "pipe/pipe.h"

struct ntm_out_vec;

/* For the owner: one packet by a vector of its own */
void ntm_out_one(struct ntm_pipe *pipe, struct ntm_out_vec *vec, const struct virtio_net_hdr *vnet,
		 const uint8_t *packet, size_t len);
void ntm_out_empty(struct ntm_pipe *pipe, struct ntm_out_vec *vec, struct ntm_path *path);

#endif
