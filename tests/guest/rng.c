/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng: bytes come, they differ, on every kind of ring. */
#include "lib/virtio.h"

static void draw(struct vdev *d, const char *name, uint64_t features)
{
	static struct vq q;
	uint8_t *a = alloc(PAGE, 16), *b = alloc(PAGE, 16);
	uint32_t zero = 0;
	int got;

	begin(name);
	check(virtio_negotiate(d, features));
	check(vq_setup(&q, d, 0, 0));
	virtio_driver_ok(d);
	for (unsigned int i = 0; i < 100; i++) {
		struct buf v[2] = { BUF_IN(a, 24), BUF_IN(a + 24, 8) };

		memset(a, 0, 32);
		got = vq_do(&q, v, 2, (d->features & F_INDIRECT) != 0);
		check(got > 0 && got <= 32);
		if (i)
			check(memcmp(a, b, 16) != 0);
		memcpy(b, a, 32);
	}
	got = vq_do(&q, &BUF_IN(a, PAGE), 1, false);
	check(got >= 64 && got <= (int)PAGE);
	for (int i = 0; i < got; i++)
		zero += a[i] == 0;
	check(zero < (uint32_t)got / 4);
	end();
}

void guest_main(void)
{
	struct vdev d;

	if (!virtio_find(&d, VIRTIO_RNG, 0)) {
		begin("rng");
		fail("none found");
		end();
		return;
	}
	draw(&d, "split", 0);
	draw(&d, "split-indirect-event", F_INDIRECT | F_EVENT_IDX);
	if (d.offered & F_PACKED) {
		draw(&d, "packed", F_PACKED);
		draw(&d, "packed-indirect-event",
		    F_PACKED | F_INDIRECT | F_EVENT_IDX);
	}
	check(!cmdline_has("packed") || (d.offered & F_PACKED));
}
