// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the checker share: check.c (expressions), check_call.c (calls and aggregations),
 * check_statement.c.
 */
#ifndef XBT_CHECK_H
#define XBT_CHECK_H

#include "sema/script.h"

struct checker {
	struct script *s;
	struct probe *p;
	uint32_t unreachable; /* how many branches that are never taken surround us */
};

#define FAIL(c, node, id, ...) diag_error(&(c)->s->diag, (node)->at, id, __VA_ARGS__)

const char *text_of(struct checker *, const struct type *);
/* What is wrong with it was reported. */
bool poisoned(const struct node *);
bool has_value(const struct node *);
bool is_number(const struct node *);

void check_node(struct node *, void *checker);
void check_list(struct checker *, struct node *);
void check_condition(struct checker *, struct node *);
void check_map_key(struct checker *, struct node *map);
/* Reports a map that nobody assigns. */
void check_undefined_map(struct checker *, struct node *map);
/* A map where a value is wanted. */
void check_map_read(struct checker *, struct node *map);

/* check_call.c */
void check_printf(struct checker *, struct node *);
void check_call(struct checker *, struct node *);
/* @m = count() and the like */
void check_aggregation(struct checker *, struct node *assignment);

/* check_builtin.c: what single builtins want of arguments that are of the right kinds */
void check_builtin(struct checker *, struct node *);
/* stack.c */
void check_stack(struct checker *, struct node *call);

/* check_named.c: what was given behind "--", and nobody asks for */
void check_named(struct script *);

/* check_statement.c; false: it is no statement */
bool check_statement(struct checker *, struct node *);

#endif
