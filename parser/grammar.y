/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of scripts. No logic: each action is one constructor call of ast.c. Syntax errors
 * recover at ';' and '}', so that one run reports them all.
 */
%define api.pure full
%define parse.error custom
%define api.location.type {struct span}
%locations
%expect 0
%param { void *scanner }
%parse-param { struct parser *p }

%code requires {
#include "lexer/lexer.h"
#include "parser/ast.h"
}

%code {
#include <string.h>

#define YYLLOC_DEFAULT(here, rhs, n)                                                               \
	((here) = (n) ? (struct span){ YYRHSLOC(rhs, 1).beg, YYRHSLOC(rhs, n).end }                \
		      : (struct span){ YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end })

#define NOWHERE ((struct span){ 0, 0 })
#define NONE ((struct str){ NULL, 0 })
#define SLICE(at) ((struct str){ p->source->text.s + (at).beg, (at).end - (at).beg })

int yylex(YYSTYPE *, struct span *, void *scanner);
int yylex_init_extra(struct lexer *, void **scanner);
int yylex_destroy(void *scanner);
void *yy_scan_bytes(const char *, int, void *scanner);
static void yyerror(struct span *, void *scanner, struct parser *, const char *);
}

%union {
	struct token token;
	enum operator operator;
	struct node *node;
	struct list list;
	struct span text;
	uint32_t count;
}

%token <token> ATTACH "attach point" ID "name" MAP "map" VAR "variable" PARAM "parameter"
%token <token> NUMBER "number" STRING "string" PTYPE "cast" TAG "struct"
%token <token> SIZEOF "sizeof" OFFSETOF "offsetof" CONTAINER "container_of" TYPEOF "typeof"
%token <token> IF "if" ELSE "else" UNROLL "unroll" WHILE "while" BREAK "break" CONTINUE "continue"
%token <token> FOR "for" LET "let" MACRO "macro" CONFIG "config" IMPORT "import" RETURN "return" COMPTIME "comptime" TRUE "true" FALSE "false"
%token NPARAMS "$#" ENDPRED "/ before {"
%token EQ "==" NE "!=" LE "<=" GE ">=" SHL "<<" SHR ">>" LAND "&&" LOR "||"
%token INC "++" DEC "--" ARROW "->" RANGE ".."
%token VALUE_OPEN "block" VALUE_IF "choice" OPERAND_END "operand" /* '{' IF '}': see the lexer */
%token <operator> ASSIGNOP "assignment"

%right '?' ':'
%left LOR
%left LAND
%left '|'
%left '^'
%left '&'
%left EQ NE
%left '<' '>' LE GE
%left SHL SHR
%left '+' '-'
%left '*' '/' '%'
%precedence UNARY
%precedence '.' ARROW '['

%type <node> probe pred expr map plain action block_stmt target else_part
%type <node> choice choice_else field_value macro param setting
%type <list> probes points stmts plain_list args block value_block operand_block
%type <list> field_values params settings
%type <token> field
%type <text> type
%type <count> stars

%%

script: probes                          { p->probes = $1.head; }
	;

probes: %empty                          { $$ = list_of(NULL); }
	| probes probe                  { $$ = list_add($1, $2); }
	| probes macro                  { $$ = $1; p->items = list_add(p->items, $2); }
	| probes CONFIG '=' '{' settings '}' { $$ = $1; p->items = list_join(p->items, $5); }
	| probes LET MAP '=' ID '(' expr ')' { $$ = $1; p->items = list_add(p->items,
						ast_mapdecl(p, (struct span){ @2.beg, @8.end },
							    ast_map(p, @3, $3.text, NULL), $5.text, $7)); }
	| probes IMPORT ';'             { $$ = $1; p->items = list_add(p->items, ast_import(p, @2, $2.text)); }
	| probes ';'                    { $$ = $1; }
	| probes error '}'              { $$ = $1; }
	;

probe: points pred block                { $$ = ast_probe(p, @$, $1.head, $2, $3.head); }
	| points ',' pred block         { $$ = ast_probe(p, @$, $1.head, $3, $4.head); }
	;

points: ATTACH                          { $$ = list_of(ast_point(p, @1, $1.text)); }
	| points ',' ATTACH             { $$ = list_add($1, ast_point(p, @3, $3.text)); }
	;

pred: %empty                            { $$ = NULL; }
	| '/' expr ENDPRED              { $$ = $2; }
	;

macro: MACRO ID '(' params ')' block
		{ $$ = ast_macro(p, (struct span){ @1.beg, @5.end }, $2.text, $4.head,
				 ast_macro_body(p, @6, $6.head)); }
	;

params: %empty                          { $$ = list_of(NULL); }
	| param                         { $$ = list_of($1); }
	| params ',' param              { $$ = list_add($1, $3); }
	;

param: VAR                              { $$ = ast_var(p, @1, $1.text); }
	| MAP                           { $$ = ast_map(p, @1, $1.text, NULL); }
	| ID                            { $$ = ast_name(p, @1, $1.text); }
	;

settings: %empty                        { $$ = list_of(NULL); }
	| settings setting              { $$ = list_add($1, $2); }
	| settings ';'                  { $$ = $1; }
	;

setting: ID '=' expr                    { $$ = ast_named(p, @$, N_SETTING, $1.text, $3); }
	;

block: '{' stmts '}'                    { $$ = $2; }
	| '{' stmts plain '}'           { $$ = list_add($2, ast_last($3)); }
	| '{' stmts error '}'           { $$ = $2; }
	;

/* A block that begins where an operand is wanted; and one that began as a statement, but goes on as an
 * operand: the lexer tells them apart by what is before '{' and behind '}'. */
value_block: VALUE_OPEN stmts value_end { $$ = $2; }
	| VALUE_OPEN stmts plain value_end { $$ = list_add($2, ast_last($3)); }
	| VALUE_OPEN stmts error value_end { $$ = $2; }
	;

value_end: '}' | OPERAND_END
	;

operand_block: '{' stmts OPERAND_END    { $$ = $2; }
	| '{' stmts plain OPERAND_END   { $$ = list_add($2, ast_last($3)); }
	| '{' stmts error OPERAND_END   { $$ = $2; }
	;

/* What is chosen where an operand is wanted, or goes on as an operand. */
choice: VALUE_IF expr block else_part    { $$ = ast_choice(p, @$, $2, $3.head, $4); }
	| VALUE_IF expr block ELSE choice_else { $$ = ast_choice(p, @$, $2, $3.head, $5); }
	| IF expr block ELSE choice_else { $$ = ast_choice(p, @$, $2, $3.head, $5); }
	;

choice_else: operand_block              { $$ = $1.head; }
	| IF expr block ELSE choice_else { $$ = ast_if(p, @$, $2, $3.head, $5); }
	;

stmts: %empty                           { $$ = list_of(NULL); }
	| stmts plain ';'               { $$ = list_add($1, $2); }
	| stmts block_stmt              { $$ = list_add($1, $2); }
	| stmts ';'                     { $$ = $1; }
	| stmts error ';'               { $$ = $1; }
	;

plain: expr                             { $$ = ast_expr(p, @1, $1); }
	| action                        { $$ = $1; }
	;

action: target '=' expr                 { $$ = ast_assign(p, @$, $1, O_NONE, false, $3); }
	| target ASSIGNOP expr          { $$ = ast_assign(p, @$, $1, $2, true, $3); }
	| ID '=' expr                   { $$ = ast_discard(p, @1, $1.text, $3); }
	| LET VAR                       { $$ = ast_let(p, @$, ast_var(p, @2, $2.text), NOWHERE, NULL); }
	| LET VAR '=' expr              { $$ = ast_let(p, @$, ast_var(p, @2, $2.text), NOWHERE, $4); }
	| LET VAR ':' type              { $$ = ast_let(p, @$, ast_var(p, @2, $2.text), $4, NULL); }
	| LET VAR ':' type '=' expr     { $$ = ast_let(p, @$, ast_var(p, @2, $2.text), $4, $6); }
	| LET VAR ':' TYPEOF '(' expr ')'
		{ $$ = ast_let_like(p, @$, ast_var(p, @2, $2.text), $6, NULL); }
	| LET VAR ':' TYPEOF '(' expr ')' '=' expr
		{ $$ = ast_let_like(p, @$, ast_var(p, @2, $2.text), $6, $9); }
	| BREAK                         { $$ = ast_leaf(p, @1, N_BREAK); }
	| CONTINUE                      { $$ = ast_leaf(p, @1, N_CONTINUE); }
	| RETURN                        { $$ = ast_return(p, @1, NULL); }
	| RETURN expr                   { $$ = ast_return(p, @$, $2); }
	;

block_stmt: IF expr block else_part
		{ $$ = ast_if(p, (struct span){ @1.beg, @2.end }, $2, $3.head, $4); }
	| UNROLL expr block
		{ $$ = ast_loop(p, (struct span){ @1.beg, @2.end }, N_UNROLL, $2, $3.head); }
	| WHILE expr block
		{ $$ = ast_loop(p, (struct span){ @1.beg, @2.end }, N_WHILE, $2, $3.head); }
	| FOR VAR ':' expr block
		{ $$ = ast_for(p, (struct span){ @1.beg, @4.end }, ast_var(p, @2, $2.text), $4, NULL, $5.head); }
	| FOR '(' VAR ':' expr ')' block
		{ $$ = ast_for(p, (struct span){ @1.beg, @6.end }, ast_var(p, @3, $3.text), $5, NULL, $7.head); }
	| FOR VAR ':' expr RANGE expr block
		{ $$ = ast_for(p, (struct span){ @1.beg, @6.end }, ast_var(p, @2, $2.text), $4, $6, $7.head); }
	| FOR '(' VAR ':' expr RANGE expr ')' block
		{ $$ = ast_for(p, (struct span){ @1.beg, @8.end }, ast_var(p, @3, $3.text), $5, $7, $9.head); }
	| block                         { $$ = ast_list(p, @$, N_BLOCK, $1.head); }
	;

else_part: %empty                       { $$ = NULL; }
	| ELSE block                    { $$ = $2.head; }
	| ELSE IF expr block else_part
		{ $$ = ast_if(p, (struct span){ @2.beg, @3.end }, $3, $4.head, $5); }
	;

target: map                             { $$ = $1; }
	| VAR                           { $$ = ast_var(p, @1, $1.text); }
	;

map: MAP %prec UNARY                    { $$ = ast_map(p, @1, $1.text, NULL); }
	| MAP '[' args ']'              { $$ = ast_map(p, @$, $1.text, $3.head); }
	;

args: expr                              { $$ = list_of($1); }
	| args ',' expr                 { $$ = list_add($1, $3); }
	;

expr: NUMBER                            { $$ = ast_num(p, @1, $1.number); }
	| TRUE                          { $$ = ast_cast(p, @1, STR("bool"), ast_num(p, @1, 1)); }
	| FALSE                         { $$ = ast_cast(p, @1, STR("bool"), ast_num(p, @1, 0)); }
	| STRING                        { $$ = ast_string(p, @1, $1.text); }
	| PARAM                         { $$ = ast_param(p, @1, $1.number); }
	| NPARAMS                       { $$ = ast_leaf(p, @1, N_NPARAMS); }
	| ID                            { $$ = ast_name(p, @1, $1.text); }
	| ID '(' ')'                    { $$ = ast_call(p, @$, $1.text, NULL); }
	| ID '(' args ')'               { $$ = ast_call(p, @$, $1.text, $3.head); }
	| target                        { $$ = $1; }
	| value_block                   { $$ = ast_block_value(p, @$, $1.head); }
	| operand_block                 { $$ = ast_block_value(p, @$, $1.head); }
	| choice                        { $$ = $1; }
	| '(' expr ')'                  { $$ = $2; }
	| '(' expr ',' ')'              { $$ = ast_tuple(p, @$, $2); }
	| '(' ')'                       { $$ = ast_tuple(p, @$, NULL); }
	| '(' field_values ')'          { $$ = ast_list(p, @$, N_RECORD, $2.head); }
	| '(' field_values ',' ')'      { $$ = ast_list(p, @$, N_RECORD, $2.head); }
	| '(' expr ',' plain_list ')'   { $$ = ast_tuple(p, @$, list_add(list_of($2), $4.head).head); }
	| PTYPE expr %prec UNARY        { $$ = ast_cast(p, @$, $1.text, $2); }
	| '(' TYPEOF '(' expr ')' stars ')' expr %prec UNARY { $$ = ast_cast_like(p, @$, $4, $6, $8); }
	| SIZEOF PTYPE                  { $$ = ast_sizeof(p, @$, $2.text, NULL); }
	| SIZEOF '(' expr ')'           { $$ = ast_sizeof(p, @$, NONE, $3); }
	| OFFSETOF '(' type ',' expr ')' { $$ = ast_offsetof(p, @$, SLICE($3), $5); }
	| CONTAINER '(' expr ',' type ',' expr ')' { $$ = ast_container(p, @$, $3, SLICE($5), $7); }
	| expr '.' field                { $$ = ast_member(p, @$, $1, $3.text); }
	| expr ARROW field              { $$ = ast_member(p, @$, $1, $3.text); }
	| expr '.' NUMBER               { $$ = ast_index(p, @$, $1, ast_num(p, @3, $3.number)); }
	| expr '[' expr ']'             { $$ = ast_index(p, @$, $1, $3); }
	| INC target %prec UNARY        { $$ = ast_step(p, @$, O_ADD, $2, false); }
	| DEC target %prec UNARY        { $$ = ast_step(p, @$, O_SUB, $2, false); }
	| target INC                    { $$ = ast_step(p, @$, O_ADD, $1, true); }
	| target DEC                    { $$ = ast_step(p, @$, O_SUB, $1, true); }
	| '!' expr %prec UNARY          { $$ = ast_unary(p, @$, O_NOT, $2); }
	| '~' expr %prec UNARY          { $$ = ast_unary(p, @$, O_BNOT, $2); }
	| '-' expr %prec UNARY          { $$ = ast_unary(p, @$, O_NEG, $2); }
	| '*' expr %prec UNARY          { $$ = ast_unary(p, @$, O_DEREF, $2); }
	| '&' expr %prec UNARY          { $$ = ast_unary(p, @$, O_ADDRESS, $2); }
	| COMPTIME expr %prec UNARY     { $$ = ast_comptime($2); }
	| expr '?' expr ':' expr        { $$ = ast_cond(p, @$, $1, $3, $5); }
	| expr '?' ':' expr             { $$ = ast_or_else(p, @$, $1, $4); }
	| expr LOR expr                 { $$ = ast_binary(p, @$, O_LOR, $1, $3); }
	| expr LAND expr                { $$ = ast_binary(p, @$, O_LAND, $1, $3); }
	| expr '|' expr                 { $$ = ast_binary(p, @$, O_OR, $1, $3); }
	| expr '^' expr                 { $$ = ast_binary(p, @$, O_XOR, $1, $3); }
	| expr '&' expr                 { $$ = ast_binary(p, @$, O_AND, $1, $3); }
	| expr EQ expr                  { $$ = ast_binary(p, @$, O_EQ, $1, $3); }
	| expr NE expr                  { $$ = ast_binary(p, @$, O_NE, $1, $3); }
	| expr '<' expr                 { $$ = ast_binary(p, @$, O_LT, $1, $3); }
	| expr LE expr                  { $$ = ast_binary(p, @$, O_LE, $1, $3); }
	| expr '>' expr                 { $$ = ast_binary(p, @$, O_GT, $1, $3); }
	| expr GE expr                  { $$ = ast_binary(p, @$, O_GE, $1, $3); }
	| expr SHL expr                 { $$ = ast_binary(p, @$, O_SHL, $1, $3); }
	| expr SHR expr                 { $$ = ast_binary(p, @$, O_SHR, $1, $3); }
	| expr '+' expr                 { $$ = ast_binary(p, @$, O_ADD, $1, $3); }
	| expr '-' expr                 { $$ = ast_binary(p, @$, O_SUB, $1, $3); }
	| expr '*' expr                 { $$ = ast_binary(p, @$, O_MUL, $1, $3); }
	| expr '/' expr                 { $$ = ast_binary(p, @$, O_DIV, $1, $3); }
	| expr '%' expr                 { $$ = ast_binary(p, @$, O_MOD, $1, $3); }
	;

plain_list: args                        { $$ = $1; }
	;

field_values: field_value               { $$ = list_of($1); }
	| field_values ',' field_value  { $$ = list_add($1, $3); }
	;

field_value: ID '=' expr                { $$ = ast_named(p, @$, N_FIELD, $1.text, $3); }
	;

stars: %empty                           { $$ = 0; }
	| stars '*'                     { $$ = $1 + 1; }
	;

/* A type's text. */
type: ID                                { $$ = @1; }
	| TAG ID                        { $$ = @$; }
	| type ID                       { $$ = @$; }
	| type '*'                      { $$ = @$; }
	| type '[' NUMBER ']'           { $$ = @$; }
	;

/* A field may have any word's name, or that which a parameter gives. */
field: ID | PARAM | SIZEOF | OFFSETOF | CONTAINER | TYPEOF | TAG | IF | ELSE | UNROLL | WHILE | FOR | LET | BREAK | CONTINUE | RETURN | COMPTIME | TRUE | FALSE
	;

%%

/* How a token is called in an error. */
static const char *token_text(yysymbol_kind_t kind)
{
	return kind == YYSYMBOL_YYEOF ? "end of script" : yysymbol_name(kind);
}

enum { NAMED = 4 };

/* What could have stood there, if that is little. A brace or 'if' is told once, whatever it would begin. */
static int expected_tokens(const yypcontext_t *ctx, yysymbol_kind_t expected[2 * NAMED])
{
	int all = yypcontext_expected_tokens(ctx, expected, 2 * NAMED), n = 0;

	for (int i = 0; i < all; i++)
		if (expected[i] != YYSYMBOL_VALUE_OPEN && expected[i] != YYSYMBOL_VALUE_IF &&
		    expected[i] != YYSYMBOL_OPERAND_END)
			expected[n++] = expected[i];
	return n <= NAMED ? n : 0;
}

/* A comment or string without an end was reported where it begins; and a block without value was meant to be
 * none, behind a condition that is missing. */
static bool follows_from_last(const struct parser *p, struct span at, bool end)
{
	const struct diag *d = p->diag;
	const struct diagnostic *last = d->list.n ? &d->list.v[d->list.n - 1] : NULL;
	uint32_t between;

	if (!last || !last->error || strcmp(last->id, "block-value") != 0)
		return last && end && last->at.beg == at.beg;
	for (between = last->at.end; between < at.beg; between++)
		if (!strchr(" \t\r\n", p->source->text.s[between]))
			return false;
	return between == at.beg;
}

static int yyreport_syntax_error(const yypcontext_t *ctx, void *scanner, struct parser *p)
{
	yysymbol_kind_t expected[2 * NAMED];
	struct span at = *yypcontext_location(ctx);
	yysymbol_kind_t token = yypcontext_token(ctx);
	struct str got = { p->source->text.s + at.beg, at.end - at.beg };
	int n = expected_tokens(ctx, expected);
	const char *list = "";

	(void)scanner;
	if (follows_from_last(p, at, token == YYSYMBOL_YYEOF))
		return 0;
	for (int i = 0; i < n; i++)
		list = arena_printf(p->arena, "%s%s%s", list, i == 0 ? ", expected " : i + 1 < n ? ", " : " or ",
				    token_text(expected[i]));
	if (token == YYSYMBOL_YYEOF)
		diag_error(p->diag, at, "syntax", "the script ends in the middle of something%s", list);
	else if (got.len > 40)
		diag_error(p->diag, at, "syntax", "syntax error%s", list);
	else
		diag_error(p->diag, at, "syntax", "syntax error at '%.*s'%s", STR_ARG(got), list);
	return 0;
}

/* Only "memory exhausted" comes here: the parser's stack is full. */
static void yyerror(struct span *at, void *scanner, struct parser *p, const char *text)
{
	(void)scanner;
	(void)text;
	if (!p->too_deep)
		diag_error(p->diag, *at, "nesting", "nested more than %d levels deep", NESTING_MAX);
	p->too_deep = true;
}

void parse_tokens(struct parser *p, void (*take)(void *, int kind, struct span), void *ctx)
{
	struct lexer lexer = { .arena = p->arena, .diag = p->diag, .text = p->text };
	struct span at = { 0, 0 };
	void *scanner;
	YYSTYPE value;
	int kind;

	if (yylex_init_extra(&lexer, &scanner))
		return;
	yy_scan_bytes(p->text.s, (int)p->text.len, scanner);
	do {
		kind = yylex(&value, &at, scanner);
		take(ctx, kind, kind ? at : (struct span){ p->text.len, p->text.len });
	} while (kind);
	yylex_destroy(scanner);
}

void parse_program(struct parser *p)
{
	struct lexer lexer = { .arena = p->arena, .diag = p->diag, .text = p->text };
	void *scanner;

	if (yylex_init_extra(&lexer, &scanner))
		return;
	yy_scan_bytes(p->text.s, (int)p->text.len, scanner);
	yyparse(scanner, p);
	yylex_destroy(scanner);
}
