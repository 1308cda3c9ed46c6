// SPDX-License-Identifier: Apache-2.0
/*
 * The network device's control queue, and what its commands change: receive
 * modes and addresses, offloads, queue pairs, announcement; saved and loaded.
 */
#include "tests/unit/net_fixture.h"

#define OK 0
#define ERR 1
#define CLASS_RX 0
#define CLASS_MAC 1
#define CLASS_ANNOUNCE 3
#define CLASS_OFFLOADS 5

static const uint8_t other[6] = { 0x52, 0x54, 0, 9, 9, 9 };
static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 };
static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

/* Does a frame to @to arrive? */
static bool
arrives(const uint8_t *to)
{
	const struct h_seg seg = { H_DATA + 0x8000, 2048, true };
	uint8_t frame[100] = { 0 };
	uint32_t id, len;

	memcpy(frame + NET_HDR_SIZE, to, 6);
	assert_int_equal(write(host[0], frame, sizeof(frame)), sizeof(frame));
	/* One buffer is there, and stays where the frame was not for us. */
	if (h.avail[0] == h.used[0]) {
		h_add(0, &seg, 1);
		h_kick(0);
	} else {
		assert_true(h_poll(1000));
	}
	assert_false(h_poll(0));
	return h_used(0, &id, &len);
}

static int
rx_mode(enum net_rx_mode mode, uint8_t on)
{
	return command(CLASS_RX, (uint8_t)mode, &on, 1);
}

static void
own_address_and_broadcast_arrive(void **state)
{
	(void)state;
	assert_true(arrives(mac));
	assert_true(arrives(broadcast));
	assert_false(arrives(other));
	assert_false(arrives(group));
	/* Without the feature there is no filter. */
	h_reset();
	h_activate(h.dev.features & ~BIT(VIRTIO_NET_F_CTRL_RX));
	assert_true(arrives(other) && arrives(group));
}

static void
receive_modes(void **state)
{
	uint8_t two = 2, word[2] = { 1, 0 };

	(void)state;
	assert_int_equal(rx_mode(NET_RX_PROMISC, 1), OK);
	assert_true(arrives(other) && arrives(group));
	assert_int_equal(rx_mode(NET_RX_PROMISC, 0), OK);
	assert_int_equal(rx_mode(NET_RX_ALLMULTI, 1), OK);
	assert_true(arrives(group) && !arrives(other));
	assert_int_equal(rx_mode(NET_RX_NOMULTI, 1), OK);
	assert_false(arrives(group));
	assert_int_equal(rx_mode(NET_RX_ALLUNI, 1), OK);
	assert_true(arrives(other));
	assert_int_equal(rx_mode(NET_RX_NOUNI, 1), OK);
	assert_false(arrives(other) || arrives(mac));
	assert_int_equal(rx_mode(NET_RX_NOBCAST, 1), OK);
	assert_false(arrives(broadcast));
	/* Wrong ones change nothing. */
	assert_int_equal(rx_mode(NET_RX_MODES, 1), ERR);
	assert_int_equal(command(CLASS_RX, NET_RX_NOBCAST, &two, 1), ERR);
	assert_int_equal(command(CLASS_RX, NET_RX_NOBCAST, word, 2), ERR);
	assert_int_equal(command(CLASS_RX, NET_RX_NOBCAST, word, 0), ERR);
	assert_false(arrives(broadcast));
	h_reset();
	h_activate(h.dev.features);
	assert_true(arrives(broadcast) && arrives(mac));
	assert_false(arrives(other));
}

/* Lists of @nuni and @nmulti addresses; the last of each is the one given. */
static uint32_t
make_table(uint8_t *data, uint32_t nuni, const uint8_t *uni, uint32_t nmulti,
    const uint8_t *multi)
{
	uint32_t at = 4;

	memcpy(data, &nuni, 4);
	for (uint32_t i = 0; i < nuni; i++, at += 6)
		memcpy(data + at, i + 1 < nuni ? mac : uni, 6);
	memcpy(data + at, &nmulti, 4);
	at += 4;
	for (uint32_t i = 0; i < nmulti; i++, at += 6)
		memcpy(data + at, i + 1 < nmulti ? broadcast : multi, 6);
	return at;
}

static void
address_table(void **state)
{
	static uint8_t data[4096];
	uint32_t len;

	(void)state;
	len = make_table(data, 1, other, 2, group);
	assert_int_equal(command(CLASS_MAC, 0, data, len), OK);
	assert_true(arrives(other) && arrives(group) && arrives(mac));
	/* It replaces what was there. */
	len = make_table(data, 0, other, 1, group);
	assert_int_equal(command(CLASS_MAC, 0, data, len), OK);
	assert_true(arrives(group) && !arrives(other));
	/* Lengths that are not what they should be: nothing changes. */
	for (uint32_t wrong = 0; wrong < len; wrong++)
		assert_int_equal(command(CLASS_MAC, 0, data, wrong), ERR);
	assert_int_equal(command(CLASS_MAC, 0, data, len + 1), ERR);
	memset(data, 0xff, 4);
	assert_int_equal(command(CLASS_MAC, 0, data, len), ERR);
	assert_true(arrives(group) && !arrives(other));
	/* Of too many, all pass: of that kind, where the kinds can be told. */
	len = make_table(data, NET_FILTER_MACS, other, 0, group);
	assert_int_equal(command(CLASS_MAC, 0, data, len), OK);
	assert_true(arrives(other) && !arrives(group));
	len = make_table(data, 2, mac, NET_FILTER_MACS - 1, mac);
	assert_int_equal(command(CLASS_MAC, 0, data, len), OK);
	assert_true(!arrives(other) && arrives(group));
	len = make_table(data, 600, mac, 1, mac);
	assert_int_equal(command(CLASS_MAC, 0, data, len), OK);
	assert_true(arrives(other) && arrives(group));
}

static void
own_address_changes(void **state)
{
	(void)state;
	assert_int_equal(command(CLASS_MAC, 1, other, 6), OK);
	assert_memory_equal(h.dev.config, other, 6);
	assert_int_equal(h.config_changed, 1);
	assert_true(arrives(other) && !arrives(mac));
	assert_int_equal(command(CLASS_MAC, 1, group, 6), ERR);
	assert_int_equal(command(CLASS_MAC, 1, mac, 5), ERR);
	assert_memory_equal(h.dev.config, other, 6);
	/* The next driver finds the device as it was made. */
	h_reset();
	assert_memory_equal(h.dev.config, mac, 6);
	assert_int_equal(h.config_changed, 2);
	h_activate(h.dev.features);
	assert_true(arrives(mac) && !arrives(other));
}

static void
a_guarded_address_stays(void **state)
{
	(void)state;
	mac_fixed = true;
	h_reset();
	free(h.dev.priv);
	start(UINT64_MAX);
	assert_int_equal(command(CLASS_MAC, 1, other, 6), ERR);
	assert_int_equal(command(CLASS_MAC, 1, mac, 6), OK);
	assert_memory_equal(h.dev.config, mac, 6);
	mac_fixed = false;
}

static void
offloads_come_and_go(void **state)
{
	uint64_t want = BIT(VIRTIO_NET_F_GUEST_CSUM) |
	    BIT(VIRTIO_NET_F_GUEST_TSO6);

	(void)state;
	assert_int_equal(offloads[0], ALL_OFFLOADS);
	assert_int_equal(command(CLASS_OFFLOADS, 0, &want, 8), OK);
	assert_int_equal(offloads[0], TUN_F_CSUM | TUN_F_TSO6);
	/* Those of a queue that is not in use yet, too. */
	assert_int_equal(set_pairs(2), OK);
	assert_int_equal(offloads[1], TUN_F_CSUM | TUN_F_TSO6);
	want = BIT(VIRTIO_NET_F_GUEST_UFO);	/* not offered */
	assert_int_equal(command(CLASS_OFFLOADS, 0, &want, 8), ERR);
	want = BIT(VIRTIO_NET_F_HOST_TSO4);	/* the other direction */
	assert_int_equal(command(CLASS_OFFLOADS, 0, &want, 8), ERR);
	assert_int_equal(command(CLASS_OFFLOADS, 1, &want, 8), ERR);
	want = 0;
	assert_int_equal(command(CLASS_OFFLOADS, 0, &want, 4), ERR);
	assert_int_equal(offloads[0], TUN_F_CSUM | TUN_F_TSO6);
	assert_int_equal(command(CLASS_OFFLOADS, 0, &want, 8), OK);
	assert_int_equal(offloads[0], 0);
	h_reset();
	h_activate(h.dev.features);
	assert_int_equal(offloads[0], ALL_OFFLOADS);
}

static void
bad_commands_are_refused(void **state)
{
	const struct h_seg seg = { H_DATA, 4, false };
	const struct h_seg tiny[] = {
		{ H_DATA, 1, false }, { H_DATA + 64, 1, true },
	};
	const uint8_t four[4] = { 1, 0, 0, 0 };
	uint32_t id, len;

	(void)state;
	assert_int_equal(set_pairs(0), ERR);
	assert_int_equal(set_pairs(PAIRS + 1), ERR);
	assert_int_equal(set_pairs(UINT16_MAX), ERR);
	assert_int_equal(command(4, 1, four, 2), ERR);
	assert_int_equal(command(2, 0, four, 2), ERR);	/* no VLAN filter */
	assert_int_equal(command(255, 255, four, 2), ERR);
	assert_int_equal(command(4, 0, four, 1), ERR);
	assert_int_equal(command(4, 0, four, 3), ERR);
	assert_int_equal(command(4, 0, four, 0), ERR);
	/* Half a header. */
	h.mem[H_DATA + 64] = 0xee;
	h_add(CTRL, tiny, 2);
	h_kick(CTRL);
	assert_true(h_used(CTRL, &id, &len) && len == 1);
	assert_int_equal(h.mem[H_DATA + 64], ERR);
	/* What was not negotiated is not known. */
	h_reset();
	h_activate(h.dev.features & ~(BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |
	    BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE)));
	assert_int_equal(rx_mode(NET_RX_NOUNI, 1), ERR);
	assert_int_equal(rx_mode(NET_RX_ALLMULTI, 1), OK);
	assert_int_equal(command(CLASS_MAC, 1, other, 6), ERR);
	assert_int_equal(command(CLASS_ANNOUNCE, 0, other, 0), ERR);
	assert_int_equal(h.needs_reset, 0);
	h_add(CTRL, &seg, 1);
	h_kick(CTRL);
	assert_int_equal(h.needs_reset, 1);
}

static void
without_the_offers_of_a_control_queue(void **state)
{
	const char *why;

	(void)state;
	h_reset();
	free(h.dev.priv);
	memset(&h.dev, 0, sizeof(h.dev));
	net.no_control = true;
	net.queue_pairs = 1;
	assert_int_equal(h_start(&net_ops, &config, &why), 0);
	assert_int_equal(h.dev.nqueues, 2);
	assert_int_equal(h.dev.features & (BIT(VIRTIO_NET_F_CTRL_VQ) |
	    BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
	    BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | BIT(VIRTIO_NET_F_MQ)), 0);
	h_activate(h.dev.features);
	assert_true(arrives(mac) && arrives(other));
}

/* 5.1.4.1: what is longer than the MTU is not passed, but for segments. */
static void
frames_keep_to_the_mtu(void **state)
{
	const struct h_seg seg = { H_DATA + 0x8000, 4096, true };
	uint8_t frame[NET_HDR_SIZE + 2000] = { 0 };
	uint32_t id, len;

	(void)state;
	mtu = 1500;
	h_reset();
	free(h.dev.priv);
	start(UINT64_MAX);
	mtu = 65535;
	memcpy(frame + NET_HDR_SIZE, mac, 6);
	for (unsigned int i = 0; i < 3; i++)
		h_add(0, &seg, 1);
	h_kick(0);
	assert_int_equal(write(host[0], frame, NET_HDR_SIZE + 1519), 12 + 1519);
	assert_true(h_poll(1000) && !h_used(0, &id, &len));
	assert_int_equal(write(host[0], frame, NET_HDR_SIZE + 1518), 12 + 1518);
	assert_true(h_poll(1000) && h_used(0, &id, &len));
	assert_int_equal(len, NET_HDR_SIZE + 1518);
	frame[1] = NET_GSO_TCPV4;
	assert_int_equal(write(host[0], frame, sizeof(frame)), sizeof(frame));
	assert_true(h_poll(1000) && h_used(0, &id, &len));
	assert_int_equal(len, sizeof(frame));
}

/* 5.1.6.4.1: no flags for a driver that does not know them. */
static void
flags_are_for_those_who_asked(void **state)
{
	const struct h_seg seg = { H_DATA + 0x8000, 4096, true };
	uint8_t frame[100] = { 2 /* DATA_VALID */ };
	uint32_t id, len;

	(void)state;
	memcpy(frame + NET_HDR_SIZE, mac, 6);
	for (unsigned int i = 0; i < 2; i++) {
		if (i == 1) {
			h_reset();
			h_activate(h.dev.features &
			    ~BIT(VIRTIO_NET_F_GUEST_CSUM));
		}
		h_add(0, &seg, 1);
		h_kick(0);
		assert_int_equal(write(host[0], frame, sizeof(frame)),
		    sizeof(frame));
		assert_true(h_poll(1000) && h_used(0, &id, &len));
		assert_int_equal(h.mem[H_DATA + 0x8000], i == 0 ? 2 : 0);
	}
}

/* A successor knows what its predecessor was told, and has the guest announced. */
static void
state_outlives_the_worker(void **state)
{
	static uint8_t buf[DEVICE_MAX_STATE], bad[DEVICE_MAX_STATE];
	uint64_t want = BIT(VIRTIO_NET_F_GUEST_CSUM);
	uint64_t features = h.dev.driver_features;
	uint8_t data[64];
	size_t len;

	(void)state;
	assert_int_equal(set_pairs(2), OK);
	assert_int_equal(command(CLASS_OFFLOADS, 0, &want, 8), OK);
	assert_int_equal(command(CLASS_MAC, 1, other, 6), OK);
	assert_int_equal(command(CLASS_MAC, 0, data,
	    make_table(data, 0, mac, 1, group)), OK);
	len = net_ops.save(&h.dev, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(net_ops.save(&h.dev, bad, len - 1), 0);

	h_reset();
	free(h.dev.priv);
	start(0);
	h_reset();
	h.config_changed = 0;
	assert_int_equal(net_ops.load(&h.dev, 1, buf, len), 0);
	h_activate(features);
	assert_true(attached[1]);
	assert_int_equal(offloads[0], TUN_F_CSUM);
	assert_memory_equal(h.dev.config, other, 6);
	assert_int_equal(h.dev.config[6], NET_S_LINK_UP | NET_S_ANNOUNCE);
	assert_true(h.config_changed > 0);
	assert_true(arrives(other) && arrives(group) && !arrives(mac));
	assert_int_equal(command(CLASS_ANNOUNCE, 0, data, 0), OK);
	assert_int_equal(h.dev.config[6], NET_S_LINK_UP);
	/* A driver that does not know of it is not bothered. */
	h_reset();
	assert_int_equal(net_ops.load(&h.dev, 1, buf, len), 0);
	h_activate(features & ~BIT(VIRTIO_NET_F_GUEST_ANNOUNCE));
	assert_int_equal(h.dev.config[6], NET_S_LINK_UP);
	/* One that starts anew starts with nothing of it. */
	h_reset();
	h_activate(features);
	assert_int_equal(h.dev.config[6], NET_S_LINK_UP);
	assert_true(arrives(mac) && !arrives(group) && !attached[1]);
}

static void
bad_state_is_refused(void **state)
{
	/* Offsets of active, modes, all, nunicast, nmulticast, mac, reserved. */
	static const struct { size_t at; uint8_t value; } wrong[] = {
		{ 8, 0 }, { 8, PAIRS + 1 }, { 9, 0x40 }, { 10, 4 }, { 11, 65 },
		{ 12, 65 }, { 13, 1 }, { 19, 1 }, { 23, 1 },
	};
	static uint8_t buf[DEVICE_MAX_STATE], bad[DEVICE_MAX_STATE];
	size_t len = net_ops.save(&h.dev, buf, sizeof(buf));

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(bad, buf, len);
		bad[wrong[i].at] = wrong[i].value;
		assert_int_equal(net_ops.load(&h.dev, 1, bad, len), -EINVAL);
	}
	assert_int_equal(net_ops.load(&h.dev, 0, buf, len), -EINVAL);
	assert_int_equal(net_ops.load(&h.dev, DEVICE_STATE_VERSION + 1, buf, len),
	    -EINVAL);
	assert_int_equal(net_ops.load(&h.dev, 1, buf, len - 1), -EINVAL);
	assert_int_equal(net_ops.load(&h.dev, 1, buf, 0), -EINVAL);
	assert_int_equal(net_ops.load(&h.dev, 1, buf, len), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(own_address_and_broadcast_arrive),
		T(receive_modes),
		T(address_table),
		T(own_address_changes),
		T(a_guarded_address_stays),
		T(offloads_come_and_go),
		T(bad_commands_are_refused),
		T(without_the_offers_of_a_control_queue),
		T(frames_keep_to_the_mtu),
		T(flags_are_for_those_who_asked),
		T(state_outlives_the_worker),
		T(bad_state_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
