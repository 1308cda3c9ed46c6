// SPDX-License-Identifier: Apache-2.0
//
// The guard process: loads the guard (guard.bpf.c) onto one tap by libbpf, as a
// tcx link, which ends // with its last fd, or where the kernel has none (before 6.6) as a tc filter of
// the interface. It has the opener's channel and jail (opener.c), no path and no
// tap: of the object, which is part of this program, it is read before the jail
// closes; what the kernel is given comes after.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "controller/opener/guard.h"
#include "controller/opener/opened.h"
#include "guard_object.h"
#include "proto/limits.h"
#include "sandbox/kernel_compat.h"

_Static_assert(GUARD_MAX_IPS == NET_LIMIT_GUARD_IPS, "proto/limits.h");

static void
fill_config(struct guard_config *g, const Bh__TapConfig *cfg)
{
	memset(g, 0, sizeof(*g));
	memcpy(g->mac, cfg->guest_mac.data, sizeof(g->mac));
	g->nip4 = (__u8)(cfg->guard_ip4.len / sizeof(g->ip4[0]));
	g->nip6 = (__u8)(cfg->guard_ip6.len / sizeof(g->ip6[0]));
	g->ips = g->nip4 + g->nip6 > 0;
	if (g->nip4 > 0)
		memcpy(g->ip4, cfg->guard_ip4.data, cfg->guard_ip4.len);
	if (g->nip6 > 0)
		memcpy(g->ip6, cfg->guard_ip6.data, cfg->guard_ip6.len);
}

/* The map that holds the program's section @name: ".rodata", ".bss". */
static struct bpf_map *
map_of(const struct bpf_object *object, const char *name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		const char *of = strrchr(bpf_map__name(map), '.');

		if (of != NULL && strcmp(of, name) == 0)
			return map;
	}
	return NULL;
}

static int
say_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

/* Of this program; closed when it has been used. */
static struct bpf_object *object;

int
opened_prepare(void)
{
	const struct bpf_object_open_opts opts = {
		.sz = sizeof(opts), .object_name = "guard",
	};

	(void)libbpf_set_print(say_nothing);
	object = bpf_object__open_mem(guard_object, sizeof(guard_object), &opts);
	return object == NULL ? -errno : 0;
}

static int
load(const Bh__TapConfig *cfg)
{
	struct guard_config config;
	int rc;

	if (object == NULL)
		return -EALREADY;	/* one tap a process */
	fill_config(&config, cfg);
	rc = bpf_map__set_initial_value(map_of(object, ".rodata"), &config,
	    sizeof(config));
	return rc == 0 ? bpf_object__load(object) : rc;
}

/* A link's fd, or -errno. First of all programs there: none lets a frame pass. */
static int
attach_link(const Bh__TapConfig *cfg, int program)
{
	const struct bpf_link_create_opts opts = {
		.sz = sizeof(opts), .flags = COMPAT_BPF_F_BEFORE,
	};
	/* libbpf 1.1 passes on what it does not know. */
	const enum bpf_attach_type type = (enum bpf_attach_type)
	    (cfg->egress ? COMPAT_BPF_TCX_EGRESS : COMPAT_BPF_TCX_INGRESS);

	return bpf_link_create(program, (int)cfg->index, type, &opts);
}

/* In place of what a VM left that was killed together with its spawner. */
static int
attach_filter(const Bh__TapConfig *cfg, int program)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)cfg->index,
		.attach_point = cfg->egress ? BPF_TC_EGRESS :
		    BPF_TC_INGRESS,
	};
	struct bpf_tc_opts opts = {
		.sz = sizeof(opts), .prog_fd = program,
		.handle = GUARD_FILTER_HANDLE,
		.priority = GUARD_FILTER_PRIORITY, .flags = BPF_TC_F_REPLACE,
	};
	int rc = bpf_tc_hook_create(&hook);

	if (rc != 0 && rc != -EEXIST)
		return rc;
	return bpf_tc_attach(&hook, &opts);
}

static int
add_fd(struct opened *o, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return -errno;
	o->fds[o->nfds++] = copy;
	return 0;
}

static int
attach(struct opened *o, const Bh__TapConfig *cfg)
{
	int program, link, rc;

	program = bpf_program__fd(bpf_object__find_program_by_name(object,
	    "guard"));
	link = attach_link(cfg, program);
	if (link >= 0) {
		o->fds[o->nfds++] = link;
		o->msg.guard = BH__GUARD_KIND__GUARD_KIND_LINK;
		return add_fd(o, bpf_map__fd(map_of(object, ".bss")));
	}
	rc = add_fd(o, bpf_map__fd(map_of(object, ".bss")));
	if (rc == 0)
		rc = attach_filter(cfg, program);
	if (rc == 0)
		o->msg.guard = BH__GUARD_KIND__GUARD_KIND_FILTER;
	return rc;
}

int
opened_make(struct opened *o, const Bh__Open *req)
{
	int rc;

	if (req->kind != BH__OPEN_KIND__OPEN_KIND_GUARD)
		return -EOPNOTSUPP;
	rc = load(req->tap);
	if (rc == 0)
		rc = attach(o, req->tap);
	bpf_object__close(object);
	object = NULL;
	if (rc == 0)
		return 0;
	while (o->nfds > 0)
		close(o->fds[--o->nfds]);
	o->why = rc == -EPERM || rc == -EACCES ?
	    "no right to guard it (needs CAP_BPF and CAP_NET_ADMIN); leave guard "
	    "out" : "cannot be guarded by this kernel; leave guard out";
	return rc;
}
