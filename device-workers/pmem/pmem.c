/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-pmem (virtio 1.2, 5.19): where a file lies in the guest's memory, and that
 * what was written there is in the file when a flush has been answered. The memory is
 * the vcpu-worker's to map; here is but the file's fd. Called by the worker library.
 *
 * One fsync answers all flushes that were there when it began. After one that failed the
 * kernel takes for written what it could not write, and the next one succeeds: so all
 * flushes fail from then on, also a successor's, until the driver resets the device.
 * Where the guest's writes are discarded there is no fd, and a flush is well at once.
 */
#include "device-workers/pmem/pmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ipc/log.h"

#define VIRTIO_ID_PMEM 27
#define TYPE_FLUSH 0u		/* 5.19.6 */
#define RET_FAILED 1u
#define BATCH 16u		/* flushes that one fsync answers */

/* 5.19.4 */
struct pmem_config {
	uint64_t start, size;
};

struct pmem {
	bool discards;
	bool failed;		/* something may be lost that the driver wrote */
	bool flush[BATCH];	/* or something else */
	struct virtq_chain chain[BATCH];
};

static int
pmem_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	static struct pmem pmem;
	const Bh__PmemConfig *c = config->pmem;
	const struct pmem_config space = { .start = c->start, .size = c->size };

	pmem.discards = c->discard_writes;
	pmem.failed = false;
	if (!pmem.discards && fcntl(FD_BACKEND, F_GETFD) < 0) {
		*why = "no file";
		return -EBADF;
	}
	dev->priv = &pmem;
	dev->virtio_id = VIRTIO_ID_PMEM;
	dev->nqueues = 1;
	dev->queue_max[0] = (uint16_t)c->queue_size;
	dev->config_size = sizeof(space);
	memcpy(dev->config, &space, sizeof(space));
	return 0;
}

static bool
is_flush(const struct virtq_chain *chain)
{
	uint32_t type = ~0u;

	return virtq_copy_out_of(chain, 0, &type, sizeof(type)) == sizeof(type) &&
	    type == TYPE_FLUSH;
}

static void
answer(struct virtq *vq, const struct virtq_chain *chain, uint32_t ret)
{
	virtq_push(vq, chain, (uint32_t)virtq_copy_into(chain, 0, &ret, sizeof(ret)));
}

static bool
flush(struct device *dev)
{
	struct pmem *p = dev->priv;

	if (p->discards)
		return true;
	while (!p->failed && fsync(FD_BACKEND) != 0) {
		if (errno == EINTR)
			continue;
		log_error("pmem: the file cannot be written, flushes fail until the "
		    "driver resets the device: %s", log_errname(errno));
		p->failed = true;
		device_state_changed(dev);
	}
	return !p->failed;
}

static void
pmem_queue_ready(struct device *dev, unsigned int q)
{
	struct pmem *p = dev->priv;
	struct virtq *vq = &dev->vq[q];
	bool asked = false, good;
	unsigned int n;

	for (n = 0; n < BATCH && virtq_pop(vq, &p->chain[n]) > 0; n++) {
		p->flush[n] = is_flush(&p->chain[n]);
		asked |= p->flush[n];
	}
	if (n == 0)
		return;
	good = asked && flush(dev);
	for (unsigned int i = 0; i < n; i++)
		answer(vq, &p->chain[i], good && p->flush[i] ? 0 : RET_FAILED);
	device_again(dev, q);
}

static void
pmem_backend_ready(struct device *dev, int fd, uint32_t events)
{
	(void)dev;
	(void)fd;
	(void)events;
}

static void
pmem_reset(struct device *dev)
{
	struct pmem *p = dev->priv;

	p->failed = false;
}

static size_t
pmem_save(struct device *dev, uint8_t *buf, size_t size)
{
	const struct pmem *p = dev->priv;

	if (size < 1)
		return 0;
	buf[0] = p->failed;
	return 1;
}

/* One that was built before this had nothing to say. */
static int
pmem_load(struct device *dev, uint32_t version, const uint8_t *buf, size_t len)
{
	struct pmem *p = dev->priv;

	(void)version;
	if (len > 1 || (len == 1 && buf[0] > 1))
		return -EINVAL;
	p->failed = len == 1 && buf[0] != 0;
	return 0;
}

static int64_t
pmem_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	const uint32_t ret = RET_FAILED;

	(void)dev;
	(void)q;
	return (int64_t)virtq_copy_into(chain, 0, &ret, sizeof(ret));
}

const struct device_ops pmem_ops = {
	.name = "pmem",
	.config_case = BH__DEVICE_CONFIG__DEVICE_PMEM,
	.start = pmem_start,
	.queue_ready = pmem_queue_ready,
	.backend_ready = pmem_backend_ready,
	.reset = pmem_reset,
	.save = pmem_save,
	.load = pmem_load,
	.refuse = pmem_refuse,
	.redo = true,
};
