/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mem (virtio 1.2, 5.15): the driver plugs and unplugs blocks of one region of
 * guest memory until there is as much of it as the device asks for. What is unplugged
 * becomes a hole, which is to say the host's again; plugged, it reads as zeros. Called
 * by the worker library.
 *
 * Owns the note of which blocks are plugged, in memory that outlives it: its successor
 * goes on. An answer waits until the vcpu-worker has the new plugged_size, which the
 * driver compares with its own count. Must not believe an address: each lies in the
 * region or is refused, and what it punches is the guest's own.
 */
#include "device-workers/mem/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/log.h"
#include "proto/limits.h"

#define VIRTIO_ID_MEM 24
#define BATCH_REQUESTS 8u	/* a call, then others get their turn */

struct mem {
	struct mem_config space;
	uint64_t nblocks;
	struct mem_state *state;
	uint64_t *bits;
	struct virtq_chain chain;
	bool waits;		/* the chain's answer, for the vcpu-worker */
	struct mem_response response;
};

/* Of bits that a predecessor wrote; those behind the last block count for nothing. */
static uint64_t
count_plugged(const struct mem *m)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < m->nblocks; i += 64) {
		uint64_t word = m->bits[i / 64];

		if (m->nblocks - i < 64)
			word &= (1ull << (m->nblocks - i)) - 1;
		n += (uint64_t)__builtin_popcountll(word);
	}
	return n;
}

static void
show(struct device *dev)
{
	const struct mem *m = dev->priv;

	memcpy(dev->config, &m->space, sizeof(m->space));
	counter_set(dev->counters, MEM_COUNT_PLUGGED, m->space.plugged);
}

static void
recount(struct device *dev)
{
	struct mem *m = dev->priv;

	m->space.plugged = count_plugged(m) * m->space.block_size;
	show(dev);
}

static int
map_state(struct mem *m)
{
	const int seals = fcntl(FD_MEM_STATE, F_GET_SEALS);
	uint64_t size = MEM_STATE_SIZE(m->nblocks);
	struct stat st;
	uint8_t *at;

	if (seals < 0)
		return -errno;
	if ((seals & F_SEAL_SHRINK) == 0 || fstat(FD_MEM_STATE, &st) < 0 ||
	    (uint64_t)st.st_size < size)
		return -EINVAL;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, FD_MEM_STATE, 0);
	if (at == MAP_FAILED)
		return -errno;
	close(FD_MEM_STATE);
	m->state = (struct mem_state *)(void *)at;
	m->bits = (uint64_t *)(void *)(at + MEM_BITS_AT);
	return 0;
}

static int
mem_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	static struct mem mem;
	const Bh__MemConfig *c = config->mem;
	int rc;

	mem = (struct mem){ .nblocks = c->size / c->block, .space = {
		.block_size = c->block, .node = (uint16_t)c->node,
		.addr = c->start, .region_size = c->size, .usable = c->size,
		.requested = c->requested,
	} };
	*why = "the state of virtio-mem";
	rc = map_state(&mem);
	if (rc < 0)
		return rc;
	dev->priv = &mem;
	dev->virtio_id = VIRTIO_ID_MEM;
	dev->features = c->has_node ? 1ull << MEM_F_ACPI_PXM : 0;
	dev->nqueues = 1;
	dev->queue_max[0] = (uint16_t)c->queue_size;
	dev->config_size = sizeof(mem.space);
	recount(dev);
	return 0;
}

/* ---- blocks --------------------------------------------------------------------- */

/* How many of @n blocks from @first on are plugged. */
static uint64_t
plugged_of(const struct mem *m, uint64_t first, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = first; i < first + n; i++)
		sum += m->bits[i / 64] >> i % 64 & 1;
	return sum;
}

static void
set_bits(struct mem *m, uint64_t first, uint64_t n, bool plugged)
{
	for (uint64_t i = first; i < first + n; i++)
		if (plugged)
			m->bits[i / 64] |= 1ull << i % 64;
		else
			m->bits[i / 64] &= ~(1ull << i % 64);
}

/*
 * Somebody who dies before the bits are right has said so first: the request that he
 * had taken comes back, and is carried out whatever they say by then.
 */
static void
begin(struct mem *m, uint32_t type, uint64_t first, uint64_t n)
{
	m->state->first = first;
	m->state->type = type;
	__atomic_store_n(&m->state->nblocks, (uint32_t)n, __ATOMIC_RELEASE);
}

static bool
begun(const struct mem *m, uint32_t type, uint64_t first, uint64_t n)
{
	return n != 0 && m->state->nblocks == n && m->state->first == first &&
	    m->state->type == type;
}

/* A hole. @first and @n are the region's; nothing is ever beyond it. */
static bool
punch(struct device *dev, uint64_t first, uint64_t n)
{
	const struct mem *m = dev->priv;
	uint64_t addr = m->space.addr + first * m->space.block_size;
	uint64_t len = n * m->space.block_size;
	uint8_t *host = gmem_span_write(&dev->mem, gpa(addr), len);

	if (n == 0)
		return true;
	if (host == NULL || madvise(host, len, MADV_REMOVE) != 0) {
		log_guest("mem: %llu bytes at 0x%llx stay: %s",
		    (unsigned long long)len, (unsigned long long)addr,
		    log_errname(host == NULL ? EFAULT : errno));
		return false;
	}
	/* They read as zeros now, and whoever follows the memory has to know. */
	gmem_mark_dirty(&dev->mem, gpa(addr), len);
	counter_add(dev->counters, MEM_COUNT_RETURNED, len);
	return true;
}

static enum mem_answer
plug(struct device *dev, uint64_t first, uint64_t n)
{
	struct mem *m = dev->priv;
	uint64_t len = n * m->space.block_size, already = plugged_of(m, first, n);
	bool again = begun(m, MEM_PLUG, first, n);

	if (!again && already != 0)
		return MEM_ERROR;
	if (!again && (m->space.plugged >= m->space.requested ||
	    len > m->space.requested - m->space.plugged))
		return MEM_NACK;
	begin(m, MEM_PLUG, first, n);
	set_bits(m, first, n, true);
	return MEM_ACK;
}

static enum mem_answer
unplug(struct device *dev, uint64_t first, uint64_t n)
{
	struct mem *m = dev->priv;

	if (!begun(m, MEM_UNPLUG, first, n) && plugged_of(m, first, n) != n)
		return MEM_ERROR;
	begin(m, MEM_UNPLUG, first, n);
	if (!punch(dev, first, n)) {
		begin(m, MEM_UNPLUG, 0, 0);
		return MEM_BUSY;
	}
	set_bits(m, first, n, false);
	return MEM_ACK;
}

/* In runs of 32 bits of blocks at most, and only where there is something. */
static enum mem_answer
unplug_all(struct device *dev)
{
	struct mem *m = dev->priv;

	if (!punch(dev, 0, m->nblocks))
		return MEM_BUSY;
	memset(m->bits, 0, (m->nblocks + 63) / 64 * 8);
	return MEM_ACK;
}

static enum mem_plugged
state_of(const struct mem *m, uint64_t first, uint64_t n)
{
	uint64_t plugged = plugged_of(m, first, n);

	return plugged == n ? MEM_IS_PLUGGED : plugged == 0 ? MEM_IS_UNPLUGGED :
	    MEM_IS_MIXED;
}

/* ---- requests ------------------------------------------------------------------- */

/* The request's blocks lie in the region? */
static bool
place(const struct mem *m, const struct mem_request *r, uint64_t *first)
{
	uint64_t offset = r->addr - m->space.addr;

	if (r->addr < m->space.addr || offset >= m->space.region_size ||
	    offset % m->space.block_size != 0)
		return false;
	*first = offset / m->space.block_size;
	return r->nblocks != 0 && r->nblocks <= m->nblocks - *first;
}

static enum mem_answer
carry_out(struct device *dev, const struct mem_request *r, uint16_t *state)
{
	struct mem *m = dev->priv;
	uint64_t first;

	if (r->type == MEM_UNPLUG_ALL)
		return unplug_all(dev);
	if (!place(m, r, &first))
		return MEM_ERROR;
	switch (r->type) {
	case MEM_PLUG:
		return plug(dev, first, r->nblocks);
	case MEM_UNPLUG:
		return unplug(dev, first, r->nblocks);
	case MEM_STATE:
		*state = (uint16_t)state_of(m, first, r->nblocks);
		return MEM_ACK;
	default:
		return MEM_ERROR;
	}
}

static void
answer(struct device *dev)
{
	struct mem *m = dev->priv;
	uint32_t n = (uint32_t)virtq_copy_into(&m->chain, 0, &m->response,
	    sizeof(m->response));

	m->waits = false;
	virtq_push(&dev->vq[0], &m->chain, n);
	/* It is answered; where it is not, it comes back. */
	virtq_flush(&dev->vq[0]);
	begin(m, 0, 0, 0);
}

/* Take one request. True: it is answered, and there may be another. */
static bool
take(struct device *dev)
{
	struct mem *m = dev->priv;
	struct mem_request r;
	uint64_t before = m->space.plugged;

	if (virtq_pop(&dev->vq[0], &m->chain) <= 0)
		return false;
	memset(&m->response, 0, sizeof(m->response));
	if (virtq_copy_out_of(&m->chain, 0, &r, sizeof(r)) != sizeof(r))
		m->response.type = MEM_ERROR;
	else
		m->response.type = (uint16_t)carry_out(dev, &r,
		    &m->response.state);
	recount(dev);
	if (m->space.plugged != before && device_config_update(dev)) {
		m->waits = true;
		return false;
	}
	answer(dev);
	return true;
}

static void
mem_queue_ready(struct device *dev, unsigned int q)
{
	const struct mem *m = dev->priv;

	for (unsigned int i = 0; i < BATCH_REQUESTS; i++)
		if (m->waits || !take(dev))
			return;
	device_again(dev, q);
}

/* The vcpu-worker has the configuration space as it is now. */
static void
mem_config_taken(struct device *dev)
{
	const struct mem *m = dev->priv;

	if (!m->waits)
		return;
	answer(dev);
	device_again(dev, 0);
}

static void
mem_backend_ready(struct device *dev, int fd, uint32_t events)
{
	(void)dev;
	(void)fd;
	(void)events;
}

/* Whoever waits for quiet does not wait for the vcpu-worker, which may be gone. */
static unsigned int
mem_drain(struct device *dev)
{
	const struct mem *m = dev->priv;

	if (m->waits)
		answer(dev);
	return 0;
}

static void
mem_reset(struct device *dev)
{
	struct mem *m = dev->priv;

	/* What is plugged stays so (5.15.5.2): the machine was not reset. */
	m->waits = false;
	begin(m, 0, 0, 0);
}

/* A machine that begins anew has nothing plugged: the controller has cleared it. */
static void
mem_new_machine(struct device *dev)
{
	recount(dev);
}

static void
mem_target(struct device *dev, uint64_t size)
{
	struct mem *m = dev->priv;

	m->space.requested = size < m->space.region_size ? size :
	    m->space.region_size;
	m->space.requested -= m->space.requested % m->space.block_size;
	show(dev);
	device_config_changed(dev);
}

/* That nothing could be done is an answer, too. */
static int64_t
mem_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	const struct mem_response no = { .type = MEM_ERROR };

	(void)dev;
	(void)q;
	return (int64_t)virtq_copy_into(chain, 0, &no, sizeof(no));
}

const struct device_ops mem_ops = {
	.name = "mem",
	.config_case = BH__DEVICE_CONFIG__DEVICE_MEM,
	.start = mem_start,
	.queue_ready = mem_queue_ready,
	.backend_ready = mem_backend_ready,
	.drain = mem_drain,
	.reset = mem_reset,
	.new_machine = mem_new_machine,
	.config_taken = mem_config_taken,
	.set_target = mem_target,
	.refuse = mem_refuse,
	.redo = true,
};
