/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver begins, or goes on where a worker died: features, queues, what was in
 * flight. For worker_messages.c, which has what the driver asks for from the bus;
 * checked here against this device: features, queues, rings within its own memory.
 */
#include "device-workers/lib/worker.h"

#include <errno.h>
#include <string.h>

int
worker_check_features(const struct worker *w, uint64_t features, const char **why)
{
	if (w->dev.virtio_id == 0 || w->dev.active) {
		*why = "there is nothing to activate";
		return -EBUSY;
	}
	if ((features & ~w->dev.features) != 0) {
		*why = "features that were not offered";
		return -EINVAL;
	}
	/* 6.1: a transitional driver has no business with a modern device. */
	if ((features & 1ull << VIRTIO_F_VERSION_1) == 0) {
		*why = "VIRTIO_F_VERSION_1 was not accepted";
		return -EINVAL;
	}
	return 0;
}

int
worker_enable_queue(struct worker *w, uint32_t q, const struct virtq_layout *layout,
    uint64_t features, const char **why)
{
	struct device *dev = &w->dev;
	int rc;

	if (q >= dev->nqueues || layout->size > dev->queue_max[q]) {
		*why = "a queue that is not there, or larger than offered";
		return -EINVAL;
	}
	rc = virtq_enable(&dev->vq[q], &dev->mem, layout, features,
	    FD_CALL + (int)q);
	if (rc < 0)
		*why = rc == -EFAULT ? "a ring outside guest memory" :
		    "a ring of impossible size or alignment";
	return rc;
}

int
worker_track_queue(struct worker *w, uint32_t q, bool resume, int *suspect,
    const char **why)
{
	struct record *r = &w->record;
	struct virtq *vq = &w->dev.vq[q];
	int rc;

	*suspect = -1;
	if (r->base == NULL)
		return 0;
	if (resume) {
		*suspect = record_suspect(r, q, w->suspect);
		w->doubtful |= 1ull << q;
	} else {
		virtq_region_clear(record_region(r, q));
	}
	vq->keep_taken = *suspect >= 0 || !w->dev.ops->redo;
	rc = virtq_track(vq, record_region(r, q));
	if (rc < 0)
		*why = "the record of what was in flight";
	else
		vq->mark = &record_mark(r, q)->now;
	vq->trail = record_trail(r, q);
	return rc;
}

int
worker_take_over_queue(struct worker *w, uint32_t q, uint64_t features,
    const char **why)
{
	const struct device_ops *real = w->stands_for;
	size_t len;

	if (real == NULL || real->remote == NULL || w->record.base == NULL)
		return 0;
	*why = "what its back end had in flight, which nobody can tell";
	len = record_read_state(&w->record, w->state);
	return real->remote->left(&w->dev, q, features, w->state, len,
	    record_region(&w->record, q));
}

int
worker_check_record(const struct worker *w, const char **why)
{
	*why = "what this build does not know: its record is of another version";
	return w->record.base == NULL ||
	    (w->record.version <= worker_version.state &&
	    w->record.version >= worker_version.oldest) ? 0 : -EPROTONOSUPPORT;
}

int
worker_load_record(struct worker *w, const char **why)
{
	const struct device_ops *ops = w->dev.ops;
	size_t len = record_read_state(&w->record, w->state);

	if (len == 0 || ops->load == NULL)
		return 0;
	*why = "the device's own state in the record";
	return ops->load(&w->dev, w->record.version, w->state, len);
}

void
worker_go_on_with(struct worker *w, uint64_t features)
{
	struct device *dev = &w->dev;

	dev->driver_features = features;
	dev->active = true;
	worker_hold_queues(w, dev->draining);
	if (dev->ops->activate != NULL)
		dev->ops->activate(dev);
	worker_look_after_queues(w);
}

int
worker_activate_remote(struct worker *w, const Bh__Activate *a, const char **why)
{
	static struct virtq_layout layout[DEVICE_MAX_QUEUES];
	struct device *dev = &w->dev;
	int rc;

	memset(layout, 0, sizeof(layout));
	for (size_t i = 0; i < a->n_queues; i++) {
		const Bh__Queue *q = a->queues[i];

		if (q->index >= dev->nqueues ||
		    q->size > dev->queue_max[q->index]) {
			*why = "a queue that is not there, or larger than offered";
			return -EINVAL;
		}
		layout[q->index] = (struct virtq_layout){
			.size = q->size, .desc = q->desc, .avail = q->avail,
			.used = q->used,
		};
	}
	dev->driver_features = a->features;
	if (!a->resume)
		record_clear(&w->record, true);
	rc = a->resume ? worker_check_record(w, why) : 0;
	if (rc == 0 && a->resume)
		rc = worker_load_record(w, why);
	if (rc < 0)
		return rc;
	record_sign(&w->record, worker_version.state);
	dev->active = true;
	dev->ops->remote->activate(dev, layout, a->resume);
	return 0;
}

int
device_serve_queue(struct device *dev, unsigned int q,
    const struct virtq_layout *layout, bool resume)
{
	struct worker *w = worker_of(dev);
	const char *why;
	int suspect = -1, rc;

	rc = worker_enable_queue(w, q, layout, dev->driver_features, &why);
	if (rc == 0)
		rc = worker_track_queue(w, q, resume, &suspect, &why);
	if (rc < 0) {
		virtq_disable(&dev->vq[q]);
		return rc;
	}
	worker_hold_queues(w, dev->draining);
	if (suspect >= 0)
		worker_refuse(w, q, (unsigned int)suspect);
	if (resume)
		virtq_signal(&dev->vq[q]);
	device_again(dev, q);
	return 0;
}
