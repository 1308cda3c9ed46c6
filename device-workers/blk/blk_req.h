/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One virtio-blk request (virtio 1.2, 5.2.6) taken apart: bytes in, a checked
 * request or a status out. Pure: reads the chain, does no I/O, keeps nothing.
 * Makes no assumption on how the driver split the request into descriptors.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_BLK_REQ_H
#define BULKHEAD_DEVICE_WORKERS_BLK_BLK_REQ_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "device-workers/lib/virtq.h"

#define VIRTIO_BLK_F_SEG_MAX 2
#define VIRTIO_BLK_F_RO 5
#define VIRTIO_BLK_F_BLK_SIZE 6
#define VIRTIO_BLK_F_FLUSH 9
#define VIRTIO_BLK_F_TOPOLOGY 10
#define VIRTIO_BLK_F_CONFIG_WCE 11
#define VIRTIO_BLK_F_MQ 12
#define VIRTIO_BLK_F_DISCARD 13
#define VIRTIO_BLK_F_WRITE_ZEROES 14

#define VIRTIO_BLK_T_IN 0u
#define VIRTIO_BLK_T_OUT 1u
#define VIRTIO_BLK_T_FLUSH 4u
#define VIRTIO_BLK_T_GET_ID 8u
#define VIRTIO_BLK_T_DISCARD 11u
#define VIRTIO_BLK_T_WRITE_ZEROES 13u

#define VIRTIO_BLK_S_OK 0
#define VIRTIO_BLK_S_IOERR 1
#define VIRTIO_BLK_S_UNSUPP 2

/* In the configuration space, 5.2.4. */
#define BLK_CONFIG_WRITEBACK 32u

#define VIRTIO_BLK_ID_BYTES 20u
#define BLK_SECTOR 512u
#define BLK_HEADER_SIZE 16u
/* One preadv2 moves no more (the kernel's MAX_RW_COUNT, in whole sectors). */
#define BLK_MAX_DATA 0x7ffff000u

/* Ranges of one DISCARD or WRITE_ZEROES, and sectors of one of them. */
#define BLK_MAX_RANGES 16u
#define BLK_MAX_DISCARD_SECTORS (1u << 22)	/* 2 GiB */
/* 32 MiB: where zeros have to be written, that must not take for ever. */
#define BLK_MAX_ZERO_SECTORS (1u << 16)

struct blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

_Static_assert(sizeof(struct blk_header) == BLK_HEADER_SIZE, "as on the wire");

struct blk_range {
	uint64_t offset;	/* bytes */
	uint64_t len;
	bool unmap;
};

struct blk_request {
	uint32_t type;
	uint64_t offset;	/* IN, OUT: bytes */
	uint64_t len;		/* IN, OUT, GET_ID: bytes of data */
	unsigned int nranges;
	struct blk_range range[BLK_MAX_RANGES];
};

struct blk_limits {
	uint64_t size;		/* of the disk, bytes */
	bool readonly;
	bool discard;		/* negotiated */
	bool write_zeroes;
};

/*
 * VIRTIO_BLK_S_OK: *req is good to carry out; another status: the driver gets
 * that; -EPROTO: there is not even room for a status.
 */
int blk_parse(const struct virtq_chain *chain, const struct blk_limits *limits,
    struct blk_request *req);

/*
 * A read or write in the form that nearly all have: the header alone in the first
 * segment, the status alone in the last, data between. Returns how many bytes of
 * data at *offset, *type IN or OUT; 0: of another form, or refused: blk_parse()
 * has to look at it, from the start. The same checks.
 */
static inline uint32_t
blk_parse_usual(const struct virtq_chain *chain,
    const struct blk_limits *limits, uint32_t *type, uint64_t *offset)
{
	unsigned int n = chain->nread + (unsigned int)chain->nwrite;
	uint64_t len = chain->read_len + chain->write_len - BLK_HEADER_SIZE - 1;
	const struct blk_header *header = chain->iov[0].iov_base;
	uint64_t sector, end;

	/* What is data goes one way: all segments but one are of its kind. */
	if (n < 3 || chain->nread == 0 ||
	    chain->iov[0].iov_len != BLK_HEADER_SIZE ||
	    chain->iov[n - 1].iov_len != 1 ||
	    (uintptr_t)header % sizeof(uint64_t) != 0)
		return 0;
	*type = le32toh(__atomic_load_n(&header->type, __ATOMIC_RELAXED));
	sector = le64toh(__atomic_load_n(&header->sector, __ATOMIC_RELAXED));
	if (!(*type == VIRTIO_BLK_T_IN && chain->nread == 1) &&
	    !(*type == VIRTIO_BLK_T_OUT && chain->nwrite == 1 &&
	    !limits->readonly))
		return 0;
	if (len % BLK_SECTOR != 0 || len > BLK_MAX_DATA ||
	    __builtin_mul_overflow(sector, (uint64_t)BLK_SECTOR, offset) ||
	    __builtin_add_overflow(*offset, len, &end) || end > limits->size)
		return 0;
	return (uint32_t)len;
}

/*
 * Where the status byte is, the last that the device may write: of a chain that
 * has one (blk_parse said so). No segment is empty.
 */
static inline uint8_t *
blk_status_at(const struct virtq_chain *chain, uint64_t *addr)
{
	unsigned int last = chain->nread + (unsigned int)chain->nwrite - 1;
	size_t len = chain->iov[last].iov_len;

	*addr = chain->addr[last] + len - 1;
	return (uint8_t *)chain->iov[last].iov_base + len - 1;
}

#endif
