// SPDX-License-Identifier: Apache-2.0
/*
 * usdt: the marks that programs and libraries carry for tracers (sys/sdt.h).
 *
 *	usdt:/usr/lib/libc.so.6:libc:setjmp  usdt:./server:request  usdt:./server:*
 *
 * A mark is a nop and a note that says where it is and where its arguments are then: "8@%rdi
 * -4@-12(%rbp) 4@$5" are 8 unsigned bytes in a register, 4 signed ones in memory, a constant. One
 * mark may stand at several places, each with a note of its own; each is a target. A semaphore, if
 * there is one, tells the program that somebody looks; the kernel raises it while we are attached.
 *
 * parse() leaves three parts: file, provider (empty: any) and name.
 */
#include <stdlib.h>
#include <string.h>

#include "codegen/build.h"
#include "codegen/image.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- compiling: the attach point -------------------------------------------------------- */

static bool parse_usdt(struct script *s, struct attach_point *ap)
{
	if (ap->nparts == 1 && s->pid > 0) {
		ap->part[2] = ap->part[0];
		ap->part[1] = (struct str){ "", 0 };
		ap->part[0] = STR("");
	} else if (ap->nparts == 2) {
		ap->part[2] = ap->part[1];
		ap->part[1] = (struct str){ "", 0 };
	} else if (ap->nparts != 3) {
		return attach_malformed(s, ap);
	}
	ap->nparts = 3;
	if (!ap->part[0].len && s->pid > 0)
		ap->part[0] = STR("*"); /* the program, or a library of its */
	if (!ap->part[0].len || !ap->part[2].len)
		return attach_malformed(s, ap);
	return true;
}

struct search {
	struct script *s;
	struct attach_point *ap;
	const struct user_file *file;
	struct near near;
	uint32_t seen, found;
};

/* "global" -> its address, for "8@global(%rip)". */
struct symbol {
	struct str name;
	uint64_t address;
};

static bool is_symbol(void *ctx, const struct elf_function *f)
{
	struct symbol *sym = ctx;

	if (!str_eq(f->name, sym->name))
		return true;
	sym->address = f->address;
	return false;
}

/* Names before (%rip) become distances from the probe, which the file alone knows. */
static char *resolve_symbols(struct search *x, const struct elf_usdt *u)
{
	char *args = arena_printf(&x->s->arena, "%s", u->args), *rip;

	while ((rip = strstr(args, "(%rip)"))) {
		char *name = rip;
		struct symbol sym = { .name = { NULL, 0 } };
		int64_t extra = 0;

		while (name > args && name[-1] != '@')
			name--;
		sym.name = (struct str){ name, (uint32_t)strcspn(name, "+-(") };
		if (name[sym.name.len] != '(')
			extra = strtoll(name + sym.name.len, NULL, 0);
		elf_objects(x->file->elf, is_symbol, &sym);
		if (!sym.address)
			return args;
		args = arena_printf(&x->s->arena, "%.*s%lld(%%ip)%s", (int)(name - args), args,
				    (long long)(sym.address - u->address) + extra, rip + 6);
	}
	return args;
}

static void match_usdt(void *ctx, const struct elf_usdt *u)
{
	struct search *x = ctx;
	struct str provider = x->ap->part[1], name = x->ap->part[2];
	struct target *t;

	x->seen++;
	if ((provider.len && !glob_match(provider, str_of(u->provider))) ||
	    !glob_match(name, str_of(u->name))) {
		if (!provider.len || str_is(provider, u->provider))
			str_near(&x->near, str_of(str_dup(&x->s->arena, str_of(u->name))));
		return;
	}
	x->found++;
	t = attach_target(x->s, x->ap, "%s:%s:%s", x->file->shown, u->provider, u->name);
	t->group = x->file->path;
	t->name = arena_printf(&x->s->arena, "%s", u->name);
	t->number = u->offset;
	t->semaphore = u->semaphore;
	t->operands = resolve_symbols(x, u);
}

static void find_in_file(struct script *s, struct attach_point *ap, const struct user_file *file,
			 const char **why)
{
	struct search x = { .s = s, .ap = ap, .file = file, .near = { .wanted = ap->part[2] } };

	elf_usdts(file->elf, match_usdt, &x);
	if (x.found || file->several)
		return;
	*why = !x.seen ? arena_printf(&s->arena, "%s has no USDT probes at all", file->shown)
	       : x.near.best.len
		       ? arena_printf(&s->arena, "%s has no such USDT probe; did you mean '%.*s'?",
				      file->shown, STR_ARG(x.near.best))
		       : arena_printf(&s->arena, "%s has no such USDT probe", file->shown);
}

static void expand_usdt(struct script *s, struct attach_point *ap, struct absence *absence)
{
	user_files(s, ap, find_in_file, &absence->why);
	if (!ap->targets.n && str_is(ap->part[0], "*"))
		absence->why = s->pid > 0
				       ? "the process runs no program and has no library with such a USDT probe"
				       : "no process runs a program or has a library with such a USDT probe";
}

/* ---- compiling: arguments --------------------------------------------------------------- */

struct operand {
	uint32_t size;
	bool sign;
	struct str place; /* "%rdi", "-12(%rbp)", "$5", "[sp, 8]" */
};

/* Operand n. Blanks divide them, except between brackets. */
static bool find_operand(const char *p, uint32_t n, struct operand *o)
{
	for (uint32_t i = 0;; i++) {
		const char *at, *end;
		bool inside = false;

		p += strspn(p, " ");
		if (!*p)
			return false;
		for (end = p; *end && (*end != ' ' || inside); end++)
			inside = *end == '[' || (inside && *end != ']');
		at = memchr(p, '@', (size_t)(end - p));
		if (i == n) {
			long size = at ? strtol(p, NULL, 10) : 8;

			p = at ? at + 1 : p;
			*o = (struct operand){ (uint32_t)labs(size), size < 0, { p, (uint32_t)(end - p) } };
			return true;
		}
		p = end;
	}
}

static uint32_t count_usdt(const struct target *t)
{
	struct operand o;
	uint32_t n = 0;

	while (find_operand(t->operands, n, &o))
		n++;
	return n;
}

/* The next of what commas and brackets divide; '%' and blanks say nothing. */
static struct str take_word(const char **p, const char *end)
{
	struct str word;

	while (*p < end && strchr("%[]#, (", **p))
		(*p)++;
	word.s = *p;
	while (*p < end && !strchr("[](), ", **p))
		(*p)++;
	word.len = (uint32_t)(*p - word.s);
	return word;
}

static bool load_register(struct build *b, struct str name, ref *value)
{
	int16_t offset;

	if (!arch_register(name, &offset))
		return false;
	*value = build_ctx_load(b, offset, 8, false);
	return true;
}

/* x86: offset(base,index,scale); aarch64: [base, offset] or [base, index]. The sum of all that is a
 * register or a number; but a number that stands behind a register in (...) is its scale. */
static bool sum_address(struct build *b, struct str place, ref *address)
{
	const char *p = place.s, *end = place.s + place.len;
	ref last = 0, value;

	*address = build_const(b, 0);
	while (p < end) {
		struct str word = take_word(&p, end);
		uint32_t negative = word.len && word.s[0] == '-';
		uint64_t number;

		if (!word.len)
			break;
		if (str_to_u64((struct str){ word.s + negative, word.len - negative }, &number)) {
			value = build_const(b, negative ? -(int64_t)number : (int64_t)number);
			if (last && end[-1] == ')') /* once it is in already */
				value = build_scaled(b, last, number - 1);
		} else if (load_register(b, word, &value)) {
			last = value;
		} else {
			return false;
		}
		*address = build_add(b, *address, value);
	}
	return true;
}

/* A constant: x86 writes $5, aarch64 5. */
static bool is_constant(struct str place, int64_t *v)
{
	uint32_t skip = place.len && (place.s[0] == '$' || place.s[0] == '#');
	uint32_t negative = place.len > skip && place.s[skip] == '-';
	uint64_t number;

	if (!str_to_u64((struct str){ place.s + skip + negative, place.len - skip - negative }, &number))
		return false;
	*v = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

/* check() has seen to it that there is such an operand. */
static ref arg_usdt(struct build *b, const struct target *t, int n)
{
	struct operand o;
	int64_t constant;
	ref value = 0;

	if (!find_operand(t->operands, (uint32_t)n, &o))
		return build_const(b, 0);
	if (is_constant(o.place, &constant))
		return build_const(b, constant);
	if (!memchr(o.place.s, '(', o.place.len) && o.place.s[0] != '[' &&
	    load_register(b, take_word(&o.place.s, o.place.s + o.place.len), &value))
		return build_extended(b, value, o.size, o.sign);
	if (!sum_address(b, o.place, &value))
		return build_failed(b, "arg%d of %s is where no program can read it: %.*s", n, t->text,
				    STR_ARG(o.place));
	return build_user_read(b, value, o.size, o.sign);
}

/* ---- attaching, listing ----------------------------------------------------------------- */

static int attach_usdt(int prog_fd, const struct prog *prog, const struct target *t,
		       struct links *links)
{
	return user_attach(prog_fd, prog, t, false, links);
}

static void list_arguments(struct script *s, struct target *t, FILE *out)
{
	struct operand o;

	(void)s;
	for (uint32_t n = 0; find_operand(t->operands, n, &o); n++)
		fprintf(out, "    %sint%u arg%u\n", o.sign ? "" : "u", o.size * 8, n);
}

const struct probe_kind probe_usdt = {
	.name = "usdt",
	.alias = "U",
	.form = "usdt:FILE:PROVIDER:NAME or usdt:FILE:NAME",
	.type = BPF_PROG_TYPE_KPROBE,
	.cookies = true,
	.provides = HAS_ARGN | HAS_FUNC | IS_USER,
	.differs = HAS_ARGN | HAS_FUNC,
	.parse = parse_usdt,
	.expand = expand_usdt,
	.arg = arg_usdt,
	.arg_count = count_usdt,
	.prepare = multi_prepare,
	.attach_all = multi_attach,
	.attach = attach_usdt,
	.list_args = list_arguments,
};
