// SPDX-License-Identifier: Apache-2.0
//
// Packets that are not to be carried out, see vsock_int.h: the device is isolated, or
// they have killed two workers. Of the device there are only the queues. What the guest
// sends belongs to no connection any more, and it is told so, as for any such packet
// (virtio 1.2, 5.10.6.4): its connect fails at once, and what was open is reset.
#include "device-workers/vsock/vsock_int.h"

static struct virtq_chain room;

int64_t
vsock_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	struct virtq *rx = &dev->vq[VSOCK_RX];
	struct vsock_hdr h, rst;
	uint64_t n;

	counter_set(dev->counters, VSOCK_COUNT_OPEN, 0);
	if (q != VSOCK_TX)
		return -1;
	if (virtq_copy_out_of(chain, 0, &h, sizeof(h)) != sizeof(h) ||
	    h.op == VSOCK_OP_RST || virtq_pop(rx, &room) <= 0)
		return 0;
	rst = (struct vsock_hdr){
		.src_cid = h.dst_cid, .dst_cid = h.src_cid,
		.src_port = h.dst_port, .dst_port = h.src_port,
		.type = h.type, .op = VSOCK_OP_RST,
	};
	n = virtq_copy_into(&room, 0, &rst, sizeof(rst));
	virtq_push(rx, &room, (uint32_t)n);
	virtq_flush(rx);
	return 0;
}
