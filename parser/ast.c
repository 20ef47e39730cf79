// SPDX-License-Identifier: Apache-2.0
/*
 * Constructors, the walker and the dumper of the AST.
 *
 * The constructors measure each node's depth: no pass needs to fear for its stack, because a
 * tree deeper than NESTING_MAX is reported here, once, and its overdeep part dropped.
 */
#include "parser/ast.h"

const char *const operator_text[OPERATORS] = {
#define OPERATOR(id, spelling) [O_##id] = spelling,
#include "parser/operators.def"
#undef OPERATOR
};

struct list list_of(struct node *n)
{
	return (struct list){ n, n };
}

struct list list_add(struct list l, struct node *n)
{
	if (!n)
		return l;
	if (!l.head)
		return list_of(n);
	l.tail->next = n;
	l.tail = n;
	return l;
}

struct node *list_last(struct node *n)
{
	while (n && n->next)
		n = n->next;
	return n;
}

struct list list_join(struct list a, struct list b)
{
	if (!a.head || !b.head)
		return a.head ? a : b;
	a.tail->next = b.head;
	a.tail = b.tail;
	return a;
}


void ast_move(struct node *n, void *at)
{
	n->at = *(const struct span *)at;
	ast_children(n, ast_move, at);
}

struct str node_text(const struct source *src, const struct node *n)
{
	return (struct str){ src->text.s + n->at.beg, n->at.end - n->at.beg };
}

static struct node *new_node(struct parser *p, struct span at, enum node_kind kind)
{
	struct node *n = arena_alloc(p->arena, sizeof *n);

	n->kind = kind;
	n->at = at;
	n->depth = 1;
	return n;
}

static void measure(struct node *kid, void *ctx)
{
	struct node *n = ctx;

	if (kid->depth >= n->depth)
		n->depth = (uint16_t)(kid->depth + 1);
}

/* Every constructor of a node with children ends here. */
static struct node *finish(struct parser *p, struct node *n)
{
	ast_children(n, measure, n);
	if (n->depth < NESTING_MAX)
		return n;
	if (!p->too_deep)
		diag_error(p->diag, n->at, "nesting", "nested more than %d levels deep", NESTING_MAX);
	p->too_deep = true;
	return ast_num(p, n->at, 0);
}

struct node *ast_num(struct parser *p, struct span at, uint64_t v)
{
	struct node *n = new_node(p, at, N_NUM);

	n->num = v;
	return n;
}

struct node *ast_string(struct parser *p, struct span at, struct str s)
{
	struct node *n = new_node(p, at, N_STRING);

	n->str = s;
	return n;
}

struct node *ast_param(struct parser *p, struct span at, uint64_t number)
{
	struct node *n = new_node(p, at, N_PARAM);

	n->num = number;
	return n;
}

struct node *ast_leaf(struct parser *p, struct span at, enum node_kind kind)
{
	return new_node(p, at, kind);
}

struct node *ast_name(struct parser *p, struct span at, struct str name)
{
	struct node *n = new_node(p, at, N_NAME);

	n->name.name = name;
	return n;
}

struct node *ast_call(struct parser *p, struct span at, struct str name, struct node *args)
{
	struct node *n = new_node(p, at, N_CALL);

	n->call.name = name;
	n->call.args = args;
	return finish(p, n);
}

struct node *ast_map(struct parser *p, struct span at, struct str name, struct node *key)
{
	struct node *n = new_node(p, at, N_MAP);

	n->map.name = name;
	n->map.key = key;
	return finish(p, n);
}

struct node *ast_var(struct parser *p, struct span at, struct str name)
{
	struct node *n = new_node(p, at, N_VAR);

	n->var.name = name;
	return n;
}

struct node *ast_binary(struct parser *p, struct span at, enum operator op, struct node *l,
			struct node *r)
{
	struct node *n = new_node(p, at, N_BINARY);

	n->bin.op = op;
	n->bin.l = l;
	n->bin.r = r;
	return finish(p, n);
}

struct node *ast_unary(struct parser *p, struct span at, enum operator op, struct node *e)
{
	struct node *n = new_node(p, at, N_UNARY);

	n->un.op = op;
	n->un.e = e;
	return finish(p, n);
}

struct node *ast_step(struct parser *p, struct span at, enum operator op, struct node *e,
		      bool postfix)
{
	struct node *n = new_node(p, at, N_STEP);

	n->un.op = op;
	n->un.e = e;
	n->un.postfix = postfix;
	return finish(p, n);
}

struct node *ast_comptime(struct node *n)
{
	n->comptime = true;
	return n;
}

struct node *ast_cond(struct parser *p, struct span at, struct node *test, struct node *then,
		      struct node *els)
{
	struct node *n = new_node(p, at, N_COND);

	n->cond.test = test;
	n->cond.then = then;
	n->cond.els = els;
	return finish(p, n);
}

struct node *ast_member(struct parser *p, struct span at, struct node *base, struct str name)
{
	struct node *n = new_node(p, at, N_MEMBER);

	n->member.base = base;
	n->member.name = name;
	return finish(p, n);
}

struct node *ast_index(struct parser *p, struct span at, struct node *base, struct node *index)
{
	struct node *n = new_node(p, at, N_INDEX);

	n->bin.l = base;
	n->bin.r = index;
	return finish(p, n);
}

static struct node *typed(struct parser *p, struct span at, enum node_kind kind, struct str type,
			  struct node *e)
{
	struct node *n = new_node(p, at, kind);

	n->cast.name = type;
	n->cast.e = e;
	return finish(p, n);
}

struct node *ast_cast(struct parser *p, struct span at, struct str type, struct node *e)
{
	return typed(p, at, N_CAST, type, e);
}

struct node *ast_cast_like(struct parser *p, struct span at, struct node *of, uint32_t stars,
			   struct node *e)
{
	struct node *n = new_node(p, at, N_CAST);

	n->cast.of = of;
	n->cast.stars = stars;
	n->cast.e = e;
	return finish(p, n);
}

struct node *ast_sizeof(struct parser *p, struct span at, struct str type, struct node *e)
{
	return typed(p, at, N_SIZEOF, type, e);
}

struct node *ast_offsetof(struct parser *p, struct span at, struct str type, struct node *path)
{
	return typed(p, at, N_OFFSETOF, type, path);
}

struct node *ast_container(struct parser *p, struct span at, struct node *e, struct str type,
			   struct node *path)
{
	struct str pointer = str_of(arena_printf(p->arena, "%.*s *", STR_ARG(type)));

	e = ast_cast(p, at, STR("void *"), e);
	return ast_cast(p, at, pointer, ast_binary(p, at, O_SUB, e, ast_offsetof(p, at, type, path)));
}

struct node *ast_tuple(struct parser *p, struct span at, struct node *members)
{
	struct node *n = new_node(p, at, N_TUPLE);

	n->list = members;
	return finish(p, n);
}

struct node *ast_expr(struct parser *p, struct span at, struct node *e)
{
	struct node *n = new_node(p, at, N_EXPR);

	n->un.e = e;
	return finish(p, n);
}

struct node *ast_assign(struct parser *p, struct span at, struct node *l, enum operator op,
			bool compound, struct node *r)
{
	struct node *n = new_node(p, at, N_ASSIGN);

	n->bin.l = l;
	n->bin.op = op;
	n->bin.compound = compound;
	n->bin.r = r;
	return finish(p, n);
}

struct node *ast_if(struct parser *p, struct span at, struct node *test, struct node *then,
		    struct node *els)
{
	struct node *n = new_node(p, at, N_IF);

	n->cond.test = test;
	n->cond.then = then;
	n->cond.els = els;
	return finish(p, n);
}

struct node *ast_loop(struct parser *p, struct span at, enum node_kind kind, struct node *test,
		      struct node *body)
{
	struct node *n = new_node(p, at, kind);

	n->loop.test = test;
	n->loop.body = body;
	return finish(p, n);
}

struct node *ast_named(struct parser *p, struct span at, enum node_kind kind, struct str name,
		       struct node *e)
{
	struct node *n = new_node(p, at, kind);

	n->member.name = name;
	n->member.base = e;
	return finish(p, n);
}

struct node *ast_list(struct parser *p, struct span at, enum node_kind kind, struct node *list)
{
	struct node *n = new_node(p, at, kind);

	n->list = list;
	return finish(p, n);
}

struct node *ast_value(struct parser *p, struct span at, struct node *list, struct node *value)
{
	struct node *n = new_node(p, at, N_VALUE);

	n->block.list = list;
	n->block.value = value;
	return finish(p, n);
}

/* ---- blocks that are values ------------------------------------------------------------- */

struct node *ast_last(struct node *n)
{
	n->last = n->kind == N_EXPR;
	return n;
}

/* A block's value is its last expression's; that of the last block or choice, if it ends with one. */
static bool has_value(const struct node *list)
{
	while (list && list->next)
		list = list->next;
	if (!list)
		return false;
	if (list->kind == N_IF)
		return has_value(list->cond.then) && has_value(list->cond.els);
	return list->kind == N_BLOCK ? has_value(list->list) : list->last;
}

static struct node *without(struct node *list, const struct node *last)
{
	struct node *n = list;

	if (list == last)
		return NULL;
	while (n->next != last)
		n = n->next;
	n->next = NULL;
	return list;
}

struct node *ast_block_value(struct parser *p, struct span at, struct node *list)
{
	struct node *last = list_last(list), *value = NULL;

	if (p->too_deep)
		return ast_num(p, at, 0);
	if (!has_value(list)) {
		uint32_t e = diag_error(p->diag, at, "block-value", "this block has no value");

		diag_hint(p->diag, e, "its last expression is its value, without a ';' behind it");
		return ast_num(p, at, 0);
	}
	if (last->kind == N_IF)
		value = ast_choice(p, last->at, last->cond.test, last->cond.then, last->cond.els);
	else if (last->kind == N_BLOCK)
		value = ast_block_value(p, last->at, last->list);
	else
		value = last->un.e;
	return ast_value(p, at, without(list, last), value);
}

struct node *ast_choice(struct parser *p, struct span at, struct node *test, struct node *then,
			struct node *els)
{
	if (!els) {
		diag_error(p->diag, at, "block-value", "an 'if' that is a value needs an 'else' that is one");
		return ast_num(p, at, 0);
	}
	return ast_cond(p, at, test, ast_block_value(p, at, then), ast_block_value(p, at, els));
}

struct node *ast_macro_body(struct parser *p, struct span at, struct node *list)
{
	return has_value(list) ? ast_block_value(p, at, list) : ast_list(p, at, N_BLOCK, list);
}

struct node *ast_return(struct parser *p, struct span at, struct node *e)
{
	struct node *n = new_node(p, at, N_RETURN);

	n->un.e = e;
	return finish(p, n);
}

struct node *ast_discard(struct parser *p, struct span at, struct str name, struct node *e)
{
	struct node *n = new_node(p, (struct span){ at.beg, e->at.end }, N_DISCARD);

	if (!str_is(name, "_")) {
		uint32_t d = diag_error(p->diag, at, "assign-target", "'%.*s' can't be assigned",
					STR_ARG(name));

		diag_hint(p->diag, d, "variables begin with $, maps with @");
	}
	n->un.e = e;
	return finish(p, n);
}

struct node *ast_let(struct parser *p, struct span at, struct node *var, struct span type,
		     struct node *value)
{
	struct node *n = new_node(p, at, N_LET);

	n->let.at = type;
	n->let.type = (struct str){ p->source->text.s + type.beg, type.end - type.beg };
	n->let.var = var;
	if (value)
		n->let.assign = ast_assign(p, at, ast_var(p, var->at, var->var.name), O_NONE, false,
					   value);
	return finish(p, n);
}

struct node *ast_let_like(struct parser *p, struct span at, struct node *var, struct node *of,
			  struct node *value)
{
	struct node *n = ast_let(p, at, var, (struct span){ 0, 0 }, value);

	n->let.of = of;
	return n;
}

struct node *ast_for(struct parser *p, struct span at, struct node *var, struct node *e,
		     struct node *end, struct node *body)
{
	struct node *n = new_node(p, at, N_FOR);

	n->loop.var = var;
	n->loop.test = e;
	n->loop.end = end;
	n->loop.body = body;
	return finish(p, n);
}

/* { let $v = l; $v ? $v : r }, with a name that no script can write. */
struct node *ast_or_else(struct parser *p, struct span at, struct node *l, struct node *r)
{
	struct str name = str_of(arena_printf(p->arena, "$?%u", at.beg));
	struct node *v = ast_var(p, l->at, name), *again = ast_var(p, l->at, name);
	struct node *let = ast_let(p, l->at, ast_var(p, l->at, name), (struct span){ 0, 0 }, l);

	return ast_value(p, at, let, ast_cond(p, at, v, again, r));
}

struct node *ast_macro(struct parser *p, struct span at, struct str name, struct node *params,
		       struct node *body)
{
	struct node *n = new_node(p, at, N_MACRO);

	n->macro.name = name;
	n->macro.params = params;
	n->macro.body = body;
	return finish(p, n);
}

struct node *ast_mapdecl(struct parser *p, struct span at, struct node *map, struct str kind,
			 struct node *size)
{
	struct node *n = new_node(p, at, N_MAPDECL);

	n->decl.map = map;
	n->decl.kind = kind;
	n->decl.size = size;
	return finish(p, n);
}

struct node *ast_import(struct parser *p, struct span at, struct str path)
{
	struct node *n = new_node(p, at, N_IMPORT);

	n->str = path;
	return n;
}

struct node *ast_point(struct parser *p, struct span at, struct str spec)
{
	struct node *n = new_node(p, at, N_POINT);
	uint32_t name = 0;

	while (name < spec.len && spec.s[name] != ':' && spec.s[name] != '=')
		name++;
	name = name < spec.len && spec.s[name] == '=' ? name + 1 : 0;
	n->at.beg += name;
	n->str = (struct str){ spec.s + name, spec.len - name };
	return n;
}

struct node *ast_probe(struct parser *p, struct span at, struct node *points, struct node *pred,
		       struct node *body)
{
	struct node *n = new_node(p, at, N_PROBE);

	n->probe.points = points;
	n->probe.pred = pred;
	n->probe.body = body;
	return finish(p, n);
}

struct var *ast_changed(const struct node *n)
{
	const struct node *to = n->kind == N_ASSIGN ? n->bin.l : n->kind == N_STEP ? n->un.e : NULL;

	return to && to->kind == N_VAR ? to->var.var : NULL;
}

/* ---- walking ---------------------------------------------------------------------------- */

static void visit_link(struct node **link, void (*visit)(struct node **, void *), void *ctx)
{
	struct node *next = (*link)->next;

	visit(link, ctx);
	(*link)->next = next;
}

void ast_links(struct node *n, void (*visit)(struct node **, void *), void *ctx)
{
	switch (n->kind) {
#define KID(member)                                                                                \
	if (n->member)                                                                             \
		visit_link(&n->member, visit, ctx);
#define KIDS(member)                                                                               \
	for (struct node **link = &n->member; *link; link = &(*link)->next)                        \
		visit_link(link, visit, ctx);
#define NODE(id, name, children)                                                                   \
	case N_##id:                                                                               \
		children break;
#include "parser/nodes.def"
#undef NODE
#undef KID
#undef KIDS
	case NODE_KINDS:
		break;
	}
}

struct visitor {
	void (*visit)(struct node *, void *);
	void *ctx;
};

static void visit_node(struct node **link, void *ctx)
{
	const struct visitor *v = ctx;

	v->visit(*link, v->ctx);
}

uint32_t list_length(const struct node *list)
{
	uint32_t n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

void ast_children(struct node *n, void (*visit)(struct node *, void *), void *ctx)
{
	struct visitor v = { visit, ctx };

	ast_links(n, visit_node, &v);
}

static void clone_link(struct node **link, void *ctx)
{
	*link = ast_clone(ctx, *link);
}

struct node *ast_clone(struct arena *a, const struct node *n)
{
	struct node *copy = arena_alloc(a, sizeof *copy);

	*copy = *n;
	ast_links(copy, clone_link, a);
	return copy;
}

/* ---- dump ------------------------------------------------------------------------------- */

static const char *const kind_name[NODE_KINDS] = {
#define NODE(id, name, children) [N_##id] = name,
#include "parser/nodes.def"
#undef NODE
};

struct dump {
	struct arena *arena;
	type_renderer *type_text;
	FILE *out;
	int indent;
};

static void dump_string(struct str s, FILE *out)
{
	fputs(" \"", out);
	for (uint32_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if (c < 32 || c > 126 || c == '"' || c == '\\')
			fprintf(out, "\\x%02x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void dump_detail(const struct node *n, FILE *out)
{
	switch (n->kind) {
	case N_NUM:
	case N_PARAM:
		fprintf(out, " %llu", (unsigned long long)n->num);
		break;
	case N_STRING:
	case N_POINT:
		dump_string(n->str, out);
		break;
	case N_NAME:
	case N_CALL:
	case N_MAP:
	case N_VAR:
	case N_MACRO:
	case N_MAPDECL:
		/* These begin with their name. */
		fprintf(out, " %.*s", STR_ARG(n->name.name));
		break;
	case N_BINARY:
	case N_ASSIGN:
		fprintf(out, " %s%s", operator_text[n->bin.op],
			n->kind == N_ASSIGN ? "=" : "");
		break;
	case N_UNARY:
		fprintf(out, " %s", operator_text[n->un.op]);
		break;
	case N_STEP:
		fprintf(out, " %s%s", n->un.op == O_ADD ? "++" : "--", n->un.postfix ? " after" : "");
		break;
	case N_MEMBER:
	case N_FIELD:
	case N_SETTING:
		fprintf(out, " .%.*s", STR_ARG(n->member.name));
		break;
	case N_SIZEOF:
	case N_OFFSETOF:
	case N_CAST:
		fprintf(out, " %.*s", STR_ARG(n->cast.name));
		for (uint32_t i = 0; i < n->cast.stars; i++)
			putc('*', out);
		break;
	default:
		break;
	}
}

static void dump_node(struct node *n, void *ctx)
{
	struct dump *d = ctx;
	const char *type = n->type ? d->type_text(d->arena, n->type) : NULL;

	fprintf(d->out, "%*s%s", d->indent, "", kind_name[n->kind]);
	dump_detail(n, d->out);
	if (type)
		fprintf(d->out, " : %s", type);
	putc('\n', d->out);
	d->indent += 2;
	ast_children(n, dump_node, d);
	d->indent -= 2;
}

void ast_dump(const struct node *probes, struct arena *a, type_renderer *type_text, FILE *out)
{
	struct dump d = { .arena = a, .type_text = type_text, .out = out };

	for (const struct node *n = probes; n; n = n->next)
		dump_node((struct node *)n, &d);
}
