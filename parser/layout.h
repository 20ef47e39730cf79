// SPDX-License-Identifier: Apache-2.0
/*
 * A script as the pieces that a layout is made of: pieces.c finds them, layout.c prints them.
 */
#ifndef XBT_LAYOUT_H
#define XBT_LAYOUT_H

#include "parser/ast.h"

/* A piece is a token of the grammar's kind or one of these. */
enum {
	P_END = 0,
	P_LINE = 1000, /* a comment to the line's end */
	P_BLOCK,       /* the other comment */
	P_DIRECTIVE,   /* a line of the preprocessor's */
	P_INTERPRETER, /* #! */
	P_SKIPPED,     /* what a condition left out: it stays as it is */
};

struct piece {
	int kind;
	bool c, begins;  /* part of a definition in C; its first */
	bool value;      /* a brace of a block that is an operand */
	uint8_t breaks;  /* newlines before it: 0, 1, or 2 for more */
	struct span at;  /* in the source */
	uint32_t token;  /* the next piece behind it that is no comment */
};

struct pieces {
	struct arena *arena;
	struct str text;
	VEC(struct piece) list; /* P_END is the last one */
};

/* pieces.c: of a script that was parsed without an error */
void pieces_read(struct pieces *, struct parser *);
/* layout.c: prints them */
void layout_print(struct parser *, FILE *);

#endif
