/* SPDX-License-Identifier: GPL-2.0 */
/* What every unit test needs: cmocka and the headers that it wants before it. */
#ifndef NTM_TEST_H
#define NTM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/addr.h"

/** test_addr() - an address from text; the test fails if it is none */
static inline union ntm_addr test_addr(const char *text)
{
	union ntm_addr addr;

	assert_int_equal(ntm_addr_parse(&addr, text, 4330), 0);
	return addr;
}

#endif
