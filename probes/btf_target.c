// SPDX-License-Identifier: Apache-2.0
/*
 * What a program is loaded for when that is a function that BTF describes: its number in the
 * kernel's BTF or in a module's, and for a module a descriptor of that.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "codegen/image.h"
#include "target/target.h"

static struct btf_file *kernel_btf(struct links *links)
{
	const char *why;

	if (!links->btf)
		links->btf = btf_read(links->arena,
				      target_path(links->arena, "/sys/kernel/btf/vmlinux"), NULL, &why);
	return links->btf;
}

uint32_t btf_kernel_function(struct links *links, const char *name)
{
	struct btf_file *kernel = kernel_btf(links);

	return kernel ? btf_find(kernel, str_of(name), 1u << BTF_KIND_FUNC) : 0;
}

/* The kernel's own object for a module's BTF; -1: there is none. */
static int open_module(const char *module)
{
	for (uint32_t id = 0; !bpf_btf_get_next_id(id, &id);) {
		char name[64] = "";
		struct bpf_btf_info info = { .name = (uintptr_t)name, .name_len = sizeof name };
		uint32_t size = sizeof info;
		int fd = bpf_btf_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.kernel_btf && !strcmp(name, module))
			return fd;
		close(fd);
	}
	return -1;
}

static uint32_t find_in_module(struct links *links, const char *module, const char *function)
{
	const char *path = arena_printf(links->arena, "/sys/kernel/btf/%s", module), *why;
	struct btf_file *btf = btf_read(links->arena, target_path(links->arena, path), links->btf, &why);

	return btf ? btf_find(btf, str_of(function), 1u << BTF_KIND_FUNC) : 0;
}

/* The first module that has the function; empty: none. */
static const char *module_of(struct links *links, const char *function)
{
	DIR *all = opendir(target_path(links->arena, "/sys/kernel/btf"));
	const char *found = "";
	struct dirent *e;

	while (all && !*found && (e = readdir(all)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, "vmlinux") != 0 &&
		    find_in_module(links, e->d_name, function))
			found = arena_printf(links->arena, "%s", e->d_name);
	if (all)
		closedir(all);
	return found;
}

int btf_target(struct links *links, const char *module, const char *function, struct loading *loading)
{
	struct btf_file *kernel = kernel_btf(links);

	if (!kernel) {
		links->why = "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)";
		return -ENOENT;
	}
	loading->btf_id = *module ? 0 : btf_find(kernel, str_of(function), 1u << BTF_KIND_FUNC);
	if (!loading->btf_id && !*module)
		module = module_of(links, function);
	if (*module) {
		loading->btf_id = find_in_module(links, module, function);
		loading->btf_fd = loading->btf_id ? open_module(module) : -1;
	}
	if (loading->btf_id && (!*module || loading->btf_fd >= 0))
		return 0;
	links->why = "BTF has no such function";
	return -ENOENT;
}
