/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-mem, for its main and its tests. */
#ifndef BULKHEAD_DEVICE_WORKERS_MEM_MEM_H
#define BULKHEAD_DEVICE_WORKERS_MEM_MEM_H

#include "device-workers/lib/device.h"

/* Features (virtio 1.2, 5.15.3). */
#define MEM_F_ACPI_PXM 0

/* Requests and answers (5.15.6). */
enum mem_type { MEM_PLUG, MEM_UNPLUG, MEM_UNPLUG_ALL, MEM_STATE };
enum mem_answer { MEM_ACK, MEM_NACK, MEM_BUSY, MEM_ERROR };
enum mem_plugged { MEM_IS_PLUGGED, MEM_IS_UNPLUGGED, MEM_IS_MIXED };

struct mem_request {
	uint16_t type, padding[3];
	uint64_t addr;
	uint16_t nblocks, padding2[3];
};

struct mem_response {
	uint16_t type, padding[3];
	uint16_t state;
};

/* 5.15.4 */
struct mem_config {
	uint64_t block_size;
	uint16_t node;
	uint8_t padding[6];
	uint64_t addr, region_size, usable, plugged, requested;
};

_Static_assert(sizeof(struct mem_request) == 24 && sizeof(struct mem_response) == 10 &&
    sizeof(struct mem_config) == 56, "5.15");

/*
 * What outlives a worker, in the memfd at FD_MEM_STATE: what it is doing to which
 * blocks (nblocks 0: nothing), and a bit a block that is plugged from MEM_BITS_AT on.
 * A successor looks at it as at anything hostile.
 */
struct mem_state {
	uint64_t first;
	uint32_t nblocks, type;
};

#define MEM_BITS_AT MEM_STATE_BITS_AT

extern const struct device_ops mem_ops;

#endif
