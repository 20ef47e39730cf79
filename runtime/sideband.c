// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's records of what processes map, fork and exec, so that their addresses can still be named
 * when they have gone: a dummy perf event on each CPU, read before anything is named.
 *
 * Only scripts that show stacks or symbols of processes have them. What ran before is read from /proc
 * once. Records of several CPUs are brought into the order of their times; where some were lost,
 * /proc is believed again.
 */
#include "runtime/sideband.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/target.h"

enum { RING_PAGES = 32, RECORD_MAX = 65536, PAGE = 4096 };

/* What the kernel writes behind the header. */
struct task_record {
	uint32_t pid, parent, tid, parent_tid;
	uint64_t time;
};

struct map_record {
	uint32_t pid, tid;
	uint64_t start, length, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char path[];
};

/* A record on its way into order, in the batch's bytes. */
struct place {
	uint64_t time;
	size_t at;
};

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
};

struct sideband {
	struct usyms *usyms;
	struct ring *rings;
	uint32_t n;
	char *bytes; /* the batch */
	size_t used, room;
	struct place *places;
	size_t nplaces, places_room;
	uint64_t lost;
};

/* ---- opening ---------------------------------------------------------------------------- */

static bool open_ring(struct ring *r, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof attr, .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME, .sample_id_all = 1,
		.mmap = 1, .mmap2 = 1, .task = 1, .watermark = 1, .wakeup_watermark = RING_PAGES * PAGE / 2,
	};
	void *page;

	r->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (r->fd < 0)
		return false;
	page = mmap(NULL, (RING_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (page == MAP_FAILED) {
		close(r->fd);
		return false;
	}
	r->page = page;
	return true;
}

/* Every process that there is. Its threads share what it maps. */
static void read_present(struct usyms *u)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		long pid = strtol(e->d_name, NULL, 10);

		if (pid > 0)
			usyms_present(u, (pid_t)pid);
	}
	if (proc)
		closedir(proc);
}

struct sideband *sideband_open(struct usyms *u, uint32_t ncpus)
{
	struct sideband *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->usyms = u;
	b->rings = calloc(ncpus, sizeof *b->rings);
	for (uint32_t cpu = 0; b->rings && cpu < ncpus; cpu++)
		b->n += open_ring(&b->rings[b->n], (int)cpu);
	if (!b->n) {
		sideband_close(b);
		return NULL;
	}
	read_present(u);
	return b;
}

void sideband_close(struct sideband *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->n; i++) {
		munmap(b->rings[i].page, (RING_PAGES + 1) * PAGE);
		close(b->rings[i].fd);
	}
	free(b->rings);
	free(b->bytes);
	free(b->places);
	free(b);
}

int sideband_fd(const struct sideband *b, uint32_t i)
{
	return i < b->n ? b->rings[i].fd : -1;
}

uint64_t sideband_lost(const struct sideband *b)
{
	return b ? b->lost : 0;
}

/* ---- records ---------------------------------------------------------------------------- */

static bool grow(void *v, size_t *room, size_t need, size_t size)
{
	size_t more = *room ? *room : 1024;
	void *grown;

	if (need <= *room)
		return true;
	while (more < need)
		more *= 2;
	grown = realloc(*(void **)v, more * size);
	if (!grown)
		return false;
	*(void **)v = grown;
	*room = more;
	return true;
}

static void copy_out(char *to, const char *ring, uint64_t from, size_t size)
{
	size_t at = from % (RING_PAGES * PAGE), first = RING_PAGES * PAGE - at;

	first = first < size ? first : size;
	memcpy(to, ring + at, first);
	memcpy(to + first, ring, size - first);
}

/* Takes one record into the batch; each ends with its time. */
static bool take_record(struct sideband *b, const char *ring, uint64_t from, size_t size)
{
	size_t aligned = (size + 7) / 8 * 8;
	struct place p = { .at = b->used };

	if (!grow(&b->bytes, &b->room, b->used + aligned, 1) ||
	    !grow(&b->places, &b->places_room, b->nplaces + 1, sizeof p))
		return false;
	copy_out(b->bytes + b->used, ring, from, size);
	memcpy(&p.time, b->bytes + b->used + size - sizeof p.time, sizeof p.time);
	b->places[b->nplaces++] = p;
	b->used += aligned;
	return true;
}

static void take_ring(struct sideband *b, struct ring *r)
{
	const char *data = (char *)r->page + PAGE;
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE), tail = r->page->data_tail;

	while (tail < head) {
		struct perf_event_header h;

		copy_out((char *)&h, data, tail, sizeof h);
		if (h.size < sizeof h + sizeof(uint64_t) || !take_record(b, data, tail, h.size)) {
			b->lost++;
			break;
		}
		tail += h.size;
	}
	__atomic_store_n(&r->page->data_tail, head, __ATOMIC_RELEASE);
}

static int by_time(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

static void handle_map(struct sideband *b, const struct map_record *m, size_t size)
{
	size_t room = size > sizeof *m ? size - sizeof *m : 0;
	struct str path = { m->path, (uint32_t)strnlen(m->path, room) };

	if (room)
		usyms_mapped(b->usyms, (pid_t)m->pid, m->start, m->length, m->offset, path,
			     makedev(m->major, m->minor), m->inode);
}

static void handle(struct sideband *b, const char *record)
{
	const struct perf_event_header *h = (const struct perf_event_header *)record;
	const void *body = h + 1;
	const struct task_record *task = body;
	uint64_t lost;

	switch (h->type) {
	case PERF_RECORD_MMAP2:
		handle_map(b, body, h->size - sizeof *h);
		break;
	case PERF_RECORD_FORK:
		if (h->size >= sizeof *h + sizeof *task && task->pid == task->tid)
			usyms_forked(b->usyms, (pid_t)task->parent, (pid_t)task->pid);
		break;
	case PERF_RECORD_EXIT:
		if (h->size >= sizeof *h + sizeof *task && task->pid == task->tid)
			usyms_exited(b->usyms, (pid_t)task->pid);
		break;
	case PERF_RECORD_LOST:
		memcpy(&lost, (const char *)body + 8, sizeof lost);
		b->lost += lost;
		break;
	}
}

void sideband_read(void *sideband)
{
	struct sideband *b = sideband;
	uint64_t lost = b->lost;

	b->used = b->nplaces = 0;
	for (uint32_t i = 0; i < b->n; i++)
		take_ring(b, &b->rings[i]);
	if (b->nplaces > 1)
		qsort(b->places, b->nplaces, sizeof *b->places, by_time);
	for (size_t i = 0; i < b->nplaces; i++)
		handle(b, b->bytes + b->places[i].at);
	if (b->lost != lost)
		usyms_doubt(b->usyms);
}
