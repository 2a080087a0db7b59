/* SPDX-License-Identifier: GPL-2.0 */
/* Macros of libraries that cppcheck does not read, in a form that it understands. */
#define json_object_foreach(object, key, value) \
	for (key = ""; (value = json_object_get(object, key));)
