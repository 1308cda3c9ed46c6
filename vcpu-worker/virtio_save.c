/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register file of a virtio device as a message, and back. What the driver chose
 * is the message's; what the device is, its new worker's. At a standstill.
 */
#include <errno.h>
#include <string.h>

#include "vcpu-worker/virtio_common.h"

_Static_assert(VIRTIO_PCI_MAX_POSTS == VM_LIMIT_POSTS, "limits.h");

#define ISR_QUEUE 1u
#define ISR_CONFIG 2u

/* One device at a time, main thread: too much for a stack. */
static struct {
	Bh__PciState pci;
	Bh__VirtioQueueState queue[VIRTIO_PCI_MAX_QUEUES];
	Bh__VirtioQueueState *queues[VIRTIO_PCI_MAX_QUEUES];
	Bh__VirtioPostState post[VIRTIO_PCI_MAX_POSTS];
	Bh__VirtioPostState *posts[VIRTIO_PCI_MAX_POSTS];
	protobuf_c_boolean pending[MSIX_MAX_VECTORS];
} out;

static void
save_queues(const struct virtio_pci *vp, Bh__VirtioState *m)
{
	for (uint32_t q = 0; q < vp->nqueues; q++) {
		const struct virtio_pci_queue *vq = &vp->queue[q];
		Bh__VirtioQueueState *s = &out.queue[q];

		bh__virtio_queue_state__init(s);
		s->max = vq->max;
		s->size = vq->size;
		s->enabled = vq->enabled;
		s->desc = vq->desc;
		s->driver = vq->driver;
		s->device = vq->device;
		s->vector = vp->queue_vector[q];
		out.queues[q] = s;
	}
	m->n_queues = vp->nqueues;
	m->queues = out.queues;
}

static void
save_post(Bh__VirtioState *m, struct virtio_pci_post *p)
{
	Bh__VirtioPostState *s = &out.post[m->n_posts];

	if (p->kind != VIRTIO_POST_CONFIG || m->n_posts == VIRTIO_PCI_MAX_POSTS)
		return;
	bh__virtio_post_state__init(s);
	s->offset = p->offset;
	s->data.len = p->len;
	s->data.data = p->data;
	out.posts[m->n_posts++] = s;
}

/* Of the rest the load makes new ones, from what the registers say. */
static void
save_posts(struct virtio_pci *vp, Bh__VirtioState *m, struct virtio_pci_post *held)
{
	m->posts = out.posts;
	if (held != NULL)
		save_post(m, held);
	for (uint32_t i = 0; i < vp->nposts; i++)
		save_post(m, &vp->post[(vp->first_post + i) % VIRTIO_PCI_MAX_POSTS]);
}

/* Signals that nobody has taken become pending bits, or the ISR's without MSI-X. */
static void
save_signals(struct virtio_pci *vp, Bh__VirtioState *m)
{
	struct msix *x = &vp->msix;

	for (uint32_t s = 0; s < x->nsources; s++) {
		uint16_t vector = x->source[s].vector;

		if (x->source[s].attached || !msix_poll(x, s))
			continue;
		if (!x->enabled)
			vp->isr |= s < vp->nqueues ? ISR_QUEUE : ISR_CONFIG;
		else if (vector != MSIX_NO_VECTOR)
			x->pending[vector] = true;
	}
	for (uint32_t v = 0; v < x->nvectors; v++)
		out.pending[v] = x->pending[v];
	m->isr = vp->isr;
	m->n_msix_table = (size_t)x->nvectors * 4;
	m->msix_table = &x->table[0][0];
	m->n_msix_pending = x->nvectors;
	m->msix_pending = out.pending;
}

void
virtio_pci_save(struct virtio_pci *vp, Bh__VirtioState *m, struct virtio_pci_post *held)
{
	pthread_mutex_lock(&vp->fn.lock);
	m->virtio_id = pci_get16(&vp->fn, PCI_CFG_DEVICE) - VIRTIO_DEVICE_BASE;
	m->pci = &out.pci;
	pci_save(&vp->fn, m->pci);
	m->driver_features = vp->driver_features;
	m->device_select = vp->device_select;
	m->driver_select = vp->driver_select;
	m->queue_select = vp->queue_select;
	m->config_vector = vp->config_vector;
	m->status = vp->status;
	m->generation = vp->generation;
	m->config.len = vp->config_len;
	m->config.data = vp->config;
	m->active = vp->active;
	m->resetting = vp->resetting;
	m->lost = vp->dead;
	save_queues(vp, m);
	save_posts(vp, m, held);
	save_signals(vp, m);
	pthread_mutex_unlock(&vp->fn.lock);
}

/* ---- Back ---- */

static bool
queues_fit(const struct virtio_pci *vp, const Bh__VirtioState *m)
{
	bool packed = (m->driver_features >> VIRTIO_F_RING_PACKED & 1) != 0;
	bool fit = m->n_queues == vp->nqueues;

	for (uint32_t q = 0; fit && q < vp->nqueues; q++)
		fit = m->queues[q]->max <= vp->queue[q].max &&
		    (packed || (m->queues[q]->size & (m->queues[q]->size - 1)) == 0);
	return fit;
}

const char *
virtio_pci_fits(const struct virtio_pci *vp, const Bh__VirtioState *m)
{
	if (m->pci->bdf != vp->fn.bdf)
		return "it is in another place";
	if (m->virtio_id + VIRTIO_DEVICE_BASE != pci_get16(&vp->fn, PCI_CFG_DEVICE))
		return "it is a device of another kind";
	if ((m->status & VIRTIO_STATUS_FEATURES_OK) != 0 &&
	    (m->driver_features & ~vp->features) != 0)
		return "its driver uses features that the device has not";
	if (m->active && (m->status & VIRTIO_STATUS_FEATURES_OK) == 0)
		return "its driver runs without features";
	if (!queues_fit(vp, m))
		return "it has other queues";
	if (m->config.len != vp->config_len)
		return "its configuration is of another size";
	return pci_fits(&vp->fn, m->pci);
}

static void
load_queues(struct virtio_pci *vp, const Bh__VirtioState *m)
{
	for (uint32_t q = 0; q < vp->nqueues; q++) {
		const Bh__VirtioQueueState *s = m->queues[q];
		struct virtio_pci_queue *vq = &vp->queue[q];

		vq->max = (uint16_t)s->max;
		vq->size = (uint16_t)s->size;
		vq->enabled = s->enabled;
		vq->desc = s->desc;
		vq->driver = s->driver;
		vq->device = s->device;
		vp->queue_vector[q] = (uint16_t)s->vector;
		vp->msix.source[q].vector = (uint16_t)s->vector;
	}
	vp->config_vector = (uint16_t)m->config_vector;
	vp->msix.source[vp->nqueues].vector = vp->config_vector;
}

/* The driver's bits are as it wrote them. True: others are not what it has read. */
static bool
load_config(struct virtio_pci *vp, const Bh__VirtioState *m)
{
	bool changed = false;

	for (uint32_t i = 0; i < vp->config_len; i++) {
		uint8_t mask = vp->config_writable[i], old = m->config.data[i];

		changed |= ((old ^ vp->config[i]) & ~mask) != 0;
		vp->config[i] = (uint8_t)((old & mask) | (vp->config[i] & ~mask));
		if (mask != 0)
			vp->config_page[i] = vp->config[i];
	}
	vp->generation = (uint8_t)(m->generation + (changed ? 1u : 0u));
	return changed;
}

/* What its worker is told, in this order: the rings, then what was written. */
static void
load_posts(struct virtio_pci *vp, const Bh__VirtioState *m)
{
	struct virtio_pci_post p = { .kind = VIRTIO_POST_RESUME };

	if (m->resetting)
		p.kind = VIRTIO_POST_RESET;
	if (m->active || m->resetting)
		virtio_post(vp, &p);
	for (size_t i = 0; i < m->n_posts; i++) {
		p = (struct virtio_pci_post){
			.kind = VIRTIO_POST_CONFIG, .offset = m->posts[i]->offset,
			.len = (uint32_t)m->posts[i]->data.len,
		};
		memcpy(p.data, m->posts[i]->data.data, p.len);
		virtio_post(vp, &p);
	}
}

void
virtio_pci_load(struct virtio_pci *vp, const Bh__VirtioState *m)
{
	bool changed;

	pthread_mutex_lock(&vp->fn.lock);
	vp->driver_features = m->driver_features;
	vp->device_select = m->device_select;
	vp->driver_select = m->driver_select;
	vp->queue_select = (uint16_t)m->queue_select;
	vp->status = (uint8_t)m->status;
	vp->isr = (uint8_t)m->isr;
	vp->resetting = m->resetting;
	load_queues(vp, m);
	changed = load_config(vp, m);
	vp->active = m->active;
	if (vp->active)
		virtio_fill_activation(vp);
	load_posts(vp, m);
	memcpy(vp->msix.table, m->msix_table, m->n_msix_table * sizeof(uint32_t));
	for (uint32_t v = 0; v < vp->msix.nvectors; v++)
		vp->msix.pending[v] = m->msix_pending[v] != 0;
	pci_load(&vp->fn, m->pci);
	virtio_pci_control(vp);
	if (changed && vp->active)
		virtio_signal_config(vp);
	pthread_mutex_unlock(&vp->fn.lock);
	if (m->lost)
		virtio_pci_lost(vp);
}
