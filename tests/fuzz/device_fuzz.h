/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzing a device: the input is a program for a hostile driver, which pokes
 * guest memory, makes chains available, kicks and resets. What the back end does
 * is the target's own (fuzz_backend). The device must stay within its memory
 * (the sanitizers say) and come to an end.
 */
#ifndef BULKHEAD_TESTS_FUZZ_DEVICE_FUZZ_H
#define BULKHEAD_TESTS_FUZZ_DEVICE_FUZZ_H

#include "tests/unit/device_harness.h"

#define FUZZ_MAX_OPS 64
#define FUZZ_MAX_SEGS 12

struct fuzz_in {
	const uint8_t *at;
	size_t left;
};

static uint32_t
fuzz_take(struct fuzz_in *in, unsigned int bytes)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < bytes && in->left > 0; i++) {
		v |= (uint32_t)*in->at++ << (8 * i);
		in->left--;
	}
	return v;
}

/* One step of the target's back end: each target defines it. */
void fuzz_backend(struct fuzz_in *in);

static void
fuzz_poke(struct fuzz_in *in)
{
	uint32_t addr = fuzz_take(in, 3) % H_MEM;
	uint32_t len = fuzz_take(in, 1);

	for (uint32_t i = 0; i < len && in->left > 0 && addr + i < H_MEM; i++)
		h.mem[addr + i] = (uint8_t)fuzz_take(in, 1);
}

static void
fuzz_chain(struct fuzz_in *in)
{
	struct h_seg seg[FUZZ_MAX_SEGS];
	unsigned int q = fuzz_take(in, 1) % h.dev.nqueues;
	unsigned int n = 1 + fuzz_take(in, 1) % FUZZ_MAX_SEGS;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t flags = fuzz_take(in, 1);

		/* Near the rings, in the data, at the end, or nowhere. */
		seg[i].addr = fuzz_take(in, 2) * (flags & 4 ? 64u : 1u) +
		    (flags & 8 ? H_DATA : 0);
		if ((flags & 0xf0) == 0xf0)
			seg[i].addr |= 0xffffffff00000000;
		seg[i].len = fuzz_take(in, flags & 2 ? 2 : 1);
		if ((flags & 0xf0) == 0xe0)
			seg[i].len <<= 16;
		seg[i].write = (flags & 1) != 0;
	}
	h_add(q, seg, n);
}

static void
fuzz_run(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint64_t ring = 1ull << VIRTIO_F_INDIRECT_DESC |
	    1ull << VIRTIO_F_EVENT_IDX;

	h_activate((fuzz_take(&in, 4) | ring) & (h.dev.features | ring));
	for (unsigned int i = 0; i < FUZZ_MAX_OPS && in.left > 0; i++) {
		switch (fuzz_take(&in, 1) % 6) {
		case 0:
			fuzz_poke(&in);
			break;
		case 1:
		case 2:
			fuzz_chain(&in);
			break;
		case 3:
			if (h.dev.nqueues > 0)
				h_kick(fuzz_take(&in, 1) % h.dev.nqueues);
			break;
		case 4:
			fuzz_backend(&in);
			break;
		default:
			h_reset();
			h_activate((fuzz_take(&in, 4) | ring) &
			    (h.dev.features | ring));
			break;
		}
	}
	for (unsigned int q = 0; q < h.dev.nqueues; q++)
		h_kick(q);
	if (h.dev.ops->drain != NULL)
		(void)h.dev.ops->drain(&h.dev);
	h_reset();
}

#endif
