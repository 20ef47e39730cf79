// SPDX-License-Identifier: Apache-2.0
/*
 * The table of constants.def, with the values of the headers that this was compiled with: those of the
 * machine that it runs on.
 */
#include "target/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint64_t value;
	bool negative;
} constants[] = {
/* Below zero, said so that no compiler wonders about unsigned ones. */
#define CONSTANT(id) { #id, (uint64_t)(id), (id) < 1 && (id) != 0 },
#define FACT(id, number) { #id, (uint64_t)(number), false },
#include "target/constants.def"
#undef CONSTANT
#undef FACT
};

bool constant_value(struct str name, uint64_t *value, bool *negative)
{
	for (size_t i = 0; i < LEN(constants); i++)
		if (str_is(name, constants[i].name)) {
			*value = constants[i].value;
			*negative = constants[i].negative;
			return true;
		}
	return false;
}

void constant_near(struct near *near)
{
	for (size_t i = 0; i < LEN(constants); i++)
		str_near(near, str_of(constants[i].name));
}
