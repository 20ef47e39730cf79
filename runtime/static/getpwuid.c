// SPDX-License-Identifier: Apache-2.0
/*
 * getpwuid for the static binary: libc's own loads name service libraries at run time, and a static
 * binary has none.
 *
 * Knows: nothing but /etc/passwd. Needs: nothing; without that file every user is unknown.
 * Leaves: an entry that is good until the next call.
 */
#include <pwd.h>
#include <stdio.h>

struct passwd *getpwuid(uid_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *p = NULL;

	if (!f)
		return NULL;
	do
		p = fgetpwent(f);
	while (p && p->pw_uid != uid);
	fclose(f);
	return p;
}
