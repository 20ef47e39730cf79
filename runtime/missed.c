// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel did not run our programs for, as far as it counts that: firings while another
 * program ran on the same CPU, and returns of functions of which more calls were under way than the
 * kernel has room to remember.
 *
 * Programs count the former themselves; the rest only links tell, which must still be there. The
 * kernel's headers may be older than the kernel: what it tells is declared here.
 */
#include <bpf/bpf.h>
#include <string.h>

#include "runtime/runtime.h"
#include "target/target.h"

/* enum bpf_link_type, enum bpf_perf_event_type; and since when links have counters. */
enum { LINK_PERF_EVENT = 7, LINK_KPROBE_MULTI = 8, EVENT_KPROBE = 3, EVENT_KRETPROBE = 4 };
enum { RELEASE_COUNTS = 6 << 16 | 7 << 8 };

/* struct bpf_link_info. */
struct link_info {
	uint32_t type, id, prog_id, pad;
	union {
		struct {
			uint64_t addresses;
			uint32_t count, flags;
			uint64_t missed;
		} multi;
		struct {
			uint32_t type, pad;
			uint64_t name;
			uint32_t name_len, offset;
			uint64_t address, missed;
		} perf;
		uint8_t room[112];
	};
};

static uint64_t link_missed(int fd)
{
	struct link_info info = { 0 };
	uint32_t size = sizeof info;

	if (bpf_obj_get_info_by_fd(fd, (struct bpf_link_info *)&info, &size))
		return 0;
	if (info.type == LINK_KPROBE_MULTI)
		return info.multi.missed;
	if (info.type == LINK_PERF_EVENT &&
	    (info.perf.type == EVENT_KPROBE || info.perf.type == EVENT_KRETPROBE))
		return info.perf.missed;
	return 0;
}

static bool counts_missed(struct loaded *l)
{
	struct features features;

	features_read(l->links.arena, &features);
	return features.release >= RELEASE_COUNTS;
}

void count_missed(struct loaded *l)
{
	bool counts = l->links.list.n && counts_missed(l);

	for (uint32_t i = 0; i < l->links.list.n; i++) {
		const struct link *link = &l->links.list.v[i];
		bool returns = !strncmp(link->target->text, "kretprobe:", 10);

		*(returns ? &l->missed_returns : &l->missed) += counts ? link_missed(link->fd) : 0;
		l->uncounted |= returns && !counts;
	}
}

void report_missed(const struct loaded *l, FILE *err)
{
	const struct image *image = l->session->image;
	uint64_t missed = l->missed;

	for (uint32_t i = 0; i < image->progs.n; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof info;

		if (l->prog_fds[i] >= 0 && !bpf_obj_get_info_by_fd(l->prog_fds[i], &info, &size))
			missed += info.recursion_misses;
	}
	if (missed)
		fprintf(err, "xbt: %llu firings missed: a probe fired while another ran on the same CPU\n",
			(unsigned long long)missed);
	if (l->missed_returns)
		fprintf(err, "xbt: %llu returns missed: more calls at once than the kernel remembers for a "
			     "kretprobe\n", (unsigned long long)l->missed_returns);
	if (l->uncounted && !l->quiet)
		fprintf(err, "xbt: this kernel doesn't count the returns that a kretprobe misses when many "
			     "calls are under way (Linux 6.7 does)\n");
}
