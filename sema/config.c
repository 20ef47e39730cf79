// SPDX-License-Identifier: Apache-2.0
/*
 * Settings: from config.def's standards, the script's config block and the environment, which wins.
 * And the maps that the script declares. Nothing of this is there any more after this pass.
 */
#include "sema/script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum setting_kind { SET_NUMBER, SET_FLAG, SET_WORD, SET_TEXT, SET_UNUSED };

static const struct setting {
	const char *name, *old;
	enum setting_kind kind;
	size_t offset;
	uint64_t least, most;
	const char *words;
} settings[] = {
#define NUMBER(name, standard, least, most, old)                                                   \
	{ #name, old, SET_NUMBER, offsetof(struct config, name), least, most, NULL },
#define FLAG(name, standard) { #name, "", SET_FLAG, offsetof(struct config, name), 0, 0, NULL },
#define WORD(name, standard, words)                                                                \
	{ #name, "", SET_WORD, offsetof(struct config, name), 0, 0, words },
#define TEXT(name, standard) { #name, "", SET_TEXT, offsetof(struct config, name), 0, 0, NULL },
#define UNUSED(name) { #name, "", SET_UNUSED, 0, 0, 0, NULL },
#include "sema/config.def"
#undef NUMBER
#undef FLAG
#undef WORD
#undef TEXT
#undef UNUSED
};

static const struct config standard = {
#define NUMBER(name, standard, least, most, old) .name = standard,
#define FLAG(name, standard) .name = standard,
#define WORD(name, standard, words) .name = standard,
#define TEXT(name, standard) .name = { standard, sizeof(standard) - 1 },
#define UNUSED(name)
#include "sema/config.def"
#undef NUMBER
#undef FLAG
#undef WORD
#undef TEXT
#undef UNUSED
};

/* ---- values ----------------------------------------------------------------------------- */

/* Which of the words, separated by blanks; -1: none. */
static int which_word(const char *words, struct str text)
{
	for (int i = 0; *words; i++) {
		struct str word = { words, (uint32_t)strcspn(words, " ") };

		if (str_eq(word, text))
			return i;
		words += word.len;
		words += *words == ' ';
	}
	return -1;
}

static bool set_flag(void *field, struct str text)
{
	bool on = str_is(text, "true") || str_is(text, "1");

	if (!on && !str_is(text, "false") && !str_is(text, "0"))
		return false;
	*(bool *)field = on;
	return true;
}

static bool set(struct config *config, const struct setting *s, struct str text)
{
	void *field = (char *)config + s->offset;
	uint64_t v;
	int word;

	switch (s->kind) {
	case SET_NUMBER:
		if (!str_to_u64(text, &v) || v < s->least || v > s->most)
			return false;
		*(uint32_t *)field = (uint32_t)v;
		return true;
	case SET_FLAG:
		return set_flag(field, text);
	case SET_WORD:
		word = which_word(s->words, text);
		if (word >= 0)
			*(uint32_t *)field = (uint32_t)word;
		return word >= 0;
	case SET_TEXT:
		*(struct str *)field = text;
		return true;
	case SET_UNUSED:
		break;
	}
	return true;
}

/* "a number from 1 to 65536", "true or false", ... */
static const char *wanted(struct arena *a, const struct setting *s)
{
	switch (s->kind) {
	case SET_NUMBER:
		return arena_printf(a, "a number from %llu to %llu", (unsigned long long)s->least,
				    (unsigned long long)s->most);
	case SET_FLAG:
		return "true or false";
	case SET_WORD:
		return arena_printf(a, "one of: %s", s->words);
	default:
		return "a string";
	}
}

/* ---- the environment -------------------------------------------------------------------- */

static const char *from_environment(const struct setting *s)
{
	char name[64] = "BPFTRACE_";
	size_t n = strlen(name);
	const char *text;

	for (size_t i = 0; s->name[i]; i++)
		name[n++] = (char)toupper((unsigned char)s->name[i]);
	name[n] = 0;
	text = getenv(name);
	return text || !*s->old ? text : getenv(s->old);
}

static void read_environment(struct script *s)
{
	for (size_t i = 0; i < LEN(settings); i++) {
		const char *text = from_environment(&settings[i]);

		if (text && !set(&s->config, &settings[i], str_of(text)))
			fprintf(stderr, "xbt: warning: '%s' in the environment takes %s, not '%s'\n",
				settings[i].name, wanted(&s->work, &settings[i]), text);
	}
}

/* ---- the script ------------------------------------------------------------------------- */

/* Scripts may write max_strlen, MAX_STRLEN and BPFTRACE_MAX_STRLEN. */
static bool is_name_of(const struct setting *s, struct str text)
{
	char lower[64] = "";
	const char *name = lower;

	if (text.len >= sizeof lower)
		return false;
	for (uint32_t i = 0; i < text.len; i++)
		lower[i] = (char)tolower((unsigned char)text.s[i]);
	if (!strncmp(lower, "bpftrace_", 9))
		name += 9;
	return !strcmp(name, s->name) || (*s->old && str_is(text, s->old));
}

static void unknown_setting(struct script *s, const struct node *n)
{
	uint32_t e = diag_error(&s->diag, n->at, "config", "there is no setting '%.*s'",
				STR_ARG(n->member.name));
	struct near near = { .wanted = n->member.name };

	for (size_t i = 0; i < LEN(settings); i++)
		str_near(&near, str_of(settings[i].name));
	if (near.best.len)
		diag_hint(&s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
}

/* A setting's value as text: a number, a string or a word. */
static struct str value_text_of(struct script *s, const struct node *n)
{
	int64_t v;

	if (n->kind == N_STRING)
		return n->str;
	if (n->kind == N_NAME)
		return n->name.name;
	if (n->kind == N_CAST && str_is(n->cast.name, "bool"))
		return n->cast.e->num ? STR("true") : STR("false");
	if (const_value(s, n, &v))
		return str_of(arena_printf(&s->arena, "%lld", (long long)v));
	return STR("");
}

static void take_setting(struct script *s, const struct node *n)
{
	for (size_t i = 0; i < LEN(settings); i++) {
		struct str text;

		if (!is_name_of(&settings[i], n->member.name))
			continue;
		text = value_text_of(s, n->member.base);
		text.s = str_dup(&s->arena, text);
		if (!set(&s->config, &settings[i], text))
			diag_error(&s->diag, n->member.base->at, "config", "'%s' takes %s",
				   settings[i].name, wanted(&s->work, &settings[i]));
		return;
	}
	unknown_setting(s, n);
}

/* ---- maps ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool per_cpu, lru;
} map_kinds[] = {
	{ "hash", false, false },
	{ "lruhash", false, true },
	{ "percpuhash", true, false },
	{ "percpulruhash", true, true },
};

static void declare_map(struct script *s, const struct node *n)
{
	enum { ENTRIES_MAX = 1 << 24 };
	struct map *m = script_map(s, n->decl.map->map.name, n->at);
	int64_t size = 0;
	uint32_t e;

	if (!const_value(s, n->decl.size, &size) || size < 1 || size > ENTRIES_MAX)
		diag_error(&s->diag, n->decl.size->at, "map-size", "a map has 1 to %d elements", ENTRIES_MAX);
	if (m->declared.end)
		diag_error(&s->diag, n->at, "map-again", "%.*s is declared twice", STR_ARG(m->name));
	m->declared = n->at;
	m->max_entries = (uint32_t)size;
	for (size_t i = 0; i < LEN(map_kinds); i++)
		if (str_is(n->decl.kind, map_kinds[i].name)) {
			m->lru = map_kinds[i].lru;
			m->shrinks |= m->lru;
			m->per_cpu = map_kinds[i].per_cpu;
			return;
		}
	e = diag_error(&s->diag, n->at, "map-kind", "there is no map type '%.*s'", STR_ARG(n->decl.kind));
	diag_hint(&s->diag, e, "hash, lruhash; of aggregations: percpuhash, percpulruhash");
}

void config_init(struct script *s)
{
	s->config = standard;
}

void configure(struct script *s)
{
	for (const struct node *n = s->items; n; n = n->next) {
		if (n->kind == N_SETTING)
			take_setting(s, n);
		else if (n->kind == N_MAPDECL)
			declare_map(s, n);
	}
	read_environment(s);
}
