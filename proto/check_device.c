// SPDX-License-Identifier: Apache-2.0
//
// Validators of what device workers are told and say, see check.h.
#include "proto/check_inside.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ipc/slots.h"
#include "proto/limits.h"

static const char *
check_bucket(const Bh__TokenBucket *b)
{
	if (b == NULL)
		return NULL;
	REQUIRE(b->size >= 1 && b->size <= BUCKET_LIMIT_SIZE, "bucket size");
	REQUIRE(b->one_time_burst <= BUCKET_LIMIT_SIZE, "bucket burst");
	REQUIRE(b->refill_ms >= 1 && b->refill_ms <= BUCKET_LIMIT_REFILL_MS,
	    "refill time");
	return NULL;
}

static const char *
check_rate_limit(const Bh__RateLimit *l, bool may_share)
{
	const char *why;

	if (l == NULL)
		return NULL;
	REQUIRE(!l->shared || may_share, "a shared rate limit");
	why = check_bucket(l->bandwidth);
	return why != NULL ? why : check_bucket(l->ops);
}

static const char *
check_front(const Bh__FrontConfig *m)
{
	REQUIRE(m->virtio_id >= 1 && m->virtio_id <= 0x3f, "virtio id");
	REQUIRE(m->n_queue_sizes >= 1 &&
	    m->n_queue_sizes <= DEVICE_LIMIT_QUEUES, "queues");
	for (size_t i = 0; i < m->n_queue_sizes; i++)
		REQUIRE(power_of_two(m->queue_sizes[i]) &&
		    m->queue_sizes[i] <= VIRTQ_LIMIT_SIZE, "queue size");
	REQUIRE(m->config.len <= DEVICE_LIMIT_CONFIG, "configuration space");
	REQUIRE(m->reply_ms >= 1 && m->reply_ms <= 3600000, "patience");
	return NULL;
}

static const char *
check_balloon(const Bh__BalloonConfig *m, uint64_t reserve)
{
	REQUIRE(m->size % PAGE == 0 && m->size <= BALLOON_LIMIT_SIZE,
	    "size of a balloon");
	REQUIRE(m->host_page == PAGE || (m->host_page >= 64ull * PAGE &&
	    (m->host_page & (m->host_page - 1)) == 0 &&
	    reserve % m->host_page == 0), "pages of the host");
	REQUIRE(power_of_two(m->queue_size) &&
	    m->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
	return NULL;
}

static const char *
check_mem(const Bh__MemConfig *m)
{
	uint64_t end;

	REQUIRE(m->size != 0 && (m->start | m->size) % MEM_LIMIT_ALIGN == 0 &&
	    !__builtin_add_overflow(m->start, m->size, &end),
	    "place of virtio-mem");
	REQUIRE(m->block >= 2u << 20 && (m->block & (m->block - 1)) == 0 &&
	    m->start % m->block == 0 && m->size % m->block == 0,
	    "block of virtio-mem");
	REQUIRE(m->requested <= m->size && m->requested % m->block == 0,
	    "size of virtio-mem");
	REQUIRE(m->node <= UINT16_MAX, "NUMA node");
	REQUIRE(power_of_two(m->queue_size) &&
	    m->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
	return NULL;
}

const char *
check_device_config(const Bh__DeviceConfig *m)
{
	REQUIRE(m->regions <= GMEM_LIMIT_REGIONS, "too many memory regions");
	REQUIRE(m->memory_reserve % PAGE == 0, "reserve not page aligned");
	switch ((unsigned int)m->device_case) {
	case BH__DEVICE_CONFIG__DEVICE_BLK:
		REQUIRE(power_of_two(m->blk->block_size) &&
		    m->blk->block_size >= 512 && m->blk->block_size <= 4096,
		    "block size");
		REQUIRE(m->blk->num_queues >= 1 &&
		    m->blk->num_queues <= DEVICE_LIMIT_QUEUES, "queues");
		REQUIRE(power_of_two(m->blk->queue_size) &&
		    m->blk->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
		REQUIRE(strlen(m->blk->serial) <= 20, "serial");
		REQUIRE(m->blk->n_files < FD_BACKEND_COUNT, "files of an image");
		return check_rate_limit(m->blk->rate_limit, true);
	case BH__DEVICE_CONFIG__DEVICE_NET:
		REQUIRE(m->net->mac.len == 6, "mac");
		REQUIRE(m->net->mtu <= 65535, "mtu");
		REQUIRE(m->net->queue_pairs >= 1 &&
		    m->net->queue_pairs <= FD_BACKEND_COUNT, "queue pairs");
		REQUIRE(power_of_two(m->net->queue_size) &&
		    m->net->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
		return check_rate_limit(m->net->rate_limit, false);
	case BH__DEVICE_CONFIG__DEVICE_RNG:
		REQUIRE(power_of_two(m->rng->queue_size) &&
		    m->rng->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
		return check_rate_limit(m->rng->rate_limit, false);
	case BH__DEVICE_CONFIG__DEVICE_WATCHDOG:
		REQUIRE(m->watchdog->seconds >= 1 &&
		    m->watchdog->seconds <= WATCHDOG_LIMIT_SECONDS, "seconds");
		return NULL;
	case BH__DEVICE_CONFIG__DEVICE_RTC:
		return NULL;
	case BH__DEVICE_CONFIG__DEVICE_FS:
		REQUIRE(m->fs->tag[0] != '\0' && strlen(m->fs->tag) <= 36, "tag");
		REQUIRE(m->fs->num_queues >= 1 &&
		    m->fs->num_queues < DEVICE_LIMIT_QUEUES, "queues");
		REQUIRE(power_of_two(m->fs->queue_size) &&
		    m->fs->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
		return NULL;
	case BH__DEVICE_CONFIG__DEVICE_BALLOON:
		return check_balloon(m->balloon, m->memory_reserve);
	case BH__DEVICE_CONFIG__DEVICE_MEM:
		return check_mem(m->mem);
	case BH__DEVICE_CONFIG__DEVICE_PMEM:
		REQUIRE((m->pmem->start | m->pmem->size) % (2u << 20) == 0 &&
		    m->pmem->size != 0 && m->pmem->start + m->pmem->size >
		    m->pmem->start, "place of persistent memory");
		REQUIRE(power_of_two(m->pmem->queue_size) &&
		    m->pmem->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
		return NULL;
	case BH__DEVICE_CONFIG__DEVICE_VSOCK:
		REQUIRE(m->vsock->cid >= 3 && m->vsock->cid < UINT32_MAX, "cid");
		REQUIRE(power_of_two(m->vsock->queue_size) &&
		    m->vsock->queue_size <= VIRTQ_LIMIT_SIZE, "queue size");
		REQUIRE(m->vsock->buffer >= 4096 &&
		    m->vsock->buffer <= VSOCK_LIMIT_BUFFER, "buffer");
		return NULL;
	case BH__DEVICE_CONFIG__DEVICE_CONSOLE:
		REQUIRE(m->console->columns <= UINT16_MAX &&
		    m->console->rows <= UINT16_MAX, "terminal size");
		return NULL;
	case BH__DEVICE_CONFIG__DEVICE_FRONT:
		return check_front(m->front);
	case BH__DEVICE_CONFIG__DEVICE__NOT_SET:
	default:
		return "no device";
	}
}

const char *
check_device_ready(const Bh__DeviceReady *m)
{
	REQUIRE(m->virtio_id <= 0x3f, "virtio id");
	REQUIRE(m->n_queue_max <= DEVICE_LIMIT_QUEUES, "queues");
	for (size_t i = 0; i < m->n_queue_max; i++)
		REQUIRE(power_of_two(m->queue_max[i]) &&
		    m->queue_max[i] <= VIRTQ_LIMIT_SIZE, "queue size");
	REQUIRE(m->config.len <= DEVICE_LIMIT_CONFIG, "configuration space");
	REQUIRE(m->config_writable.len <= m->config.len,
	    "writable configuration space");
	return NULL;
}

static const char *
check_queue_place(uint32_t index, uint32_t size)
{
	REQUIRE(index < DEVICE_LIMIT_QUEUES, "queue index");
	REQUIRE(size >= 1 && size <= VIRTQ_LIMIT_SIZE, "queue size");
	return NULL;
}

const char *
check_activate(const Bh__Activate *m)
{
	const char *why = NULL;

	REQUIRE(m->n_queues <= DEVICE_LIMIT_QUEUES, "queues");
	for (size_t i = 0; i < m->n_queues && why == NULL; i++) {
		why = check_queue_place(m->queues[i]->index,
		    m->queues[i]->size);
		REQUIRE(i == 0 ||
		    m->queues[i - 1]->index < m->queues[i]->index,
		    "queues not in order");
	}
	return why;
}

const char *
check_device_state(const Bh__DeviceState *m)
{
	const char *why = NULL;

	REQUIRE(m->n_queues <= DEVICE_LIMIT_QUEUES, "queues");
	REQUIRE(m->device.len <= 32768, "device state");
	for (size_t i = 0; i < m->n_queues && why == NULL; i++) {
		why = check_queue_place(m->queues[i]->index,
		    m->queues[i]->size);
		REQUIRE(m->queues[i]->next_avail <= UINT16_MAX &&
		    m->queues[i]->next_used <= UINT16_MAX, "ring position");
		REQUIRE(i == 0 ||
		    m->queues[i - 1]->index < m->queues[i]->index,
		    "queues not in order");
	}
	return why;
}

const char *
check_write_config(const Bh__WriteConfig *m)
{
	REQUIRE(m->data.len == 1 || m->data.len == 2 || m->data.len == 4 ||
	    m->data.len == 8, "width");
	REQUIRE(m->offset <= DEVICE_LIMIT_CONFIG - m->data.len, "offset");
	return NULL;
}
