// SPDX-License-Identifier: Apache-2.0
/*
 * The abstract syntax tree: one tagged union, built by the constructors below, one call for each
 * grammar action. The same nodes are annotated by sema (type, fn, map, var) and read by codegen;
 * there is no second tree. Lists hang together by `next`.
 */
#ifndef XBT_AST_H
#define XBT_AST_H

#include "core/core.h"

enum node_kind {
#define NODE(id, name, children) N_##id,
#include "parser/nodes.def"
#undef NODE
	NODE_KINDS
};

enum operator {
#define OPERATOR(id, spelling) O_##id,
#include "parser/operators.def"
#undef OPERATOR
	OPERATORS
};

struct node {
	enum node_kind kind;
	uint16_t depth;          /* of the tree below; bounds the recursion of every pass */
	bool comptime;           /* what it is must be known while compiling */
	bool last;               /* EXPR: without ';' before '}', so it is the block's value, if it has one */
	struct span at;
	struct node *next;
	const struct type *type; /* set by infer; never NULL after check */
	union {
		struct { uint64_t num; const struct type *of; };                   /* NUM (of: its type, if known), PARAM */
		struct str str;                                                    /* STRING, POINT */
		struct { struct str name; const struct builtin *fn; } name;        /* NAME */
		struct { struct str name; const struct builtin *fn; struct node *args; bool reported; } call;
		/* CALL (reported: macros() has told what is wrong with it) */
		struct { struct str name; struct node *key; struct map *map; } map;
		struct { struct str name; struct var *var; } var;
		struct { struct node *l, *r; enum operator op; bool compound; } bin; /* ASSIGN: op of "op=" */
		struct { struct node *e; enum operator op; bool postfix; } un;
		struct { struct node *test, *then, *els; } cond;
		struct { struct node *base; struct str name; } member;
		struct { struct node *e, *of; struct str name; uint32_t stars; const struct type *to; } cast;
		struct { struct node *test, *body, *var, *end; } loop;             /* FOR: var in test, or test..end */
		struct { struct node *list, *value; } block;                       /* VALUE: statements, then what it is */
		struct { struct node *of, *var, *assign; struct str type; struct span at; } let;
		struct { struct str name; struct node *params, *body; } macro;     /* body: BLOCK or VALUE */
		struct { struct str kind; struct node *map, *size; } decl;
		struct { struct node *points, *pred, *body; } probe;
		struct node *list;
	};
};

enum { NESTING_MAX = 2000 };

/* Lists in the making: first and last node. */
struct list {
	struct node *head, *tail;
};

/* What parsing needs and leaves: the probes, in file order. */
struct parser {
	struct arena *arena;
	struct diag *diag;
	const struct source *source;
	struct str text;    /* what there is to parse: the source's text, or blanks in place of some of it */
	const struct span *skipped; /* where it was left out by conditions of C that don't hold, in order */
	uint32_t nskipped;
	struct node *probes;
	struct list items; /* MACRO, SETTING, MAPDECL, IMPORT, in file order */
	bool too_deep; /* reported once */
};

/* parser/grammar.y: text -> p->probes; syntax errors go to p->diag, all of them. */
void parse_program(struct parser *p);
/* The tokens that it is parsed from, of the grammar's kinds; 0 is the end. */
void parse_tokens(struct parser *p, void (*take)(void *ctx, int kind, struct span), void *ctx);

struct list list_of(struct node *);
struct list list_add(struct list, struct node *);
struct list list_join(struct list, struct list);
/* The last one of nodes that hang together; NULL of none. */
struct node *list_last(struct node *);

struct node *ast_num(struct parser *, struct span, uint64_t);
struct node *ast_string(struct parser *, struct span, struct str);
struct node *ast_param(struct parser *, struct span, uint64_t number);
struct node *ast_leaf(struct parser *, struct span, enum node_kind);
struct node *ast_name(struct parser *, struct span, struct str);
struct node *ast_call(struct parser *, struct span, struct str name, struct node *args);
struct node *ast_map(struct parser *, struct span, struct str name, struct node *key);
struct node *ast_var(struct parser *, struct span, struct str name);
struct node *ast_binary(struct parser *, struct span, enum operator, struct node *, struct node *);
struct node *ast_unary(struct parser *, struct span, enum operator, struct node *);
struct node *ast_step(struct parser *, struct span, enum operator, struct node *, bool postfix);
struct node *ast_comptime(struct node *);
struct node *ast_cond(struct parser *, struct span, struct node *, struct node *, struct node *);
/* l ?: r, which computes l once */
struct node *ast_or_else(struct parser *, struct span, struct node *l, struct node *r);
struct node *ast_member(struct parser *, struct span, struct node *base, struct str name);
struct node *ast_index(struct parser *, struct span, struct node *base, struct node *index);
/* (type)e: the type as written */
struct node *ast_cast(struct parser *, struct span, struct str type, struct node *);
/* (typeof(of) **)e */
struct node *ast_cast_like(struct parser *, struct span, struct node *of, uint32_t stars, struct node *);
/* sizeof(type) or, without a type, of an expression */
struct node *ast_sizeof(struct parser *, struct span, struct str type, struct node *);
/* offsetof(type, path) */
struct node *ast_offsetof(struct parser *, struct span, struct str type, struct node *path);
/* container_of(e, type, path) */
struct node *ast_container(struct parser *, struct span, struct node *e, struct str type,
			   struct node *path);
struct node *ast_tuple(struct parser *, struct span, struct node *members);
struct node *ast_expr(struct parser *, struct span, struct node *);
struct node *ast_assign(struct parser *, struct span, struct node *, enum operator, bool compound,
			struct node *);
struct node *ast_if(struct parser *, struct span, struct node *, struct node *, struct node *);
struct node *ast_loop(struct parser *, struct span, enum node_kind, struct node *, struct node *);
/* `name` is the TAG'd kinds' own: a record's field, a setting. */
struct node *ast_named(struct parser *, struct span, enum node_kind, struct str name, struct node *);
/* RECORD, BLOCK */
struct node *ast_list(struct parser *, struct span, enum node_kind, struct node *list);
struct node *ast_value(struct parser *, struct span, struct node *list, struct node *value);
/* A statement that ends its block without ';'. */
struct node *ast_last(struct node *);
/* The statements as a block that is a value, or one that a value is chosen by; reports if there is none. */
struct node *ast_block_value(struct parser *, struct span, struct node *list);
struct node *ast_choice(struct parser *, struct span, struct node *test, struct node *then,
			struct node *els);
/* A macro's: a VALUE, if it has one, else a BLOCK. */
struct node *ast_macro_body(struct parser *, struct span, struct node *list);
/* RETURN and DISCARD: `_ = e`; the name must be '_' */
struct node *ast_return(struct parser *, struct span, struct node *);
struct node *ast_discard(struct parser *, struct span name, struct str, struct node *);
/* The type, if the variable is declared with one, is the text at its span. */
struct node *ast_let(struct parser *, struct span, struct node *var, struct span type, struct node *value);
struct node *ast_let_like(struct parser *, struct span, struct node *var, struct node *of,
			  struct node *value);
/* for (var : e), or, with an end, for (var : e..end) */
struct node *ast_for(struct parser *, struct span, struct node *var, struct node *e, struct node *end,
		     struct node *body);
struct node *ast_macro(struct parser *, struct span, struct str name, struct node *params,
		       struct node *body);
struct node *ast_mapdecl(struct parser *, struct span, struct node *map, struct str kind,
			 struct node *size);
/* Says of the node and all below it that they stand at this struct span. */
void ast_move(struct node *, void *at);
/* A copy of the node and all below it, as parsed. */
struct node *ast_clone(struct arena *, const struct node *);
struct node *ast_import(struct parser *, struct span, struct str path);
/* It may have a name, "name=kprobe:f", which means nothing yet. */
struct node *ast_point(struct parser *, struct span, struct str);
struct node *ast_probe(struct parser *, struct span, struct node *points, struct node *pred,
		       struct node *body);

/* The variable that an assignment, '++' or '--' changes; NULL: none. */
struct var *ast_changed(const struct node *);
uint32_t list_length(const struct node *);
/* Calls visit for each direct child, in source order. */
void ast_children(struct node *, void (*visit)(struct node *, void *), void *ctx);
/* The same with the pointers that lead there; a visitor may put another node in (it keeps `next`). */
void ast_links(struct node *, void (*visit)(struct node **, void *), void *ctx);
/* One node a line; type_text renders n->type, or returns NULL for nothing to show. */
typedef const char *type_renderer(struct arena *, const struct type *);
void ast_dump(const struct node *probes, struct arena *, type_renderer *, FILE *);
extern const char *const operator_text[OPERATORS];
/* The node's source text. */
struct str node_text(const struct source *, const struct node *);

#endif
