// SPDX-License-Identifier: Apache-2.0
/*
 * What this kernel and this process can do: release, capabilities, lockdown, build configuration.
 *
 * All of it is read from files (so a fixture can play any kernel), except where a fixture has no
 * such file: then the system calls answer for the process and the machine that there are.
 */
#include "target/target.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

enum { LINUX_5_8 = 5 << 16 | 8 << 8 }; /* CAP_BPF and CAP_PERFMON begin */

static const char *release_text(struct arena *a)
{
	struct str text = target_read(a, "/proc/sys/kernel/osrelease");
	struct utsname name;

	if (text.len)
		return str_dup(a, text);
	return uname(&name) < 0 ? "0.0" : arena_printf(a, "%s", name.release);
}

static uint32_t release_number(const char *text)
{
	char *rest;
	unsigned long major = strtoul(text, &rest, 10), minor = 0;

	if (*rest == '.')
		minor = strtoul(rest + 1, NULL, 10);
	return (uint32_t)(major & 0xff) << 16 | (uint32_t)(minor & 0xff) << 8;
}

static uint64_t capget_effective(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static uint64_t capabilities(struct arena *a)
{
	struct str status = target_read(a, "/proc/self/status");
	const char *line = status.len ? strstr(str_dup(a, status), "\nCapEff:") : NULL;

	return line ? strtoull(line + strlen("\nCapEff:"), NULL, 16) : capget_effective();
}

/* "none [integrity] confidentiality" */
static const char *lockdown(struct arena *a)
{
	struct str text = target_read(a, "/sys/kernel/security/lockdown");
	const char *beg = text.len ? memchr(text.s, '[', text.len) : NULL;
	const char *end = beg ? memchr(beg, ']', text.len - (size_t)(beg - text.s)) : NULL;

	return end ? str_dup(a, (struct str){ beg + 1, (uint32_t)(end - beg - 1) }) : NULL;
}

static bool exists(struct arena *a, const char *path)
{
	return !access(target_path(a, path), F_OK);
}

void features_read(struct arena *a, struct features *f)
{
	uint64_t caps = capabilities(a);

	*f = (struct features){
		.release_text = release_text(a),
		.btf = exists(a, "/sys/kernel/btf/vmlinux"),
		.kprobes = exists(a, "/sys/bus/event_source/devices/kprobe/type"),
		.cap_bpf = caps >> CAP_BPF & 1,
		.cap_perfmon = caps >> CAP_PERFMON & 1,
		.cap_sys_admin = caps >> CAP_SYS_ADMIN & 1,
		.lockdown = lockdown(a),
	};
	f->release = release_number(f->release_text);
}

/* "confidentiality" forbids the helpers that read kernel memory, and tracefs with them. */
const char *features_refusal(struct arena *a, const struct features *f)
{
	if (f->lockdown && !strcmp(f->lockdown, "confidentiality"))
		return "the kernel is locked down (confidentiality): it lets no one trace it";
	if (f->cap_sys_admin || (f->release >= LINUX_5_8 && f->cap_bpf && f->cap_perfmon))
		return NULL;
	if (f->release < LINUX_5_8)
		return arena_printf(a, "Linux %s needs CAP_SYS_ADMIN for this: run as root",
				    f->release_text);
	return arena_printf(a, "this needs the capabilities CAP_BPF and CAP_PERFMON, and %s: "
			    "run as root",
			    f->cap_bpf	     ? "CAP_PERFMON is missing"
			    : f->cap_perfmon ? "CAP_BPF is missing"
					     : "both are missing");
}

/* "kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz" */
static bool is_module(struct str line, struct str name)
{
	const char *colon = memchr(line.s, ':', line.len), *slash;
	struct str file;

	if (!colon || !(slash = memrchr(line.s, '/', (size_t)(colon - line.s))))
		return false;
	file = (struct str){ slash + 1, (uint32_t)(colon - slash) - 1 };
	return file.len >= name.len + 3 && !memcmp(file.s, name.s, name.len) &&
	       !memcmp(file.s + name.len, ".ko", 3);
}

bool features_unloaded(struct arena *a, struct str module)
{
	const char *list = arena_printf(a, "/lib/modules/%s/modules.dep", release_text(a));
	struct lines *lines = arena_alloc(a, sizeof *lines);
	struct str line;
	bool found = false;

	lines_open(lines, a, list);
	while (!found && lines_next(lines, &line))
		found = is_module(line, module);
	lines_close(lines);
	return found && !exists(a, arena_printf(a, "/sys/module/%.*s", STR_ARG(module)));
}

/* zlib's reader takes plain files too. */
static gzFile open_config(struct arena *a)
{
	gzFile file = gzopen(target_path(a, "/proc/config.gz"), "re");

	if (file)
		return file;
	return gzopen(target_path(a, arena_printf(a, "/boot/config-%s", release_text(a))), "re");
}

char features_config(struct arena *a, const char *option)
{
	gzFile file = open_config(a);
	size_t len = strlen(option);
	char line[512], value = 0;

	if (!file)
		return 0;
	while (gzgets(file, line, sizeof line)) {
		if (!value && !strncmp(line, "CONFIG_", 7))
			value = 'n'; /* a configuration indeed: silence in it means no */
		if (!strncmp(line, option, len) && line[len] == '=') {
			value = line[len + 1] == 'm' ? 'm' : 'y';
			break;
		}
	}
	gzclose(file);
	return value;
}
