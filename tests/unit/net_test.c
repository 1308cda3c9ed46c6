// SPDX-License-Identifier: Apache-2.0
/*
 * The network device over a datagram socket in place of a tap: frames both ways,
 * receive buffers of all sizes, what a header may ask for, queue pairs.
 */
#include "tests/unit/net_fixture.h"

static void
assert_frame(uint64_t addr, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(h.mem[addr + i - from], frame_byte(i));
}

static unsigned int
num_buffers(uint64_t addr)
{
	return (unsigned int)(h.mem[addr + 10] | h.mem[addr + 11] << 8);
}

static void
receives_into_one_buffer(void **state)
{
	const struct h_seg seg[] = {
		{ H_DATA, 5, true }, { H_DATA + 5, 2043, true },
	};
	uint32_t id, len;

	(void)state;
	h_add(0, seg, 2);
	h_kick(0);
	send_frame(0, 1000);
	assert_true(h_poll(1000));
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 1000);
	assert_int_equal(num_buffers(H_DATA), 1);
	assert_frame(H_DATA + 12, 12, 1000);
	assert_false(h_used(0, &id, &len));
}

static void
waits_for_buffers(void **state)
{
	const struct h_seg seg = { H_DATA, 2048, true };
	uint32_t id, len;

	(void)state;
	send_frame(0, 700);
	/* No buffer: the tap is left alone, not polled in circles. */
	assert_false(h_poll(0));
	h_add(0, &seg, 1);
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 700);
	assert_frame(H_DATA + 12, 12, 700);
}

static void
merges_buffers_when_there_are_enough(void **state)
{
	uint32_t id, len, total = 0;

	(void)state;
	/* 5000 bytes need five of 1024; two at first, one by one then. */
	for (unsigned int i = 0; i < 5; i++) {
		const struct h_seg seg = { H_DATA + i * 0x1000, 1024, true };

		if (i == 2) {
			h_kick(0);
			send_frame(0, 5000);
			assert_true(h_poll(1000));
		}
		h_add(0, &seg, 1);
		if (i >= 2)
			h_kick(0);
		if (i < 4) {
			assert_false(h_used(0, &id, &len));
			assert_false(h_poll(0));
		}
	}
	for (unsigned int i = 0; i < 5; i++) {
		assert_true(h_used(0, &id, &len));
		assert_int_equal(id, i);
		assert_int_equal(len, i < 4 ? 1024 : 5000 - 4 * 1024);
		if (i == 0)
			assert_frame(H_DATA + 12, 12, 1024);
		else
			assert_frame(H_DATA + i * 0x1000, i * 1024,
			    i * 1024 + len);
		total += len;
	}
	assert_int_equal(total, 5000);
	assert_int_equal(num_buffers(H_DATA), 5);
	assert_false(h_used(0, &id, &len));
}

static void
a_large_frame_spills_at_once(void **state)
{
	uint32_t id, len, n = 0;

	(void)state;
	for (unsigned int i = 0; i < 40; i++) {
		const struct h_seg seg = { H_DATA + i * 0x800, 2048, true };

		h_add(0, &seg, 1);
	}
	h_kick(0);
	send_frame(0, 65562);
	assert_true(h_poll(1000));
	while (h_used(0, &id, &len)) {
		assert_frame(H_DATA + n * 0x800 + (n == 0 ? 12 : 0),
		    n * 2048 + (n == 0 ? 12 : 0), n * 2048 + len);
		n++;
	}
	assert_int_equal(n, 33);
	assert_int_equal(num_buffers(H_DATA), 33);
}

static void
too_small_without_merging_is_dropped(void **state)
{
	const struct h_seg seg = { H_DATA, 500, true };
	uint32_t id, len;

	(void)state;
	h_reset();
	h_activate(h.dev.features & ~BIT(VIRTIO_NET_F_MRG_RXBUF));
	h_add(0, &seg, 1);
	h_kick(0);
	send_frame(0, 501);
	send_frame(0, 500);
	assert_true(h_poll(1000));
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 500);
	assert_frame(H_DATA + 12, 12, 500);
	assert_int_equal(num_buffers(H_DATA), 1);
	assert_false(h_used(0, &id, &len));
}

static void
buffers_without_room_for_a_header_come_back(void **state)
{
	const struct h_seg tiny = { H_DATA, 11, true };
	const struct h_seg wrong = { H_DATA, 2048, false };
	const struct h_seg good = { H_DATA, 2048, true };
	uint32_t id, len;

	(void)state;
	h_add(0, &tiny, 1);
	h_add(0, &wrong, 1);
	h_add(0, &good, 1);
	send_frame(0, 100);
	h_kick(0);
	assert_true(h_used(0, &id, &len) && id == 0 && len == 0);
	assert_true(h_used(0, &id, &len) && id == 1 && len == 0);
	assert_true(h_used(0, &id, &len) && id == 2 && len == 100);
}

static void
put_tx(const struct net_hdr *hdr, size_t len)
{
	memcpy(h.mem + H_DATA, hdr, sizeof(*hdr));
	for (size_t i = sizeof(*hdr); i < len; i++)
		h.mem[H_DATA + i] = frame_byte(i);
}

/* What the host got of a frame of @len bytes: its length, -1: nothing. */
static ssize_t
transmit(const struct net_hdr *hdr, uint32_t len, uint32_t split, uint8_t *buf,
    size_t size)
{
	const struct h_seg seg[] = {
		{ H_DATA, split, false }, { H_DATA + split, len - split, false },
	};
	uint32_t id, used;

	put_tx(hdr, len);
	h_add(1, seg, 2);
	h_kick(1);
	assert_true(h_used(1, &id, &used));
	assert_int_equal(used, 0);
	return read(host[0], buf, size);
}

static void
transmits_whatever_the_split(void **state)
{
	const struct net_hdr hdr = { .flags = 0xfe, .num_buffers = 7 };
	/* One that is copied, and one that is not. */
	static const uint32_t lens[] = { 300, NET_COPY_MAX + 1 };
	uint8_t buf[NET_COPY_MAX + 2];

	(void)state;
	for (uint32_t split = 1; split < 80; split++) {
		const uint32_t len = lens[split & 1];

		assert_int_equal(transmit(&hdr, len, split / 2 + 1, buf,
		    sizeof(buf)), len);
		/* Flags that are not the driver's are gone. */
		for (unsigned int i = 0; i < 12; i++)
			assert_int_equal(buf[i], 0);
		for (unsigned int i = 12; i < len; i++)
			assert_int_equal(buf[i], frame_byte(i));
	}
}

static void
frames_of_all_sizes_keep_their_order(void **state)
{
	const struct net_hdr hdr = { 0 };
	uint8_t buf[NET_COPY_MAX + 100];
	uint32_t id, used;

	(void)state;
	put_tx(&hdr, sizeof(buf));
	for (unsigned int i = 0; i < H_QUEUE; i++) {
		/* Large ones behind 20, 6, 0 and 34 small ones. */
		const bool large = i == 20 || i == 27 || i == 28 || i == 63;
		const struct h_seg seg = { H_DATA,
		    (large ? NET_COPY_MAX + 1 : 100) + i, false };

		h_add(1, &seg, 1);
	}
	h_kick(1);
	for (unsigned int i = 0; i < H_QUEUE; i++) {
		const bool large = i == 20 || i == 27 || i == 28 || i == 63;

		assert_true(h_used(1, &id, &used) && id == i && used == 0);
		assert_int_equal(read(host[0], buf, sizeof(buf)),
		    (large ? NET_COPY_MAX + 1 : 100) + i);
	}
	assert_int_equal(read(host[0], buf, sizeof(buf)), -1);
}

static void
checks_what_a_header_asks_for(void **state)
{
	const uint64_t all = net_features_of(ALL_OFFLOADS);
	const struct net_hdr gso = {
		.flags = 1, .gso_type = NET_GSO_TCPV4, .hdr_len = 54,
		.gso_size = 1460, .csum_start = 34, .csum_offset = 16,
	};
	struct net_hdr hdr;

	(void)state;
	hdr = gso;
	assert_true(net_check_tx(&hdr, 9000, all));
	assert_memory_equal(&hdr, &gso, sizeof(hdr));
	hdr = gso;
	assert_false(net_check_tx(&hdr, 9000, all & ~BIT(VIRTIO_NET_F_CSUM)));
	hdr = gso;
	assert_false(net_check_tx(&hdr, 9000,
	    all & ~BIT(VIRTIO_NET_F_HOST_TSO4)));
	hdr = gso;
	hdr.gso_type = NET_GSO_TCPV6;
	assert_false(net_check_tx(&hdr, 9000,
	    all & ~BIT(VIRTIO_NET_F_HOST_TSO6)));
	hdr = gso;
	hdr.gso_type |= NET_GSO_ECN;
	assert_true(net_check_tx(&hdr, 9000, all));
	assert_false(net_check_tx(&hdr, 9000,
	    all & ~BIT(VIRTIO_NET_F_HOST_ECN)));
	hdr.gso_type = NET_GSO_ECN;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr = gso;
	hdr.gso_type = NET_GSO_UDP;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr.gso_type = NET_GSO_UDP_L4;
	assert_true(net_check_tx(&hdr, 9000, all));
	assert_false(net_check_tx(&hdr, 9000,
	    all & ~BIT(VIRTIO_NET_F_HOST_USO)));
	hdr.gso_type = 2;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr = gso;
	hdr.flags = 0;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr = gso;
	hdr.gso_size = 0;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr = gso;
	hdr.hdr_len = 9001;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr = gso;
	hdr.csum_start = 8983;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr.csum_start = UINT16_MAX;
	hdr.csum_offset = UINT16_MAX;
	assert_false(net_check_tx(&hdr, 9000, all));
	hdr = gso;
	assert_false(net_check_tx(&hdr, 13, all));
}

static void
drops_what_is_no_frame(void **state)
{
	const struct net_hdr hdr = { 0 };
	const struct h_seg none = { H_DATA, 64, true };
	const struct h_seg huge = { H_DATA, NET_FRAME_MAX + 1, false };
	uint8_t buf[64];
	uint32_t id, len;

	(void)state;
	assert_int_equal(transmit(&hdr, 25, 12, buf, sizeof(buf)), -1);
	assert_int_equal(transmit(&hdr, 11, 5, buf, sizeof(buf)), -1);
	h_add(1, &none, 1);
	h_add(1, &huge, 1);
	h_kick(1);
	assert_true(h_used(1, &id, &len) && h_used(1, &id, &len));
	assert_int_equal(read(host[0], buf, sizeof(buf)), -1);
	assert_int_equal(h.needs_reset, 0);
}

static void
queue_pairs_come_and_go(void **state)
{
	const struct h_seg seg = { H_DATA + 0x1000, 2048, true };
	uint32_t id, len;

	(void)state;
	assert_false(attached[1]);
	h_add(2, &seg, 1);
	h_kick(2);
	send_frame(1, 100);
	assert_false(h_poll(0));
	assert_int_equal(set_pairs(2), 0);
	assert_true(attached[1]);
	assert_int_equal(offloads[1], ALL_OFFLOADS);
	assert_true(h_used(2, &id, &len) && len == 100);
	assert_int_equal(set_pairs(1), 0);
	assert_false(attached[1]);
	assert_int_equal(set_pairs(2), 0);
	h_reset();
	assert_false(attached[1]);
}

/* Without tokens frames stay where they are, on both sides. */
static void
waits_for_tokens(void **state)
{
	const struct net_hdr hdr = { 0 };
	const struct h_seg tx = { H_DATA, 300, false };
	const struct h_seg rx = { H_DATA + 4096, 2048, true };
	uint32_t id, len;
	uint8_t buf[512];

	(void)state;
	put_tx(&hdr, 300);
	h.limited = true;
	h.ops_left = 0;
	h.spent = h.later = 0;
	h_add(1, &tx, 1);
	h_kick(1);
	assert_int_equal(h.later, 2);
	assert_int_equal(h.dev.vq[1].inflight, 0);
	assert_int_equal(read(host[0], buf, sizeof(buf)), -1);
	h.ops_left = 1;
	h_kick(1);
	assert_int_equal(read(host[0], buf, sizeof(buf)), 300);
	assert_int_equal(h.spent, 300 - NET_HDR_SIZE);

	h.spent = h.later = 0;
	h_add(0, &rx, 1);
	h_kick(0);
	send_frame(0, 200);
	assert_false(h_poll(0));
	assert_int_equal(h.later, 1);
	h.ops_left = 1;
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 200);
	assert_int_equal(h.spent, 200 - NET_HDR_SIZE);
	assert_int_equal(h.ops_left, 0);
	/* The control queue is nobody's traffic. */
	assert_int_equal(set_pairs(PAIRS), 0);
	h.limited = false;
}

static void
the_tap_does_what_the_driver_understands(void **state)
{
	(void)state;
	assert_int_equal(offloads[0], ALL_OFFLOADS);
	h_reset();
	h_activate(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO6));
	assert_int_equal(offloads[0], TUN_F_CSUM | TUN_F_TSO6);
	h_reset();
	h_activate(BIT(VIRTIO_NET_F_GUEST_TSO4));
	assert_int_equal(offloads[0], 0);
	assert_int_equal(net_features_of(TUN_F_TSO4), 0);
	/* Half of USO is none. */
	assert_int_equal(net_features_of(TUN_F_CSUM | 0x20),
	    net_features_of(TUN_F_CSUM));
	assert_int_equal(net_offloads_of(BIT(VIRTIO_NET_F_GUEST_CSUM) |
	    BIT(VIRTIO_NET_F_GUEST_USO6)), TUN_F_CSUM);
}

static void
a_tap_that_is_gone_is_said_once(void **state)
{
	const struct h_seg seg = { H_DATA, 64, true };
	const struct net_hdr hdr = { 0 };
	uint8_t buf[64];

	(void)state;
	h_add(0, &seg, 1);
	h_kick(0);
	assert_true(net_backend_gone(&h.dev, 0, EBADFD));
	assert_false(net_backend_gone(&h.dev, 0, EINVAL));
	/* The link is down; frames are taken, none comes. */
	assert_int_equal(h.dev.config[6] & NET_S_LINK_UP, 0);
	assert_int_equal(h.config_changed, 1);
	assert_true(net_backend_gone(&h.dev, 0, EBADFD));
	assert_int_equal(h.config_changed, 1);
	assert_int_equal(transmit(&hdr, 100, 12, buf, sizeof(buf)), -1);
	send_frame(0, 60);
	assert_false(h_poll(0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(receives_into_one_buffer),
		T(waits_for_buffers),
		T(merges_buffers_when_there_are_enough),
		T(a_large_frame_spills_at_once),
		T(too_small_without_merging_is_dropped),
		T(buffers_without_room_for_a_header_come_back),
		T(transmits_whatever_the_split),
		T(frames_of_all_sizes_keep_their_order),
		T(checks_what_a_header_asks_for),
		T(drops_what_is_no_frame),
		T(waits_for_tokens),
		T(queue_pairs_come_and_go),
		T(the_tap_does_what_the_driver_understands),
		T(a_tap_that_is_gone_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
