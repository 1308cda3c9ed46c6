/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device worker at work: queues and kicks, what waits for quiet, and the
 * functions that a device calls (device.h). Messages are in worker_messages.c.
 * Runs under the filter; the calls it makes are those of worker_policy.h.
 *
 * Nothing here waits for the guest or the vcpu-worker. What needs quiet (reset,
 * drain, save, quit, memory that goes) is asked for, the queues are held, and
 * worker_settle() does it when the device has nothing left in flight.
 */
#include "device-workers/lib/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "device-workers/lib/virtq_chain.h"
#include "ipc/log.h"

/* ---- sending ------------------------------------------------------------------ */

void
worker_send_ctl(struct worker *w, const Bh__Packet *packet, const int *fds,
    unsigned int nfds)
{
	if (chan_send(&w->ctl, packet, fds, nfds) < 0)
		_exit(1);
}

void
worker_answer_ctl(struct worker *w, uint32_t seq, int rc, const char *text)
{
	int sent = rc == 0 ? chan_send_ack(&w->ctl, seq) :
	    chan_send_failed(&w->ctl, seq, -rc, text);

	if (sent < 0)
		_exit(1);
}

/* The vcpu-worker is gone or deaf. Its end stays open until AttachBus. */
void
worker_lose_bus(struct worker *w)
{
	if (!w->bus_open)
		return;
	w->bus_open = false;
	loop_remove(&w->loop, &w->bus_src);
	worker_ask_quiet(w, QUIET_BUS_LOST, 0, 0);
}

static void
send_bus(struct worker *w, const Bh__Packet *packet)
{
	if (w->bus_open && chan_send(&w->bus, packet, NULL, 0) < 0)
		worker_lose_bus(w);
}

void
worker_answer_bus(struct worker *w, uint32_t seq, int rc, const char *text)
{
	int sent;

	if (!w->bus_open)
		return;
	sent = rc == 0 ? chan_send_ack(&w->bus, seq) :
	    chan_send_failed(&w->bus, seq, -rc, text);
	if (sent < 0)
		worker_lose_bus(w);
}

/* ---- queues ------------------------------------------------------------------- */

/* May the device take requests? */
static bool
running(const struct worker *w)
{
	return w->dev.active && !w->dev.draining && !w->needs_reset &&
	    !w->saved && !w->paused;
}

static void
listen_for_kicks(struct worker *w, bool on)
{
	for (unsigned int q = 0; q < w->dev.nqueues; q++)
		if (w->kick[q].added)
			(void)loop_change(&w->loop, &w->kick[q],
			    on && w->dev.vq[q].enabled ? EPOLLIN : 0);
}

void
worker_hold_queues(struct worker *w, bool hold)
{
	for (unsigned int q = 0; q < w->dev.nqueues; q++)
		virtq_hold(&w->dev.vq[q], hold);
	listen_for_kicks(w, !hold);
}

void
worker_say_needs_reset(struct worker *w)
{
	Bh__NeedsReset reset = BH__NEEDS_RESET__INIT;
	CHAN_PACKET(p, NEEDS_RESET, needs_reset, &reset);

	send_bus(w, &p);
}

/* Stop the device until the driver resets it; say so once. */
static void
need_reset(struct worker *w, const char *why)
{
	struct device *dev = &w->dev;

	w->needs_reset = true;
	w->again = 0;
	listen_for_kicks(w, false);
	/* Nothing more is taken from any of its queues. */
	for (unsigned int q = 0; q < dev->nqueues; q++)
		if (dev->vq[q].enabled)
			(void)virtq_break(&dev->vq[q], why);
	worker_say_needs_reset(w);
}

/* After a call of the device's: show what was pushed, notice what is broken. */
static void
look_after_queue(struct worker *w, unsigned int q)
{
	struct virtq *vq = &w->dev.vq[q];

	virtq_flush(vq);
	if (vq->broken && !w->needs_reset) {
		log_guest("%s: queue %u: %s", w->dev.ops->name, q, vq->why);
		need_reset(w, vq->why);
	}
}

void
worker_look_after_queues(struct worker *w)
{
	for (unsigned int q = 0; q < w->dev.nqueues; q++)
		look_after_queue(w, q);
}

static void
run_queue(struct worker *w, unsigned int q)
{
	if (!running(w) || !w->dev.vq[q].enabled)
		return;
	w->dev.ops->queue_ready(&w->dev, q);
	look_after_queue(w, q);
	if (w->dev.vq[q].mark == NULL)
		return;
	/* It has lived through what it took; with nothing left in the ring, through
	 * all that its predecessor may have died of. */
	*w->dev.vq[q].mark = 0;
	if ((w->doubtful >> q & 1) != 0 && w->dev.vq[q].resubmit == 0 &&
	    (w->again >> q & 1) == 0) {
		w->doubtful &= ~(1ull << q);
		record_trust(&w->record, q);
	}
}

/* The queues may be used (again): see what was queued meanwhile. */
void
worker_run_queues(struct worker *w)
{
	if (!running(w)) {
		/* What was activated meanwhile is held like the rest. */
		if (w->paused)
			worker_hold_queues(w, true);
		return;
	}
	worker_hold_queues(w, false);
	for (unsigned int q = 0; q < w->dev.nqueues; q++)
		run_queue(w, q);
}

void
worker_kick_ready(struct loop_source *src, uint32_t events)
{
	struct worker *w = src->owner;
	uint64_t count;

	(void)events;
	/* One read takes all kicks so far; the ring is looked at after it. */
	if (read(src->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	run_queue(w, (unsigned int)(src->fd - FD_KICK));
}

void
worker_disable_queues(struct worker *w)
{
	listen_for_kicks(w, false);
	for (unsigned int q = 0; q < w->dev.nqueues; q++)
		virtq_disable(&w->dev.vq[q]);
}

/* As after a device reset. Nothing is in flight. */
/* @reset: it was the driver; not a bus that is gone, whose rings others go on with. */
static void
forget_driver(struct worker *w, bool reset)
{
	struct device *dev = &w->dev;

	if (dev->active && dev->ops->reset != NULL)
		dev->ops->reset(dev);
	worker_disable_queues(w);
	dev->active = false;
	dev->driver_features = 0;
	w->again = dev->later.queues = 0;
	w->needs_reset = false;
	w->saved = false;
	w->doubtful = 0;
	record_clear(&w->record, reset);
}

/* ---- requests that are not carried out ---------------------------------------- */

void
worker_refuse(struct worker *w, unsigned int q, unsigned int entry)
{
	struct device *dev = &w->dev;
	struct virtq *vq = &dev->vq[q];
	int64_t written = 0;

	if (virtq_pop_entry(vq, entry, &w->chain) != 1)
		return;
	if (dev->ops->refuse != NULL)
		written = dev->ops->refuse(dev, q, &w->chain);
	log_warn("%s: a request of queue %u (%llu bytes to read, %llu to write) "
	    "has killed %u workers: it is answered as failed", dev->ops->name, q,
	    (unsigned long long)w->chain.read_len,
	    (unsigned long long)w->chain.write_len, RECORD_DEATHS);
	virtq_push(vq, &w->chain, written > 0 ? (uint32_t)written : 0);
	virtq_flush(vq);
}

/* A stand-in has no device, but of its ops refuse(). */
static void
refuse_all(struct device *dev, unsigned int q)
{
	struct worker *w = worker_of(dev);
	const struct device_ops *real = w->stands_for;
	struct virtq *vq = &dev->vq[q];

	for (unsigned int i = 0; i < vq->layout.size; i++) {
		int64_t written = 0;

		if (virtq_pop(vq, &w->chain) <= 0)
			return;
		if (real->refuse != NULL)
			written = real->refuse(dev, q, &w->chain);
		if (written < 0) {
			virtq_unpop(vq, &w->chain);
			return;
		}
		virtq_push(vq, &w->chain, (uint32_t)written);
	}
	device_again(dev, q);
}

static void
nobody_ready(struct device *dev, int fd, uint32_t events)
{
	(void)events;
	device_unwatch(dev, fd);
}

int
worker_isolate(struct worker *w, const Bh__DeviceReady *known, const char **why)
{
	static struct device_ops ops = {
		.queue_ready = refuse_all, .backend_ready = nobody_ready,
	};
	struct device *dev = &w->dev;

	w->stands_for = dev->ops;
	ops.name = dev->ops->name;
	ops.config_case = dev->ops->config_case;
	dev->ops = &ops;
	dev->virtio_id = known->virtio_id;
	dev->features = known->features;
	dev->nqueues = (unsigned int)known->n_queue_max;
	for (unsigned int q = 0; q < dev->nqueues; q++)
		dev->queue_max[q] = (uint16_t)known->queue_max[q];
	dev->config_size = (uint32_t)known->config.len;
	if (dev->config_size > 0)
		memcpy(dev->config, known->config.data, dev->config_size);
	if (w->stands_for->isolate != NULL) {
		ops.backend_ready = w->stands_for->isolated_ready;
		return w->stands_for->isolate(dev, why);
	}
	return w->stands_for->remote != NULL ?
	    w->stands_for->remote->stand_in(dev) : 0;
}

/* ---- quiet -------------------------------------------------------------------- */

void
worker_ask_quiet(struct worker *w, enum quiet_task task, uint32_t seq, uint32_t slot)
{
	/* One of each at a time is what a sane peer asks for. */
	if (w->nquiet == QUIET_MAX) {
		log_error("%s: too many requests at once", w->dev.ops->name);
		_exit(1);
	}
	w->quiet[w->nquiet++] = (struct quiet_request){
		.task = task, .seq = seq, .slot = slot,
	};
	w->dev.draining = true;
	worker_hold_queues(w, true);
	if (w->dev.ops->remote != NULL && task != QUIET_REMOTE)
		w->dev.ops->remote->stop(&w->dev);
}

void
worker_ask_resize(struct worker *w, uint32_t seq, uint64_t size, bool image)
{
	worker_ask_quiet(w, QUIET_RESIZE, seq, image);
	w->quiet[w->nquiet - 1].size = size;
}

static void
resize(struct worker *w, const struct quiet_request *r)
{
	const char *why = "not a disk";
	int rc = w->dev.ops->resize == NULL ? -EOPNOTSUPP :
	    w->dev.ops->resize(&w->dev, r->size, r->slot != 0, &why);

	worker_answer_ctl(w, r->seq, rc, why);
}

static void
send_state(struct worker *w, uint32_t seq)
{
	struct device *dev = &w->dev;
	static Bh__QueueState queues[DEVICE_MAX_QUEUES];
	static Bh__QueueState *pointers[DEVICE_MAX_QUEUES];
	Bh__DeviceState s = BH__DEVICE_STATE__INIT;
	CHAN_PACKET(p, DEVICE_STATE, device_state, &s);

	s.version = worker_version.state;
	s.features = dev->driver_features;
	s.active = dev->active;
	for (unsigned int q = 0; q < dev->nqueues; q++) {
		const struct virtq *vq = &dev->vq[q];
		Bh__QueueState *state = &queues[s.n_queues];
		uint16_t avail, used;

		if (!vq->enabled)
			continue;
		virtq_save(vq, &avail, &used);
		bh__queue_state__init(state);
		state->index = q;
		state->size = vq->layout.size;
		state->desc = vq->layout.desc;
		state->avail = vq->layout.avail;
		state->used = vq->layout.used;
		state->next_avail = avail;
		state->next_used = used;
		pointers[s.n_queues++] = state;
	}
	s.queues = pointers;
	if (dev->ops->save != NULL) {
		s.device.len = dev->ops->save(dev, w->state, sizeof(w->state));
		s.device.data = w->state;
	}
	p.seq = seq;
	worker_send_ctl(w, &p, NULL, 0);
}

static void
remove_memory(struct worker *w, const struct quiet_request *r)
{
	int rc = gmem_remove(&w->dev.mem, r->slot);

	for (unsigned int q = 0; q < w->dev.nqueues; q++)
		virtq_memory_changed(&w->dev.vq[q]);
	worker_answer_ctl(w, r->seq, rc, "cannot remove guest memory");
	worker_look_after_queues(w);
}

/* Who comes next finds all in the record, and this process no more. */
static _Noreturn void
hand_over(struct worker *w, uint32_t seq)
{
	if (w->dev.ops->hand_over != NULL)
		w->dev.ops->hand_over(&w->dev);
	device_state_changed(&w->dev);
	worker_answer_ctl(w, seq, 0, NULL);
	_exit(0);
}

void
worker_take_back(struct worker *w, enum quiet_task task)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->nquiet; i++)
		if (w->quiet[i].task == task)
			worker_answer_ctl(w, w->quiet[i].seq, -ECANCELED,
			    "it was taken back");
		else
			w->quiet[n++] = w->quiet[i];
	if (n == w->nquiet)
		return;
	w->nquiet = n;
	w->dev.draining = n > 0;
	worker_run_queues(w);
}

static void
do_quiet_task(struct worker *w, const struct quiet_request *r)
{
	switch (r->task) {
	case QUIET_DRAIN:
		forget_driver(w, true);
		worker_answer_ctl(w, r->seq, 0, NULL);
		return;
	case QUIET_SAVE:
		send_state(w, r->seq);
		w->saved = true;
		return;
	case QUIET_QUIT:
		if (w->dev.ops->flush != NULL)
			w->dev.ops->flush(&w->dev);
		_exit(0);
	case QUIET_RESET:
		forget_driver(w, true);
		worker_answer_bus(w, r->seq, 0, NULL);
		return;
	case QUIET_REMOVE_MEMORY:
		remove_memory(w, r);
		return;
	case QUIET_REMOTE:
		worker_answer_ctl(w, r->seq, w->dev.ops->remote->result(&w->dev),
		    "the back end refused a change of memory");
		return;
	case QUIET_BUS_LOST:
		forget_driver(w, false);
		return;
	case QUIET_RESIZE:
		resize(w, r);
		return;
	case QUIET_PAUSE:
	case QUIET_RESUME:
		w->paused = r->task == QUIET_PAUSE;
		worker_answer_ctl(w, r->seq, 0, NULL);
		return;
	case QUIET_HAND_OVER:
		hand_over(w, r->seq);
	}
}

void
worker_settle(struct worker *w)
{
	struct device *dev = &w->dev;
	uint64_t again = w->again, part = again & ~0ull << w->first;

	w->again = 0;
	/* Another is first each time: the tokens of a limit go round. */
	if (part == 0)
		part = again;
	if (again != 0)
		w->first = ((unsigned int)__builtin_ctzll(part) + 1) % 64;
	for (again &= ~part; part != 0; part &= part - 1)
		run_queue(w, (unsigned int)__builtin_ctzll(part));
	for (; again != 0; again &= again - 1)
		run_queue(w, (unsigned int)__builtin_ctzll(again));
	if (w->nquiet == 0)
		return;
	if (dev->ops->drain != NULL && dev->ops->drain(dev) > 0) {
		worker_look_after_queues(w);
		return;
	}
	worker_look_after_queues(w);
	/* A task may add one (a bus found dead): the bound is looked up anew. */
	for (unsigned int i = 0; i < w->nquiet; i++)
		do_quiet_task(w, &w->quiet[i]);
	w->nquiet = 0;
	dev->draining = false;
	worker_run_queues(w);
}

/* ---- what a device calls (device.h) ------------------------------------------- */

static void
backend_ready(struct loop_source *src, uint32_t events)
{
	struct worker *w = src->owner;

	w->dev.ops->backend_ready(&w->dev, src->fd, events);
	worker_look_after_queues(w);
}

int
device_watch(struct device *dev, int fd, uint32_t events)
{
	struct worker *w = worker_of(dev);
	struct loop_source *src;

	if (fd < 0 || fd >= FD_KICK)
		return -EINVAL;
	src = &w->backend[fd];
	if (src->added)
		return loop_change(&w->loop, src, events);
	*src = (struct loop_source){
		.fd = fd, .ready = backend_ready, .owner = w,
	};
	return loop_add(&w->loop, src, events);
}

void
device_unwatch(struct device *dev, int fd)
{
	struct worker *w = worker_of(dev);

	if (fd >= 0 && fd < FD_KICK)
		loop_remove(&w->loop, &w->backend[fd]);
}

struct loop *
device_loop(struct device *dev)
{
	return &worker_of(dev)->loop;
}

void
device_again(struct device *dev, unsigned int q)
{
	worker_of(dev)->again |= 1ull << q;
}

void
device_state_changed(struct device *dev)
{
	struct worker *w = worker_of(dev);

	/* While it is being loaded or replayed it is what it was. */
	if (w->record.base == NULL || !dev->active || dev->ops->save == NULL)
		return;
	record_write_state(&w->record, w->state,
	    dev->ops->save(dev, w->state, sizeof(w->state)));
}

void *
device_record_region(struct device *dev, unsigned int q)
{
	struct worker *w = worker_of(dev);

	return w->record.base == NULL ? NULL : record_region(&w->record, q);
}

void
device_needs_reset(struct device *dev, const char *why)
{
	struct worker *w = worker_of(dev);

	if (w->needs_reset || !dev->active)
		return;
	log_guest("%s: %s", dev->ops->name, why);
	need_reset(w, why);
}
