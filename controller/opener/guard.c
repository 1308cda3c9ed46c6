// SPDX-License-Identifier: Apache-2.0
//
// Loads the guard (guard.bpf.c) onto a tap by libbpf: as a tcx link, which ends
// with its last fd, or where the kernel has none (before 6.6) as a tc filter of
// the interface. Done once, for the opener's caller; holds nothing afterwards but
// the fds that it adds to what was opened.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/opener/guard.h"
#include "controller/opener/opened.h"
#include "guard_object.h"
#include "ipc/log.h"
#include "proto/limits.h"
#include "sandbox/kernel_compat.h"

_Static_assert(GUARD_MAX_IPS == NET_LIMIT_GUARD_IPS, "proto/limits.h");

static void
fill_config(struct guard_config *g, const Bh__TapConfig *cfg, const uint8_t *mac)
{
	memset(g, 0, sizeof(*g));
	memcpy(g->mac, mac, sizeof(g->mac));
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

static struct bpf_object *
load(const Bh__TapConfig *cfg, const uint8_t *mac, int *error)
{
	const struct bpf_object_open_opts opts = {
		.sz = sizeof(opts), .object_name = "guard",
	};
	struct guard_config config;
	struct bpf_object *object;

	(void)libbpf_set_print(say_nothing);
	fill_config(&config, cfg, mac);
	object = bpf_object__open_mem(guard_object, sizeof(guard_object), &opts);
	if (object == NULL) {
		*error = -errno;
		return NULL;
	}
	*error = bpf_map__set_initial_value(map_of(object, ".rodata"), &config,
	    sizeof(config));
	if (*error == 0)
		*error = bpf_object__load(object);
	if (*error == 0)
		return object;
	bpf_object__close(object);
	return NULL;
}

/* A link's fd, or -errno. First of all programs there: none lets a frame pass. */
static int
attach_link(const struct opened *o, int program)
{
	const struct bpf_link_create_opts opts = {
		.sz = sizeof(opts), .flags = COMPAT_BPF_F_BEFORE,
	};
	/* libbpf 1.1 passes on what it does not know. */
	const enum bpf_attach_type type = (enum bpf_attach_type)
	    (o->msg.guard_egress ? COMPAT_BPF_TCX_EGRESS : COMPAT_BPF_TCX_INGRESS);

	return bpf_link_create(program, (int)o->msg.tap_index, type, &opts);
}

/* In place of what a VM left that was killed together with its spawner. */
static int
attach_filter(const struct opened *o, int program)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)o->msg.tap_index,
		.attach_point = o->msg.guard_egress ? BPF_TC_EGRESS :
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
attach(struct opened *o, const struct bpf_object *object)
{
	int program, link, rc;

	program = bpf_program__fd(bpf_object__find_program_by_name(object,
	    "guard"));
	link = attach_link(o, program);
	if (link >= 0) {
		o->fds[o->nfds++] = link;
		o->msg.guard = BH__GUARD_KIND__GUARD_KIND_LINK;
		return add_fd(o, bpf_map__fd(map_of(object, ".bss")));
	}
	rc = add_fd(o, bpf_map__fd(map_of(object, ".bss")));
	if (rc == 0)
		rc = attach_filter(o, program);
	if (rc == 0)
		o->msg.guard = BH__GUARD_KIND__GUARD_KIND_FILTER;
	return rc;
}

static int
cannot(struct opened *o, Bh__GuardMode mode, int error)
{
	(void)snprintf(o->why_not, sizeof(o->why_not), "no guard: %s%s",
	    log_errtext(error), error == -EPERM || error == -EACCES ?
	    " (needs CAP_BPF and CAP_NET_ADMIN)" : "");
	if (mode == BH__GUARD_MODE__GUARD_MODE_TRY)
		return 0;
	o->why = error == -EPERM || error == -EACCES ?
	    "no right to guard it (needs CAP_BPF and CAP_NET_ADMIN); leave guard "
	    "out" : "cannot be guarded by this kernel; leave guard out";
	return error;
}

int
guard_attach(struct opened *o, const Bh__TapConfig *cfg)
{
	const uint8_t *mac = o->msg.tap_mac.len != 0 ? o->mac :
	    cfg->guest_mac.data;
	unsigned int before = o->nfds;
	struct bpf_object *object;
	int rc = 0;

	if (cfg->guard == BH__GUARD_MODE__GUARD_MODE_OFF)
		return 0;
	object = load(cfg, mac, &rc);
	if (object != NULL) {
		rc = attach(o, object);
		bpf_object__close(object);
	}
	if (rc == 0)
		return 0;
	while (o->nfds > before)
		close(o->fds[--o->nfds]);
	o->msg.guard = BH__GUARD_KIND__GUARD_KIND_NONE;
	return cannot(o, cfg->guard, rc);
}
