/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps each device busy until it is stopped, for what the runner does to the
 * processes meanwhile. Every request that is outstanding is looked after
 * without waiting for it, so that one device standing still stops no other;
 * twice a second a line tells how many each has completed:
 *	blk N rng N
 * "read=N": reads N MiB from the disk, says "read" and goes on. "once" ends there;
 * "wait=N" waits that many milliseconds before.
 */
#include "lib/blk.h"

#define CHUNK 131072u

static struct blk blk;
static struct vdev rng;
static struct vq rngq;

static void read_all(uint32_t mib)
{
	uint8_t *data = alloc(CHUNK, PAGE);
	uint32_t n = mib * (0x100000 / CHUNK), bad = 0;
	uint32_t per_disk = (uint32_t)(blk.capacity / (CHUNK / 512));

	print("reading\n");
	for (uint32_t i = 0; i < n; i++)
		bad += blk_do(&blk, BLK_IN,
		    (uint64_t)(i % per_disk) * (CHUNK / 512), data,
		    CHUNK) != BLK_OK;
	print("read %u MiB, %u bad\n", mib, bad);
}

void guest_main(void)
{
	uint8_t *data = alloc(PAGE, PAGE), *bytes = alloc(64, 16);
	bool have_blk = blk_open(&blk, 0, 0);
	bool have_rng = virtio_find(&rng, VIRTIO_RNG, 0);
	uint32_t done_blk = 0, done_rng = 0, t, len;
	bool busy_blk = false, busy_rng = false;
	int id;

	if (have_rng) {
		have_rng = virtio_negotiate(&rng, 0) &&
		    vq_setup(&rngq, &rng, 0, 16);
		virtio_driver_ok(&rng);
	}
	if (cmdline_num("wait", 0)) {
		print("waiting\n");
		delay_ms(cmdline_num("wait", 0));
	}
	if (have_blk && cmdline_num("read", 0))
		read_all(cmdline_num("read", 0));
	if (cmdline_has("once"))
		return;
	print("running\n");
	for (t = now_ms();;) {
		if (have_blk && !busy_blk) {
			struct buf v[3] = { BUF_OUT(blk.header, 16),
				BUF_IN(data, 512), BUF_IN(blk.status, 1) };

			*blk.header = (struct blk_header){ BLK_IN, 0,
				done_blk % 16 };
			busy_blk = vq_add(&blk.q, v, 3, false) >= 0;
			vq_kick(&blk.q, false);
		}
		if (have_rng && !busy_rng) {
			busy_rng = vq_add(&rngq, &BUF_IN(bytes, 32), 1,
			    false) >= 0;
			vq_kick(&rngq, false);
		}
		if (busy_blk && vq_poll(&blk.q, &id, &len)) {
			busy_blk = false;
			done_blk++;
		}
		if (busy_rng && vq_poll(&rngq, &id, &len)) {
			busy_rng = false;
			done_rng++;
		}
		if (now_ms() - t >= 500) {
			t += 500;
			print("blk %u rng %u\n", done_blk, done_rng);
		}
	}
}
