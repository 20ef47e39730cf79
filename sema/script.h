// SPDX-License-Identifier: Apache-2.0
/*
 * A script in the making: what sema's passes share. One section a file: builtins.c, expand.c,
 * resolve.c, infer.c, check.c, plan.c.
 */
#ifndef XBT_SCRIPT_H
#define XBT_SCRIPT_H

#include "core/core.h"
#include "parser/ast.h"
#include "probes/probe.h"
#include "sema/types.h"
#include "target/target.h"

/* Of a tuple, of a key. */
enum { MEMBERS_MAX = 1024 };

/* ---- builtins.c ------------------------------------------------------------------------- */

enum builtin_id {
#define BUILTIN(id, form, result, params, effect, doc) B_##id,
#include "sema/builtins.def"
#undef BUILTIN
	BUILTINS
};

enum builtin_form { FORM_VAR, FORM_FN, FORM_BOTH, FORM_AGG };

/* What a helper or builtin does to the world: all that the optimiser asks about it. */
enum effect {
	EFFECT_CONST, EFFECT_RUN, EFFECT_READ, EFFECT_CLOCK, EFFECT_EVENT, EFFECT_UPDATE, EFFECT_UNSAFE
};

enum param_kind {
	P_INT, P_ADDR, P_TEXT, P_LITERAL, P_CONST, P_MAP, P_ELEMENT, P_ANY, P_WORD, PARAM_KINDS
};

struct builtin {
	const char *name;
	enum builtin_id id;
	enum builtin_form form;
	const char *result, *params;
	enum effect effect;
	const char *doc;
};

extern const struct builtin builtins[BUILTINS];
const struct builtin *builtin_find(struct str name);
/* Parameter `i` of a builtin: its kind and whether it may be left out. False: there is none. */
bool builtin_param(const struct builtin *, uint32_t i, enum param_kind *, bool *optional);
/* Which of the words that the first parameter of a builtin may be; -1: none of them. */
int builtin_word(const struct builtin *, const struct node *arg);
/* N of "argN"; -1 if the name is none. */
int builtin_argn(struct str name);
/* "u64 str(addr, ?int)  the string at an address", one a line (xbt --builtins). */
void builtins_list(FILE *);

/* ---- ctype.c: C's types, the script's own and the kernel's ------------------------------- */

struct ctype_constant {
	int64_t value;
	const struct type *of; /* its enum, or int64 if it is negative; NULL: a plain number */
};

struct ctypes {
	struct table tags, typedefs, constants, macros; /* the script's own */
	bool opened, modules;                           /* were BTF files looked for? */
	const char *why;                                /* there is no BTF */
	VEC(struct ctype_file *) files;                 /* the kernel's, then the modules' */
	VEC(struct ctype_pending) pending;
	uint32_t expansions, nested;                    /* of macros in expressions: so far; within each other */
};

/* Reads a struct's fields, if that wasn't done yet (an array's: its elements'). */
void ctype_complete(struct script *, const struct type *);
/* The struct of that name, not looked up before ctype_complete(): then it may have no fields. */
const struct type *ctype_shell(struct script *, const char *name);
/* The type that a text says, which stands at that offset of the source; NULL: reported. */
const struct type *ctype_parse(struct script *, struct str text, uint32_t offset);
/* A typedef of the script's or the kernel's; NULL: there is none. */
const struct type *ctype_typedef(struct script *, struct str name);
/* An enumerator of the script's or the kernel's, or a number of constants.def; NULL: there is none. */
const struct ctype_constant *ctype_constant(struct script *, struct str name);
/* Why the kernel's types can't be had; NULL: they can. */
const char *ctype_no_btf(struct script *);
/* Does the kernel proper have a function of this name? False: it may have, BTF doesn't know. */
bool ctype_is_function(struct script *, struct str name);
/* All of them, until visit returns false. False: BTF can't be read. */
bool ctype_each_function(struct script *, bool (*visit)(void *ctx, uint32_t, struct str name), void *ctx);
/* A struct of the script's or the kernel's, with its fields; NULL: there is none. */
const struct type *ctype_struct(struct script *, struct str name);
/* The arguments of a kernel function (or module's) as BTF has them: a struct with a field for each, at
 * the offsets where programs of fentry and its like find them, 8-byte words from the first on. *retval:
 * what it returns, NULL for nothing. NULL: BTF knows no such function. */
const struct type *ctype_function(struct script *, struct str name, const struct type **retval);
/* The same of a function of a BPF program, which has types of its own. What it calls its context is what
 * the kernel really gives it. */
const struct type *ctype_program_function(struct script *, struct btf_file *, uint32_t id,
					  const struct type **retval);
/* The same of a tracepoint's raw arguments; `name` without its category. */
const struct type *ctype_raw_tracepoint(struct script *, struct str name);

/* ---- the script ------------------------------------------------------------------------- */

struct var {
	struct str name;
	const struct type *type; /* NULL: not known yet */
	bool soft;               /* only literals so far: takes the sign of what comes */
	bool declared;           /* with its type, which stays: let $x: int8 */
	struct span first;       /* where it is first assigned */
	uint32_t id;             /* index in probe->vars */
	/* resolve.c's */
	struct var *same;        /* the variable that it turned out to be; NULL: itself */
	struct var *next;        /* of the same name, in an outer block, or in one that has ended */
	struct var *sibling;     /* of the same block */
};

struct probe {
	struct node *node;
	uint32_t index;
	VEC(struct attach_point) points;
	uint32_t provides;       /* what all its attach points provide */
	VEC(struct var *) vars;
	bool lost;               /* none of its attach points has a target: an error was reported */
	bool per_target;         /* uses what differs between targets: one program for each */
	bool named;              /* the same, but only their names: these can be looked up */
};

struct script {
	struct arena arena;      /* what outlives the compilation: types, maps, targets, text */
	struct arena work;       /* what doesn't: AST, IR */
	struct source source;
	struct diag diag;
	struct types types;
	struct ctypes ctypes;
	const char *btf_path;    /* --btf; NULL: the running kernel's */
	const char *const *include_dirs, *const *includes; /* -I, --include */
	uint32_t include_dirs_n, includes_n;
	struct config config;
	bool check_only;         /* --check: facts that need privilege may be missing */
	uint32_t params_n;
	char *const *params;     /* $1, $2, ... */
	uint64_t params_missed;  /* those that an attach point lacked: reported; a bit each */
	bool counts_params;      /* the script looks at $# itself */
	uint32_t named_n;
	char *const *named;      /* --name, --name=value: for getopt() */
	bool has_command;        /* -c */
	const char *cgroup;      /* --cgroup; NULL: any */
	bool unsafe;             /* --unsafe */
	pid_t pid;               /* -p; -1: none */
	struct node *program;    /* the probes */
	struct node *items;      /* what else stands between them: macros, settings, map declarations */
	VEC(struct probe *) probes;
	VEC(struct span) skipped; /* of the text, by conditions of C that don't hold */
	uint32_t ntargets;       /* of all probes */
	struct ksyms *ksyms;     /* script_ksyms() */
	struct table copies;     /* what copies_find() has found, */
	struct table near;       /* and attach_hint_function() */
	struct dwarf_file *dwarf; /* probes/dwarf.c's: programs with debug information */
	bool too_many;           /* more than config.max_probes: reported */
	bool incomplete;         /* a probe has errors, so what seems to be missing may be there */
	bool hopeless;           /* after such an error nothing that follows can be trusted */
	VEC(struct map *) maps;
	struct table map_by_name;
	struct table uaddrs;     /* what uaddr() has found */
};

struct stage {
	const char *name; /* for -d */
	void (*run)(struct script *);
};
extern const struct stage front_stages[];
extern const uint32_t front_stage_count;
/* Runs them up to `last`, calls ran() after each, and prints what they have reported. False: errors. */
bool front(struct script *, const char *last,
	   void (*ran)(struct script *, const char *stage, void *ctx), void *ctx, FILE *err);

/* The stages, in order. Each reports to s->diag. */
void parse(struct script *);   /* text -> s->program */
/* Instead of all passes: the script in canonical layout. Nothing, if there is an error in its syntax. */
void print_formatted(struct script *, FILE *);
/* The expression that a text is, as if it stood there; NULL: it is none. */
struct node *parse_expression(struct script *, struct str text, struct span at);
void macros(struct script *);  /* calls of macros -> their bodies */
void configure(struct script *); /* config blocks, the environment, map declarations */
void expand(struct script *);  /* attach points -> s->probes with their targets */
/* The same for -l: one attach point, no script around it. */
void expand_pattern(struct script *, struct str spec);
void resolve(struct script *); /* names -> builtins, maps, variables */
void infer(struct script *);   /* types of nodes, maps and variables, to a fixpoint */
void check(struct script *);   /* every remaining rule that a script can break */
void plan(struct script *);    /* storage of maps; constant tables */
/* Every setting as if nobody had said anything. */
void config_init(struct script *);
/* What plan left: maps with their storage, probes with their targets. */
void plan_dump(struct script *, FILE *);

/* The kernel's symbols, for all who ask about them while compiling. */
struct ksyms *script_ksyms(struct script *);
/* The map of that name (with its @); made if it is new. */
struct map *script_map(struct script *, struct str name, struct span at);

/* ---- shared by the passes and by codegen ------------------------------------------------ */

/* The value of an expression of literals, numeric parameters and constant builtins. False: it is none. */
bool const_value(const struct script *, const struct node *, int64_t *);
/* Is it known whether a condition holds? Then *holds says so. */
bool const_condition(const struct script *, const struct node *, bool *holds);
/* Of an if, or of c ? a : b, whose condition is comptime: leaves what holds, once that is known. The rest
 * need make no sense. True: the node has become what it chose. */
bool comptime_choose(const struct script *, struct node *);
/* Parameter $number as a number, 0 if it was not given; false: it is something else. */
bool param_number(const struct script *, uint64_t number, int64_t *);
/* What was given as --name=value; "true" for --name alone. False: it wasn't given. */
bool named_param(const struct script *, struct str name, struct str *value);
/* The text of a positional parameter; empty if it was not given. */
struct str param_text(const struct script *, uint64_t number);
/* A literal string or a positional parameter used as one. */
bool literal_text(const struct script *, const struct node *, struct str *);
/* The text of str(literal, n): its first n bytes. */
struct str literal_cut(const struct script *, const struct node *arg, struct str text);
/* The aggregation on the right of an assignment; NULL if it is something else. */
const struct builtin *aggregation_of(const struct node *value);
enum agg_kind agg_of_builtin(enum builtin_id);
/* The type of a constant: the smallest signed one that holds it. */
const struct type *literal_type(int64_t);
/* Reports that a struct (or what should be one) has no such field. */
void field_missing(struct script *, struct span, const struct type *, struct str name);
/* The field that a member names, of a tuple, a struct or a pointer to one; NULL: there is none. */
const struct field *member_field(struct script *, const struct node *);
/* Is it an expression for something in the traced system's memory, or for a value in our own? */
bool is_remote(const struct node *);
/* Whose memory something remote is in. */
enum space remote_space(const struct node *);
/* fit.c: the type of a map's keys, as this kernel can hold them. */
const struct type *fit_key(struct script *, struct map *);
/* join.c: the type that holds both; NULL: there is none. */
const struct type *type_join(struct types *, const struct type *, const struct type *);
/* The member of a tuple that stands for member `i` of another: at the same place; in records, of the same
 * name. NULL: there is none. */
const struct field *member_like(const struct type *, const struct type *other, uint32_t i);
/* The field that args.name means on this target; NULL if it has none. */
const struct field *args_field(struct script *, const struct attach_point *, struct target *,
			       struct str name);
/* What a call of tseries() says; what makes no sense there is 1. */
struct tseries tseries_of(const struct script *, const struct node *call);
/* uaddr.c: how far it is from the probe's address to a symbol of the probed file. */
struct uaddr {
	bool found;
	uint32_t size;
	int64_t distance;
};
const struct uaddr *uaddr_find(struct script *, const struct target *, struct str name);
/* The type of uaddr(name) in this probe: a pointer to a number of the symbol's size. */
const struct type *uaddr_type(struct script *, const struct probe *, struct str name);
/* The type of a call of kstack or ustack. */
const struct type *stack_type(struct script *, const struct node *call);
/* Does this `for` go over a tuple? (Types are known.) */
bool for_tuple(const struct node *);
/* Is this node the builtin `args`? */
bool is_args(const struct node *);
/* Calls visit for the node and all below it, before its children. */
void walk(struct node *, void (*visit)(struct node *, void *), void *ctx);

#endif
