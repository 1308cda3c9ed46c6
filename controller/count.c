// SPDX-License-Identifier: Apache-2.0
//
// Counters of devices, see count.h. A worker may have written anything there: it
// can lie about its own device, in numbers that JSON's readers can take.
#include "controller/count.h"

#include <string.h>
#include <unistd.h>

#include "controller/balloon.h"
#include "controller/guard.h"
#include "device-workers/lib/counters.h"

#define PART 32u		/* devices a message */
#define VALUES 16u		/* a device */

static struct part {
	Bh__ApiOption devices[PART], *list[PART];
	Bh__ApiValue values[PART][VALUES], *pointers[PART][VALUES];
	size_t n;
} part;

/* As Cloud Hypervisor has them: nothing was timed yet. */
#define NEVER UINT64_MAX

static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

static void
put(Bh__ApiOption *device, const char *name, uint64_t n)
{
	Bh__ApiValue *v;

	if (device->n_values == VALUES)
		return;
	v = &part.values[device - part.devices][device->n_values];
	bh__api_value__init(v);
	v->name = constless(name);
	v->value_case = BH__API_VALUE__VALUE_NUMBER;
	v->number = n;
	device->values[device->n_values++] = v;
}

/* Readers that know signed numbers alone shall not see one turn over. */
static uint64_t
bounded(uint64_t n)
{
	return n < INT64_MAX ? n : INT64_MAX;
}

static void
put_disk(Bh__ApiOption *device, const uint64_t *c)
{
	static const char *const names[2][5] = {
		{ "read_bytes", "read_ops", "read_latency_min",
		  "read_latency_max", "read_latency_avg" },
		{ "write_bytes", "write_ops", "write_latency_min",
		  "write_latency_max", "write_latency_avg" },
	};

	for (unsigned int w = 0; w < 2; w++, c += BLK_COUNT_WRITE) {
		uint64_t n = c[BLK_COUNT_TIMED];

		put(device, names[w][0], bounded(c[BLK_COUNT_BYTES]));
		put(device, names[w][1], bounded(c[BLK_COUNT_OPS]));
		put(device, names[w][2], n == 0 ? NEVER :
		    bounded(c[BLK_COUNT_MIN]));
		put(device, names[w][3], n == 0 ? NEVER :
		    bounded(c[BLK_COUNT_MAX]));
		put(device, names[w][4], n == 0 ? NEVER :
		    bounded(c[BLK_COUNT_SUM] / n));
	}
}

static void
put_net(const struct vm *vm, uint32_t net, Bh__ApiOption *device,
    const uint64_t *c)
{
	static const char *const reasons[GUARD_REASONS] = {
		[GUARD_MAC] = "guard_mac", [GUARD_CLAIM] = "guard_claim",
		[GUARD_IP4] = "guard_ip4", [GUARD_IP6] = "guard_ip6",
		[GUARD_ARP] = "guard_arp", [GUARD_ND] = "guard_nd",
		[GUARD_ROUTER] = "guard_router",
		[GUARD_PROTOCOL] = "guard_protocol",
		[GUARD_MALFORMED] = "guard_malformed",
	};
	struct guard_counts counts;

	put(device, "rx_bytes", bounded(c[NET_COUNT_RX_BYTES]));
	put(device, "rx_frames", bounded(c[NET_COUNT_RX_FRAMES]));
	put(device, "tx_bytes", bounded(c[NET_COUNT_TX_BYTES]));
	put(device, "tx_frames", bounded(c[NET_COUNT_TX_FRAMES]));
	if (!guard_read(vm, net, &counts))
		return;
	for (size_t r = 0; r < GUARD_REASONS; r++)
		if (reasons[r] != NULL)
			put(device, reasons[r], bounded(counts.dropped[r]));
}

static void
put_balloon(const struct vm *vm, Bh__ApiOption *device, const uint64_t *c)
{
	static const char *const stats[] = { "swap_in", "swap_out", "major_faults",
		"minor_faults", "free_memory", "total_memory", "available_memory",
		"disk_caches", "hugetlb_allocations", "hugetlb_failures" };

	put(device, "size", vm->spec.balloons[0].size);
	put(device, "actual", balloon_actual(vm));
	put(device, "returned_bytes", bounded(c[BALLOON_COUNT_RETURNED]));
	/* A guest that has not said anything has no figures. */
	if (c[BALLOON_COUNT_UPDATED] == 0)
		return;
	put(device, "updated", bounded(c[BALLOON_COUNT_UPDATED]));
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
		put(device, stats[i], bounded(c[BALLOON_COUNT_STATS + i]));
}

static void
put_mem(const struct vm *vm, uint32_t zone, Bh__ApiOption *device, const uint64_t *c)
{
	put(device, "size", vm->plan.zones[zone].hot_wanted);
	put(device, "plugged", bounded(c[MEM_COUNT_PLUGGED]));
	put(device, "returned_bytes", bounded(c[MEM_COUNT_RETURNED]));
}

static void
put_vsock(Bh__ApiOption *device, const uint64_t *c)
{
	put(device, "rx_bytes", bounded(c[VSOCK_COUNT_RX_BYTES]));
	put(device, "tx_bytes", bounded(c[VSOCK_COUNT_TX_BYTES]));
	put(device, "host_connections", bounded(c[VSOCK_COUNT_BY_HOST]));
	put(device, "guest_connections", bounded(c[VSOCK_COUNT_BY_GUEST]));
	put(device, "refused", bounded(c[VSOCK_COUNT_REFUSED]));
	put(device, "open", bounded(c[VSOCK_COUNT_OPEN]));
}

static void
put_device(const struct vm *vm, const struct child *c)
{
	Bh__ApiOption *device = &part.devices[part.n];
	uint64_t counters[COUNTERS];

	if (c->record < 0 || pread(c->record, counters, sizeof(counters),
	    COUNTERS_AT) != (ssize_t)sizeof(counters))
		return;
	bh__api_option__init(device);
	device->option = constless(c->dev->id);
	device->values = part.pointers[part.n];
	if (c->kind == PROC_BLK)
		put_disk(device, counters);
	else if (c->kind == PROC_MEM)
		put_mem(vm, c->dev->index, device, counters);
	else if (c->kind == PROC_BALLOON)
		put_balloon(vm, device, counters);
	else if (c->kind == PROC_VSOCK)
		put_vsock(device, counters);
	else
		put_net(vm, c->dev->index, device, counters);
	put(device, "worker_deaths", c->ndeaths);
	part.list[part.n++] = device;
}

void
count_devices(const struct vm *vm, count_part_fn *part_done, void *arg)
{
	part.n = 0;
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		const struct child *c = &vm->children[i];

		if (c->dev == NULL || (c->kind != PROC_BLK &&
		    c->kind != PROC_NET && c->kind != PROC_BALLOON &&
		    c->kind != PROC_MEM && c->kind != PROC_VSOCK))
			continue;
		put_device(vm, c);
		if (part.n < PART)
			continue;
		part_done(arg, part.n, part.list);
		part.n = 0;
	}
	part_done(arg, part.n, part.list);
}
