// SPDX-License-Identifier: Apache-2.0
/*
 * C's types, as scripts name and define them: what the files of it share. ctype.c knows the names
 * (the script's own, then the kernel's BTF), cread.c cuts text into tokens, cdecl.c makes types and
 * constants of them.
 */
#ifndef XBT_CTYPE_H
#define XBT_CTYPE_H

#include "sema/script.h"

/* ---- ctype.c: names --------------------------------------------------------------------- */

enum tag { TAG_STRUCT, TAG_UNION, TAG_ENUM };

/* What the name stands for, in the script or in BTF; NULL: nothing. */
const struct type *ctype_tag(struct script *, enum tag, struct str name);
/* The script's own. */
struct type **ctype_own_tag(struct script *, enum tag, struct str name);
void ctype_set_typedef(struct script *, struct str name, const struct type *);
void ctype_set_constant(struct script *, struct str name, int64_t value, const struct type *);

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
	struct ctoken token;  /* the one that is looked at */
	bool failed;          /* reported: silent from here on */
};

/* Begins to read the text, which stands at that offset of the source. */
void cread_begin(struct creader *, struct script *, struct str text, uint32_t offset);
void cread_next(struct creader *);
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

#endif
