// SPDX-License-Identifier: Apache-2.0
/*
 * How large an lruhash is made.
 *
 * The kernel keeps free elements in lists, one for each CPU, and a CPU whose list is empty takes many at
 * once from those in use (kernel/bpf/bpf_lru_list.c). In newer kernels that is a share of the map; in
 * older ones it is 128, so that a small map loses all that it has. There, a map is made so much larger
 * that as many elements as were declared stay in any case.
 */
#include <bpf/bpf.h>
#include <unistd.h>

#include "runtime/runtime.h"

enum { BATCH = 128, MEMORY_MAX = 32 << 20 };

/* Does a map of two lose both when a third comes? */
static bool loses_all(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "xbt_lru", sizeof(uint64_t), sizeof(uint64_t), 2, NULL);
	uint64_t value = 0, left = 0;

	if (fd < 0)
		return false;
	for (uint64_t key = 0; key < 3; key++)
		bpf_map_update_elem(fd, &key, &value, BPF_ANY);
	for (uint64_t key = 0; key < 3; key++)
		left += bpf_map_lookup_elem(fd, &key, &value) == 0;
	close(fd);
	return left < 2;
}

uint32_t lru_entries(uint32_t declared, uint64_t bytes, uint32_t ncpus)
{
	uint64_t more = (uint64_t)BATCH * ncpus;

	if (!loses_all())
		return declared;
	while (more * bytes > MEMORY_MAX)
		more /= 2;
	return declared + more > UINT32_MAX ? declared : declared + (uint32_t)more;
}
