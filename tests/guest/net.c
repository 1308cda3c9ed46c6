/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net against the host's own stack: ask by ARP for the tap's address
 * (10.0.5.1; this guest is 10.0.5.2), then ping it, small and large, on every
 * kind of ring. "mac=N" on the command line: the last byte of the MAC; "spoof":
 * send in others' names too, which only the host can judge.
 */
#include "lib/virtio.h"

#define NET_F_MAC (1ull << 5)
#define NET_F_MRG_RXBUF (1ull << 15)
#define NET_F_STATUS (1ull << 16)
#define HDR 12u
#define RX_BUFS 16u
#define RX_LEN 2048u

static struct vdev d;
static struct vq rx, tx;
static uint8_t *rx_buf, *frame;
static uint8_t mac[6], host_mac[6];
static const uint8_t our_ip[4] = { 10, 0, 5, 2 }, host_ip[4] = { 10, 0, 5, 1 };

static void fill_rx(void)
{
	for (unsigned int i = 0; i < RX_BUFS; i++)
		vq_add(&rx, &BUF_IN(rx_buf + i * RX_LEN, RX_LEN), 1, false);
	vq_kick(&rx, false);
}

static bool start(uint64_t features)
{
	if (!virtio_negotiate(&d, features | NET_F_MAC))
		return false;
	for (uint32_t i = 0; i < 6; i++)
		mac[i] = read8(d.config + i);
	if (!vq_setup(&rx, &d, 0, 64) || !vq_setup(&tx, &d, 1, 64))
		return false;
	virtio_driver_ok(&d);
	fill_rx();
	return true;
}

static bool send_from(uint8_t *from, uint32_t len)
{
	struct buf v[2] = { BUF_OUT(from, HDR), BUF_OUT(from + HDR, len) };

	memset(from, 0, HDR);
	return vq_do(&tx, v, 2, (d.features & F_INDIRECT) != 0) >= 0;
}

static bool send(uint32_t len)
{
	return send_from(frame, len);
}

/* The host asks now and then whether we are still there. */
static void answer_arp(const uint8_t *p, uint32_t len)
{
	static uint8_t reply[HDR + 60];
	uint8_t *f = reply + HDR;

	if (len < 42 || p[12] != 8 || p[13] != 6 || p[21] != 1 ||
	    memcmp(p + 38, our_ip, 4) != 0)
		return;
	memcpy(f, p + 6, 6);
	memcpy(f + 6, mac, 6);
	memcpy(f + 12, p + 12, 9);
	f[21] = 2;
	memcpy(f + 22, mac, 6);
	memcpy(f + 28, our_ip, 4);
	memcpy(f + 32, p + 22, 10);
	send_from(reply, 60);
}

/*
 * The frame that @match likes, within a time: its length without header. Each
 * buffer goes back; where it was is in *at until the next call.
 */
static int receive(bool (*match)(const uint8_t *, uint32_t), const uint8_t **at)
{
	static uint8_t copy[RX_LEN];
	uint32_t t = now_ms();

	while (now_ms() - t < 5000) {
		uint32_t len;
		uintptr_t buf;
		int id;

		if (!vq_poll(&rx, &id, &len))
			continue;
		/* Ids are taken in order at first, then each again at once. */
		buf = (uintptr_t)rx_buf + (uintptr_t)(uint16_t)id * RX_LEN;
		if (len < HDR || len > RX_LEN) {
			fail("received %u bytes", len);
			return -1;
		}
		memcpy(copy, (const void *)buf, len);
		vq_add(&rx, &BUF_IN(buf, RX_LEN), 1, false);
		vq_kick(&rx, false);
		answer_arp(copy + HDR, len - HDR);
		if (match(copy + HDR, len - HDR)) {
			*at = copy + HDR;
			return (int)(len - HDR);
		}
	}
	return -1;
}

static bool is_arp_reply(const uint8_t *p, uint32_t len)
{
	return len >= 42 && p[12] == 8 && p[13] == 6 && p[21] == 2 &&
	    memcmp(p + 28, host_ip, 4) == 0 && memcmp(p, mac, 6) == 0;
}

static bool is_echo_reply(const uint8_t *p, uint32_t len)
{
	return len >= 42 && p[12] == 8 && p[13] == 0 && p[23] == 1 && p[34] == 0;
}

static bool resolve(void)
{
	static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	const uint8_t *p;
	uint8_t *f = frame + HDR;

	memset(f, 0, 60);
	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	memcpy(f + 12, head, sizeof(head));
	memcpy(f + 22, mac, 6);
	memcpy(f + 28, our_ip, 4);
	memcpy(f + 38, host_ip, 4);
	if (!send(60) || receive(is_arp_reply, &p) < 0)
		return false;
	memcpy(host_mac, p + 22, 6);
	return true;
}

/* Ten of another MAC, ten ARP claims and ten IPv4 packets of another address. */
static void spoof(void)
{
	uint8_t *f = frame + HDR;

	for (unsigned int i = 0; i < 30; i++) {
		memset(f, 0, 60);
		memset(f, 0xff, 6);
		memcpy(f + 6, mac, 6);
		if (i % 3 == 0)
			f[11] ^= 0x55;
		f[12] = 8;
		f[13] = i % 3 == 1 ? 6 : 0;
		memcpy(f + 14, "\0\1\10\0\6\4\0\1", 8);
		memcpy(f + 22, mac, 6);
		memcpy(f + 28, i % 3 == 1 ? host_ip : our_ip, 4);
		if (i % 3 == 2) {
			f[14] = 0x45;
			memcpy(f + 26, host_ip, 4);
		}
		check(send(60));
	}
}

static uint16_t checksum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (; len > 1; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (len)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool ping(uint32_t size, uint16_t seq)
{
	uint8_t *f = frame + HDR, *ip = f + 14, *icmp = ip + 20;
	const uint8_t *p;
	int len;

	memset(f, 0, 42);
	memcpy(f, host_mac, 6);
	memcpy(f + 6, mac, 6);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 28 + size);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, our_ip, 4);
	memcpy(ip + 16, host_ip, 4);
	put16(ip + 10, checksum(ip, 20));
	icmp[0] = 8;
	put16(icmp + 4, 0xbead);
	put16(icmp + 6, seq);
	for (uint32_t i = 0; i < size; i++)
		icmp[8 + i] = (uint8_t)(i + seq);
	put16(icmp + 2, checksum(icmp, 8 + size));
	if (!send(42 + size))
		return false;
	len = receive(is_echo_reply, &p);
	return len >= (int)(42 + size) && memcmp(p + 38, icmp + 4, size + 4) == 0;
}

static void exchange(const char *name, uint64_t features)
{
	uintptr_t mark = heap_mark();
	bool again = true;

	begin(name);
	rx_buf = alloc(RX_BUFS * RX_LEN, PAGE);
	frame = alloc(PAGE, PAGE);
	check(start(features));
	check(again = resolve());
	for (uint16_t i = 0; again && i < 70; i++)
		if (!ping(i % 8 ? 56 : 1400, i)) {
			fail("ping %u", i);
			break;
		}
	if (again && cmdline_has("spoof"))
		spoof();
	check(virtio_reset(&d, 30000));
	end();
	heap_release(mark);
}

void guest_main(void)
{
	if (!virtio_find(&d, VIRTIO_NET, 0)) {
		begin("net");
		fail("none found");
		end();
		return;
	}
	print("# offered 0x%llx\n", virtio_offered(&d));
	exchange("split", 0);
	print("# mac %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2],
	    mac[3], mac[4], mac[5]);
	begin("mac");
	if (cmdline_num("mac", 256) < 256)
		check_eq(mac[5], cmdline_num("mac", 0));
	check((mac[0] & 1) == 0);
	end();
	exchange("split-mergeable", NET_F_MRG_RXBUF);
	exchange("split-event-indirect", F_EVENT_IDX | F_INDIRECT);
	d.offered = virtio_offered(&d);
	if (d.offered & F_PACKED) {
		exchange("packed", F_PACKED);
		exchange("packed-mergeable-event",
		    F_PACKED | F_EVENT_IDX | NET_F_MRG_RXBUF);
	}
	begin("offers");
	check(!cmdline_has("packed") || (d.offered & F_PACKED));
	end();
}
