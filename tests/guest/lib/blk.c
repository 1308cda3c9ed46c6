/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk on one queue: see blk.h. */
#include "lib/blk.h"

bool blk_restart(struct blk *b, uint64_t features)
{
	b->indirect = false;
	if (!virtio_negotiate(&b->d, features))
		return false;
	b->indirect = (b->d.features & F_INDIRECT) != 0;
	if (!vq_setup(&b->q, &b->d, 0, 128))
		return false;
	virtio_driver_ok(&b->d);
	b->capacity = read32(b->d.config) |
	    (uint64_t)read32(b->d.config + 4) << 32;
	return true;
}

bool blk_open(struct blk *b, unsigned int nth, uint64_t features)
{
	memset(b, 0, sizeof(*b));
	if (!virtio_find(&b->d, VIRTIO_BLK, nth))
		return false;
	b->header = alloc(sizeof(*b->header), 16);
	b->status = alloc(1, 1);
	return blk_restart(b, features);
}

int blk_do(struct blk *b, uint32_t type, uint64_t sector, void *data,
    uint32_t len)
{
	bool in = type == BLK_IN || type == BLK_GET_ID;
	struct buf v[3];
	unsigned int n = 0;
	int used;

	*b->header = (struct blk_header){ type, 0, sector };
	*b->status = 0xaa;
	v[n++] = BUF_OUT(b->header, 16);
	if (len)
		v[n++] = (struct buf){ (uintptr_t)data, len, in };
	v[n++] = BUF_IN(b->status, 1);
	used = vq_do(&b->q, v, n, b->indirect);
	if (used < 0)
		return -1;
	/* The used length counts what was written, the status byte too. */
	if (*b->status == BLK_OK && type == BLK_IN && (uint32_t)used != len + 1)
		fail("used length of a read is %d, want %u", used, len + 1);
	return *b->status;
}

void blk_pattern(void *data, uint32_t len, uint32_t seed)
{
	uint32_t *p = data;

	for (uint32_t i = 0; i < len / 4; i++)
		p[i] = seed * 2654435761u + i;
}

bool blk_works(struct blk *b, uint64_t sector)
{
	static uint8_t out[512], in[512];
	static uint32_t seed;

	blk_pattern(out, sizeof(out), ++seed);
	memset(in, 0, sizeof(in));
	return blk_do(b, BLK_OUT, sector, out, sizeof(out)) == BLK_OK &&
	    blk_do(b, BLK_IN, sector, in, sizeof(in)) == BLK_OK &&
	    memcmp(in, out, sizeof(in)) == 0;
}
