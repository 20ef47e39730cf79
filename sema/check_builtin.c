// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of single builtins, for what a row of builtins.def can't say: which maps print() takes,
 * what histograms look like, which names the system knows, what must hold while compiling.
 */
#include "sema/check.h"

#include <string.h>

/* ---- maps ------------------------------------------------------------------------------- */

static void check_print(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args;
	int64_t v;

	if (arg->kind != N_MAP || arg->map.key) {
		if (arg->next)
			FAIL(c, arg->next, "arg-count", "only a whole map is printed with top and div");
		if (arg->kind == N_MAP)
			check_map_read(c, arg);
		return;
	}
	check_undefined_map(c, arg);
	for (arg = arg->next; arg; arg = arg->next)
		if (const_value(c->s, arg, &v) && v < 0)
			FAIL(c, arg, "negative", "top and div can't be negative");
}

/* delete(@m[k]), delete(@m, k), delete(@m): the map's key in all three. */
static void check_element(struct checker *c, struct node *n)
{
	struct node *m = n->call.args, *key = m->next;

	if (m->kind != N_MAP)
		return; /* what it is instead is wrong in itself */
	if (key && m->map.key) {
		FAIL(c, key, "arg-count", "%s() takes the key once: %s(%.*s, key)", n->call.fn->name,
		     n->call.fn->name, STR_ARG(m->map.name));
		return;
	}
	check_undefined_map(c, m);
	if (key) {
		/* The key is a tuple if the map has several: from here on it is an element. */
		m->next = NULL;
		m->map.key = key->kind == N_TUPLE ? key->list : key;
	}
	check_map_key(c, m);
}

static void check_histogram(struct checker *c, struct node *n)
{
	struct hist_shape h = { 0 };
	struct node *arg = n->call.args->next;
	int64_t bits = 0;

	if (n->call.fn->id == B_hist) {
		if (arg && const_value(c->s, arg, &bits) && (bits < 0 || bits > HIST_BITS_MAX))
			FAIL(c, arg, "hist-bits", "hist() takes 0 to %d bits", HIST_BITS_MAX);
		return;
	}
	const_value(c->s, arg, &h.min);
	const_value(c->s, arg->next, &h.max);
	const_value(c->s, arg->next->next, &h.step);
	if (h.min < 0)
		FAIL(c, arg, "lhist", "the least value of lhist() can't be negative");
	else if (h.max <= h.min)
		FAIL(c, arg->next, "lhist", "the greatest value of lhist() must be above the least");
	else if (h.step <= 0)
		FAIL(c, arg->next->next, "lhist", "the step of lhist() must be positive");
	else if ((h.max - h.min) / h.step > LHIST_BUCKETS_MAX)
		FAIL(c, n, "lhist", "lhist() would need %lld buckets; at most %d are possible",
		     (long long)((h.max - h.min) / h.step), LHIST_BUCKETS_MAX);
}

static void check_kaddr(struct checker *c, struct node *n)
{
	struct ksyms *ksyms = script_ksyms(c->s);
	struct str name;
	bool found = false;

	literal_text(c->s, n->call.args, &name);
	if (!c->unreachable)
		ksyms_address(ksyms, name, &found);
	if (!c->unreachable && !found)
		FAIL(c, n->call.args, "symbol", "the kernel has no symbol '%.*s'", STR_ARG(name));
}

/* ---- at compile time -------------------------------------------------------------------- */

/* What the script says, with the arguments that are known. */
static const char *message_of(struct checker *c, struct node *fmt, const struct node *arg)
{
	const char *out = "";
	uint32_t pos = 0, done = 0;
	struct conversion v;
	struct str text, value;
	int64_t number;

	if (!literal_text(c->s, fmt, &text))
		return "";
	for (; format_next(text, &pos, &v); done = v.end) {
		out = arena_printf(&c->s->work, "%s%.*s", out, (int)(v.beg - done), text.s + done);
		if (v.conv == '%')
			out = arena_printf(&c->s->work, "%s%%", out);
		else if (v.conv && arg && literal_text(c->s, arg, &value))
			out = arena_printf(&c->s->work, "%s%.*s", out, STR_ARG(value));
		else if (v.conv && arg && const_value(c->s, arg, &number))
			out = arena_printf(&c->s->work, "%s%lld", out, (long long)number);
		else
			out = arena_printf(&c->s->work, "%s%.*s", out, (int)(v.end - v.beg), text.s + v.beg);
		arg = v.conv && v.conv != '%' && arg ? arg->next : arg;
	}
	return arena_printf(&c->s->work, "%s%.*s", out, (int)(text.len - done), text.s + done);
}

static void check_fail(struct checker *c, struct node *n)
{
	check_printf(c, n);
	if (!c->unreachable)
		FAIL(c, n, "fail", "%s", message_of(c, n->call.args, n->call.args->next));
}

static void check_static_assert(struct checker *c, struct node *n)
{
	struct node *cond = n->call.args;
	bool holds;

	if (c->unreachable)
		return;
	if (!const_condition(c->s, cond, &holds))
		FAIL(c, cond, "static-assert", "it isn't known while compiling whether this holds");
	else if (!holds)
		FAIL(c, n, "static-assert", "%s", cond->next ? message_of(c, cond->next, NULL)
							     : "this doesn't hold");
}

static void check_getopt(struct checker *c, struct node *n)
{
	struct node *fallback = n->call.args->next;
	struct str name, given;
	int64_t v;

	literal_text(c->s, n->call.args, &name);
	if (fallback && !const_value(c->s, fallback, &v) && !literal_text(c->s, fallback, &given))
		FAIL(c, fallback, "getopt", "what getopt() falls back on must be a literal");
	else if (named_param(c->s, name, &given) && !const_value(c->s, n, &v) &&
		 !literal_text(c->s, n, &given))
		FAIL(c, n, "getopt", "--%.*s takes a number, not '%.*s'", STR_ARG(name), STR_ARG(given));
}

/* What the kernel's trace buffer prints (bpf_trace_printk): three values, of few kinds. */
static void check_debugf(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args->next;
	uint32_t pos = 0, count = 0;
	struct conversion v;
	struct str fmt;

	check_printf(c, n);
	literal_text(c->s, n->call.args, &fmt);
	while (format_next(fmt, &pos, &v))
		if (v.conv != '%' && (!v.conv || !strchr("diuxps", v.conv) || v.width > 0 || v.star_width ||
				      (v.length != 4 && v.length != 8)))
			FAIL(c, n->call.args, "debugf", "the kernel doesn't print '%.*s'",
			     (int)(v.end - v.beg), fmt.s + v.beg);
	for (; arg; arg = arg->next)
		if (++count == 4)
			FAIL(c, arg, "debugf", "the kernel prints at most 3 values");
}

static void check_memcmp(struct checker *c, struct node *n)
{
	int64_t size;

	const_value(c->s, n->call.args->next->next, &size);
	for (struct node *arg = n->call.args; arg->next; arg = arg->next)
		if (size < 0 || (!is_number(arg) && size > arg->type->size))
			FAIL(c, n->call.args->next->next, "memcmp", "%s has %u bytes, not %lld",
			     text_of(c, arg->type), arg->type->size, (long long)size);
}

/* What 0.27 has, and xbt will not. */
static void refuse_unwatch(struct checker *c, struct node *n)
{
	FAIL(c, n, "refused-unwatch", "unwatch() is not available: a watchpoint stays until the script ends");
}

/* bpftrace 0.27 has it, but for trying out, and switched off. */
static void refuse_typeinfo(struct checker *c, struct node *n)
{
	uint32_t e = FAIL(c, n, "refused-typeinfo",
			  "typeinfo() is not available: it is no settled part of the language");

	diag_hint(&c->s->diag, e, "typeof(), sizeof(), is_str(), is_integer() and the like ask for types");
}

static void refuse_skboutput(struct checker *c, struct node *n)
{
	FAIL(c, n, "refused-skboutput", "skboutput() is not available: xbt writes no packet captures");
}

/* ---- the system's names ----------------------------------------------------------------- */

static void check_signal(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args;
	struct str name;
	int64_t v;

	if (literal_text(c->s, arg, &name) && arg->kind == N_STRING) {
		if (!signal_number(name))
			FAIL(c, arg, "signal", "there is no signal '%.*s'", STR_ARG(name));
	} else if (!type_is_integer(arg->type)) {
		FAIL(c, arg, "signal", "a signal is a number or a name like \"KILL\"");
	} else if (const_value(c->s, arg, &v) && (v < 1 || v > SIGNAL_MAX)) {
		FAIL(c, arg, "signal", "signals are 1 to %d", SIGNAL_MAX);
	}
}

static void check_override(struct checker *c, struct node *n)
{
	for (uint32_t i = 0; i < c->p->points.n; i++)
		if (strcmp(c->p->points.v[i].kind->name, "kprobe")) {
			FAIL(c, n, "override", "override() works in kprobes only");
			return;
		}
}

/* Only there does the verifier know what a pointer points to. */
static void check_traced_pointer(struct checker *c, struct node *n)
{
	for (uint32_t i = 0; i < c->p->points.n; i++) {
		const struct probe_kind *kind = c->p->points.v[i].kind;

		if (kind->type == BPF_PROG_TYPE_TRACING)
			continue;
		FAIL(c, n, "traced-pointer", "%s() works in fentry and fexit only, not in %s", n->call.fn->name,
		     kind->name);
		return;
	}
}

static void check_cgroupid(struct checker *c, struct node *n)
{
	struct str path;
	uint64_t id;

	literal_text(c->s, n->call.args, &path);
	if (!cgroup_id(&c->s->work, path, &id))
		FAIL(c, n->call.args, "cgroup", "there is no cgroup '%.*s'", STR_ARG(path));
}

static void check_pton(struct checker *c, struct node *n)
{
	uint8_t bytes[16];
	struct str text;

	literal_text(c->s, n->call.args, &text);
	if (!address_bytes(text, bytes))
		FAIL(c, n->call.args, "address", "'%.*s' is no IPv4 or IPv6 address", STR_ARG(text));
}

static void check_ntop(struct checker *c, struct node *n)
{
	struct node *address = n->call.args->next ? n->call.args->next : n->call.args;
	const struct type *t = address->type;

	if (n->call.args->next && !type_is_integer(n->call.args->type))
		FAIL(c, n->call.args, "address", "the first of two arguments is AF_INET (2) or AF_INET6 (10)");
	else if (!type_is_integer(t) && t->kind != T_POINTER && !((t->kind == T_ARRAY || t->kind == T_STRING) &&
								 (t->size == 4 || t->size == 16)))
		FAIL(c, address, "address", "an address is an integer, or an array of 4 or 16 bytes, not %s",
		     text_of(c, t));
}

/* ---- all of them ------------------------------------------------------------------------ */

static void check_tseries(struct checker *c, struct node *n)
{
	struct node *interval = n->call.args->next, *many = interval->next;
	enum tseries_how how;
	struct str word;
	int64_t v;

	if (const_value(c->s, interval, &v) && v <= 0)
		FAIL(c, interval, "tseries", "the interval of tseries() must be positive");
	if (const_value(c->s, many, &v) && (v <= 0 || v > TSERIES_MAX_INTERVALS))
		FAIL(c, many, "tseries", "tseries() keeps 1 to %d intervals, not %lld", TSERIES_MAX_INTERVALS,
		     (long long)v);
	if (many->next && literal_text(c->s, many->next, &word) && !tseries_how(word, &how))
		diag_hint(&c->s->diag, FAIL(c, many->next, "tseries", "tseries() has no way '%.*s'", STR_ARG(word)),
			  "there are avg, max, min and sum; without any of them the last value counts");
}

static void check_shape(struct checker *c, struct node *n)
{
	if (n->call.fn->id == B_hist || n->call.fn->id == B_lhist)
		check_histogram(c, n);
	else if (n->call.fn->id == B_tseries)
		check_tseries(c, n);
}

static void check_uaddr(struct checker *c, struct node *n)
{
	struct str name = { 0 };

	literal_text(c->s, n->call.args, &name);
	for (uint32_t i = 0; i < c->p->points.n; i++) {
		const struct attach_point *ap = &c->p->points.v[i];

		if (!(ap->kind->provides & IS_USER) || ap->kind->provides & HAS_RETVAL) {
			FAIL(c, n, "uaddr-place", "%s is not in a program that uaddr() could look into",
			     ap->kind->name);
			return;
		}
		for (uint32_t t = 0; t < ap->targets.n; t++)
			if (!uaddr_find(c->s, &ap->targets.v[t], name)->found) {
				FAIL(c, n->call.args, "symbol", "%s has no symbol '%.*s'",
				     ap->targets.v[t].group, STR_ARG(name));
				return;
			}
	}
}

/* Programs on kprobes, uprobes and perf events get the registers, at the start of their context. */
static void check_register(struct checker *c, struct node *n)
{
	int16_t offset;
	struct str name;

	for (uint32_t i = 0; i < c->p->points.n; i++) {
		const struct probe_kind *kind = c->p->points.v[i].kind;

		if (kind->type != BPF_PROG_TYPE_KPROBE && kind->type != BPF_PROG_TYPE_PERF_EVENT) {
			FAIL(c, n, "register", "%s has no registers to read", kind->name);
			return;
		}
	}
	if (literal_text(c->s, n->call.args, &name) && !arch_register(name, &offset))
		FAIL(c, n->call.args, "register", "this machine has no register '%.*s'", STR_ARG(name));
}

/* The bytes that str(), buf() and strncmp() are to look at. */
static void check_length(struct checker *c, struct node *n)
{
	bool compares = n->call.fn->id == B_strncmp;
	const struct node *length = compares ? n->call.args->next->next : n->call.args->next;
	int64_t v;

	if (!length || !const_value(c->s, length, &v))
		return;
	if (compares && v < 0)
		FAIL(c, length, "negative", "strncmp() can't compare a negative number of bytes");
	else if (!compares && v < 0)
		FAIL(c, length, "negative", "%s() can't have a negative length", n->call.fn->name);
}

/* bpf_for_each_map_elem() */
static void check_len_kernel(struct checker *c, const struct node *arg)
{
	struct features f;

	features_read(&c->s->work, &f);
	if (arg->map.map->lru && f.release < (5 << 16 | 13 << 8))
		FAIL(c, arg, "len-kernel", "len() of an lruhash needs Linux 5.13; this is %s", f.release_text);
}

/* len(@m), or of a stack */
static void check_len(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args;
	bool map = arg->kind == N_MAP && !arg->map.key;

	if (arg->kind == N_MAP && !map)
		check_map_read(c, arg);
	if (map && !arg->map.map->key && (arg->map.map->val || arg->map.map->agg))
		FAIL(c, arg, "len", "%.*s has no keys to count", STR_ARG(arg->map.name));
	else if (map && !arg->map.map->val && !arg->map.map->agg)
		check_undefined_map(c, arg);
	else if (map)
		check_len_kernel(c, arg);
	else if (!poisoned(arg) && arg->type->kind != T_STACK)
		FAIL(c, arg, "len", "len() counts the elements of a map or the frames of a stack, not %s",
		     text_of(c, arg->type));
}

static void check_macaddr(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args;

	if (arg->type->kind == T_ARRAY && arg->type->size != 6)
		FAIL(c, arg, "address", "a MAC address has 6 bytes, not %u", arg->type->size);
}

static void check_whole_map(struct checker *c, struct node *n)
{
	if (n->call.args->kind == N_MAP)
		check_undefined_map(c, n->call.args);
}

void check_builtin(struct checker *c, struct node *n)
{
	static void (*const rule[BUILTINS])(struct checker *, struct node *) = {
		[B_printf] = check_printf,       [B_errorf] = check_printf,
		[B_warnf] = check_printf,        [B_cat] = check_printf,
		[B_system] = check_printf,       [B_debugf] = check_debugf,
		[B_fail] = check_fail,           [B_static_assert] = check_static_assert,
		[B_getopt] = check_getopt,       [B_signal] = check_signal,
		[B_signal_thread] = check_signal, [B_override] = check_override,
		[B_typeinfo] = refuse_typeinfo,
		[B_unwatch] = refuse_unwatch,    [B_skboutput] = refuse_skboutput,
		[B_path] = check_traced_pointer, [B_socket_cookie] = check_traced_pointer,
		[B_cgroupid] = check_cgroupid,   [B_pton] = check_pton,
		[B_ntop] = check_ntop,           [B_macaddr] = check_macaddr,
		[B_memcmp] = check_memcmp,       [B_strncmp] = check_length,
		[B_str] = check_length,          [B_buf] = check_length,
		[B_print] = check_print,         [B_delete] = check_element,
		[B_has_key] = check_element,     [B_len] = check_len,
		[B_clear] = check_whole_map,     [B_zero] = check_whole_map,
		[B_kstack] = check_stack,        [B_ustack] = check_stack,
		[B_reg] = check_register,        [B_uaddr] = check_uaddr,
		[B_kaddr] = check_kaddr,         [B_percpu_kaddr] = check_kaddr,
	};

	if (n->call.fn->form == FORM_AGG)
		check_shape(c, n);
	else if (rule[n->call.fn->id])
		rule[n->call.fn->id](c, n);
}
