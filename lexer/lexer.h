// SPDX-License-Identifier: Apache-2.0
/*
 * The lexer: text -> tokens with byte spans. Reentrant; what it needs to remember between tokens is
 * struct lexer. The tokens are the grammar's (bison writes their numbers).
 */
#ifndef XBT_LEXER_H
#define XBT_LEXER_H

#include "core/core.h"

struct lexer {
	struct arena *arena;
	struct diag *diag;
	struct str text; /* all of it */
	uint32_t offset; /* of the next byte */
	int braces;      /* how deep in { }: 0 is where attach points stand */
	bool declares;   /* a map is being declared: let @m = hash(10) */
	bool predicate;  /* a predicate is open */
	bool chooses;    /* ... and there is an 'if' in it */
	int last;        /* the token before */
};

/* What a token carries. */
struct token {
	struct str text;   /* names, strings (decoded), attach points */
	uint64_t number;
};

/* number.c: a number as the lexer found it, "0x1f", "1e6", "1_000", "10ms", "5UL". On failure
 * *error says what is wrong with it. */
bool number_parse(struct str, uint64_t *value, const char **error);
/* string.c: decodes the escapes of a literal (its quotes taken off). False, and where and why, if
 * one is wrong. */
bool string_decode(struct arena *, struct str raw, struct str *out, uint32_t *where,
		   const char **error);
/* directive.c: where the line ends that goes on from `at`: at its newline, or at the text's end. A
 * backslash continues it, and so does a comment. */
uint32_t directive_end(struct str text, uint32_t at);

#endif
