// SPDX-License-Identifier: Apache-2.0
//
// Guards of taps, see guard.h. Each is loaded by a process of its own and holds on
// to the controller's fds; where there is a tc filter in place of a link, the
// spawner takes it away at the end.
#include "controller/guard.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/config.h"
#include "controller/life.h"
#include "controller/output.h"
#include "controller/supervise.h"
#include "ipc/log.h"

static const char *const reasons[GUARD_REASONS] = {
	[GUARD_MAC] = "source MAC", [GUARD_CLAIM] = "claimed MAC",
	[GUARD_IP4] = "IPv4 source", [GUARD_IP6] = "IPv6 source",
	[GUARD_ARP] = "ARP sender", [GUARD_ND] = "ND target",
	[GUARD_ROUTER] = "router advertisement", [GUARD_PROTOCOL] = "protocol",
	[GUARD_MALFORMED] = "malformed",
};

/* Whoever lists the guest's addresses wants them guarded. */
static bool
required(const struct net_spec *spec)
{
	return spec->guard == NET_GUARD_ON || spec->nguard_ips > 0;
}

bool
guard_wanted(const struct vm *vm, uint32_t net)
{
	const struct net_spec *spec = &vm->spec.nets[net];

	return required(spec) || (spec->guard == NET_GUARD_DEFAULT && vm->by_root);
}

bool
guard_start(struct vm *vm)
{
	if (child_alive(vm->guard))
		return false;	/* that of another tap, on its way out */
	vm->guard = child_new(vm, PROC_GUARD, NULL);
	if (child_spawn(vm->guard, NULL, NULL, 0) != 0)
		return false;
	config_send_opener(vm->guard);
	return true;
}

void
guard_fill(const struct vm *vm, uint32_t net, Bh__TapConfig *tap,
    struct guard_addresses *ips)
{
	const struct net_spec *spec = &vm->spec.nets[net];
	const struct backend *b = &vm->nets[net];
	size_t n4 = 0, n6 = 0;

	tap->index = b->tap_index;
	tap->egress = b->tap_egress;
	for (uint32_t i = 0; i < spec->nguard_ips; i++) {
		const struct address_spec *a = &spec->guard_ips[i];

		if (a->len == 4)
			memcpy(ips->ip4[n4++], a->bytes, 4);
		else
			memcpy(ips->ip6[n6++], a->bytes, 16);
	}
	tap->guard_ip4 = (ProtobufCBinaryData){ n4 * 4, ips->ip4[0] };
	tap->guard_ip6 = (ProtobufCBinaryData){ n6 * 16, ips->ip6[0] };
}

/* A tap that goes with its last fd takes its filter along. */
static void
remember_filter(struct vm *vm, const struct backend *b)
{
	Bh__RememberFilter body = BH__REMEMBER_FILTER__INIT;
	CHAN_PACKET(p, REMEMBER_FILTER, remember_filter, &body);

	body.ifindex = b->tap_index;
	body.egress = b->tap_egress;
	if (!b->tap_created)
		(void)chan_send(&vm->spawner, &p, NULL, 0);
}

int
guard_opened(struct vm *vm, uint32_t net, const Bh__Opened *opened,
    struct chan_msg *msg)
{
	struct backend *b = &vm->nets[net];
	bool link = opened->guard == BH__GUARD_KIND__GUARD_KIND_LINK;

	child_quit(vm->guard);
	if (opened->guard == BH__GUARD_KIND__GUARD_KIND_NONE ||
	    msg->nfds != 1u + link)
		return -EPROTO;
	b->guarded = true;
	b->guard_link = link ? chan_take_fd(msg, 0) : -1;
	b->guard_counts = chan_take_fd(msg, link);
	if (!link)
		remember_filter(vm, b);
	log_info("--net: tap %s is guarded", vm->spec.nets[net].tap != NULL ?
	    vm->spec.nets[net].tap : "");
	return 0;
}

bool
guard_failed(struct vm *vm, uint32_t net, const Bh__Failed *failed)
{
	child_quit(vm->guard);
	if (required(&vm->spec.nets[net]))
		return false;
	log_debug("--net: no guard: %s", failed->text);
	vm->npaths_done++;
	return true;
}

bool
guard_read(const struct vm *vm, uint32_t net, struct guard_counts *counts)
{
	const struct backend *b = &vm->nets[net];
	union bpf_attr attr;
	uint32_t key = 0;

	memset(counts, 0, sizeof(*counts));
	if (!b->guarded)
		return false;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)b->guard_counts;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)counts;
	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) == 0;
}

/* A line, if it dropped something. */
static void
report(const struct vm *vm, uint32_t net)
{
	const char *tap = vm->spec.nets[net].tap;
	struct guard_counts counts;
	uint64_t sum = 0;
	char list[400] = "";
	size_t at = 0;

	if (!guard_read(vm, net, &counts))
		return;
	for (size_t r = 0; r < GUARD_REASONS; r++) {
		if (counts.dropped[r] == 0 || reasons[r] == NULL)
			continue;
		at += (size_t)snprintf(list + at, sizeof(list) - at,
		    "%s%llu %s", sum == 0 ? "" : ", ",
		    (unsigned long long)counts.dropped[r], reasons[r]);
		sum += counts.dropped[r];
	}
	if (sum > 0)
		output_user("--net tap=%s: the guard dropped %llu frames of the "
		    "guest: %s", tap != NULL ? tap : "",
		    (unsigned long long)sum, list);
}

void
guard_release(struct vm *vm)
{
	for (uint32_t i = 0; i < SPEC_MAX_NETS; i++) {
		struct backend *b = &vm->nets[i];

		if (!b->guarded)
			continue;
		report(vm, i);
		close(b->guard_counts);
		if (b->guard_link >= 0)
			close(b->guard_link);
		b->guarded = false;
	}
}
