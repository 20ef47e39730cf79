// SPDX-License-Identifier: Apache-2.0
/*
 * A program whose debug information is asked for: arguments of many types, lines in loops and in code
 * that is copied. Cases know its line numbers.
 */
#include <stdbool.h>
#include <stddef.h>

enum colour { RED, GREEN = 5, NONE = -1 };
struct point { int x, y; struct point *next; char name[8]; unsigned low : 3, high : 5; union { short s; int i; }; };
struct large { long v[4]; };
typedef const struct point *const place;

__attribute__((noinline)) long paint(place p, enum colour c, const char *text, signed char b, double d,
				     unsigned short s, bool yes, long seventh, unsigned char eighth)
{
	long sum = p->x + (long)c + text[0] + b + (long)d + s + yes + seventh + eighth;

	for (volatile int i = 0; i < 3; i++)
		sum += i;                              /* line 20 */
	return sum;
}

/* The address of its result comes first. */
__attribute__((noinline)) struct large make(int n)
{
	struct large r = { { n } };

	__asm__ volatile("");
	return r;
}

static volatile int calls;
static inline __attribute__((always_inline)) void copied(int x)
{
	calls += x;                                    /* line 36 */
}

__attribute__((noinline)) long whole(int before, struct large l, int after)
{
	__asm__ volatile("");
	return before + l.v[0] + after;
}

int main(void)
{
	struct point q = { 7, 8, NULL, "second", 2, 17, { 0 } }, p = { 1, -2, &q, "first", 5, 3, { -9 } };

	for (int i = 0; i < 2; i++)
		paint(&p, i ? NONE : GREEN, "hello", -3, 1.5, 65535, true, -1L << 40, 200);
	copied(1);
	copied(2);
	return make(42).v[0] + whole(1, (struct large){ { 2 } }, 3) == 48 ? 0 : 1;
}
