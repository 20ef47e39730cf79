// SPDX-License-Identifier: Apache-2.0
/*
 * Debug information of programs: which function is where, and where a line of source code is.
 *
 * It is in the file itself, or in one of its own that libdw finds by the build id or by the link in the
 * file, where distributions install them. A file is opened when the script first asks about it, and
 * closed when the script is compiled (dwarf_close()). What optimisation left out is not there.
 *
 * Addresses are the file's own, as its symbols have them.
 */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "probes/dwarf_die.h"

/* ---- files ------------------------------------------------------------------------------ */

static Dwarf *open_dwarf(struct dwarf_file *f)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	Dwfl_Module *module;
	Dwarf_Addr bias;

	f->dwfl = dwfl_begin(&callbacks);
	if (!f->dwfl)
		return NULL;
	dwfl_report_begin(f->dwfl);
	module = dwfl_report_offline(f->dwfl, f->path, f->path, -1);
	dwfl_report_end(f->dwfl, NULL, NULL);
	return module ? dwfl_module_getdwarf(module, &bias) : NULL;
}

static struct dwarf_file *file_of(struct script *s, const char *path)
{
	struct dwarf_file *f = s->dwarf;

	while (f && strcmp(f->path, path) != 0)
		f = f->next;
	if (f)
		return f;
	f = arena_alloc(&s->work, sizeof *f);
	*f = (struct dwarf_file){ .next = s->dwarf, .path = path };
	s->dwarf = f;
	f->dwarf = open_dwarf(f);
	if (!f->dwarf)
		f->why = arena_printf(&s->arena, "%s has no debug information: compile it with -g, or install "
				      "the package that has it", path);
	return f;
}

void dwarf_close(struct script *s)
{
	for (struct dwarf_file *f = s->dwarf; f; f = f->next)
		dwfl_end(f->dwfl);
	s->dwarf = NULL;
}

/* ---- functions -------------------------------------------------------------------------- */

/* The next compilation unit; *at is where it begins, 0 at first. */
static bool next_unit(const struct dwarf_file *f, Dwarf_Off *at, Dwarf_Die *unit)
{
	Dwarf_Off begin = *at;
	size_t header;

	while (!dwarf_nextcu(f->dwarf, begin, at, &header, NULL, NULL, NULL)) {
		if (dwarf_offdie(f->dwarf, begin + header, unit))
			return true;
		begin = *at;
	}
	return false;
}

/* The innermost of such tags among the scopes; 0: none. */
static bool innermost(Dwarf_Die *scopes, int n, bool inlined, Dwarf_Die *found)
{
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_subprogram || (inlined && tag == DW_TAG_inlined_subroutine)) {
			*found = scopes[i];
			return true;
		}
	}
	return false;
}

/* The function, or the copy of one in another, that has this address. */
static bool copy_at(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die *copy)
{
	Dwarf_Die *scopes = NULL;
	int n = dwarf_getscopes(unit, address, &scopes);
	bool found = innermost(scopes, n, true, copy);

	free(scopes);
	return found;
}

/* The function that a copy stands in, after all. */
static bool function_around(Dwarf_Die *copy, Dwarf_Die *function)
{
	Dwarf_Die *scopes = NULL;
	int n = dwarf_getscopes_die(copy, &scopes);
	bool found = innermost(scopes, n, false, function);

	free(scopes);
	return found;
}

/* A first statement may be a copy of another function already. */
static bool function_at(const struct dwarf_file *f, Dwarf_Addr address, Dwarf_Die *function)
{
	Dwarf_Addr entry;
	Dwarf_Die unit, copy;

	for (Dwarf_Off at = 0; next_unit(f, &at, &unit);)
		if (dwarf_haspc(&unit, address) == 1 && copy_at(&unit, address, &copy) &&
		    function_around(&copy, function) && !dwarf_entrypc(function, &entry) && entry == address)
			return true;
	return false;
}

const struct type *dwarf_arguments(struct script *s, struct target *t)
{
	struct dwarf_file *f = file_of(s, t->group);
	Dwarf_Die function;

	t->unknown = f->why;
	if (f->why)
		return NULL;
	if (function_at(f, t->address, &function))
		return dwarf_function_type(s, f, &function, t);
	t->unknown = arena_printf(&s->arena, "the debug information of %s does not have it", t->group);
	return NULL;
}

/* ---- lines ------------------------------------------------------------------------------ */

struct line_search {
	struct script *s;
	struct str source;
	uint64_t line, column;
	struct dwarf_places *found;
	VEC(void *) copies;      /* that a place was found in, in its order */
	uint64_t next;           /* the next line that has code; 0: there is none */
	bool source_known;
};

/* "b.c" and "a/b.c" mean "/x/a/b.c". */
static bool is_source(const struct line_search *x, const char *path)
{
	size_t len = path ? strlen(path) : 0;

	if (len < x->source.len || memcmp(path + len - x->source.len, x->source.s, x->source.len) != 0)
		return false;
	return len == x->source.len || path[len - x->source.len - 1] == '/';
}

/* The first place of each copy: a loop has several, and would count twice. */
static void add_place(struct line_search *x, Dwarf_Die *unit, Dwarf_Addr address)
{
	Dwarf_Die copy, function;
	const char *name;
	uint32_t i = 0;

	if (!copy_at(unit, address, &copy) || !function_around(&copy, &function))
		return;
	while (i < x->copies.n && x->copies.v[i] != copy.addr)
		i++;
	if (i == x->copies.n) {
		name = dwarf_diename(&function);
		*vec_push(&x->s->work, &x->copies) = copy.addr;
		*vec_push(&x->s->work, &x->found->list) = (struct dwarf_place){
			address, str_dup(&x->s->arena, str_of(name ? name : "")) };
	} else if (address < x->found->list.v[i].address) {
		x->found->list.v[i].address = address;
	}
}

static void look_at_line(struct line_search *x, Dwarf_Die *unit, Dwarf_Line *line)
{
	int number, column = 0;
	bool begins, ends;
	Dwarf_Addr address;

	if (!is_source(x, dwarf_linesrc(line, NULL, NULL)))
		return;
	x->source_known = true;
	if (dwarf_lineno(line, &number) || dwarf_lineaddr(line, &address) ||
	    dwarf_linebeginstatement(line, &begins) || dwarf_lineendsequence(line, &ends) || !begins || ends)
		return;
	dwarf_linecol(line, &column);
	if ((uint64_t)number == x->line && (!x->column || x->column == (uint64_t)column))
		add_place(x, unit, address);
	else if ((uint64_t)number > x->line && (!x->next || (uint64_t)number < x->next))
		x->next = (uint64_t)number;
}

static const char *explain_line(const struct line_search *x, const char *path)
{
	if (!x->source_known)
		return arena_printf(&x->s->arena, "%s was not compiled from a file of this name (or that part "
				    "without -g)", path);
	if (!x->next)
		return "no statement begins in this line, nor in any after it";
	return arena_printf(&x->s->arena, "no statement begins there; the next line with one is %llu",
			    (unsigned long long)x->next);
}

bool dwarf_line(struct script *s, const char *path, struct str source, uint64_t line, uint64_t column,
		struct dwarf_places *found, const char **why)
{
	struct line_search x = { .s = s, .source = source, .line = line, .column = column, .found = found };
	struct dwarf_file *f = file_of(s, path);
	Dwarf_Lines *lines;
	Dwarf_Die unit;
	size_t n;

	*why = f->why;
	if (f->why)
		return false;
	for (Dwarf_Off at = 0; next_unit(f, &at, &unit);)
		for (size_t i = 0; !dwarf_getsrclines(&unit, &lines, &n) && i < n; i++)
			look_at_line(&x, &unit, dwarf_onesrcline(lines, i));
	if (!found->list.n)
		*why = explain_line(&x, path);
	return found->list.n;
}
