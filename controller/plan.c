// SPDX-License-Identifier: Apache-2.0
//
// The plan, see plan.h.
#include "controller/plan.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "controller/numa.h"
#include "controller/plan_inside.h"
#include "controller/usage.h"
#include "ipc/slots.h"

#define GIB (1ull << 30)
#define CONSOLE_QUEUES 2u
#define NET_CONTROL_QUEUE 1u
#define FS_PRIORITY_QUEUE 1u
#define VSOCK_QUEUES 3u

/* Linux takes memory in blocks of up to so many bytes, at multiples of as many. */
#define HOT_ALIGN (2ull << 30)

static void
plan_zones(struct vm_plan *plan, const struct vm_spec *spec)
{
	plan->nzones = spec_nzones(spec);
	for (uint32_t i = 0; i < plan->nzones; i++) {
		const struct zone_spec m = spec_zone(spec, i);
		struct plan_zone *z = &plan->zones[i];

		*z = (struct plan_zone){ .id = m.id, .size = m.size,
			.hugepages = m.hugepages, .hugepage_size = m.hugepage_size,
			.prefault = m.prefault, .reserve = m.reserve,
			.host_node = m.host_node,
			.node = numa_node_of_zone(spec, m.id) };
		if (spec->memory.hotplug_method != HOTPLUG_VIRTIO_MEM)
			continue;
		z->hot_size = m.hotplug_size;
		z->hot_wanted = m.hotplugged_size;
	}
}

static void
add_region(struct vm_plan *plan, uint32_t zone, uint64_t gpa, uint64_t size,
    uint64_t offset)
{
	if (size != 0)
		plan->regions[plan->nregions++] = (struct plan_region){
			.gpa = gpa, .size = size, .offset = offset, .zone = zone };
}

/* What the guest boots with, around the hole; the address behind it. */
static uint64_t
place_ram(struct vm_plan *plan)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < plan->nzones; i++) {
		uint64_t size = plan->zones[i].size, low = 0;

		if (at < LAYOUT_LOW_RAM_END)
			low = size < LAYOUT_LOW_RAM_END - at ? size :
			    LAYOUT_LOW_RAM_END - at;
		add_region(plan, i, at, low, 0);
		at += low;
		if (size > low && at < LAYOUT_RAM64)
			at = LAYOUT_RAM64;
		add_region(plan, i, at, size - low, low);
		at += size - low;
	}
	return at < LAYOUT_RAM64 ? LAYOUT_RAM64 : at;
}

/* What may come later. */
static uint64_t
place_hot(struct vm_plan *plan, uint64_t at)
{
	for (uint32_t i = 0; i < plan->nzones; i++) {
		struct plan_zone *z = &plan->zones[i];

		if (z->hot_size == 0)
			continue;
		at = (at + HOT_ALIGN - 1) & ~(HOT_ALIGN - 1);
		z->hot_gpa = at;
		add_region(plan, i, at, z->hot_size, 0);
		plan->regions[plan->nregions - 1].hot = true;
		at += z->hot_size;
	}
	return at;
}

static int
plan_memory(struct vm_plan *plan, const struct vm_spec *spec,
    const struct plan_host *host, struct spec_error *err)
{
	uint32_t bits = spec->cpus.max_phys_bits < host->phys_bits ?
	    spec->cpus.max_phys_bits : host->phys_bits;
	uint64_t top, end = 1ull << bits;

	plan_zones(plan, spec);
	plan->ram_end = place_ram(plan);
	top = place_hot(plan, plan->ram_end);
	if (spec->memory.hotplug_method == HOTPLUG_ACPI &&
	    spec->memory.hotplug_size != 0) {
		plan->dimm_gpa = (top + HOT_ALIGN - 1) & ~(HOT_ALIGN - 1);
		plan->dimm_size = spec->memory.hotplug_size;
		top = plan->dimm_gpa + plan->dimm_size;
	}
	top = (top + GIB - 1) & ~(GIB - 1);
	/* At least 1 GiB of window has to be left below the address limit. */
	if ((end < GIB || top > end - GIB) && spec->nzones != 0)
		return usage(err, "--memory-zone: what they have, and may have by "
		    "hotplug_size, does not fit below 2^%u bytes of guest "
		    "addresses; lower it or raise --cpus max_phys_bits", bits);
	if ((end < GIB || top > end - GIB) && spec->memory.hotplug_size != 0)
		return usage(err, "--memory size=%z,hotplug_size=%z: does not fit "
		    "below 2^%u bytes of guest addresses; lower it or raise --cpus "
		    "max_phys_bits", spec->memory.size,
		    spec->memory.hotplug_size, bits);
	if (end < GIB || top > end - GIB)
		return usage(err, "--memory size=%z: does not fit below 2^%u "
		    "bytes of guest addresses; lower it or raise --cpus "
		    "max_phys_bits", spec->memory.size, bits);
	plan->mmio64_base = top;
	plan->mmio64_size = end - top;
	return 0;
}

static void
plan_topology(struct vm_plan *plan, const struct cpus_spec *cpus)
{
	plan->topology = cpus->topology;
	if (plan->topology.threads == 0)
		plan->topology = (struct topology_spec){ .threads = 1,
		    .cores = cpus->max, .dies = 1, .packages = 1 };
}

/* ---- devices -------------------------------------------------------------------- */

static const struct pci_spec *
front_pci_of(const struct vm_spec *spec, const struct plan_device *dev)
{
	switch (dev->front) {
	case FRONT_DISK:
		return &spec->disks[dev->index].pci;
	case FRONT_NET:
		return &spec->nets[dev->index].pci;
	case FRONT_FS:
		return &spec->fs[dev->index].pci;
	case FRONT_GENERIC:
		break;
	}
	return &spec->generics[dev->index].pci;
}

const struct pci_spec *
plan_pci_of(const struct vm_spec *spec, const struct plan_device *dev)
{
	static const struct pci_spec none;

	switch (dev->kind) {
	case PROC_MEM:
		return &none;
	case PROC_BLK:
		return &spec->disks[dev->index].pci;
	case PROC_NET:
		return &spec->nets[dev->index].pci;
	case PROC_RNG:
		return &spec->rng.pci;
	case PROC_FS:
		return &spec->fs[dev->index].pci;
	case PROC_PMEM:
		return &spec->pmems[dev->index].pci;
	case PROC_BALLOON:
		return &spec->balloons[dev->index].pci;
	case PROC_VSOCK:
		return &spec->vsocks[dev->index].pci;
	case PROC_WATCHDOG:
		return &spec->watchdog.pci;
	case PROC_RTC:
		return &spec->rtcs[dev->index].pci;
	case PROC_FRONT:
		return front_pci_of(spec, dev);
	case PROC_OPENER:
	case PROC_LOADER:
	case PROC_VCPU:
	case PROC_CONSOLE:
	case PROC_PASST:
	case PROC_API:
	case PROC_GUARD:
	case PROC_MIGRATION:
	case PROC_SNAPSHOT:
	case PROC_KIND_COUNT:
		break;
	}
	return &spec->console.pci;
}

struct pci_spec *
plan_removable(struct vm_spec *spec, const struct plan_device *dev)
{
	union { const struct pci_spec *in; struct pci_spec *out; } u = {
		.in = plan_pci_of(spec, dev),
	};

	return dev->kind == PROC_BLK || dev->kind == PROC_NET ||
	    dev->kind == PROC_FS || dev->kind == PROC_PMEM ||
	    dev->kind == PROC_VSOCK || dev->kind == PROC_FRONT ? u.out : NULL;
}

/* "_disk" and 12 to "_disk12"; @prefix is short. */
static void
number_name(char id[PLAN_ID_SIZE], const char *prefix, uint32_t n)
{
	size_t at = strlen(prefix);
	uint32_t scale = 1;

	memcpy(id, prefix, at);
	while (n / scale >= 10)
		scale *= 10;
	for (; scale != 0; scale /= 10)
		id[at++] = (char)('0' + n / scale % 10);
	id[at] = '\0';
}

static bool
name_taken(const struct vm_plan *plan, const struct vm_spec *spec,
    const struct plan_device *dev)
{
	for (uint32_t i = 0; i < plan->ndevices; i++) {
		const char *given = plan_pci_of(spec, &plan->devices[i])->id;

		if (&plan->devices[i] != dev && given != NULL &&
		    strcmp(given, dev->id) == 0)
			return true;
	}
	return false;
}

/* Cloud Hypervisor counts all unnamed devices together: _disk0, _net1. */
/* A zone's id may be that of another device, too: a prefix tells them apart. */
static void
name_mem(struct plan_device *dev, const struct vm_spec *spec, const char *zone)
{
	static const char prefix[] = "__mem_";
	size_t at = spec->nzones != 0 ? sizeof(prefix) - 1 : 0;

	memcpy(dev->id, prefix, at);
	memcpy(dev->id + at, zone, strlen(zone) + 1);
}

_Static_assert(SPEC_MAX_ZONE_ID + sizeof("__mem_") <= PLAN_ID_SIZE, "zone ids");

static void
name_device(const struct vm_plan *plan, const struct vm_spec *spec,
    struct plan_device *dev, uint32_t *counter)
{
	static const char *const fronts[] = {
		[FRONT_DISK] = "_disk", [FRONT_NET] = "_net", [FRONT_FS] = "_fs",
		[FRONT_GENERIC] = "_generic_vhost_user",
	};
	const char *given = plan_pci_of(spec, dev)->id;

	if (given != NULL)
		memcpy(dev->id, given, strlen(given) + 1);
	else if (dev->kind == PROC_BLK)
		do
			number_name(dev->id, "_disk", (*counter)++);
		while (name_taken(plan, spec, dev));
	else if (dev->kind == PROC_NET)
		do
			number_name(dev->id, "_net", (*counter)++);
		while (name_taken(plan, spec, dev));
	else if (dev->kind == PROC_PMEM)
		do
			number_name(dev->id, "_pmem", (*counter)++);
		while (name_taken(plan, spec, dev));
	else if (dev->kind == PROC_FS)
		do
			number_name(dev->id, fronts[FRONT_FS], (*counter)++);
		while (name_taken(plan, spec, dev));
	else if (dev->kind == PROC_VSOCK)
		do
			number_name(dev->id, "_vsock", (*counter)++);
		while (name_taken(plan, spec, dev));
	else if (dev->kind == PROC_FRONT)
		do
			number_name(dev->id, fronts[dev->front], (*counter)++);
		while (name_taken(plan, spec, dev));
	else if (dev->kind == PROC_MEM)
		name_mem(dev, spec, plan->zones[dev->index].id);
	else if (dev->kind == PROC_BALLOON)
		memcpy(dev->id, "__balloon", sizeof("__balloon"));
	else if (dev->kind == PROC_WATCHDOG)
		memcpy(dev->id, "__watchdog", sizeof("__watchdog"));
	else if (dev->kind == PROC_RTC)
		memcpy(dev->id, "__rtc", sizeof("__rtc"));
	else if (dev->kind == PROC_RNG)
		memcpy(dev->id, "__rng", sizeof("__rng"));
	else
		memcpy(dev->id, "__console", sizeof("__console"));
}

static struct plan_device *
add_device(struct vm_plan *plan, enum process_kind kind, uint32_t index,
    uint32_t nqueues)
{
	struct plan_device *dev = &plan->devices[plan->ndevices++];

	*dev = (struct plan_device){ .kind = kind, .index = index,
	    .nqueues = nqueues, .on_pci = true };
	return dev;
}

static struct plan_device *
add_front(struct vm_plan *plan, enum plan_front front, uint32_t index,
    uint32_t nqueues)
{
	struct plan_device *dev = add_device(plan, PROC_FRONT, index, nqueues);

	dev->front = front;
	return dev;
}

/* Locally administered, not multicast (IEEE 802, 8.2.2). */
static void
plan_mac(struct plan_device *dev, const struct net_spec *net, uint64_t random)
{
	if (net->mac.given) {
		memcpy(dev->mac, net->mac.bytes, sizeof(dev->mac));
		return;
	}
	random += dev->index;
	for (size_t i = 0; i < sizeof(dev->mac); i++)
		dev->mac[i] = (uint8_t)(random >> (40 - 8 * i));
	dev->mac[0] = (uint8_t)((dev->mac[0] & 0xfc) | 0x02);
}

/* A step of a generator that comes by every number. */
void
plan_next_random(struct plan_host *host)
{
	host->random = host->random * 6364136223846793005u +
	    1442695040888963407u;
}

int
plan_make(struct vm_plan *plan, const struct vm_spec *spec,
    const struct plan_host *host, struct spec_error *err)
{
	bool ports = spec->serial.mode != PORT_OFF ||
	    spec->debug_console.mode != PORT_OFF;
	uint32_t counter = 0;
	int bad;

	*plan = (struct vm_plan){ 0 };
	bad = plan_memory(plan, spec, host, err);
	if (bad != 0)
		return bad;
	plan_topology(plan, &spec->cpus);
	if (spec->console.mode != PORT_OFF)
		add_device(plan, PROC_CONSOLE, 0, CONSOLE_QUEUES);
	else if (ports)
		add_device(plan, PROC_CONSOLE, 0, 0)->on_pci = false;
	for (uint32_t i = 0; i < spec->ndisks; i++)
		if (spec->disks[i].vhost.on)
			add_front(plan, FRONT_DISK, i, spec->disks[i].num_queues);
		else
			add_device(plan, PROC_BLK, i, spec->disks[i].num_queues);
	for (uint32_t i = 0; i < spec->nnets; i++)
		plan_mac(spec->nets[i].vhost.on ?
		    add_front(plan, FRONT_NET, i, spec->nets[i].num_queues +
		    (spec->nets[i].num_queues > 2 ? NET_CONTROL_QUEUE : 0)) :
		    add_device(plan, PROC_NET, i,
		    spec->nets[i].num_queues + NET_CONTROL_QUEUE),
		    &spec->nets[i], host->random);
	for (uint32_t i = 0; i < spec->nfs; i++)
		if (spec->fs[i].path != NULL)
			add_device(plan, PROC_FS, i,
			    spec->fs[i].num_queues + FS_PRIORITY_QUEUE);
		else
			add_front(plan, FRONT_FS, i,
			    spec->fs[i].num_queues + FS_PRIORITY_QUEUE);
	for (uint32_t i = 0; i < spec->ngenerics; i++)
		add_front(plan, FRONT_GENERIC, i, spec->generics[i].nqueues);
	for (uint32_t i = 0; i < spec->npmems; i++)
		add_device(plan, PROC_PMEM, i, 1);
	for (uint32_t i = 0; i < spec->nvsocks; i++)
		add_device(plan, PROC_VSOCK, i, VSOCK_QUEUES);
	add_device(plan, PROC_RNG, 0, 1);
	for (uint32_t i = 0; i < plan->nzones; i++)
		if (plan->zones[i].hot_size != 0)
			add_device(plan, PROC_MEM, i, 1);
	for (uint32_t i = 0; i < spec->nballoons; i++)
		add_device(plan, PROC_BALLOON, i,
		    spec->balloons[i].free_page_reporting ? 5 : 3);
	if (spec->watchdog.on && !plan_has_i6300esb(spec))
		add_device(plan, PROC_WATCHDOG, 0, 1);
	for (uint32_t i = 0; i < spec->nrtcs; i++)
		add_device(plan, PROC_RTC, i, 1);
	for (uint32_t i = 0; i < plan->ndevices; i++)
		name_device(plan, spec, &plan->devices[i], &counter);
	return plan_places(plan, spec, err);
}

/* ---- one that comes while the VM runs ------------------------------------------------ */

static bool
id_taken(const struct vm_plan *plan, const char *id)
{
	for (uint32_t i = 0; i < plan->ndevices; i++)
		if (plan->devices[i].kind != PROC_KIND_COUNT &&
		    strcmp(plan->devices[i].id, id) == 0)
			return true;
	return false;
}

static const char *
prefix_of(const struct plan_device *dev)
{
	static const char *const fronts[] = {
		[FRONT_DISK] = "_disk", [FRONT_NET] = "_net", [FRONT_FS] = "_fs",
		[FRONT_GENERIC] = "_generic_vhost_user",
	};

	return dev->kind == PROC_PMEM ? "_pmem" : dev->kind == PROC_VSOCK ?
	    "_vsock" : dev->kind == PROC_BLK ? "_disk" : dev->kind == PROC_NET ?
	    "_net" : dev->kind == PROC_FS ? "_fs" : fronts[dev->front];
}

static uint32_t
queues_of(const struct vm_spec *spec, const struct plan_device *dev)
{
	bool front = dev->kind == PROC_FRONT;

	if (dev->kind == PROC_PMEM)
		return 1;
	if (dev->kind == PROC_VSOCK)
		return VSOCK_QUEUES;
	if (dev->kind == PROC_BLK || (front && dev->front == FRONT_DISK))
		return spec->disks[dev->index].num_queues;
	if (dev->kind == PROC_NET)
		return spec->nets[dev->index].num_queues + NET_CONTROL_QUEUE;
	if (dev->kind == PROC_FS || dev->front == FRONT_FS)
		return spec->fs[dev->index].num_queues + FS_PRIORITY_QUEUE;
	if (dev->front == FRONT_NET)
		return spec->nets[dev->index].num_queues +
		    (spec->nets[dev->index].num_queues > 2 ? NET_CONTROL_QUEUE : 0);
	return spec->generics[dev->index].nqueues;
}

int
plan_add(struct vm_plan *plan, const struct vm_spec *spec,
    const struct plan_host *host, const struct plan_device *what,
    struct plan_device **added, struct spec_error *err)
{
	const struct pci_spec *pci = plan_pci_of(spec, what);
	uint32_t n = 0, at = 0, bdf;
	struct plan_device *dev;
	int bad;

	if (pci->id != NULL && id_taken(plan, pci->id))
		return usage(err, "id=%S: another device has this name; take "
		    "another", &(struct span){ pci->id, strlen(pci->id) });
	bad = plan_place(plan, pci, &bdf, err);
	if (bad != 0)
		return bad;
	while (at < plan->ndevices && plan->devices[at].kind != PROC_KIND_COUNT)
		at++;
	if (at == PLAN_MAX_DEVICES)
		return usage(err, "at most %u devices", PLAN_MAX_DEVICES);
	dev = &plan->devices[at];
	*dev = *what;
	dev->on_pci = true;
	dev->bdf = bdf;
	dev->nqueues = queues_of(spec, dev);
	if (pci->id != NULL)
		memcpy(dev->id, pci->id, strlen(pci->id) + 1);
	for (dev->kind = PROC_KIND_COUNT; pci->id == NULL; n++) {
		number_name(dev->id, prefix_of(what), n);
		if (!id_taken(plan, dev->id))
			break;
	}
	dev->kind = what->kind;
	if (prefix_of(dev)[1] == 'n')
		plan_mac(dev, &spec->nets[dev->index], host->random + at);
	if (at == plan->ndevices)
		plan->ndevices++;
	*added = dev;
	return 0;
}

uint32_t
plan_nevents(const struct plan_device *dev)
{
	return dev->on_pci ? 2 * dev->nqueues + 1 : 0;
}

uint32_t
plan_event_slot(uint32_t n)
{
	return (uint32_t)(n % 2 == 0 ? FD_KICK : FD_CALL) + n / 2;
}

struct plan_device *
plan_net(struct vm_plan *plan, uint32_t index)
{
	for (uint32_t i = 0; i < plan->ndevices; i++)
		if (plan->devices[i].kind == PROC_NET &&
		    plan->devices[i].index == index)
			return &plan->devices[i];
	return NULL;	/* every --net has one */
}
