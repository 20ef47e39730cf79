// SPDX-License-Identifier: Apache-2.0
/*
 * C++ names: "ns::f(int)" for _ZN2ns1fEi.
 */
#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

#include "target/target.h"

bool cpp_matches(struct arena *a, struct str wanted, struct str symbol)
{
	bool whole = memchr(wanted.s, '(', wanted.len), same;
	char *name;

	if (!str_starts(symbol, "_Z"))
		return false;
	/* Into the arena first: a symbol has no end of its own. */
	name = cplus_demangle(str_dup(a, symbol), whole ? DMGL_PARAMS | DMGL_ANSI : 0);
	same = name && glob_match(wanted, str_of(name));
	free(name);
	return same;
}
