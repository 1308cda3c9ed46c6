/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rootless networking, from the guest's side: a datagram to the gateway's address
 * (10.0.5.1; this guest is 10.0.5.2), where the host's loopback answers, and then
 * the answer to datagrams that a published port leads here, to port 7, until one
 * says "end". "link" on the command line: the link is to go down and up between. "hot":
 * the device comes while this runs.
 */
#include "lib/virtio.h"

#define NET_F_MAC (1ull << 5)
#define NET_F_STATUS (1ull << 16)
#define HDR 12u
#define UDP (14u + 20u)		/* offset in a frame */
#define RX_BUFS 16u
#define RX_LEN 2048u
#define PORT_HOST 5000u
#define PORT_GUEST 7u

static struct vdev d;
static struct vq rx, tx;
static uint8_t *rx_buf, *frame;
static const uint8_t our_ip[4] = { 10, 0, 5, 2 }, gateway[4] = { 10, 0, 5, 1 };

static bool start(void)
{
	if (!virtio_negotiate(&d, NET_F_MAC | NET_F_STATUS) ||
	    !vq_setup(&rx, &d, 0, 64) || !vq_setup(&tx, &d, 1, 64))
		return false;
	virtio_driver_ok(&d);
	for (unsigned int i = 0; i < RX_BUFS; i++)
		vq_add(&rx, &BUF_IN(rx_buf + i * RX_LEN, RX_LEN), 1, false);
	vq_kick(&rx, false);
	return true;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint16_t checksum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (; len > 1; p += 2, len -= 2)
		sum += get16(p);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* To the gateway, to all stations: nobody has to be asked for his address. */
static bool say(uint32_t from, uint32_t to, const uint8_t *data, uint32_t len)
{
	struct buf v = BUF_OUT(frame, HDR + UDP + 8 + len);
	uint8_t *f = frame + HDR, *ip = f + 14, *udp = f + UDP;

	memset(frame, 0, HDR + UDP + 8);
	memset(f, 0xff, 6);
	for (uint32_t i = 0; i < 6; i++)
		f[6 + i] = read8(d.config + i);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 28 + len);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, our_ip, 4);
	memcpy(ip + 16, gateway, 4);
	put16(ip + 10, checksum(ip, 20));
	put16(udp, from);
	put16(udp + 2, to);
	put16(udp + 4, 8 + len);
	memcpy(udp + 8, data, len);
	return vq_do(&tx, &v, 1, false) >= 0;
}

/* The next datagram to @port within a time: its length, and where it came from. */
static int hear(uint32_t port, uint8_t *data, uint32_t *from, uint32_t ms)
{
	uint32_t t = now_ms();

	while (now_ms() - t < ms) {
		const uint8_t *f;
		uint32_t len, n = 0;
		uintptr_t buf;
		int id;

		if (!vq_poll(&rx, &id, &len))
			continue;
		buf = (uintptr_t)rx_buf + (uintptr_t)(uint16_t)id * RX_LEN;
		f = (const uint8_t *)buf + HDR;
		if (len >= HDR + UDP + 8 && f[12] == 8 && f[13] == 0 &&
		    f[23] == 17 && get16(f + UDP + 2) == port) {
			*from = get16(f + UDP);
			n = get16(f + UDP + 4) - 8;
			if (n > len - HDR - UDP - 8)
				n = len - HDR - UDP - 8;
			memcpy(data, f + UDP + 8, n);
		}
		vq_add(&rx, &BUF_IN(buf, RX_LEN), 1, false);
		vq_kick(&rx, false);
		if (n > 0)
			return (int)n;
	}
	return -1;
}

/* 300 datagrams of all sizes, there and back. */
static void ask_the_host(void)
{
	static uint8_t data[1472], back[2048];
	uint32_t from = 0;

	begin("host's loopback by the gateway's address");
	for (uint32_t i = 1; i <= 300; i++) {
		uint32_t len = 1 + i * 37 % 1472;
		int got = -1;

		for (uint32_t k = 0; k < len; k++)
			data[k] = (uint8_t)(k * 3 + i);
		/* Datagrams may be lost; not many. */
		for (int tries = 0; tries < 20 && got < 0; tries++) {
			check(say(4000, PORT_HOST, data, len));
			got = hear(4000, back, &from, 500);
		}
		if (got != (int)len || memcmp(data, back, len) != 0 ||
		    from != PORT_HOST) {
			fail("datagram %u: %d of %u bytes", i, got, len);
			break;
		}
	}
	end();
}

static bool link_becomes(uint32_t up)
{
	uint32_t t = now_ms();

	while (now_ms() - t < 10000)
		if ((read8(d.config + 6) & 1u) == up)
			return true;
	return false;
}

static void be_asked(void)
{
	static uint8_t data[2048];
	uint32_t from = 0, n = 0;
	int len;

	begin("published port");
	for (;;) {
		len = hear(PORT_GUEST, data, &from, 20000);
		if (len < 0) {
			fail("nothing came after %u datagrams", n);
			break;
		}
		n++;
		check(say(PORT_GUEST, from, data, (uint32_t)len));
		if (len >= 3 && memcmp(data, "end", 3) == 0)
			break;
	}
	end();
}

/* Looks at each slot for what was not there. */
static void wait_for_it(void)
{
	print("# no net yet\n");
	do {
		delay_ms(10);
		for (uint16_t slot = 1; slot < 32; slot++)
			if ((pci_read32((uint16_t)(slot << 3), 0) & 0xffff) == 0x1af4)
				pci_place((uint16_t)(slot << 3));
		virtio_rescan();
	} while (!virtio_find(&d, VIRTIO_NET, 0));
}

void guest_main(void)
{
	if (cmdline_has("hot"))
		wait_for_it();
	if (!virtio_find(&d, VIRTIO_NET, 0))
		return;
	rx_buf = alloc(RX_BUFS * RX_LEN, PAGE);
	frame = alloc(PAGE, PAGE);
	begin("starts");
	check(start());
	check(link_becomes(1));
	end();
	ask_the_host();
	if (cmdline_num("link", 0) != 0) {
		print("# ready\n");
		begin("link down and up");
		check(link_becomes(0));
		check(link_becomes(1));
		end();
		ask_the_host();
	}
	print("# listening\n");
	be_asked();
}
