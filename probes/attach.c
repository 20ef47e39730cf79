// SPDX-License-Identifier: Apache-2.0
/*
 * What the probe kinds share: the table of kinds, and the making of targets.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "codegen/image.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- the kinds -------------------------------------------------------------------------- */

#define PROBE(id) extern const struct probe_kind probe_##id;
#include "probes/probes.def"
#undef PROBE

const struct probe_kind *const probe_kinds[] = {
#define PROBE(id) &probe_##id,
#include "probes/probes.def"
#undef PROBE
};
const uint32_t probe_kind_count = LEN(probe_kinds);

static bool is_word(const char *word, struct str name)
{
	return strlen(word) == name.len && !strncasecmp(word, name.s, name.len);
}

/* Short names keep their case: 'u' and 'U' are different kinds. */
static bool is_named(const struct probe_kind *kind, struct str name)
{
	return is_word(kind->name, name) || (kind->old_name && is_word(kind->old_name, name)) ||
	       (kind->alias && str_is(name, kind->alias));
}

bool probe_kind_matches(const struct probe_kind *kind, struct str name)
{
	return is_named(kind, name) || (glob_has(name) && glob_match(name, str_of(kind->name)));
}

struct str probe_kind_type(const struct probe_kind *kind)
{
	return kind->provides & IS_SPECIAL ? STR("special") : str_of(kind->name);
}

const struct probe_kind *probe_kind_find(struct str name)
{
	for (uint32_t i = 0; i < probe_kind_count; i++)
		if (is_named(probe_kinds[i], name))
			return probe_kinds[i];
	return NULL;
}

/* ---- compiling -------------------------------------------------------------------------- */

struct span attach_span(const struct attach_point *ap, struct str part)
{
	uintptr_t spec = (uintptr_t)ap->spec.s, at = (uintptr_t)part.s;

	if (!part.len || at < spec || at + part.len > spec + ap->spec.len ||
	    ap->at.end - ap->at.beg != ap->spec.len)
		return ap->at;
	return (struct span){ ap->at.beg + (uint32_t)(at - spec),
			      ap->at.beg + (uint32_t)(at - spec) + part.len };
}

bool attach_malformed(struct script *s, const struct attach_point *ap)
{
	diag_error(&s->diag, ap->at, "probe-form", "an attach point of this kind has the form %s",
		   ap->kind->form);
	return false;
}

struct str attach_unquote(struct str part)
{
	bool quoted = part.len >= 2 && part.s[0] == '"' && part.s[part.len - 1] == '"';

	return quoted ? (struct str){ part.s + 1, part.len - 2 } : part;
}

uint32_t attach_arg_count(const struct target *t)
{
	enum { ON_STACK = 14 };

	(void)t;
	return arch_host()->nargs + ON_STACK;
}

struct target *attach_target(struct script *s, struct attach_point *ap, const char *fmt, ...)
{
	struct target *t = vec_push(&s->arena, &ap->targets);
	va_list args;

	va_start(args, fmt);
	*t = (struct target){
		.text = arena_printf(&s->arena, "%s:%s", ap->kind->name,
				     arena_vprintf(&s->arena, fmt, args)),
		.group = "",
		.name = "",
		.at = ap->at,
	};
	va_end(args);
	return t;
}

bool attach_listed(struct str pattern, const char *name)
{
	return !pattern.len || glob_match(pattern, str_of(name));
}

const char *attach_hint_module(struct script *s, struct str module)
{
	if (!features_unloaded(&s->work, module))
		return NULL;
	return arena_printf(&s->arena, "the module %.*s is not loaded: modprobe %.*s", STR_ARG(module),
			    STR_ARG(module));
}

static bool offer_function(void *near, uint32_t id, struct str name)
{
	(void)id;
	str_near(near, name);
	return true;
}

/* To --check what BTF knows will do: it is faster to ask. */
static const char *name_nearest(struct script *s, const struct probe_kind *kind, struct str function)
{
	struct near *near = table_get(&s->near, function);

	if (!near && s->near.n >= DIAG_MAX)
		return NULL; /* of so many errors no hints are shown */
	if (!near) {
		near = arena_alloc(&s->arena, sizeof *near);
		near->wanted = function;
		if (!s->check_only || !ctype_each_function(s, offer_function, near))
			ksyms_near(script_ksyms(s), near);
		table_set(&s->arena, &s->near, function, near);
	}
	if (!near->best.len || str_eq(near->best, function))
		return NULL;
	return arena_printf(&s->arena, "did you mean '%s:%.*s'?", kind->name, STR_ARG(near->best));
}

/* Modules mostly call their functions by their own name: "xfs_file_open". */
const char *attach_hint_function(struct script *s, const struct attach_point *ap)
{
	struct str module = ap->part[0], function = ap->part[1];
	const char *end = memchr(function.s, '_', function.len), *hint;

	if (!module.len)
		module = (struct str){ function.s, end ? (uint32_t)(end - function.s) : 0 };
	hint = attach_hint_module(s, module);
	return hint ? hint : name_nearest(s, ap->kind, function);
}

bool attach_in_module(struct str wanted, struct str module)
{
	return !wanted.len || glob_match(wanted, module.len ? module : STR("vmlinux"));
}

const char attach_too_dangerous[] = "what matches can stop the machine when probed; name it, if that is what "
				    "you want";

static bool begins_with_one(const char *function, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (!strncmp(function, *prefixes, strlen(*prefixes)))
			return true;
	return false;
}

bool attach_is_dangerous(const struct probe_kind *kind, const char *function)
{
	static const char *const names[] = {
		"__rcu_read_lock", "__rcu_read_unlock", "lock_acquire", "lock_release",
		"migrate_disable", "migrate_enable", "preempt_count_add", "preempt_count_sub",
		"rcu_read_unlock_strict",
	};
	static const char *const prefixes[] = { "__bpf_prog_", "bpf_trampoline_", "fprobe_", "ftrace_",
						"kprobe_", NULL };
	/* A kretprobe takes such locks itself: probed at its return one of them stopped Linux 6.1. */
	static const char *const locks[] = { "_raw_spin_", "_raw_read_", "_raw_write_", "queued_spin_",
					     "native_queued_spin_", NULL };

	for (size_t i = 0; i < LEN(names); i++)
		if (!strcmp(function, names[i]))
			return true;
	return begins_with_one(function, prefixes) ||
	       (kind->provides & HAS_RETVAL && begins_with_one(function, locks));
}

/* ---- attaching -------------------------------------------------------------------------- */

const char *attach_reason(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "not permitted: CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN) is missing";
	case EMFILE:
		return "too many open files (ulimit -n)";
	case ENFILE:
		return "the system has too many open files";
	default:
		return NULL;
	}
}

bool attach_interrupted(void)
{
	sigset_t waiting;

	return !sigpending(&waiting) && (sigismember(&waiting, SIGINT) == 1 ||
					 sigismember(&waiting, SIGTERM) == 1 ||
					 sigismember(&waiting, SIGHUP) == 1);
}

void attach_keep(struct links *links, int fd, const struct prog *prog, const struct target *t)
{
	*vec_push(links->arena, &links->list) = (struct link){ fd, prog->probe, t };
}

void attach_undo(struct links *links, uint32_t n)
{
	while (links->list.n > n)
		close(links->list.v[--links->list.n].fd);
}
