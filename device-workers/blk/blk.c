// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-blk (virtio 1.2, 5.2): features, configuration space, and carrying out
 * what blk_req.c has checked. Called by the worker library. Does no I/O itself
 * (backend.h) and never touches a ring but through virtq.h.
 *
 * Requests are carried out one after the other, each to its end, before the next
 * is taken: none is ever in flight between two calls.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device-workers/blk/backend.h"
#include "device-workers/blk/blk.h"
#include "device-workers/blk/blk_image.h"
#include "device-workers/blk/blk_req.h"
#include "device-workers/lib/limit.h"
#include "ipc/log.h"

#define VIRTIO_ID_BLOCK 2
#define BATCH_REQUESTS 32u	/* a call, then others get their turn */
#define BATCH_BYTES (1u << 20)	/* until the driver is told */

struct config_space {
	uint64_t capacity;
	uint32_t size_max;
	uint32_t seg_max;
	struct {
		uint16_t cylinders;
		uint8_t heads;
		uint8_t sectors;
	} geometry;
	uint32_t blk_size;
	struct {
		uint8_t physical_block_exp;
		uint8_t alignment_offset;
		uint16_t min_io_size;
		uint32_t opt_io_size;
	} topology;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors;
	uint32_t max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
} __attribute__((packed));

_Static_assert(sizeof(struct config_space) == 60, "as in 5.2.4");

struct blk {
	struct blk_backend be;
	struct blk_image_disk image;
	struct blk_limits limits;
	struct device_limit rate;
	bool flushes;		/* the driver can flush */
	bool sets_cache;	/* ... and can say that it does not */
	bool dirty;		/* written to since the last flush */
	char id[VIRTIO_BLK_ID_BYTES];
	struct blk_request req;
	struct virtq_chain chain;
	struct iovec iov[VIRTQ_MAX_SEGS];
};

static int
check_config(const Bh__BlkConfig *c, const char **why)
{
	if (c->block_size < 512 || c->block_size > 4096 ||
	    (c->block_size & (c->block_size - 1)) != 0)
		*why = "block size is not 512 to 4096";
	else if (c->image_type == BH__IMAGE_TYPE__IMAGE_TYPE_RAW &&
	    c->size % c->block_size != 0)
		*why = "disk size is not a multiple of its block size";
	else if (c->size > INT64_MAX)
		*why = "disk size is too large";
	else if (c->num_queues < 1 || c->num_queues > DEVICE_MAX_QUEUES)
		*why = "number of queues is not 1 to 64";
	else if (c->queue_size < 2 || c->queue_size > VIRTQ_MAX_SIZE ||
	    (c->queue_size & (c->queue_size - 1)) != 0)
		*why = "queue size is not a power of two from 2 to 1024";
	else if (c->serial != NULL && strlen(c->serial) > VIRTIO_BLK_ID_BYTES)
		*why = "serial is longer than 20 bytes";
	else
		return 0;
	return -EINVAL;
}

static void
fill_config(struct device *dev, const struct blk_backend *be)
{
	/*
	 * A chain without indirect descriptors has to fit the ring with its
	 * header and status, or a driver would wait for ever to queue it.
	 */
	uint32_t chain = dev->queue_max[0] < VIRTQ_MAX_SEGS ?
	    dev->queue_max[0] : VIRTQ_MAX_SEGS;
	uint32_t ratio = be->physical / be->block_size;
	struct config_space space = {
		.capacity = htole64(be->size / BLK_SECTOR),
		.seg_max = htole32(chain > 3 ? chain - 2 : 1),
		.blk_size = htole32(be->block_size),
		.writeback = 1,
		.num_queues = htole16((uint16_t)dev->nqueues),
	};

	space.topology.physical_block_exp = (uint8_t)__builtin_ctz(ratio);
	space.topology.min_io_size = htole16((uint16_t)ratio);
	if (be->can_discard) {
		space.max_discard_sectors = htole32(BLK_MAX_DISCARD_SECTORS);
		space.max_discard_seg = htole32(BLK_MAX_RANGES);
		space.discard_sector_alignment =
		    htole32(be->physical / BLK_SECTOR);
		space.max_write_zeroes_sectors = htole32(BLK_MAX_ZERO_SECTORS);
		space.max_write_zeroes_seg = htole32(1);
		space.write_zeroes_may_unmap = 1;
	}
	memcpy(dev->config, &space, sizeof(space));
	dev->config_size = sizeof(space);
	dev->config_writable[offsetof(struct config_space, writeback)] = 1;
}

/* What the driver is told, once the disk is known. */
static void
offer(struct device *dev, struct blk *b)
{
	b->limits.size = b->be.size;
	b->limits.readonly = b->be.readonly;
	dev->features |= 1ull << VIRTIO_BLK_F_SEG_MAX |
	    1ull << VIRTIO_BLK_F_BLK_SIZE | 1ull << VIRTIO_BLK_F_FLUSH |
	    1ull << VIRTIO_BLK_F_TOPOLOGY;
	if (dev->driver_config != NULL)
		dev->features |= 1ull << VIRTIO_BLK_F_CONFIG_WCE;
	if (b->be.readonly)
		dev->features |= 1ull << VIRTIO_BLK_F_RO;
	if (dev->nqueues > 1)
		dev->features |= 1ull << VIRTIO_BLK_F_MQ;
	if (b->be.can_discard)
		dev->features |= 1ull << VIRTIO_BLK_F_DISCARD |
		    1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	fill_config(dev, &b->be);
}

static int
blk_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	const Bh__BlkConfig *c = config->blk;
	struct blk *b;
	int err;

	err = check_config(c, why);
	if (err != 0)
		return err;
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		*why = "no memory";
		return -ENOMEM;
	}
	dev->priv = b;
	b->be = (struct blk_backend){
		.ops = &blk_raw_ops,
		.fd = FD_BACKEND,
		.size = c->size,
		.block_size = c->block_size,
		.readonly = c->readonly,
		.direct = c->direct,
	};
	err = device_limit_start(dev, &b->rate, c->rate_limit, why);
	if (err != 0)
		return err;
	if (c->serial != NULL)
		memcpy(b->id, c->serial, strlen(c->serial));

	dev->virtio_id = VIRTIO_ID_BLOCK;
	dev->nqueues = c->num_queues;
	for (unsigned int q = 0; q < dev->nqueues; q++)
		dev->queue_max[q] = (uint16_t)c->queue_size;
	/* An image says only in the jail what disk it is. It may be raw, too. */
	if (c->image_type != BH__IMAGE_TYPE__IMAGE_TYPE_RAW) {
		err = blk_image_prepare(&b->image, c, why);
		if (err != 0 ||
		    c->image_type != BH__IMAGE_TYPE__IMAGE_TYPE_DETECT)
			return err;
	}
	err = b->be.ops->start(&b->be, c->sparse, why);
	if (err == 0 && b->image.img == NULL)
		offer(dev, b);
	return err;
}

static int
blk_jailed(struct device *dev, const char **why)
{
	struct blk *b = dev->priv;
	int err;

	if (b->image.img == NULL)
		return 0;
	err = blk_image_enter(dev, &b->image, &b->be, why);
	if (err != 0)
		return err;
	offer(dev, b);
	return 0;
}

static bool
has(const struct device *dev, unsigned int feature)
{
	return (dev->driver_features >> feature & 1) != 0;
}

static void
blk_activate(struct device *dev)
{
	struct blk *b = dev->priv;

	b->flushes = has(dev, VIRTIO_BLK_F_FLUSH);
	b->sets_cache = has(dev, VIRTIO_BLK_F_CONFIG_WCE);
	b->limits.discard = has(dev, VIRTIO_BLK_F_DISCARD);
	b->limits.write_zeroes = has(dev, VIRTIO_BLK_F_WRITE_ZEROES);
}

/*
 * 5.2.6.2: is a write done before it is durable? Not for a driver that cannot
 * flush, nor while it has switched the cache to write-through. To be asked after
 * the write was taken from the ring: what was written to the configuration space
 * before that counts.
 */
static bool
writeback(const struct device *dev, const struct blk *b)
{
	return b->flushes && (!b->sets_cache ||
	    (dev->driver_config[offsetof(struct config_space, writeback)] &
	    1) != 0);
}

static int
do_flush(struct blk *b)
{
	int err = b->be.ops->flush(&b->be);

	if (err == 0)
		b->dirty = false;
	return err;
}

static int
do_data(struct blk *b, bool write)
{
	const struct virtq_chain *chain = &b->chain;
	unsigned int n;

	if (write) {
		n = blk_slice(chain->iov, chain->nread, BLK_HEADER_SIZE,
		    b->req.len, b->iov);
		b->dirty = true;
		if (b->image.raw && blk_image_guards(b->image.img, b->req.offset,
		    b->req.len))
			return blk_image_guarded_write(&b->image, b->iov, n,
			    b->req.offset);
		return b->be.ops->write(&b->be, b->iov, n, b->req.offset);
	}
	n = blk_slice(chain->iov + chain->nread, chain->nwrite, 0, b->req.len,
	    b->iov);
	return b->be.ops->read(&b->be, b->iov, n, b->req.offset);
}

static int
do_ranges(struct blk *b, bool zeroes)
{
	int err = 0;

	b->dirty = true;
	for (unsigned int i = 0; err == 0 && i < b->req.nranges; i++) {
		const struct blk_range *r = &b->req.range[i];

		err = zeroes ?
		    b->be.ops->zero(&b->be, r->offset, r->len, r->unmap) :
		    b->be.ops->discard(&b->be, r->offset, r->len);
	}
	return err;
}

/* Carry out b->req: 0 or -errno; *written: data bytes for the driver. */
static int
execute(const struct device *dev, struct blk *b, uint32_t *written)
{
	int err;

	switch (b->req.type) {
	case VIRTIO_BLK_T_IN:
		err = do_data(b, false);
		if (err == 0)
			*written = (uint32_t)b->req.len;
		return err;
	case VIRTIO_BLK_T_OUT:
		err = do_data(b, true);
		break;
	case VIRTIO_BLK_T_FLUSH:
		return do_flush(b);
	case VIRTIO_BLK_T_GET_ID:
		*written = (uint32_t)virtq_copy_into(&b->chain, 0, b->id,
		    b->req.len);
		return 0;
	default:
		err = do_ranges(b, b->req.type == VIRTIO_BLK_T_WRITE_ZEROES);
		break;
	}
	if (err == 0 && !writeback(dev, b))
		err = do_flush(b);
	return err;
}

/* Answer b->chain. False: it cannot be answered, the driver must reset. */
static bool
serve(struct device *dev, struct virtq *vq)
{
	struct blk *b = dev->priv;
	struct virtq_chain *chain = &b->chain;
	uint32_t written = 0;
	uint8_t *status_byte;
	uint64_t addr;
	int status, err;

	status = blk_parse(chain, &b->limits, &b->req);
	if (status < 0 || !blk_status_at(chain, &status_byte, &addr)) {
		/* 2.1.2: an error that no status can tell of. */
		virtq_push(vq, chain, 0);
		device_needs_reset(dev, "blk: request without a status byte");
		return false;
	}
	if (status == VIRTIO_BLK_S_OK) {
		err = execute(dev, b, &written);
		if (err != 0) {
			status = VIRTIO_BLK_S_IOERR;
			log_guest("blk: request of type %u at byte %llu: %s",
			    b->req.type, (unsigned long long)b->req.offset,
			    log_errname(err));
		}
	}
	*status_byte = (uint8_t)status;
	/*
	 * The status is the last byte of the writable part, wherever the data
	 * ended: counted as written only where everything before it was too.
	 */
	gmem_mark_dirty(&dev->mem, gpa(addr), 1);
	if (written == chain->write_len - 1)
		written++;
	virtq_push(vq, chain, written);
	return true;
}

/* What b->chain costs of the rate limit: its data, of whatever kind. */
static uint64_t
data_bytes(const struct virtq_chain *chain)
{
	uint64_t all = chain->read_len + chain->write_len;

	if (all <= BLK_HEADER_SIZE + 1)
		return 0;
	all -= BLK_HEADER_SIZE + 1;
	return all < BLK_MAX_DATA ? all : BLK_MAX_DATA;
}

static void
blk_queue_ready(struct device *dev, unsigned int q)
{
	struct blk *b = dev->priv;
	struct virtq *vq = &dev->vq[q];
	unsigned int taken = 0;
	uint64_t bytes = 0;

	virtq_no_kicks(vq);
	for (;;) {
		int got = virtq_pop(vq, &b->chain);

		if (got < 0)
			break;
		if (got == 0) {
			if (vq->held || !virtq_want_kicks(vq))
				break;
			virtq_no_kicks(vq);
			continue;
		}
		if (!device_limit_open(dev, &b->rate, q)) {
			virtq_unpop(vq, &b->chain);
			break;
		}
		device_limit_spend(&b->rate, data_bytes(&b->chain));
		if (!serve(dev, vq))
			break;
		bytes += b->req.len;
		if (++taken >= BATCH_REQUESTS || bytes >= BATCH_BYTES) {
			device_again(dev, q);
			break;
		}
	}
	virtq_flush(vq);
}

static void
blk_reset(struct device *dev)
{
	struct blk *b = dev->priv;

	b->limits.discard = b->limits.write_zeroes = false;
}

static void
blk_flush(struct device *dev)
{
	struct blk *b = dev->priv;
	int err;

	/* An image gives back what it set aside, written to or not. */
	if (!b->dirty && blk_image_of(&b->image) == NULL)
		return;
	err = blk_image_of(&b->image) != NULL ? blk_image_close(b->image.img) :
	    do_flush(b);
	if (err != 0)
		log_error("blk: the last flush failed: %s", log_errname(err));
}

const struct device_ops blk_ops = {
	.name = "blk",
	.config_case = BH__DEVICE_CONFIG__DEVICE_BLK,
	.start = blk_start,
	.jailed = blk_jailed,
	.activate = blk_activate,
	.queue_ready = blk_queue_ready,
	.reset = blk_reset,
	.flush = blk_flush,
};
