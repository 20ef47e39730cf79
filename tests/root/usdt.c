// SPDX-License-Identifier: Apache-2.0
/*
 * A program with USDT probes: usdt N passes each of `loop` and `second` N times, `guarded` only
 * while somebody looks (and then says so), `twice` at two places. Without -DGUARDED it has no
 * semaphores.
 */
#ifdef GUARDED
#define _SDT_HAS_SEMAPHORES 1
unsigned short app_loop_semaphore __attribute__((section(".probes")));
unsigned short app_second_semaphore __attribute__((section(".probes")));
unsigned short app_twice_semaphore __attribute__((section(".probes")));
unsigned short app_none_semaphore __attribute__((section(".probes")));
unsigned short app_guarded_semaphore __attribute__((section(".probes")));
#else
unsigned short app_guarded_semaphore;
#endif
#include <stdio.h>
#include <stdlib.h>
#include <sys/sdt.h>

static volatile signed char small = -3;
static volatile long table[4] = { 10, 20, 30, 40 };
long global = 77;

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0;

	for (volatile int i = 0; i < n; i++) {
		short s = (short)-i;

		STAP_PROBE4(app, loop, i, small, table[i & 3], "text");
		STAP_PROBE3(app, second, s, 12345678901L, global);
		if (app_guarded_semaphore) {
			STAP_PROBE1(app, guarded, i);
			puts("guarded");
		}
	}
	STAP_PROBE2(app, twice, 1, n);
	STAP_PROBE2(app, twice, n, 2);
	STAP_PROBE(app, none);
	return 0;
}
