// SPDX-License-Identifier: Apache-2.0
//
// The start sequence, see start.h and docs/protocol.md. Each step looks at what
// is there already, so that the order in which answers come does not matter.
#include "controller/start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/config.h"
#include "controller/dimms.h"
#include "controller/guard.h"
#include "controller/hotplug.h"
#include "controller/keeper.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/passt.h"
#include "controller/paths.h"
#include "controller/pmem.h"
#include "controller/resources.h"
#include "controller/snapshot.h"
#include "controller/supervise.h"
#include "controller/timeline.h"
#include "controller/upgrade.h"
#include "device-workers/console/slots.h"
#include "device-workers/vhost-user-front/slots.h"
#include "ipc/log.h"

/*
 * How many of one kind are on the way at once. The socket's buffer holds about
 * 200 small packets, and the kernel bounds the fds in flight.
 */
#define OPEN_WINDOW 8u
#define SPAWN_WINDOW 8u
#define PCI_WINDOW 8u

#define START_SECONDS 60u	/* the lab is a hundred times slower than a host */

/* Everything is open. */
static void
paths_done(struct vm *vm)
{
	child_quit(vm->opener);
	vm->opening = false;
	if (!vm->vmm_opened) {
		vm->vmm_opened = true;
		manage_start(vm);
		snapshot_restore_given(vm);
	}
	if (vm->state == VM_STARTING)
		start_build(vm);
	else
		hotplug_opened(vm);
}

static void
ask_paths(struct vm *vm)
{
	while (vm->npaths_asked < vm->npaths &&
	    child_waiting(vm->opener, BH__PACKET__BODY_OPEN) < OPEN_WINDOW) {
		/* What makes something waits until all before is well. */
		if (paths_makes(vm, vm->npaths_asked) &&
		    vm->npaths_done < vm->npaths_asked)
			break;
		if (vm->paths[vm->npaths_asked].use != PATH_GUARD)
			paths_ask(vm, vm->opener, vm->npaths_asked++);
		else if (guard_start(vm))
			paths_ask(vm, vm->guard, vm->npaths_asked++);
		else
			break;
	}
	if (vm->npaths_done == vm->npaths)
		paths_done(vm);
}

void
start_begin(struct vm *vm)
{
	/* As many as the devices need: for those that come later. */
	vm->spec.platform.segments = vm->plan.nsegments;
	paths_list(vm);
	vm->opening = true;
	if (vm->npaths == 0) {
		paths_done(vm);
		return;
	}
	vm->opener = child_new(vm, PROC_OPENER, NULL);
	if (child_spawn(vm->opener, NULL, NULL, 0) == 0) {
		config_send_opener(vm->opener);
		start_progress(vm);
	}
}

/* ---- spawning ---------------------------------------------------------------------- */

/* The fds of a child to be spawned and where they go. */
struct baggage {
	int fds[CHAN_MAX_FDS];
	uint32_t slots[CHAN_MAX_FDS];
	uint32_t n;
};

static void
pack(struct baggage *b, int fd, uint32_t slot)
{
	if (fd < 0)
		return;
	b->fds[b->n] = fd;
	b->slots[b->n++] = slot;
}

static void
pack_rings(struct vm *vm, struct baggage *b)
{
	pack(b, vm->rings, FD_RINGS);
	pack(b, vm->rings_to_far, FD_RINGS_TO_FAR);
	pack(b, vm->rings_to_guest, FD_RINGS_TO_GUEST);
}

/* What is left of the limit of a disk's group. */
static void
pack_limit(const struct vm *vm, uint32_t disk, struct baggage *b)
{
	int group = spec_limit_group(&vm->spec, &vm->spec.disks[disk]);

	if (group >= 0)
		pack(b, vm->limits[group], FD_LIMIT);
}

static void
pack_device(struct child *child, struct baggage *b)
{
	struct vm *vm = child->vm;
	const struct backend *from = NULL;

	if (child->kind == PROC_BLK)
		from = &vm->disks[child->dev->index];
	else if (child->kind == PROC_NET)
		from = &vm->nets[child->dev->index];
	else if (child->kind == PROC_RNG)
		from = &vm->rng;
	else if (child->kind == PROC_FS)
		from = &vm->shares[child->dev->index];
	else if (child->kind == PROC_PMEM &&
	    !vm->spec.pmems[child->dev->index].discard_writes)
		from = &vm->pmems[child->dev->index];
	else if (child->kind == PROC_VSOCK)
		from = &vm->vsock;
	if (child->isolated)
		from = NULL;
	for (uint32_t i = 0; from != NULL && i < from->nfds; i++)
		pack(b, i == 0 && from->own > 0 ? from->own : from->fds[i],
		    FD_BACKEND + i);
	if (child->kind == PROC_FRONT && child->dev->front == FRONT_NET &&
	    vm->nets[child->dev->index].nfds > 0)
		pack(b, vm->nets[child->dev->index].fds[0], FD_FRONT_LISTEN);
	if (child->kind == PROC_BLK && !child->isolated)
		pack_limit(vm, child->dev->index, b);
	if (child->kind == PROC_CONSOLE && !child->isolated) {
		pack(b, vm->port_in[VM_CONSOLE], FD_CONSOLE_IN);
		pack(b, vm->port_out[VM_CONSOLE], FD_CONSOLE_OUT);
		pack(b, vm->port_in[VM_SERIAL], FD_SERIAL_IN);
		pack(b, vm->port_out[VM_SERIAL], FD_SERIAL_OUT);
		pack(b, vm->port_out[VM_DEBUG], FD_DEBUG_OUT);
	}
	if (child->kind == PROC_MEM && !child->isolated)
		pack(b, vm->zones[child->dev->index].state, FD_MEM_STATE);
	/* Nobody else makes room in them: the guest would wait for ever. */
	if (child->kind == PROC_CONSOLE)
		pack_rings(vm, b);
	if (!child->dev->on_pci)
		return;
	pack(b, child->bus[1], FD_BUS);
	for (uint32_t i = 0; i < 2 * child->dev->nqueues; i++)
		pack(b, child->events[i], plan_event_slot(i));
	pack(b, child->config_page, FD_CONFIG_PAGE);
	pack(b, child->record, FD_RECORD);
	pack(b, child->inflight, FD_FRONT_INFLIGHT);
	if (!child->isolated)
		pack(b, child->table, FD_FS_TABLE);
}

static void
let_go(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
start_spawn(struct child *child)
{
	struct vm *vm = child->vm;
	struct baggage b = { .n = 0 };

	switch (child->kind) {
	case PROC_LOADER:
		pack(&b, vm->kernel, FD_KERNEL);
		pack(&b, vm->initramfs, FD_INITRAMFS);
		break;
	case PROC_VCPU:
		pack(&b, vm->kvm, FD_KVM);
		pack_rings(vm, &b);
		break;
	case PROC_NET:
		if (child->dev == NULL)
			return;
		passt_worker_needs_it(vm, child->dev->index);
		pack_device(child, &b);
		break;
	case PROC_BLK:
	case PROC_RNG:
	case PROC_CONSOLE:
	case PROC_FRONT:
	case PROC_FS:
	case PROC_BALLOON:
	case PROC_PMEM:
	case PROC_VSOCK:
	case PROC_MEM:
	case PROC_WATCHDOG:
	case PROC_RTC:
		pack_device(child, &b);
		break;
	case PROC_PASST:
		passt_spawn(child);
		return;
	case PROC_API:
		pack(&b, vm->api_listen, FD_API);
		pack(&b, vm->api_events, FD_API_EVENTS);
		break;
	case PROC_MIGRATION:
		break;
	case PROC_OPENER:
	case PROC_GUARD:
	case PROC_SNAPSHOT:
	case PROC_KIND_COUNT:
		return;
	}
	child->configured = true;
	if (child_spawn(child, b.fds, b.slots, b.n) != 0)
		return;
	if (child->bus[1] >= 0)
		close(child->bus[1]);
	child->bus[1] = -1;
	if (child->kind == PROC_NET)
		passt_worker_has_it(vm, child->dev->index);
	/* Only while its worker has it does it tell of that one's I/O. */
	if (child->kind == PROC_BLK && vm->disks[child->dev->index].own > 0 &&
	    !child->isolated)
		let_go(&vm->disks[child->dev->index].own);
	/* The next one of an upgrade waits until the one at work has finished. */
	if (!upgrade_is_next(child))
		config_send(child);
	if (child->kind == PROC_FS && !child->isolated)
		keeper_give(child);
	else if (child->kind == PROC_FS)
		keeper_drop(child);
}

static uint32_t
spawning(const struct vm *vm)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].phase == CHILD_SPAWNING)
			n++;
	return n;
}

static void
spawn_children(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren && spawning(vm) < SPAWN_WINDOW;
	    i++)
		if (vm->children[i].phase == CHILD_NONE &&
		    !vm->children[i].configured &&
		    !vm->children[i].awaits_io && !vm->said_why &&
		    /* They find their records and memory filled. */
		    (vm->loaded || !snapshot_restores(vm) ||
		    &vm->children[i] == vm->loader))
			start_spawn(&vm->children[i]);
}

static void
set_ports(struct vm *vm)
{
	const struct port_spec *specs[VM_PORTS] = { &vm->spec.console,
	    &vm->spec.serial, &vm->spec.debug_console };

	for (uint32_t i = 0; i < VM_PORTS; i++)
		if (specs[i]->mode == PORT_TTY) {
			vm->port_in[i] = vm->terminal.in;
			vm->port_out[i] = vm->terminal.out;
		}
}

void
start_build(struct vm *vm)
{
	if (resources_memory(vm) != 0 || resources_rings(vm) != 0 ||
	    resources_limits(vm) != 0 ||
	    dimms_boot(vm) != 0 || paths_adopt_files(vm) != 0 || paths_adopt_taps(vm) != 0 ||
	    pmem_place(vm) != 0 || passt_make(vm) != 0)
		return;
	set_ports(vm);
	/* The slowest first. */
	vm->vcpu = child_new(vm, PROC_VCPU, NULL);
	vm->loader = child_new(vm, snapshot_restores(vm) ? PROC_MIGRATION :
	    PROC_LOADER, NULL);
	vm->loads_again = false;
	for (uint32_t i = 0; i < vm->plan.ndevices; i++) {
		const struct plan_device *dev = &vm->plan.devices[i];

		if (resources_device(child_new(vm, dev->kind, dev)) != 0)
			return;
	}
	start_progress(vm);
}

static void
release_backend(struct backend *b)
{
	if (b->nfds == 0)
		return;
	for (uint32_t i = 0; i < b->nfds && !b->borrowed; i++)
		let_go(&b->fds[i]);
	if (b->folder > 0)
		let_go(&b->folder);
	if (b->own > 0)
		let_go(&b->own);
	if (b->next_own > 0)
		let_go(&b->next_own);
	*b = (struct backend){ .folder = -1 };
}

void
start_release_child(struct child *child)
{
	for (uint32_t i = 0; child->dev != NULL && i < plan_nevents(child->dev);
	    i++)
		let_go(&child->events[i]);
	let_go(&child->bus[0]);
	let_go(&child->bus[1]);
	let_go(&child->config_page);
	let_go(&child->record);
	let_go(&child->table);
	if (child->kind == PROC_FS && child->dev != NULL)
		keeper_drop(child);
	let_go(&child->binary);
	let_go(&child->previous);
	let_go(&child->inflight);
	let_go(&child->far);
	/* Its place is free for any kind. */
	child->phase = CHILD_GONE;
	child->kind = PROC_OPENER;
	child->dev = NULL;
}

void
start_release_backend(struct vm *vm, const struct plan_device *dev)
{
	if (dev->kind == PROC_BLK)
		release_backend(&vm->disks[dev->index]);
	else if (dev->kind == PROC_NET ||
	    (dev->kind == PROC_FRONT && dev->front == FRONT_NET))
		release_backend(&vm->nets[dev->index]);
	else if (dev->kind == PROC_FS)
		release_backend(&vm->shares[dev->index]);
	else if (dev->kind == PROC_PMEM)
		release_backend(&vm->pmems[dev->index]);
	if (dev->kind != PROC_VSOCK)
		return;
	release_backend(&vm->vsock);
	let_go(&vm->vsock_locks[0]);
	let_go(&vm->vsock_locks[1]);
}

void
start_release(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (&vm->children[i] != vm->api)
			start_release_child(&vm->children[i]);
	snapshot_release(vm);
	passt_release(vm);
	pmem_release(vm);
	guard_release(vm);
	vm->opener = vm->guard = vm->broker = vm->loader = vm->vcpu = NULL;
	vm->opening = false;
	for (uint32_t i = 0; i < SPEC_MAX_DISKS; i++)
		release_backend(&vm->disks[i]);
	for (uint32_t i = 0; i < SPEC_MAX_NETS; i++)
		release_backend(&vm->nets[i]);
	release_backend(&vm->rng);
	for (uint32_t i = 0; i < SPEC_MAX_FS; i++)
		release_backend(&vm->shares[i]);
	for (uint32_t i = 0; i < SPEC_MAX_PMEMS; i++)
		release_backend(&vm->pmems[i]);
	release_backend(&vm->vsock);
	let_go(&vm->vsock_locks[0]);
	let_go(&vm->vsock_locks[1]);
	for (uint32_t i = 0; i < VM_PORTS; i++) {
		if (vm->port_in[i] == vm->terminal.in)
			vm->port_in[i] = -1;
		if (vm->port_out[i] == vm->terminal.out)
			vm->port_out[i] = -1;
		let_go(&vm->port_in[i]);
		let_go(&vm->port_out[i]);
		paths_set_pty(vm, i, NULL);
	}
	for (uint32_t i = 0; i < SPEC_MAX_LIMIT_GROUPS; i++)
		let_go(&vm->limits[i]);
	for (uint32_t i = 0; i < SPEC_MAX_LANDLOCK_RULES; i++)
		let_go(&vm->rules[i]);
	let_go(&vm->kvm);
	let_go(&vm->kernel);
	let_go(&vm->initramfs);
	for (uint32_t i = 0; i < SPEC_MAX_ZONES; i++) {
		let_go(&vm->zones[i].ram);
		let_go(&vm->zones[i].hot);
		let_go(&vm->zones[i].state);
	}
	dimms_release(vm);
	let_go(&vm->rings);
	let_go(&vm->rings_to_far);
	let_go(&vm->rings_to_guest);
	vm->loaded = vm->start_sent = vm->loads_again = false;
	vm->resets = 0;
}

void
start_again(struct vm *vm)
{
	Bh__AttachBus attach = BH__ATTACH_BUS__INIT;
	CHAN_PACKET(p, ATTACH_BUS, attach_bus, &attach);
	int rc = resources_punch(vm);

	if (rc != 0) {
		life_fail(vm, "reset: guest memory cannot be cleared: %s",
		    log_errtext(rc));
		return;
	}
	dimms_reset(vm);
	vm->loaded = vm->start_sent = false;
	vm->vcpu = child_new(vm, PROC_VCPU, NULL);
	vm->loader = child_new(vm, PROC_LOADER, NULL);
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (c->dev == NULL)
			continue;
		c->told_vcpu = c->known_to_vcpu = false;
		resources_drain_events(c);
		/* A successor that is still being made has its bus. */
		if (c->died_at != 0 && !c->lost && c->bus[0] >= 0)
			continue;
		if (c->dev->on_pci && resources_bus(c) != 0)
			return;
		if (c->lost) {
			c->lost = c->isolated = false;
			child_again(c);
			continue;
		}
		if (!c->dev->on_pci)
			continue;
		child_send(c, &p, &c->bus[1], 1, 0, START_SECONDS);
		close(c->bus[1]);
		c->bus[1] = -1;
	}
	start_progress(vm);
}

/* ---- devices and the start of the guest ------------------------------------------------ */

int
start_device_ready(struct child *child, const Bh__DeviceReady *ready)
{
	struct device_ready *d = &child->device;
	bool virtio = ready->virtio_id != 0;

	if (virtio != child->dev->on_pci ||
	    ready->n_queue_max > child->dev->nqueues)
		return -EPROTO;
	child->ready = true;
	/* Of a stand-in it is what we have told it. */
	if (child->isolated)
		return 0;
	d->virtio_id = ready->virtio_id;
	d->features = ready->features;
	d->nqueues = (uint32_t)ready->n_queue_max;
	for (uint32_t i = 0; i < d->nqueues; i++)
		d->queue_max[i] = ready->queue_max[i];
	d->config_len = (uint32_t)ready->config.len;
	if (d->config_len > 0)
		memcpy(d->config, ready->config.data, d->config_len);
	d->config_writable_len = (uint32_t)ready->config_writable.len;
	if (d->config_writable_len > 0)
		memcpy(d->config_writable, ready->config_writable.data,
		    d->config_writable_len);
	return 0;
}

void
start_fill_ready(struct child *child, Bh__DeviceReady *ready)
{
	struct device_ready *d = &child->device;

	bh__device_ready__init(ready);
	ready->virtio_id = d->virtio_id;
	ready->features = d->features;
	ready->n_queue_max = d->nqueues;
	ready->queue_max = d->queue_max;
	ready->config = (ProtobufCBinaryData){ d->config_len, d->config };
	ready->config_writable = (ProtobufCBinaryData){
		d->config_writable_len, d->config_writable
	};
}

void
start_tell_vcpu(struct vm *vm, struct child *child)
{
	const struct device_ready *d = &child->device;
	Bh__DeviceReady ready;
	Bh__PciDevice pci = BH__PCI_DEVICE__INIT;
	CHAN_PACKET(p, PCI_DEVICE, pci_device, &pci);
	int fds[3 + 2 * DEVICE_LIMIT_QUEUES];
	uint32_t n = 0;
	union { const char *in; char *out; } id = { .in = child->dev->id };

	start_fill_ready(child, &ready);
	pci.index = child->index;
	pci.bdf = child->dev->bdf;
	pci.id = id.out;
	pci.device = &ready;
	fds[n++] = child->bus[0];
	for (uint32_t i = 0; i < 2 * d->nqueues; i++)
		fds[n++] = child->events[i];
	/* The configuration's is the last, after queues that are not used. */
	fds[n++] = child->events[2 * (size_t)child->dev->nqueues];
	pci.config_page = child->config_page >= 0;
	if (pci.config_page)
		fds[n++] = child->config_page;
	child->told_vcpu = true;
	child_send(vm->vcpu, &p, fds, n, child->index, START_SECONDS);
	close(child->bus[0]);
	child->bus[0] = -1;
}

static bool
tell_devices(struct vm *vm)
{
	bool all = true;

	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (c->dev == NULL)
			continue;
		if (c->ready && c->dev->on_pci && !c->told_vcpu &&
		    child_waiting(vm->vcpu, BH__PACKET__BODY_PCI_DEVICE) <
		    PCI_WINDOW)
			start_tell_vcpu(vm, c);
		if (!c->ready || (c->dev->on_pci && !c->known_to_vcpu) ||
		    child_waiting(c, BH__PACKET__BODY__NOT_SET) != 0)
			all = false;
	}
	return all;
}

static void
start_guest(struct vm *vm)
{
	Bh__StartVm start = BH__START_VM__INIT;
	CHAN_PACKET(p, START_VM, start_vm, &start);

	start.load = snapshot_restores(vm);
	if (!start.load)
		start.boot = &vm->boot;
	vm->start_sent = true;
	timeline_own(vm, BOOT_READY);
	terminal_raw(&vm->terminal);
	child_send(vm->vcpu, &p, NULL, 0, 0, START_SECONDS);
}

void
start_progress(struct vm *vm)
{
	if (vm->said_why)
		return;
	if (vm->opening && vm->state != VM_STOPPING && vm->state != VM_OVER) {
		ask_paths(vm);
		return;
	}
	if (vm->state != VM_STARTING && vm->state != VM_RESETTING)
		return;
	if (vm->vcpu == NULL || vm->vcpu->phase == CHILD_GONE)
		return;
	spawn_children(vm);
	if (vm->vcpu->phase == CHILD_NONE)
		return;
	if (vm->state == VM_STARTING && !passt_ready(vm))
		return;
	if (!tell_devices(vm) || !vm->loaded || vm->start_sent ||
	    vm->vcpu->phase != CHILD_UP ||
	    child_waiting(vm->vcpu, BH__PACKET__BODY__NOT_SET) != 0)
		return;
	start_guest(vm);
}
