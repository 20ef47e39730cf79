// SPDX-License-Identifier: Apache-2.0
/*
 * What a system offers: -l lists probes, --info tells what this kernel and this process can do.
 */
#include <sys/utsname.h>

#include "probes/probe.h"
#include "runtime/runtime.h"
#include "target/target.h"

/* Probes of returns are where those of entries are: only listed when asked for by name. */
static bool kind_wanted(const struct probe_kind *kind, struct str name)
{
	bool named = str_is(name, kind->name) || (kind->alias && str_is(name, kind->alias));

	return named || (!(kind->provides & HAS_RETVAL) && glob_match(name, str_of(kind->name)));
}

static uint32_t list_kinds(struct arena *a, const char *pattern, bool verbose)
{
	struct str kind = STR("*"), rest = str_of(pattern ? pattern : "");
	uint32_t n = 0;

	for (uint32_t i = 0; i < rest.len; i++)
		if (rest.s[i] == ':') {
			kind = (struct str){ rest.s, i };
			rest = (struct str){ rest.s + i + 1, rest.len - i - 1 };
			break;
		}
	for (uint32_t i = 0; i < probe_kind_count; i++)
		if (kind_wanted(probe_kinds[i], kind))
			n += probe_kinds[i]->list(probe_kinds[i], a, rest, verbose, stdout);
	return n;
}

int list_probes(const char *pattern, bool verbose, const char *btf)
{
	struct arena arena = { NULL };
	uint32_t n;
	bool types = pattern && list_types(&arena, btf, pattern, verbose, &n);

	if (!types)
		n = list_kinds(&arena, pattern, verbose);
	arena_free(&arena);
	if (!n)
		fprintf(stderr, "xbt: error: no %s matches '%s'\n", types ? "type" : "probe",
			pattern ? pattern : "*");
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
