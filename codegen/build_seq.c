// SPDX-License-Identifier: Apache-2.0
/*
 * printf of a pinned iterator: its text goes to who reads the file, through the kernel's own printf.
 * That takes the format, and a word for each value: numbers as they are, strings by their address.
 *
 * The checker has left only conversions that both sides know. All numbers are 64 bits wide here; the
 * kernel's %p would hide what it prints.
 */
#include <string.h>

#include "codegen/builder.h"

static struct str conversion_text(struct build *b, const struct conversion *v, struct str fmt)
{
	const char *kernel = v->conv == 's' ? "s" : v->conv == 'u' ? "llu" : v->conv == 'x' ? "llx" :
			     v->conv == 'X' ? "llX" : v->conv == 'p' ? "llx" : "lld";
	const char *width = v->width > 0 ? arena_printf(&b->s->work, "%d", v->width) : "";

	if (v->conv == '%')
		return STR("%%");
	if (!v->conv) /* no conversion, but text */
		return str_of(arena_printf(&b->s->work, "%%%%%.*s", (int)(v->end - v->beg - 1),
					   fmt.s + v->beg + 1));
	return str_of(arena_printf(&b->s->work, "%s%%%s%s%s%s%s%s", v->conv == 'p' ? "0x" : "",
				   v->left ? "-" : "", v->plus ? "+" : "", v->blank ? " " : "",
				   v->zero ? "0" : "", width, kernel));
}

static struct str kernel_format(struct build *b, struct str fmt)
{
	struct str text = STR("");
	uint32_t pos = 0, from = 0;
	struct conversion v;

	while (format_next(fmt, &pos, &v)) {
		text = str_of(arena_printf(&b->s->work, "%.*s%.*s%.*s", STR_ARG(text), (int)(v.beg - from),
					   fmt.s + from, STR_ARG(conversion_text(b, &v, fmt))));
		from = v.end;
	}
	return str_of(arena_printf(&b->s->work, "%.*s%.*s", STR_ARG(text), (int)(fmt.len - from),
				   fmt.s + from));
}

/* The words that the values are, in memory. */
static ref build_words(struct build *b, struct node *args, uint32_t n)
{
	ref words = stack_temp(b, n * 8);
	int64_t off = 0;

	for (struct node *a = args; a; a = a->next, off += 8)
		ir_store(b->fn, words, off,
			 type_is_scalar(a->type) ? build_value(b, a) : place_address(b, build_memory(b, a)), 8);
	return words;
}

/* struct bpf_iter_meta begins with the file that is read, and the context with that. */
static ref build_file(struct build *b)
{
	return ir_load(b->fn, build_ctx_load(b, 0, 8, false), 0, 8);
}

ref build_seq_printf(struct build *b, struct node *n)
{
	ref args[5] = { 0 };
	uint32_t count = 0;
	struct str text;
	struct place fmt;

	literal_text(b->s, n->call.args, &text);
	text = kernel_format(b, text);
	for (struct node *a = n->call.args->next; a; a = a->next)
		count++;
	fmt = build_temp(b, type_string(&b->s->types, text.len + 1));
	build_literal(b, fmt, text);
	args[3] = count ? build_words(b, n->call.args->next, count) : ir_const(b->fn, 0);
	args[0] = build_file(b);
	args[1] = place_address(b, fmt);
	args[2] = ir_const(b->fn, text.len + 1);
	args[4] = ir_const(b->fn, count * 8);
	ir_call(b->fn, BPF_FUNC_seq_printf, 5, args);
	return 0;
}
