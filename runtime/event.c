// SPDX-License-Identifier: Apache-2.0
/*
 * Events: what programs ask for through the ring buffer, done here in the order in which they come.
 *
 * A record names one of the image's events, and that event's type says how long the record must
 * be. One that is shorter, or names nothing, is counted and left: it would be a bug of ours, and
 * the report at the end says so.
 *
 * exit() is the last event, whatever other CPUs have added to the buffer behind it, as the script asked
 * for; END begins anew.
 */
#include <string.h>
#include <time.h>

#include "runtime/print.h"

static struct str text_of(const struct buffer *b)
{
	return (struct str){ b->n ? b->v : "", (uint32_t)b->n };
}

static void handle_PRINTF(struct session *s, const struct event *e, const uint8_t *data)
{
	s->text.n = 0;
	format_text(s, &s->text, e->fmt, e->args, data);
	s->format->text(s, "printf", text_of(&s->text));
}

/* "x.bt:1:9-28: ERROR: text", as bpftrace has it. */
static void complain(struct session *s, const struct event *e, const uint8_t *data, const char *type,
		     const char *what)
{
	const struct source *src = &s->image->source;
	struct position at = source_position(src, e->at.beg), end = source_position(src, e->at.end);

	s->text.n = 0;
	format_text(s, &s->text, e->fmt, e->args, data);
	if (s->format->complaint) {
		s->format->complaint(s, type, text_of(&s->text), at);
		return;
	}
	fflush(s->out);
	fprintf(s->err, "%s:%u:%u-%u: %s: %.*s\n", src->name, at.line, at.column, end.column, what,
		STR_ARG(text_of(&s->text)));
}

static void handle_ERRORF(struct session *s, const struct event *e, const uint8_t *data)
{
	complain(s, e, data, "errorf", "ERROR");
}

static void handle_WARNF(struct session *s, const struct event *e, const uint8_t *data)
{
	complain(s, e, data, "warnf", "WARNING");
}

static void handle_CAT(struct session *s, const struct event *e, const uint8_t *data)
{
	s->text.n = 0;
	format_text(s, &s->text, e->fmt, e->args, data);
	buffer_char(&s->text, 0);
	command_cat(s, s->text.v);
}

static void handle_SYSTEM(struct session *s, const struct event *e, const uint8_t *data)
{
	s->text.n = 0;
	format_text(s, &s->text, e->fmt, e->args, data);
	buffer_char(&s->text, 0);
	command_run(s, s->text.v);
}

static void handle_PRINT_MAP(struct session *s, const struct event *e, const uint8_t *data)
{
	(void)data;
	print_map(s, e->map, e->top, e->div);
}

static void handle_PRINT_VALUE(struct session *s, const struct event *e, const uint8_t *data)
{
	const struct type *args = e->args;

	if (args && args->nfields)
		s->format->value(s, args->fields[0].type, data + args->fields[0].offset);
}

static void handle_CLEAR(struct session *s, const struct event *e, const uint8_t *data)
{
	(void)data;
	clear_map(s, e->map);
}

static void handle_ZERO(struct session *s, const struct event *e, const uint8_t *data)
{
	(void)data;
	zero_map(s, e->map);
}

static void handle_TIME(struct session *s, const struct event *e, const uint8_t *data)
{
	struct timespec now;

	(void)data;
	clock_gettime(CLOCK_REALTIME, &now);
	s->text.n = 0;
	time_text(s, &s->text, e->fmt, now.tv_sec * (int64_t)1000000000 + now.tv_nsec);
	s->format->text(s, "time", text_of(&s->text));
}

static void handle_JOIN(struct session *s, const struct event *e, const uint8_t *data)
{
	const struct type *args = e->args;
	uint64_t n;

	if (!args || !args->nfields)
		return;
	n = load_u64(data);
	s->text.n = 0;
	for (uint32_t i = 1; i < args->nfields && i <= n; i++) {
		if (i > 1)
			buffer_str(&s->text, e->fmt);
		value_text(s, &s->text, args->fields[i].type, data + args->fields[i].offset);
	}
	s->format->line(s, "join", text_of(&s->text));
}

static void handle_EXIT(struct session *s, const struct event *e, const uint8_t *data)
{
	s->done = s->deaf = true;
	s->exit_status = e->args && e->args->nfields ? (int)load_u64(data) : 0;
}

int handle_event(void *session, void *record, size_t size)
{
	static void (*const handler[EVENT_KINDS])(struct session *, const struct event *,
						  const uint8_t *) = {
#define EVENT(id, doc) [EV_##id] = handle_##id,
#include "sema/events.def"
#undef EVENT
	};
	struct session *s = session;
	const struct event *e;
	uint32_t index;

	if (s->deaf)
		return 0;
	if (size < EVENT_HEADER)
		goto malformed;
	memcpy(&index, record, sizeof index);
	if (index >= s->image->events.n)
		goto malformed;
	e = &s->image->events.v[index];
	if (e->args && size - EVENT_HEADER < type_slot(e->args))
		goto malformed;
	handler[e->kind](s, e, (const uint8_t *)record + EVENT_HEADER);
	return 0;
malformed:
	s->malformed++;
	return 0;
}
