/* SPDX-License-Identifier: GPL-2.0 */
/* INI configuration files (libinih) against a schema; errors name file, line and reason. */
#ifndef NTM_CONF_H
#define NTM_CONF_H

#include "common/addr.h"
#include "common/log.h"

#define NTM_CONF_ADDRESSES 8

/**
 * struct ntm_conf_option - one option of a program
 * @section, @name: as in the file
 * @parse:	parses @value into @target (the program's config struct); returns NULL or
 *		a reason (static string)
 */
struct ntm_conf_option {
	const char *section;
	const char *name;
	const char *(*parse)(void *target, const char *value);
};

/**
 * ntm_conf_load() - read a file
 * @path:	file
 * @options:	ends with a section of NULL
 * @target:	handed to the parsers
 * @error, @size: "FILE:LINE: reason" on failure
 *
 * Unknown sections and options, repeated options and lines that are not INI are errors. Returns 0, -EINVAL, or
 * another negative errno if the file cannot be read.
 */
int ntm_conf_load(const char *path, const struct ntm_conf_option *options, void *target,
		  char *error, size_t size);

/**
 * ntm_conf_blame() - what is wrong with options that are good by themselves
 * @path:	a file that ntm_conf_load() has read
 * @option:	which of them is named, with its line; NULL, or not in the file: none
 *
 * Returns -EINVAL.
 */
int ntm_conf_blame(const char *path, const char *option, const char *reason, char *error,
		   size_t size);

/* Helpers for parsers: NULL or a reason. */
const char *ntm_conf_uint(const char *value, unsigned long min, unsigned long max,
			  unsigned long *out);
const char *ntm_conf_bool(const char *value, int *out);
const char *ntm_conf_string(const char *value, char *out, size_t size);
/** ntm_conf_path() - an absolute one */
const char *ntm_conf_path(const char *value, char *out, size_t size);
/** ntm_conf_listen() - an address of this family, our port if there is none in it; "none": family 0 */
const char *ntm_conf_listen(const char *value, int family, union ntm_addr *out);
/** ntm_conf_addresses() - NTM_CONF_ADDRESSES at most, separated by commas, at which somebody can be reached */
const char *ntm_conf_addresses(const char *value, union ntm_addr *out, unsigned int *count);
const char *ntm_conf_log_level(const char *value, enum ntm_log_level *out);

#endif
