/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network device that is isolated under a busy guest: frames go out until the
 * device says DEVICE_NEEDS_RESET; from then on each is still answered, once, and no
 * buffer comes back with a frame that nobody sent. A driver that resets the device
 * finds it answering as before.
 */
#include "lib/virtio.h"

#define HDR 12u
#define RX_BUFS 16u
#define RX_LEN 2048u
#define FRAME 64u

static struct vdev d;
static struct vq rx, tx;
static uint8_t *rx_buf, *frame;

static bool start(void)
{
	if (!virtio_find(&d, VIRTIO_NET, 0) || !virtio_negotiate(&d, 0) ||
	    !vq_setup(&rx, &d, 0, 64) || !vq_setup(&tx, &d, 1, 64))
		return false;
	virtio_driver_ok(&d);
	for (unsigned int i = 0; i < RX_BUFS; i++)
		vq_add(&rx, &BUF_IN(rx_buf + i * RX_LEN, RX_LEN), 1, false);
	vq_kick(&rx, false);
	return true;
}

static bool send(void)
{
	struct buf v[2] = { BUF_OUT(frame, HDR), BUF_OUT(frame + HDR, FRAME) };

	return vq_do(&tx, v, 2, false) >= 0;
}

void guest_main(void)
{
	uint32_t since, sent = 0, after = 0, len;
	int id;

	begin("isolated");
	rx_buf = alloc(RX_BUFS * RX_LEN, PAGE);
	frame = alloc(PAGE, PAGE);
	for (unsigned int i = 0; i < 6; i++)
		frame[HDR + i] = 0xff;
	check(start());
	print("running\n");
	for (since = now_ms(); !(virtio_status(&d) & 64) &&
	    now_ms() - since < 30000; sent++)
		check(send());
	check(virtio_status(&d) & 64);
	check(sent > 0);
	/* What the host had for us before. */
	while (vq_poll(&rx, &id, &len))
		;
	for (; after < 200; after++)
		check(send());
	check(!vq_poll(&rx, &id, &len));
	check(virtio_reset(&d, 5000));
	check(start());
	check(send());
	check(!(virtio_status(&d) & 64));
	end();
	print("sent %u, then %u\n", sent, after);
}
