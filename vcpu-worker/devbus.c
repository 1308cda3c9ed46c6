/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus: a channel to each device worker. vCPU threads leave posts in the
 * register files and never touch a channel; the main thread sends them, and
 * takes in what the workers say. A worker that hangs up or breaks the protocol
 * takes its device with it, not the VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/log.h"
#include "vcpu-worker/vm.h"

#define PAGE_BYTES 4096u
#define MESSAGES_A_ROUND 16	/* of one device, then the others have a turn */

/*
 * Devices, also those that come when there is a filter, which lets nobody allocate.
 * A dead one keeps its place until the guest lets it go, its number does not.
 */
#define PLACES ((size_t)2 * FD_DEVICE_COUNT)
static struct device places[PLACES];

static void
device_gone(struct device *d, const char *why)
{
	if (d->gone)
		return;
	d->gone = true;
	/* The user's line, with process and cause, is the controller's. */
	log_info("PCI " PCI_NAME ": its worker is gone: %s",
	    PCI_NAME_OF(d->vp.fn.bdf), why);
	loop_remove(&d->vm->loop, &d->src);
	close(d->bus.fd);
	virtio_pci_hangup(&d->vp);
}

/* ---- To the worker ---- */

static int
send_activate(struct device *d, bool resume)
{
	const struct virtio_pci_activation *a = &d->vp.activation;
	/* Main thread only; too many for its stack. */
	static Bh__Queue queues[VIRTIO_PCI_MAX_QUEUES];
	static Bh__Queue *list[VIRTIO_PCI_MAX_QUEUES];
	Bh__Activate activate = BH__ACTIVATE__INIT;
	CHAN_PACKET(p, ACTIVATE, activate, &activate);

	for (uint32_t i = 0; i < a->nqueues; i++) {
		bh__queue__init(&queues[i]);
		queues[i].index = a->queue[i].index;
		queues[i].size = a->queue[i].size;
		queues[i].desc = a->queue[i].desc;
		queues[i].avail = a->queue[i].driver;
		queues[i].used = a->queue[i].device;
		list[i] = &queues[i];
	}
	activate.resume = resume;
	activate.features = a->features;
	activate.n_queues = a->nqueues;
	activate.queues = list;
	p.seq = d->activate_seq = chan_next_seq(&d->bus);
	return chan_send(&d->bus, &p, NULL, 0);
}

static int
send_reset(struct device *d)
{
	Bh__ResetDevice reset = BH__RESET_DEVICE__INIT;
	CHAN_PACKET(p, RESET_DEVICE, reset_device, &reset);

	/* What was asked before it has no answer that matters. */
	d->activate_seq = 0;
	p.seq = d->reset_seq = chan_next_seq(&d->bus);
	return chan_send(&d->bus, &p, NULL, 0);
}

static int
send_config(struct device *d, struct virtio_pci_post *post)
{
	Bh__WriteConfig write_config = BH__WRITE_CONFIG__INIT;
	CHAN_PACKET(p, WRITE_CONFIG, write_config, &write_config);

	write_config.offset = post->offset;
	write_config.data.len = post->len;
	write_config.data.data = post->data;
	return chan_send(&d->bus, &p, NULL, 0);
}

/* Once a device: a guest can reset it as often as it likes. */
static void
tell_driver_runs(struct device *d)
{
	Bh__DriverRuns runs = BH__DRIVER_RUNS__INIT;
	CHAN_PACKET(p, DRIVER_RUNS, driver_runs, &runs);

	runs.index = d->index;
	/* It is told for the picture of a start, and nobody waits for it. */
	if (!d->driven)
		(void)chan_send(&d->vm->ctl, &p, NULL, 0);
	d->driven = true;
}

static int
send_post(struct device *d, struct virtio_pci_post *post)
{
	switch (post->kind) {
	case VIRTIO_POST_ACTIVATE:
		tell_driver_runs(d);
		return send_activate(d, false);
	case VIRTIO_POST_RESUME:
		return send_activate(d, true);
	case VIRTIO_POST_RESET:
		return send_reset(d);
	case VIRTIO_POST_CONFIG:
		return send_config(d, post);
	}
	return 0;
}

/*
 * Send what waits. A guest can write to the configuration space faster than a
 * worker reads: a full channel is no sign of death here. The post is kept until
 * there is room, and the register file drops what comes on top.
 */
static void
flush(struct device *d)
{
	int rc = 0;

	while (!d->gone && (d->has_held ||
	    virtio_pci_take(&d->vp, &d->held))) {
		d->has_held = true;
		rc = send_post(d, &d->held);
		if (rc == -EAGAIN)
			break;
		d->has_held = false;
		if (rc < 0)
			device_gone(d, log_errname(rc));
	}
	if (!d->gone)
		(void)loop_change(&d->vm->loop, &d->src,
		    EPOLLIN | (d->has_held ? (uint32_t)EPOLLOUT : 0));
}

void
devices_flush(struct vm *vm)
{
	for (uint32_t i = 0; i < FD_DEVICE_COUNT; i++) {
		struct device *d = vm->device[i];

		if (d != NULL && atomic_exchange(&d->posted, false))
			flush(d);
	}
}

/* Any thread, with the function's lock. */
static void
device_posted(void *owner)
{
	struct device *d = owner;

	atomic_store(&d->posted, true);
	vm_wake(d->vm);
}

/* ---- From the worker ---- */

static void
answered(struct device *d, uint32_t seq, const Bh__Failed *failed)
{
	if (seq == 0)
		return;
	if (seq == d->reset_seq) {
		d->reset_seq = 0;
		if (failed != NULL)
			device_gone(d, "it cannot reset");
		else
			virtio_pci_reset_done(&d->vp);
	} else if (seq == d->activate_seq) {
		d->activate_seq = 0;
		if (failed != NULL)
			virtio_pci_needs_reset(&d->vp);
	}
}

static void
handle(struct device *d, const Bh__Packet *p)
{
	switch ((int)p->body_case) {
	case BH__PACKET__BODY_ACK:
		answered(d, p->seq, NULL);
		break;
	case BH__PACKET__BODY_FAILED:
		log_guest("PCI " PCI_NAME ": %s", PCI_NAME_OF(d->vp.fn.bdf),
		    p->failed->text);
		answered(d, p->seq, p->failed);
		break;
	case BH__PACKET__BODY_CONFIG_CHANGED:
		virtio_pci_config_changed(&d->vp,
		    p->config_changed->config.data,
		    (uint32_t)p->config_changed->config.len, p->seq == 0);
		/* The worker answers the driver only then. */
		if (p->seq != 0 && chan_send_ack(&d->bus, p->seq) < 0)
			device_gone(d, "it does not read");
		break;
	case BH__PACKET__BODY_NEEDS_RESET:
		virtio_pci_needs_reset(&d->vp);
		break;
	default:
		break;		/* the table lets nothing else in */
	}
}

static void
bus_ready(struct loop_source *src, uint32_t events)
{
	struct device *d = src->owner;
	const char *why = "hung up";
	struct chan_msg msg;

	for (int i = 0; i < MESSAGES_A_ROUND && !d->gone; i++) {
		int rc = chan_recv(&d->bus, &msg, &why);

		if (rc == 0)
			break;
		if (rc < 0) {
			device_gone(d, why);
			return;
		}
		handle(d, msg.packet);
		chan_done(&msg);
	}
	if (!d->gone && (events & EPOLLOUT) != 0)
		flush(d);
}

/* ---- Adding one ---- */

/* Move fd @i of the message to number @slot. */
static int
place_fd(struct chan_msg *msg, unsigned int i, uint32_t slot)
{
	int fd = chan_take_fd(msg, i), rc = 0;

	if (dup3(fd, (int)slot, O_CLOEXEC) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* An eventfd that a vCPU thread will touch: it must not be able to block. */
static int
place_event(const struct device *d, struct chan_msg *msg, unsigned int i, int *out)
{
	uint32_t slot = FD_DEVICE_EVENT + d->first_event + i - 1;
	int rc = place_fd(msg, i, slot), flags;

	if (rc < 0)
		return rc;
	flags = fcntl((int)slot, F_GETFL);
	if (flags < 0 || (flags & O_NONBLOCK) == 0)
		return -EINVAL;
	*out = (int)slot;
	return 0;
}

static int
place_events(const struct device *d, struct chan_msg *msg,
    struct virtio_pci_config *vc)
{
	int rc = 0;

	for (uint32_t q = 0; rc == 0 && q < vc->nqueues; q++) {
		rc = place_event(d, msg, 1 + 2 * q, &vc->kick[q]);
		if (rc == 0)
			rc = place_event(d, msg, 2 + 2 * q, &vc->call[q]);
	}
	if (rc == 0)
		rc = place_event(d, msg, 1 + 2 * vc->nqueues,
		    &vc->config_call);
	return rc;
}

int
devices_reserve(struct vm *vm)
{
	void *all = mmap(NULL, (size_t)FD_DEVICE_COUNT * PAGE_BYTES, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (all == MAP_FAILED)
		return -errno;
	vm->config_pages = all;
	return 0;
}

/*
 * Map the sealed page at fd @i of the message into the pages of the VM's
 * devices, a reserve like that of guest memory: the filter knows its fds.
 */
static int
map_page(struct vm *vm, uint32_t index, struct chan_msg *msg, unsigned int i,
    volatile uint8_t **page)
{
	uint8_t *at;
	int fd, in, rc = 0;

	at = vm->config_pages + (size_t)index * PAGE_BYTES;
	in = chan_take_fd(msg, i);
	fd = fcntl(in, F_DUPFD_CLOEXEC, FD_INCOMING);
	close(in);
	if (fd < 0)
		return -errno;
	if ((fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) == 0)
		rc = -EINVAL;
	else if (mmap(at, PAGE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		rc = -errno;
	close(fd);
	*page = at;
	return rc;
}

/* After it the worker can be told what it must know. */
static int
open_bus(struct device *d, uint32_t index, struct chan_msg *msg)
{
	int rc = place_fd(msg, 0, FD_DEVICE_BUS + index);

	if (rc < 0)
		return rc;
	chan_init(&d->bus, (int)(FD_DEVICE_BUS + index), PEER_VCPU,
	    PEER_DEVICE, d->vm->buffers);
	d->bus.states = PROTO_RUNNING;
	d->src = (struct loop_source){
		.fd = d->bus.fd, .ready = bus_ready, .owner = d,
	};
	return loop_add(&d->vm->loop, &d->src, EPOLLIN);
}

/* Numbers for what it has: MSIs and eventfds; -ENOSPC and *why. */
static int
take_numbers(struct vm *vm, struct device *d, uint32_t nqueues, const char **why)
{
	const uint32_t nevents = 2 * nqueues + 1;

	*why = "too many queues in this VM";
	if (!span_map_take(&vm->gsis, vm->caps.max_gsi_routes, nqueues + 1,
	    &d->first_gsi))
		return -ENOSPC;
	*why = "too many eventfds; raise the hard limit of open files (ulimit -Hn)";
	if (span_map_take(&vm->events, FD_DEVICE_EVENT_END - FD_DEVICE_EVENT, nevents,
	    &d->first_event)) {
		d->nevents = nevents;
		return 0;
	}
	span_map_mark(&vm->gsis, d->first_gsi, nqueues + 1, false);
	return -ENFILE;
}

static void
give_numbers_back(struct device *d)
{
	struct vm *vm = d->vm;

	for (uint32_t i = 0; i < d->nevents; i++)
		close((int)(FD_DEVICE_EVENT + d->first_event + i));
	span_map_mark(&vm->events, d->first_event, d->nevents, false);
	span_map_mark(&vm->gsis, d->first_gsi, d->nevents / 2 + 1, false);
	d->nevents = 0;
}

/* Its fds are in their places: onto PCI, and its channel. */
static int
build_device(struct device *d, const Bh__PciDevice *config, struct chan_msg *msg,
    const char **why)
{
	const Bh__DeviceReady *ready = config->device;
	struct vm *vm = d->vm;
	uint32_t nqueues = (uint32_t)ready->n_queue_max;
	struct virtio_pci_config vc = {
		.bdf = (uint16_t)config->bdf, .virtio_id = ready->virtio_id,
		.features = ready->features, .nqueues = nqueues,
		.first_gsi = d->first_gsi, .config = ready->config.data,
		.config_len = (uint32_t)ready->config.len,
		.config_writable = ready->config_writable.data,
		.config_writable_len = (uint32_t)ready->config_writable.len,
	};
	int rc;

	for (uint32_t q = 0; q < nqueues; q++)
		vc.queue_max[q] = (uint16_t)ready->queue_max[q];
	*why = "too many eventfds; raise the hard limit of open files (ulimit -Hn)";
	rc = place_events(d, msg, &vc);
	if (rc == 0 && config->config_page) {
		*why = "PCI device: configuration page";
		rc = map_page(vm, config->index, msg, msg->nfds - 1,
		    &vc.config_page);
	}
	if (rc < 0)
		return rc;
	*why = "PCI device: bus";
	rc = open_bus(d, config->index, msg);
	if (rc < 0)
		return rc;
	*why = "PCI device: its address is taken, or on a bus that is not there";
	rc = virtio_pci_init(&d->vp, &vm->pci, vm->hv, &vc, device_posted, d);
	if (rc < 0) {
		loop_remove(&vm->loop, &d->src);
		close(d->bus.fd);
	}
	return rc;
}

int
device_add(struct vm *vm, const Bh__PciDevice *config, struct chan_msg *msg,
    const char **why)
{
	const uint32_t nqueues = (uint32_t)config->device->n_queue_max;
	struct device *d = places;
	int rc;

	*why = "PCI device: wrong number of fds";
	if (msg->nfds != 2 + 2 * nqueues + (config->config_page ? 1u : 0u))
		return -EINVAL;
	*why = "PCI device: index taken";
	if (vm->device[config->index] != NULL)
		return -EEXIST;
	*why = "too many devices that the guest does not let go";
	while (d < places + PLACES && d->vm != NULL)
		d++;
	if (d == places + PLACES)
		return -ENOSPC;
	memset(d, 0, sizeof(*d));
	rc = take_numbers(vm, d, nqueues, why);
	if (rc < 0)
		return rc;
	d->vm = vm;
	d->index = config->index;
	rc = build_device(d, config, msg, why);
	if (rc < 0) {
		give_numbers_back(d);
		d->vm = NULL;
		return rc;
	}
	vm->device[config->index] = d;
	if (vm->started)
		arch_slot_changed(config->bdf >> 8, config->bdf >> 3 & 31, true);
	return 0;
}

/* ---- Taking one away ---- */

/* From now on it has no worker, no events, and no number. */
static void
cut_off(struct device *d)
{
	device_gone(d, "it is removed");
	virtio_pci_die(&d->vp);
	give_numbers_back(d);
	d->vm->device[d->index] = NULL;
	d->dead = true;
}

int
device_unplug(struct vm *vm, uint32_t index, bool force, const char **why)
{
	struct device *d = vm->device[index];
	uint32_t bdf;

	*why = "removing a device that is not there";
	if (d == NULL)
		return -ENOENT;
	bdf = d->vp.fn.bdf;
	if (force)
		cut_off(d);
	arch_slot_changed(bdf >> 8, bdf >> 3 & 31, false);
	return 0;
}

void
devices_ejected(struct vm *vm, uint32_t bus, uint32_t slot)
{
	if (!pci_eject(&vm->pci, bus, slot))
		return;
	atomic_store(&vm->ejected, true);
	vm_wake(vm);
}

bool
device_forget_ejected(uint32_t *bdf)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct device *d = &places[i];

		if (d->vm == NULL || !atomic_load(&d->vp.fn.ejected))
			continue;
		*bdf = d->vp.fn.bdf;
		if (!d->dead)
			cut_off(d);
		d->vm = NULL;
		return true;
	}
	return false;
}

bool
devices_dead(const struct vm *vm)
{
	for (size_t i = 0; i < PLACES; i++)
		if (places[i].vm == vm && places[i].dead)
			return true;
	return false;
}

int
device_replace(struct vm *vm, const Bh__ReplaceDevice *replace,
    struct chan_msg *msg, const char **why)
{
	const Bh__DeviceReady *ready = replace->device;
	struct device *d = vm->device[replace->index];
	int rc;

	*why = "replacing a device that is not there";
	if (d == NULL)
		return -ENOENT;
	device_gone(d, "it is replaced");
	*why = "bus of the new worker";
	rc = open_bus(d, replace->index, msg);
	if (rc < 0)
		return rc;
	d->gone = false;
	d->has_held = false;
	d->activate_seq = d->reset_seq = 0;
	*why = "it is another device now";
	rc = virtio_pci_replaced(&d->vp, ready->virtio_id, ready->features,
	    (uint32_t)ready->n_queue_max, ready->queue_max, ready->config.data,
	    (uint32_t)ready->config.len);
	if (rc < 0)
		device_gone(d, *why);
	else
		flush(d);
	return rc;
}

int
device_lose(struct vm *vm, uint32_t index, const char **why)
{
	struct device *d = vm->device[index];

	*why = "losing a device that is not there";
	if (d == NULL)
		return -ENOENT;
	device_gone(d, "for good");
	virtio_pci_lost(&d->vp);
	return 0;
}
