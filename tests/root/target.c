// SPDX-License-Identifier: Apache-2.0
/*
 * A program to trace: does a known thing a known number of times.
 *
 *	target faults N		touches N fresh pages
 *	target watched N	writes N times to the variable `watched`, and reads it 3 times
 *	target call N		calls add() with i, 2, ... 8 for i from 0 to N - 1, and prints the sum
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Not zero: what is has its bytes cleared by the kernel first. */
volatile long watched = 1;

__attribute__((noinline)) long add(long a, int b, short c, long d, long e, long f, long g, const char *text)
{
	__asm__ volatile("");
	return a + b + c + d + e + f + g + (long)strlen(text);
}

static void faults(long n)
{
	char *p = mmap(NULL, (size_t)n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(p, (size_t)n * 4096, MADV_NOHUGEPAGE);
	for (long i = 0; i < n; i++)
		p[i * 4096] = 1;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0, sum = 0;

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "faults"))
		faults(n);
	for (long i = 0; i < n && !strcmp(argv[1], "watched"); i++)
		watched = i;
	for (long i = 0; i < 3 && !strcmp(argv[1], "watched"); i++)
		sum += watched;
	for (long i = 0; i < n && !strcmp(argv[1], "call"); i++)
		sum += add(i, 2, 3, 4, 5, 6, 7, "eightfold");
	return !strcmp(argv[1], "call") ? printf("sum %ld\n", sum) < 0 : 0;
}
