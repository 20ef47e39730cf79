// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of inference share: infer.c (operators, maps, statements) and infer_call.c (functions).
 */
#ifndef XBT_INFER_H
#define XBT_INFER_H

#include "sema/script.h"

struct inference {
	struct script *s;
	struct probe *p;
	bool changed;
	bool postponed; /* a condition of what is comptime was not known yet, or might change */
	bool settled;   /* types change no more, but for what such conditions leave out now */
};

const struct type *infer_node(struct inference *, struct node *);
/* "uint64", "string[16]", ...: a type that builtins.def or the language names; NULL: none. */
const struct type *named_type(struct script *, const char *name);
/* infer_call.c: what a call gives. */
const struct type *infer_call(struct inference *, struct node *);

#endif
