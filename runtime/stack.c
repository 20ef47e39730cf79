// SPDX-License-Identifier: Apache-2.0
/*
 * Stacks as text. A slot holds a stack's id; the addresses are in the map of stacks, read when the
 * stack is to be printed, and only then named. The modes' lines:
 *
 *	bpftrace	        vfs_read+4
 *	perf		TAB ffffffff81234564 vfs_read+4, of processes with (file)
 *	raw		ffffffff81234564
 *	build_id	the file's build id, and 0x123 in that file
 */
#include <bpf/bpf.h>
#include <string.h>

#include "runtime/print.h"
#include "target/target.h"

enum { INDENT = 8, CHECK_WORDS = 1 };

struct stack {
	const struct type *type;
	uint32_t n;
	pid_t pid;
	const uint64_t *words;
};

/* The addresses that a slot stands for. False: they were not kept. */
static bool stack_read(struct session *s, const struct type *t, const uint8_t *slot, struct stack *st)
{
	bool build_ids = t->mode == STACK_BUILD_ID;
	uint32_t map = build_ids ? IMAGE_BUILD_IDS : IMAGE_STACKS;
	uint64_t id = load_u64(slot + STACK_ID);
	size_t size = s->image->maps.v[map].value_size;

	*st = (struct stack){ .type = t };
	st->n = (uint32_t)load_sized(slot + STACK_FRAMES, 4, false);
	st->pid = (pid_t)load_sized(slot + STACK_PID, 4, false);
	if (!st->n)
		return true;
	s->stack.n = 0;
	st->words = (const uint64_t *)buffer_room(&s->stack, size) + CHECK_WORDS;
	if (st->n > STACK_DEPTH_MAX)
		return false;
	return !bpf_map_lookup_elem(s->map_fds[map], &id, s->stack.v) ||
	       (!build_ids && !bpf_map_lookup_elem(s->map_fds[IMAGE_SPARE], &id, s->stack.v));
}

static void symbol(struct session *s, struct buffer *b, struct str name, uint64_t offset, uint64_t address)
{
	if (!name.len) {
		buffer_printf(b, "0x%llx", (unsigned long long)address);
		return;
	}
	traced_text(s, b, name.s, name.len);
	buffer_printf(b, "+%llu", (unsigned long long)offset);
}

static void kernel_frame(struct session *s, struct buffer *b, uint64_t address)
{
	uint64_t offset = 0;
	struct str name = ksyms_name(s->ksyms, address, &offset);

	symbol(s, b, name, offset, address);
}

static void user_frame(struct session *s, struct buffer *b, const struct stack *st, uint64_t address)
{
	struct usym u;

	usyms_find(s->usyms, st->pid, address, &u);
	symbol(s, b, str_of(u.name), u.offset, address);
	if (st->type->mode != STACK_PERF)
		return;
	buffer_bytes(b, " (", 2);
	u.path = u.path ? u.path : "[unknown]";
	traced_text(s, b, u.path, strlen(u.path));
	buffer_char(b, ')');
}

void usym_text(struct session *s, struct buffer *b, const uint8_t *slot)
{
	uint64_t address = load_u64(slot + USYM_ADDRESS);
	struct usym u;

	usyms_find(s->usyms, (pid_t)load_u64(slot + USYM_PID), address, &u);
	if (u.name)
		traced_text(s, b, u.name, strlen(u.name));
	else
		buffer_printf(b, "%#llx", (unsigned long long)address);
}

/* struct bpf_stack_build_id: s32 status, 20 bytes, u64 offset (or address, if there is no build id). */
static void build_id_frame(struct buffer *b, const uint64_t *words)
{
	const uint8_t *id = (const uint8_t *)words + 4;

	if ((uint32_t)words[0] != BPF_STACK_BUILD_ID_VALID) {
		buffer_printf(b, "%llx", (unsigned long long)words[3]);
		return;
	}
	for (int i = 0; i < BPF_BUILD_ID_SIZE; i++)
		buffer_printf(b, "%02x", id[i]);
	buffer_printf(b, " 0x%llx", (unsigned long long)words[3]);
}

static void frame_text(struct session *s, struct buffer *b, const struct stack *st, uint32_t i)
{
	uint64_t address = st->words[i];

	switch (st->type->mode) {
	case STACK_RAW:
		buffer_printf(b, "%llx", (unsigned long long)address);
		return;
	case STACK_BUILD_ID:
		build_id_frame(b, st->words + (size_t)i * STACK_BUILD_ID_WORDS);
		return;
	case STACK_PERF:
		buffer_printf(b, "\t%llx ", (unsigned long long)address);
		break;
	default:
		buffer_fill(b, ' ', s->compact ? 0 : INDENT);
	}
	if (st->type->space == SPACE_USER)
		user_frame(s, b, st, address);
	else
		kernel_frame(s, b, address);
}

/* The file's name stands for its functions if they have none. */
static struct str user_function(struct session *s, const struct stack *st, uint64_t address)
{
	struct usym u;
	const char *file;

	usyms_find(s->usyms, st->pid, address, &u);
	if (u.name)
		return str_of(u.name);
	if (!u.path)
		return STR("[unknown]");
	file = strrchr(u.path, '/');
	s->scratch.n = 0;
	buffer_printf(&s->scratch, "[%s]", file ? file + 1 : u.path);
	return (struct str){ s->scratch.v, (uint32_t)s->scratch.n };
}

static struct str function_of(struct session *s, const struct stack *st, uint32_t i)
{
	uint64_t offset;
	struct str name;

	if (st->type->mode == STACK_BUILD_ID) {
		s->scratch.n = 0;
		build_id_frame(&s->scratch, st->words + (size_t)i * STACK_BUILD_ID_WORDS);
		return (struct str){ s->scratch.v, (uint32_t)s->scratch.n };
	}
	if (st->type->space == SPACE_USER)
		return user_function(s, st, st->words[i]);
	name = ksyms_name(s->ksyms, st->words[i], &offset);
	return name.len ? name : STR("[unknown]");
}

void stack_each(struct session *s, const struct type *t, const uint8_t *slot,
		void (*visit)(void *ctx, struct str name, bool kernel), void *ctx)
{
	bool kernel = t->space != SPACE_USER;
	struct stack st;

	if (!stack_read(s, t, slot, &st)) {
		visit(ctx, STR("[lost]"), kernel);
		return;
	}
	for (uint32_t i = st.n; i > 0; i--)
		visit(ctx, function_of(s, &st, i - 1), kernel);
}

void stack_text(struct session *s, struct buffer *b, const struct type *t, const uint8_t *slot)
{
	struct stack st;
	bool kept = stack_read(s, t, slot, &st);

	buffer_char(b, '\n');
	if (!kept)
		buffer_printf(b, "%*s[lost]\n", s->compact ? 0 : INDENT, "");
	for (uint32_t i = 0; kept && i < st.n; i++) {
		frame_text(s, b, &st, i);
		buffer_char(b, '\n');
	}
}
