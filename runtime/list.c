// SPDX-License-Identifier: Apache-2.0
/*
 * What a system offers: -l lists probes, --info tells what this kernel and this process can do.
 */
#include <string.h>
#include <sys/utsname.h>

#include "probes/probe.h"
#include "runtime/runtime.h"
#include "target/target.h"

static bool any_entry_matches(struct str name)
{
	for (uint32_t i = 0; i < probe_kind_count; i++)
		if (!(probe_kinds[i]->provides & HAS_RETVAL) && probe_kind_matches(probe_kinds[i], name))
			return true;
	return false;
}

/* Probes of returns are where those of entries are: a pattern for both means the latter. */
static bool kind_wanted(const struct probe_kind *kind, struct str name)
{
	return kind->list && probe_kind_matches(kind, name) &&
	       (!(kind->provides & HAS_RETVAL) || !any_entry_matches(name));
}

/* "kprobe:vfs_*" -> "kprobe" and "vfs_*"; without a colon it is a kind's name, or a pattern for the rest. */
static struct str split(const char *pattern, struct str *rest)
{
	const char *colon = strchr(pattern, ':');
	struct str kind = { pattern, colon ? (uint32_t)(colon - pattern) : (uint32_t)strlen(pattern) };

	*rest = str_of(colon ? colon + 1 : "");
	if (colon || probe_kind_find(kind))
		return kind;
	*rest = kind;
	return STR("*");
}

bool list_needs_script(const char *pattern)
{
	struct str rest;
	const struct probe_kind *kind = pattern ? probe_kind_find(split(pattern, &rest)) : NULL;

	return kind && !kind->list;
}

/* "*:sched_sw*" means tracepoint:sched:sched_switch, too. */
static uint32_t list_kind(const struct probe_kind *kind, struct arena *a, struct str name, struct str rest,
			  bool verbose)
{
	uint32_t n = kind->list(kind, a, rest, verbose, stdout);

	if (!n && glob_has(name) && rest.len)
		n = kind->list(kind, a, str_of(arena_printf(a, "*:%.*s", STR_ARG(rest))), verbose, stdout);
	return n;
}

int list_probes(const char *pattern, bool verbose, const char *btf)
{
	struct arena arena = { NULL };
	struct str kind, rest;
	const char *why = NULL;
	uint32_t n = 0;
	bool types = pattern && list_types(&arena, btf, pattern, verbose, &n);

	kind = split(pattern ? pattern : "*", &rest);
	for (uint32_t i = 0; !types && i < probe_kind_count; i++)
		if (kind_wanted(probe_kinds[i], kind))
			n += list_kind(probe_kinds[i], &arena, kind, rest, verbose);
	if (!n) {
		fprintf(stderr, "xbt: error: no %s matches '%s'\n", types ? "type" : "probe",
			pattern ? pattern : "*");
		tracefs_root(&arena, &why);
		if (why && !types)
			fprintf(stderr, "  hint: %s\n", why);
	}
	arena_free(&arena);
	return !n || n == UINT32_MAX;
}

static void answer(const char *what, bool yes)
{
	printf("  %-22s %s\n", what, yes ? "yes" : "no");
}

int show_info(void)
{
	struct arena arena = { NULL };
	struct features f;
	struct utsname u;
	const char *why = NULL;

	features_read(&arena, &f);
	uname(&u);
	printf("System\n  %-22s %s %s\n  %-22s %s\n", "kernel", u.sysname, f.release_text, "machine",
	       u.machine);
	printf("\nBuild\n  %-22s %s\n  %-22s %s\n", "version", XBT_VERSION, "machine", arch_host()->name);
	printf("\nKernel\n");
	answer("BTF", f.btf);
	answer("kprobes", f.kprobes);
	printf("  %-22s %s\n", "tracefs", tracefs_root(&arena, &why) ? "yes" : why);
	printf("  %-22s %s\n", "lockdown", f.lockdown ? f.lockdown : "none");
	printf("\nThis process\n");
	answer("CAP_BPF", f.cap_bpf);
	answer("CAP_PERFMON", f.cap_perfmon);
	answer("CAP_SYS_ADMIN", f.cap_sys_admin);
	why = features_refusal(&arena, &f);
	printf("  %-22s %s\n", "can trace", why ? why : "yes");
	printf("\nProbe types\n");
	for (uint32_t i = 0; i < probe_kind_count; i++)
		printf("  %-22s %s\n", probe_kinds[i]->name, probe_kinds[i]->form);
	arena_free(&arena);
	return 0;
}
