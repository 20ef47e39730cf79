// SPDX-License-Identifier: Apache-2.0
/*
 * What the system calls its numbers: signals, system calls, addresses, cgroups, PID namespaces.
 *
 * System calls' names come from the C library's header, at build time (Makefile); the rest is asked
 * when it is wanted.
 */
#include "target/target.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- signals and system calls ----------------------------------------------------------- */

static const char *signal_text(int number)
{
	static const char *const text[] = {
#define SIGNAL(name) [SIG##name] = #name
		SIGNAL(HUP),  SIGNAL(INT),  SIGNAL(QUIT), SIGNAL(ILL),    SIGNAL(TRAP),   SIGNAL(ABRT),
		SIGNAL(BUS),  SIGNAL(FPE),  SIGNAL(KILL), SIGNAL(USR1),   SIGNAL(SEGV),   SIGNAL(USR2),
		SIGNAL(PIPE), SIGNAL(ALRM), SIGNAL(TERM), SIGNAL(STKFLT), SIGNAL(CHLD),   SIGNAL(CONT),
		SIGNAL(STOP), SIGNAL(TSTP), SIGNAL(TTIN), SIGNAL(TTOU),   SIGNAL(URG),    SIGNAL(XCPU),
		SIGNAL(XFSZ), SIGNAL(VTALRM), SIGNAL(PROF), SIGNAL(WINCH), SIGNAL(IO),    SIGNAL(PWR),
		SIGNAL(SYS),
#undef SIGNAL
	};

	return number > 0 && (size_t)number < LEN(text) ? text[number] : NULL;
}

int signal_number(struct str name)
{
	if (str_starts(name, "SIG"))
		name = (struct str){ name.s + 3, name.len - 3 };
	for (int i = 1; i <= SIGNAL_MAX; i++)
		if (signal_text(i) && str_is(name, signal_text(i)))
			return i;
	return 0;
}

const char *syscall_text(uint64_t number)
{
	static const char *const text[] = {
#include "target/syscalls.h"
	};

	return number < LEN(text) ? text[number] : NULL;
}

/* ---- addresses -------------------------------------------------------------------------- */

uint32_t address_bytes(struct str text, uint8_t bytes[16])
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len >= sizeof copy)
		return 0;
	memcpy(copy, text.s, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET, copy, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, copy, bytes) == 1 ? 16 : 0;
}

/* ---- cgroups ---------------------------------------------------------------------------- */

enum { CGROUP_DEPTH = 64 };

/* A cgroup's id is its directory's inode number (kernfs, on 64-bit kernels since 5.5). */
bool cgroup_id(struct arena *a, struct str path, uint64_t *id)
{
	struct stat st;

	if (stat(str_dup(a, path), &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	*id = st.st_ino;
	return true;
}

/* The directory with that inode in or below `path`, which has room for PATH_MAX bytes. */
static bool find_inode(char *path, uint64_t id, uint32_t depth)
{
	size_t n = strlen(path);
	struct dirent *entry;
	struct stat st;
	bool found;
	DIR *dir;

	if (stat(path, &st) < 0)
		return false;
	if (st.st_ino == id)
		return true;
	dir = depth < CGROUP_DEPTH ? opendir(path) : NULL;
	found = false;
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    n + strlen(entry->d_name) + 2 > PATH_MAX)
			continue;
		sprintf(path + n, "/%s", entry->d_name);
		found = find_inode(path, id, depth + 1);
		if (!found)
			path[n] = 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The hierarchy of a mount: "unified", or v1's controllers, which end its options. */
static struct str hierarchy_of(const char *type, char *mountpoint)
{
	char *name = strrchr(mountpoint, '/');

	return !strcmp(type, "cgroup2") ? STR("unified") : str_of(name ? name + 1 : mountpoint);
}

/* Where the cgroup stands in one hierarchy. */
struct standing {
	struct str hierarchy;
	const char *path;
};

/* Version 2 first, then the controllers of version 1 by name. */
static int by_hierarchy(const void *x, const void *y)
{
	const struct standing *a = x, *b = y;
	bool unified = str_is(a->hierarchy, "unified");

	if (unified != str_is(b->hierarchy, "unified"))
		return unified ? -1 : 1;
	return str_cmp(a->hierarchy, b->hierarchy);
}

struct str cgroup_find(struct arena *a, uint64_t id, struct str glob)
{
	FILE *f = fopen(target_path(a, "/proc/self/mounts"), "re");
	char line[2 * PATH_MAX], root[PATH_MAX], path[PATH_MAX], type[32];
	VEC(struct standing) found = { 0 };
	const char *out = "";

	while (f && fgets(line, sizeof line, f)) {
		struct str name;

		if (sscanf(line, "%*s %4095s %31s", root, type) != 2 || strncmp(type, "cgroup", 6))
			continue;
		name = hierarchy_of(type, root);
		strcpy(path, root);
		if (!glob_match(glob, name) || !find_inode(path, id, 0))
			continue;
		*vec_push(a, &found) = (struct standing){
			{ str_dup(a, name), name.len }, str_dup(a, str_of(path[strlen(root)] ? path + strlen(root) : "/")) };
	}
	if (f)
		fclose(f);
	if (found.n)
		qsort(found.v, found.n, sizeof *found.v, by_hierarchy);
	for (uint32_t i = 0; i < found.n; i++)
		out = arena_printf(a, "%s%s%.*s:%s", out, i ? "," : "", STR_ARG(found.v[i].hierarchy), found.v[i].path);
	return str_of(out);
}

/* ---- CPUs and processes ----------------------------------------------------------------- */

/* The file lists ranges, "0-3,8": the last number is the greatest one. */
uint32_t cpus_possible(void)
{
	struct arena a = { 0 };
	struct str list = target_read(&a, "/sys/devices/system/cpu/possible");
	uint32_t beg = list.len;
	uint64_t last = 0;

	while (beg && list.s[beg - 1] >= '0' && list.s[beg - 1] <= '9')
		beg--;
	str_to_u64((struct str){ list.s + beg, list.len - beg }, &last);
	arena_free(&a);
	return (uint32_t)last + 1;
}

bool pid_namespace(uint64_t *dev, uint64_t *inode)
{
	enum { FIRST = 0xeffffffc }; /* PROC_PID_INIT_INO, include/linux/proc_ns.h */
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return false;
	*dev = st.st_dev;
	*inode = st.st_ino;
	return st.st_ino != FIRST;
}
