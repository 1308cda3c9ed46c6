/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in for a front end that has died too often: no connection, all
 * requests fail. It serves the rings itself, from where they were left: relayed ones
 * as the record has them, those of a back end that keeps a record as that has it,
 * those of a device that works in order where the driver has seen them end. Called by
 * the library (device.h). The controller has waited until the back end has hung up;
 * what that left behind is as hostile as ever: virtq_track() checks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/mman.h>

#include "device-workers/lib/virtq_inflight.h"
#include "device-workers/vhost-user-front/front.h"
#include "proto/limits.h"

#define BLK_S_IOERR 1u		/* 5.2.6 */
#define NET_F_CTRL_VQ 17
#define NET_F_MQ 22
#define NET_ERR 1u		/* 5.1.6.5 */

/* FD_FRONT_INFLIGHT, or NULL. */
static const uint8_t *back_ends_record;

int
stand_in_init(struct device *dev)
{
	void *at;

	(void)dev;
	if (fcntl(FD_FRONT_INFLIGHT, F_GET_SEALS) < 0)
		return 0;
	at = mmap(NULL, FRONT_LIMIT_INFLIGHT, PROT_READ, MAP_SHARED,
	    FD_FRONT_INFLIGHT, 0);
	if (at == MAP_FAILED)
		return -errno;
	back_ends_record = at;
	return 0;
}

/* Net's control queue, with the driver's features; DEVICE_MAX_QUEUES: none. */
static unsigned int
control_of(const struct device *dev, uint64_t features)
{
	if (dev->virtio_id != NET || dev->nqueues <= 2 ||
	    (features >> NET_F_CTRL_VQ & 1) == 0)
		return DEVICE_MAX_QUEUES;
	return (features >> NET_F_MQ & 1) != 0 ? dev->nqueues - 1 : 2;
}

/* ---- where the rings were left ------------------------------------------------- */

/* The driver's used index. */
static int
used_index(struct device *dev, unsigned int q, uint16_t *index)
{
	const uint16_t *used = gmem_span_read(&dev->mem,
	    gpa(dev->vq[q].layout.used), 4);

	if (used == NULL)
		return -EFAULT;
	*index = LOAD(&used[1]);
	return 0;
}

/* All that is not used is still to be taken. */
static int
from_ring(struct device *dev, unsigned int q, struct inflight_split *r)
{
	const uint32_t size = dev->vq[q].layout.size;
	uint16_t index = 0;
	int rc = used_index(dev, q, &index);

	if (rc < 0)
		return rc;
	r->version = 0;
	memset(r->desc, 0, size * sizeof(r->desc[0]));
	r->features = 0;
	r->desc_num = (uint16_t)size;
	r->last_batch_head = 0;
	r->used_idx = index;
	IN_ORDER();
	STORE(&r->version, INFLIGHT_VERSION);
	return 0;
}

/* As the back end has written it down. */
static int
from_record(struct device *dev, unsigned int q, const struct front_inflight *in,
    bool packed, struct inflight_split *r)
{
	const uint32_t size = dev->vq[q].layout.size;
	const uint64_t need = virtq_region_size(size, packed);
	uint16_t index = 0;
	uint64_t part;
	int rc;

	if (back_ends_record == NULL || in->num_queues == 0 ||
	    q >= in->num_queues || in->size > FRONT_LIMIT_INFLIGHT)
		return -EPROTO;
	part = in->size / in->num_queues;
	if (need > part || in->queue_size < size)
		return -EPROTO;
	memcpy(r, back_ends_record + q * part, need);
	/* Made for the largest of the queues; and of entries that are not there
	 * none can be in flight. */
	r->desc_num = (uint16_t)size;
	if (r->version != 0)
		return 0;
	/* One that has not begun has used nothing. */
	rc = packed ? -EPROTO : used_index(dev, q, &index);
	return rc < 0 ? rc : index == 0 ? 0 : -EPROTO;
}

int
stand_in_left(struct device *dev, unsigned int q, uint64_t features,
    const uint8_t *state, size_t len, void *region)
{
	const bool packed = (features >> VIRTIO_F_RING_PACKED & 1) != 0;
	struct front_saved s;

	/* It died before its back end had the rings. */
	if (len == 0)
		virtq_region_clear(region);
	/* The library has kept that one, and the relay those. */
	if (len == 0 || q == control_of(dev, features))
		return 0;
	if (len != sizeof(s))
		return -EINVAL;
	memcpy(&s, state, sizeof(s));
	if (s.relay != 0)
		return 0;
	if (!packed && (dev->virtio_id == NET || dev->virtio_id == RNG))
		return from_ring(dev, q, region);
	return s.inflight_open == 0 ? -EPROTO :
	    from_record(dev, q, &s.inflight, packed, region);
}

/* ---- answers ------------------------------------------------------------------- */

/* The status is the last byte: with what is between, which is not written. */
static int64_t
refuse_block(struct device *dev, const struct virtq_chain *chain)
{
	const unsigned int last = chain->nread + chain->nwrite - 1u;
	const size_t at = chain->nwrite == 0 ? 0 : chain->iov[last].iov_len - 1;

	if (chain->nwrite == 0)
		return 0;
	((volatile uint8_t *)chain->iov[last].iov_base)[at] = BLK_S_IOERR;
	gmem_mark_dirty(&dev->mem, gpa(chain->addr[last] + at), 1);
	return chain->write_len == 1;
}

/* Frames are lost, and none come; a command is answered as failed. */
static int64_t
refuse_net(struct device *dev, unsigned int q, const struct virtq_chain *chain)
{
	const uint8_t ack = NET_ERR;

	if (q == control_of(dev, dev->driver_features))
		return (int64_t)virtq_copy_into(chain, 0, &ack, sizeof(ack));
	return q % 2 == 0 ? -1 : 0;
}

static int64_t
refuse_fs(const struct virtq_chain *chain)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = -EIO };
	struct fuse_in_header in;

	/* FORGET and its like have no answer. */
	if (virtq_copy_out_of(chain, 0, &in, sizeof(in)) != sizeof(in) ||
	    chain->write_len < sizeof(out))
		return 0;
	out.unique = in.unique;
	return (int64_t)virtq_copy_into(chain, 0, &out, sizeof(out));
}

int64_t
stand_in_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	switch (dev->virtio_id) {
	case BLK:
		return refuse_block(dev, chain);
	case NET:
		return refuse_net(dev, q, chain);
	case FS:
		return refuse_fs(chain);
	default:
		return 0;
	}
}
