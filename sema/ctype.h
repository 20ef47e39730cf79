// SPDX-License-Identifier: Apache-2.0
/*
 * C's types, as scripts name and define them: what the files of it share. ctype.c knows the names
 * (the script's own, then the kernel's BTF), cread.c cuts text into tokens, cdecl.c makes types and
 * constants of them.
 */
#ifndef XBT_CTYPE_H
#define XBT_CTYPE_H

#include "sema/script.h"

/* ---- import.c: what other scripts define ------------------------------------------------- */

/* Puts in the place of each import what its file has. */
void import(struct script *);

/* ---- ctype.c: names --------------------------------------------------------------------- */

/* A struct whose fields are read when they are first wanted, by fill(). Its size is the caller's to set. */
typedef void ctype_fill(struct script *, struct type *, void *from);
struct type *ctype_later(struct script *, struct str name, ctype_fill *fill, void *from);

enum tag { TAG_STRUCT, TAG_UNION, TAG_ENUM };

/* What the name stands for, in the script or in BTF; NULL: nothing. */
const struct type *ctype_tag(struct script *, enum tag, struct str name);
/* A struct or union that the script may still define: as long as it doesn't, it is the kernel's. */
const struct type *ctype_named(struct script *, enum tag, struct str name);
/* The script's own: defined, or named before its definition. */
struct type **ctype_own_tag(struct script *, enum tag, struct str name);
void ctype_set_typedef(struct script *, struct str name, const struct type *);
void ctype_set_constant(struct script *, struct str name, int64_t value, const struct type *);

/* ---- cpp.c: the preprocessor's lines ---------------------------------------------------- */

struct cbranch {
	bool active, taken, last; /* this way holds; one held; this is its #else */
	uint32_t beg, end;        /* its #if in the text */
};

/* A text with directives: the script, or a header. */
struct cpp {
	struct str text;
	uint32_t offset;          /* of the text in the script's source */
	const char *file;         /* of a header: its path */
	struct span included;     /* and the line that includes it */
	uint32_t nested;
	VEC(struct cbranch) branches;
};

struct cmacro {
	bool defined;             /* false: no more, by #undef */
	bool function, variadic;  /* has parameters; the last one is "..." */
	struct str text;
	VEC(struct str) params;
};

bool cpp_defined(struct script *, struct str name);
/* The text that the name of a macro stands for; false: it is none, or one with parameters. */
bool cpp_macro(struct script *, struct str name, struct str *text);
/* Acts upon the directive that begins at text[at], a '#'. Returns where to go on: behind its line, or
 * behind what it excludes. */
uint32_t cpp_directive(struct script *, struct cpp *, uint32_t at);
/* The text has ended. */
void cpp_end(struct script *, struct cpp *);
uint32_t cpp_line_number(const struct cpp *, uint32_t at);
/* --include: a header from here or a folder of -I; or one of the kernel's, such as linux/path.h, which BTF
 * answers for. False: there is no such file. */
bool cpp_include(struct script *, const char *name);
/* Reads a header: its definitions are the script's. */
void cpp_file(struct script *, const char *path, struct str text, struct span included, uint32_t nested);

/* ---- cexpand.c: macros with parameters -------------------------------------------------- */

/* The macro that the name, with '(' behind it, calls; NULL: none. */
const struct cmacro *cpp_function(struct script *, struct str name);
/* Puts what they stand for in the place of all calls in the text. False: *error says what is wrong. */
bool cpp_expand(struct script *, struct str *text, const char **error);
/* The same of one call, whose arguments may begin at text[at]. Returns where they end; 0: it is no call. */
uint32_t cpp_call(struct script *, struct str name, struct str text, uint32_t at, struct str *result,
		  const char **error);

/* ---- cread.c: tokens -------------------------------------------------------------------- */

enum ctoken_kind { C_END, C_NAME, C_NUMBER, C_TEXT, C_PUNCT, C_STRAY };

struct ctoken {
	enum ctoken_kind kind;
	struct str text;      /* names, punctuation */
	uint64_t value;       /* numbers and characters */
	struct span at;
};

struct cinput {
	struct str text;
	uint32_t at;
	struct str macro;     /* whose text it is; empty: the outermost, which is the source's */
};

enum { CINPUTS = 32, CNESTED = 200 };

struct creader {
	struct script *s;
	struct cinput input[CINPUTS];
	uint32_t n;
	uint32_t offset;      /* of the text in the script's source */
	uint32_t nested;      /* how deep in parentheses and brackets */
	struct cpp *cpp;      /* acts upon directives in the text; NULL: there can't be any */
	const struct cpp *home; /* the header that it stands in; NULL: the script */
	bool condition;       /* of an #if: names that are no macros are 0 */
	bool raw;             /* macros are just names */
	bool defines;         /* types may be defined here */
	struct ctoken token;  /* the one that is looked at */
	bool failed;          /* reported: silent from here on */
};

/* Begins to read the text, which stands at that offset of the source. */
void cread_begin(struct creader *, struct script *, struct str text, uint32_t offset);
/* The same of a condition, a part of the text that has it. */
void cread_begin_condition(struct creader *, struct script *, const struct cpp *, struct str text);
/* The same of a text with directives, from its beginning or from there on; types may be defined in it. */
void cread_begin_file(struct creader *, struct script *, struct cpp *);
void cread_begin_at(struct creader *, struct script *, struct cpp *, uint32_t at);
void cread_next(struct creader *);
/* Where in its text the token begins. */
uint32_t cread_position(const struct creader *);
/* Is the token this punctuation or word? */
bool cread_is(const struct creader *, const char *text);
/* The same, and goes on behind it. */
bool cread_accept(struct creader *, const char *text);
/* Reports what is wrong at the token; only the first of a text. */
uint32_t cread_fail(struct creader *, const char *fmt, ...) PRINTF(2, 3);

/* ---- cdecl.c: types and constants ------------------------------------------------------- */

/* Does a type begin at the token? */
bool cdecl_is_type(struct creader *);
/* A type without a name, as in casts; NULL: reported. */
const struct type *cdecl_type_name(struct creader *);
/* The value of a constant expression; false: reported. */
bool cdecl_constant(struct creader *, int64_t *);
/* What a type begins with: its name, or its definition. */
const struct type *cdecl_base(struct creader *);
/* What may stand around a declarator's name: "*const" before it, "[2][3]" behind. */
const struct type *cdecl_stars(struct creader *, const struct type *);
const struct type *cdecl_brackets(struct creader *, const struct type *);
/* Plain char as a type of its own becomes int8. */
const struct type *cdecl_plain(const struct type *);

/* ---- cdef.c: definitions ---------------------------------------------------------------- */

/* { fields } or { enumerators }, from the '{' on, and attributes. */
const struct type *cdef_body(struct creader *, enum tag, struct str name, bool packed);
/* __attribute__((...)), if it is there; does it say packed? */
bool cdef_attributes(struct creader *);
/* One declaration, with its ';' if it has one. */
void cdef_declaration(struct creader *);
/* All of a text. */
void cdef_all(struct creader *);

/* ---- cpart.c: C in a script ------------------------------------------------------------- */

/* Reads what C there is between the probes. Returns the text with blanks in its place. */
struct str cpart_read(struct script *);

#endif
