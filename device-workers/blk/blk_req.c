// SPDX-License-Identifier: Apache-2.0
/*
 * Parser of virtio-blk requests, see blk_req.h. Everything from the guest is
 * copied once and judged in the copy.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "device-workers/blk/blk_req.h"

struct wire_range {
	uint64_t sector;
	uint32_t num_sectors;
	uint32_t flags;
};

_Static_assert(sizeof(struct wire_range) == 16, "range as on the wire");

#define RANGE_F_UNMAP 1u

/* [sector, sector + len/512) is on the disk; *offset in bytes. */
static bool
on_disk(const struct blk_limits *limits, uint64_t sector, uint64_t len,
    uint64_t *offset)
{
	uint64_t end;

	return !__builtin_mul_overflow(sector, (uint64_t)BLK_SECTOR, offset) &&
	    !__builtin_add_overflow(*offset, len, &end) && end <= limits->size;
}

static int
parse_data(const struct blk_limits *limits, uint64_t sector, uint64_t len,
    struct blk_request *req)
{
	if (len == 0 || len % BLK_SECTOR != 0 || len > BLK_MAX_DATA ||
	    !on_disk(limits, sector, len, &req->offset))
		return VIRTIO_BLK_S_IOERR;
	req->len = len;
	return VIRTIO_BLK_S_OK;
}

static int
parse_range(const struct blk_limits *limits, const struct wire_range *wire,
    bool zeroes, struct blk_range *range)
{
	uint32_t sectors = le32toh(wire->num_sectors);
	uint32_t flags = le32toh(wire->flags);

	/* 5.2.6.2: unknown flags, and unmap in a DISCARD, are not supported. */
	if ((flags & ~(zeroes ? RANGE_F_UNMAP : 0u)) != 0)
		return VIRTIO_BLK_S_UNSUPP;
	if (sectors > (zeroes ? BLK_MAX_ZERO_SECTORS : BLK_MAX_DISCARD_SECTORS))
		return VIRTIO_BLK_S_IOERR;
	range->len = (uint64_t)sectors * BLK_SECTOR;
	range->unmap = (flags & RANGE_F_UNMAP) != 0;
	if (sectors == 0 ||
	    !on_disk(limits, le64toh(wire->sector), range->len, &range->offset))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static int __attribute__((noinline))
parse_ranges(const struct virtq_chain *chain, const struct blk_limits *limits,
    struct blk_request *req)
{
	bool zeroes = req->type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint64_t len = chain->read_len - BLK_HEADER_SIZE;
	struct wire_range wire[BLK_MAX_RANGES];
	int status;

	if (!(zeroes ? limits->write_zeroes : limits->discard))
		return VIRTIO_BLK_S_UNSUPP;
	if (limits->readonly || len == 0 || len % sizeof(wire[0]) != 0 ||
	    len > sizeof(wire) || chain->write_len != 1)
		return VIRTIO_BLK_S_IOERR;
	if (virtq_copy_out_of(chain, BLK_HEADER_SIZE, wire, len) != len)
		return VIRTIO_BLK_S_IOERR;
	/* All are checked before the first is carried out. */
	req->nranges = (unsigned int)(len / sizeof(wire[0]));
	for (unsigned int i = 0; i < req->nranges; i++) {
		status = parse_range(limits, &wire[i], zeroes, &req->range[i]);
		if (status != VIRTIO_BLK_S_OK)
			return status;
	}
	return VIRTIO_BLK_S_OK;
}

/* Once: the guest may be writing there. */
static inline void
copy_header(struct blk_header *header, const void *from)
{
	memcpy(header, from, sizeof(*header));
	__asm__ volatile("" ::: "memory");
}

int
blk_parse(const struct virtq_chain *chain, const struct blk_limits *limits,
    struct blk_request *req)
{
	uint64_t in, out, sector;
	struct blk_header header;

	if (chain->write_len < 1)
		return -EPROTO;
	/* As every driver has it: in one buffer. */
	if (chain->nread > 0 && chain->iov[0].iov_len >= sizeof(header))
		copy_header(&header, chain->iov[0].iov_base);
	else if (virtq_copy_out_of(chain, 0, &header, sizeof(header)) !=
	    sizeof(header))
		return VIRTIO_BLK_S_IOERR;
	in = chain->write_len - 1;			/* data to the driver */
	out = chain->read_len - BLK_HEADER_SIZE;	/* data from it */
	sector = le64toh(header.sector);
	req->type = le32toh(header.type);
	req->nranges = 0;
	req->offset = req->len = 0;

	switch (req->type) {
	case VIRTIO_BLK_T_IN:
		if (out != 0)
			return VIRTIO_BLK_S_IOERR;
		return parse_data(limits, sector, in, req);
	case VIRTIO_BLK_T_OUT:
		if (in != 0 || limits->readonly)
			return VIRTIO_BLK_S_IOERR;
		return parse_data(limits, sector, out, req);
	case VIRTIO_BLK_T_FLUSH:
		/* A driver SHOULD NOT send data with it; if so, it is ignored. */
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		if (out != 0 || in == 0)
			return VIRTIO_BLK_S_IOERR;
		req->len = in < VIRTIO_BLK_ID_BYTES ? in : VIRTIO_BLK_ID_BYTES;
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return parse_ranges(chain, limits, req);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}
