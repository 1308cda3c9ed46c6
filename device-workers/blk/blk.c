// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-blk (virtio 1.2, 5.2): features, configuration space, and carrying out
 * what blk_req.c has checked. Called by the worker library. Does no I/O itself
 * (blk_io.h) and never touches a ring but through virtq.h.
 */
#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "device-workers/blk/blk.h"
#include "device-workers/blk/blk_io.h"
#include "ipc/log.h"

#define VIRTIO_ID_BLOCK 2
#define MAX_CPUS 8192u
#define MAX_PHYSICAL (1u << 20)	/* of a physical block, bytes */
#define BATCH_REQUESTS 64u	/* a call, then others get their turn */
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

_Static_assert(offsetof(struct config_space, writeback) == BLK_CONFIG_WRITEBACK,
    "where blk_io.c looks");

static bool
power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int
check_config(const Bh__BlkConfig *c, const char **why)
{
	if (c->block_size < 512 || c->block_size > 4096 ||
	    !power_of_two(c->block_size))
		*why = "block size is not 512 to 4096";
	else if (c->image_type == BH__IMAGE_TYPE__IMAGE_TYPE_RAW &&
	    c->size % c->block_size != 0)
		*why = "disk size is not a multiple of its block size";
	else if (c->size > INT64_MAX)
		*why = "disk size is too large";
	else if (c->num_queues < 1 || c->num_queues > DEVICE_MAX_QUEUES)
		*why = "number of queues is not 1 to 64";
	else if (c->queue_size < 2 || c->queue_size > VIRTQ_MAX_SIZE ||
	    !power_of_two(c->queue_size))
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
	if (be->alignment / be->block_size <= UINT8_MAX)
		space.topology.alignment_offset =
		    (uint8_t)(be->alignment / be->block_size);
	space.topology.min_io_size = htole16((uint16_t)(be->min_io >
	    be->physical ? be->min_io / be->block_size : ratio));
	space.topology.opt_io_size = htole32(be->opt_io / be->block_size);
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

/* What is not a power of two, or makes no sense, is as if it were not known. */
static void
take_shape(struct blk_backend *be, const Bh__BlkShape *s)
{
	if (s == NULL)
		return;
	if (power_of_two(s->physical_block) &&
	    s->physical_block >= be->block_size &&
	    s->physical_block <= MAX_PHYSICAL)
		be->physical = s->physical_block;
	if (s->minimum_io % be->block_size == 0 &&
	    s->minimum_io / be->block_size <= UINT16_MAX)
		be->min_io = s->minimum_io;
	if (s->optimal_io % be->block_size == 0)
		be->opt_io = s->optimal_io;
	if (s->alignment < be->physical)
		be->alignment = s->alignment;
	if (be->direct && power_of_two(s->memory) && s->memory <= 4096)
		be->align = s->memory;
}

/* Single-threaded as we are, all queues are served where any of them may be. */
static int
run_on(const uint32_t *cpus, size_t n, const char **why)
{
	uint64_t mask[MAX_CPUS / 64] = { 0 };

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (cpus[i] < MAX_CPUS)
			mask[cpus[i] / 64] |= 1ull << (cpus[i] % 64);
	if (sched_setaffinity(0, sizeof(mask), (const cpu_set_t *)(void *)mask) == 0)
		return 0;
	*why = "none of the CPUs of queue_affinity can be had";
	return -errno;
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
	b->dev = dev;
	b->be = (struct blk_backend){
		.ops = &blk_raw_ops,
		.fd = FD_BACKEND,
		.size = c->size,
		.block_size = c->block_size,
		.readonly = c->readonly,
		.direct = c->direct,
	};
	b->limited = c->rate_limit != NULL;
	take_shape(&b->be, c->shape);
	err = run_on(c->host_cpus, c->n_host_cpus, why);
	if (err == 0)
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
		    c->image_type != BH__IMAGE_TYPE__IMAGE_TYPE_DETECT) {
			blk_io_start(b, true);
			return err;
		}
	}
	err = b->be.ops->start(&b->be, c->sparse, why);
	if (err != 0)
		return err;
	blk_io_start(b, c->disable_io_uring);
	if (b->image.img == NULL)
		offer(dev, b);
	return 0;
}

static int
blk_jailed(struct device *dev, const char **why)
{
	struct blk *b = dev->priv;
	int err;

	if (b->image.img == NULL) {
		blk_io_probe(b);
		return 0;
	}
	err = blk_image_enter(dev, &b->image, &b->be, why);
	if (err != 0)
		return err;
	blk_io_probe(b);
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
	/* A worker before this one may have written. */
	b->dirty = !b->be.readonly;
}

/* What a chain costs of the rate limit: its data, of whatever kind. */
static uint64_t
data_bytes(const struct virtq_chain *chain)
{
	uint64_t all = chain->read_len + chain->write_len;

	if (all <= BLK_HEADER_SIZE + 1)
		return 0;
	all -= BLK_HEADER_SIZE + 1;
	return all < BLK_MAX_DATA ? all : BLK_MAX_DATA;
}

/* Hand over, answer, show. True: the driver was shown something. */
static bool
blk_show(struct blk *b, struct virtq *vq)
{
	bool some;

	if (b->ring.queued > 0) {
		blk_io_turn(b);
		/* The ring is one: what is done may be of any queue, and nobody but
		 * us looks after another than @vq. */
		for (unsigned int q = 0; q < b->dev->nqueues; q++)
			if (&b->dev->vq[q] != vq)
				virtq_flush(&b->dev->vq[q]);
	}
	some = vq->pending;
	virtq_flush(vq);
	return some;
}

static void
blk_queue_ready(struct device *dev, unsigned int q)
{
	struct blk *b = dev->priv;
	struct virtq *vq = &dev->vq[q];
	unsigned int taken = 0;
	struct blk_io *io;
	uint64_t bytes = 0;

	virtq_no_kicks(vq);
	for (;;) {
		int got;

		io = blk_io_slot(b);
		if (io == NULL) {
			b->starved |= 1ull << q;
			break;
		}
		got = virtq_pop(vq, &io->chain);
		if (got < 0)
			break;
		if (got == 0) {
			/*
			 * Tell first, then look again: a driver on our CPU has
			 * made its next request by then, and needs no kick.
			 */
			if (blk_show(b, vq))
				continue;
			if (vq->held || !virtq_want_kicks(vq))
				break;
			virtq_no_kicks(vq);
			continue;
		}
		if (b->limited) {
			if (!device_limit_open(dev, &b->rate, q)) {
				virtq_unpop(vq, &io->chain);
				break;
			}
			device_limit_spend(&b->rate, data_bytes(&io->chain));
		}
		bytes += io->chain.read_len + io->chain.write_len;
		if (!blk_io_take(b, io, q))
			break;
		if (++taken >= BATCH_REQUESTS || bytes >= BATCH_BYTES) {
			device_again(dev, q);
			break;
		}
	}
	(void)blk_show(b, vq);
}

static void
blk_backend_ready(struct device *dev, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	blk_io_turn(dev->priv);
}

static unsigned int
blk_drain(struct device *dev)
{
	return blk_io_inflight(dev->priv);
}

static int
blk_resize(struct device *dev, uint64_t size, bool image, const char **why)
{
	struct blk *b = dev->priv;
	struct config_space *space = (void *)dev->config;
	int err;

	*why = "it is a raw disk";
	if (image && blk_image_of(&b->image) == NULL)
		return -ENOTBLK;
	*why = "it is a disk image";
	if (!image && blk_image_of(&b->image) != NULL)
		return -EOPNOTSUPP;
	err = b->be.ops->resize(&b->be, size, why);
	if (err != 0)
		return err;
	if (b->image.raw)
		blk_image_raw_resized(b->image.img, size);
	b->limits.size = size;
	space->capacity = htole64(size / BLK_SECTOR);
	/* Also where it is that large: the guest's driver may not know it yet. */
	device_config_changed(dev);
	return 0;
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

	blk_ring_let_go(&b->ring);
	/* An image gives back what it set aside, written to or not. */
	if (!b->dirty && blk_image_of(&b->image) == NULL)
		return;
	err = blk_image_of(&b->image) != NULL ? blk_image_close(b->image.img) :
	    blk_io_flush(b);
	if (err != 0)
		log_error("blk: the last flush failed: %s", log_errname(err));
}

/*
 * Nobody else may write to an image once its next worker has read it. And the
 * kernel takes its time to close the files of a ring whose process has gone.
 */
static void
blk_hand_over(struct device *dev)
{
	struct blk *b = dev->priv;

	blk_ring_let_go(&b->ring);
	if (blk_image_of(&b->image) != NULL)
		blk_flush(dev);
}

static int64_t
blk_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	uint64_t addr;

	(void)q;
	if (chain->write_len == 0)
		return 0;
	*blk_status_at(chain, &addr) = VIRTIO_BLK_S_IOERR;
	gmem_mark_dirty(&dev->mem, gpa(addr), 1);
	return chain->write_len == 1;
}

const struct device_ops blk_ops = {
	.name = "blk",
	.config_case = BH__DEVICE_CONFIG__DEVICE_BLK,
	.start = blk_start,
	.jailed = blk_jailed,
	.activate = blk_activate,
	.queue_ready = blk_queue_ready,
	.backend_ready = blk_backend_ready,
	.drain = blk_drain,
	.resize = blk_resize,
	.reset = blk_reset,
	.flush = blk_flush,
	.hand_over = blk_hand_over,
	.refuse = blk_refuse,
	.redo = true,
};
