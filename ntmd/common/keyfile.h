/* SPDX-License-Identifier: GPL-2.0 */
/* Small secret files: written whole or not at all (temporary file, fsync, rename, fsync of the directory), mode 0600. */
#ifndef NTM_KEYFILE_H
#define NTM_KEYFILE_H

#include "common/noise.h"

int ntm_keyfile_write(const char *path, const void *data, size_t len);
/**
 * ntm_keyfile_load() - load the static key (base64url text), or make one if there is none
 *
 * Returns 0, -EPERM if others can read the file, -EINVAL if it holds no key, or another negative errno.
 */
int ntm_keyfile_load(const char *path, struct ntm_noise_keypair *pair);

#define NTM_KEY_STR 44 /* base64url of 32 bytes without padding, NUL */
void ntm_key_str(const uint8_t key[32], char out[NTM_KEY_STR]);
int ntm_key_parse(const char *text, uint8_t key[32]); /* 0 or -EINVAL */

#endif
