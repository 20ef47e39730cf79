// SPDX-License-Identifier: Apache-2.0
/*
 * Wildcards in the names of probes. '*' is the only one: '[', ']', '?' and '.' occur in symbol
 * names and stand for themselves, which is why this is not fnmatch(3).
 */
#include "target/target.h"

#include <string.h>

bool glob_has(struct str pattern)
{
	return pattern.len && memchr(pattern.s, '*', pattern.len);
}

/* When a byte differs only the latest star can help: an earlier one that took more would leave
 * less for the same rest. So one position to return to is enough, and no recursion. */
bool glob_match(struct str pattern, struct str name)
{
	uint32_t p = 0, n = 0, star = 0, taken = 0;
	bool starred = false;

	while (n < name.len) {
		if (p < pattern.len && pattern.s[p] == '*') {
			starred = true;
			star = ++p;
			taken = n;
		} else if (p < pattern.len && pattern.s[p] == name.s[n]) {
			p++;
			n++;
		} else if (starred) {
			p = star;
			n = ++taken;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.s[p] == '*')
		p++;
	return p == pattern.len;
}
