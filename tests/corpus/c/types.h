/* SPDX-License-Identifier: Apache-2.0 */
#define N 4
#if defined(N) && N > 3
struct a {
	int x, *p[N];
	unsigned y : 3, : 2, z : 1;
	union { long l; char c[8]; };
	enum e { ONE = 1, TWO = ONE << 1 } e;
	int (*f)(struct a *, int);
} __attribute__((packed));
#elif 0
#else
typedef struct a { double d; } a_t, *a_p;
#endif
typedef unsigned long long u64_t;
static inline int g(int x) { return x; }
extern struct a array[sizeof(struct a) + 2];
