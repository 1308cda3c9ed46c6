// SPDX-License-Identifier: Apache-2.0
//
// Guards of taps, see guard.h. The programs are loaded by the opener and hold on
// to the controller's fds; where there is a tc filter in place of a link, the
// spawner takes it away at the end.
#include "controller/guard.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/life.h"
#include "controller/output.h"
#include "ipc/log.h"

static const char *const reasons[GUARD_REASONS] = {
	[GUARD_MAC] = "source MAC", [GUARD_CLAIM] = "claimed MAC",
	[GUARD_IP4] = "IPv4 source", [GUARD_IP6] = "IPv6 source",
	[GUARD_ARP] = "ARP sender", [GUARD_ND] = "ND target",
	[GUARD_ROUTER] = "router advertisement", [GUARD_PROTOCOL] = "protocol",
	[GUARD_MALFORMED] = "malformed",
};

void
guard_ask(const struct vm *vm, uint32_t net, Bh__TapConfig *tap,
    struct guard_addresses *ips)
{
	const struct net_spec *spec = &vm->spec.nets[net];
	size_t n4 = 0, n6 = 0;

	/* Whoever lists the guest's addresses wants them guarded. */
	if (spec->guard == NET_GUARD_ON || spec->nguard_ips > 0)
		tap->guard = BH__GUARD_MODE__GUARD_MODE_MUST;
	else if (spec->guard == NET_GUARD_DEFAULT && vm->by_root)
		tap->guard = BH__GUARD_MODE__GUARD_MODE_TRY;
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

uint32_t
guard_fds(const Bh__Opened *opened)
{
	return opened->guard == BH__GUARD_KIND__GUARD_KIND_LINK ? 2 :
	    opened->guard == BH__GUARD_KIND__GUARD_KIND_FILTER ? 1 : 0;
}

/* A tap that goes with its last fd takes its filter along. */
static void
remember_filter(struct vm *vm, const Bh__Opened *opened)
{
	Bh__RememberFilter body = BH__REMEMBER_FILTER__INIT;
	CHAN_PACKET(p, REMEMBER_FILTER, remember_filter, &body);

	body.ifindex = opened->tap_index;
	body.egress = opened->guard_egress;
	if (!opened->tap_created)
		(void)chan_send(&vm->spawner, &p, NULL, 0);
}

int
guard_opened(struct vm *vm, uint32_t net, const Bh__Opened *opened,
    struct chan_msg *msg, uint32_t first)
{
	struct backend *b = &vm->nets[net];

	if (guard_fds(opened) == 0) {
		if (opened->guard_why[0] != '\0')
			log_debug("--net: tap %s: %s", opened->name,
			    opened->guard_why);
		return 0;
	}
	b->guarded = true;
	b->guard_link = -1;
	if (opened->guard == BH__GUARD_KIND__GUARD_KIND_LINK)
		b->guard_link = chan_take_fd(msg, first++);
	else
		remember_filter(vm, opened);
	b->guard_counts = chan_take_fd(msg, first);
	log_info("--net: tap %s is guarded", opened->name);
	return 0;
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
