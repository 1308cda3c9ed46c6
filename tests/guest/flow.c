/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several requests in flight on one device, "rng", "console", "net", "watchdog" or
 * "rtc", each checked,
 * while the host kills what serves them; until "ms=N" or the power button, "packed"
 * or not. Entropy: of full length, and not what came before. Watchdog: each ping is
 * answered. Clock: each reading is later. Console, and "serial" with no device at all:
 * numbered lines, which the host checks. Net: echoes of the host at 10.0.5.1, which knows our address;
 * an answer is the question of a slot, once; what has none for a second is lost, and
 * asked again. In the end each receive buffer has to come round. How long it stood
 * still (lib/pace.h), and
 *	flow: N done, B bad, L lost
 */
#include "lib/pace.h"
#include "lib/virtio.h"

#define SLOTS 4u
#define RX_BUFS 16u
#define RX_LEN 2048u
#define HDR 12u
#define SIZE 16u		/* of an echo's data */
#define LOST_MS 1000u
#define END_MS 30000u

static struct vdev d;
static struct vq q, rx;
static uint32_t done, bad, lost, line;
static uint8_t *rx_buf, *buf[SLOTS];
static uint8_t before[16];
static uint64_t last_reading;
static int id_of[SLOTS];	/* -1: not in flight */
static bool asked[SLOTS];	/* net: its answer is to come */
static uint16_t seq_of[SLOTS];
static uint32_t asked_at[SLOTS];

static void complain(const char *what, uint32_t a, uint32_t b)
{
	if (bad++ < 8)
		fail("%s: %u, %u", what, a, b);
}

static uint16_t checksum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (; len > 1; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* To everybody: whose address it is need not be asked then. */
static void echo(unsigned int i, uint16_t seq)
{
	static const uint8_t us[4] = { 10, 0, 5, 2 }, host[4] = { 10, 0, 5, 1 };
	uint8_t *f = buf[i] + HDR, *ip = f + 14, *icmp = ip + 20;

	memset(buf[i], 0, HDR + 42);
	memset(f, 0xff, 6);
	for (uint32_t k = 0; k < 6; k++)
		f[6 + k] = read8(d.config + k);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 28 + SIZE);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, us, 4);
	memcpy(ip + 16, host, 4);
	put16(ip + 10, checksum(ip, 20));
	icmp[0] = 8;
	put16(icmp + 4, i);
	put16(icmp + 6, seq);
	memset(icmp + 8, (uint8_t)(seq + i), SIZE);
	put16(icmp + 2, checksum(icmp, 8 + SIZE));
}

static void answered(const uint8_t *f, uint32_t len)
{
	const uint8_t *icmp = f + 34;
	uint32_t i, seq;

	if (len < 42 || f[12] != 8 || f[13] != 0 || f[23] != 1 || icmp[0] != 0)
		return;
	i = (uint32_t)icmp[4] << 8 | icmp[5];
	seq = (uint32_t)icmp[6] << 8 | icmp[7];
	if (i >= SLOTS || !asked[i] || seq != seq_of[i]) {
		complain("an answer to nothing", i, seq);
		return;
	}
	for (uint32_t k = 0; k < SIZE; k++)
		if (icmp[8 + k] != (uint8_t)(seq + i)) {
			complain("other bytes", i, seq);
			break;
		}
	asked[i] = false;
	done++;
	pace();
}

/* Which buffers came, as bits. */
static uint32_t receive(void)
{
	uint32_t len, seen = 0;
	int id;

	while (vq_poll(&rx, &id, &len)) {
		uint8_t *at = rx_buf + (uint32_t)id * RX_LEN;

		if (id < 0 || (uint32_t)id >= RX_BUFS || len < HDR ||
		    len > RX_LEN) {
			complain("received", (uint32_t)id, len);
			continue;
		}
		seen |= 1u << id;
		answered(at + HDR, len - HDR);
		if (vq_add(&rx, &BUF_IN(at, RX_LEN), 1, false) != id)
			complain("another id", (uint32_t)id, 0);
		vq_kick(&rx, false);
	}
	return seen;
}

static void digits(uint8_t *to, uint32_t v)
{
	for (uint32_t k = 8; k-- > 0; v /= 10)
		to[k] = (uint8_t)('0' + v % 10);
}

static void submit(unsigned int i)
{
	struct buf v = BUF_IN(buf[i], 32);

	if (d.id == VIRTIO_NET) {
		if (asked[i] && now_ms() - asked_at[i] < LOST_MS)
			return;
		lost += asked[i];
		asked[i] = true;
		asked_at[i] = now_ms();
		echo(i, ++seq_of[i]);
		v = BUF_OUT(buf[i], HDR + 42 + SIZE);
	} else if (d.id == VIRTIO_CONSOLE) {
		digits(buf[i], line++);
		memset(buf[i] + 8, 'a' + (int)i, 23);
		buf[i][31] = '\n';
		v = BUF_OUT(buf[i], 32);
	} else {
		memset(buf[i], 0, 32);
	}
	if (d.id == VIRTIO_RTC) {
		struct buf both[2] = { BUF_OUT(buf[i], 16), BUF_IN(buf[i] + 16, 16) };

		buf[i][0] = 1;	/* read ... */
		buf[i][8] = 1;	/* ... CLOCK_MONOTONIC */
		id_of[i] = vq_add(&q, both, 2, false);
		return;
	}
	id_of[i] = vq_add(&q, &v, 1, false);
}

static void check_answer(unsigned int i, uint32_t len)
{
	uint64_t reading;

	if (d.id == VIRTIO_WATCHDOG && (len != 1 || buf[i][0] != 1))
		complain("no answer to a ping", i, len);
	if (d.id == VIRTIO_RTC) {
		memcpy(&reading, buf[i] + 24, 8);
		if (len != 16 || buf[i][16] != 0 || reading <= last_reading)
			complain("not later", i, len);
		last_reading = reading;
	}
	if (d.id != VIRTIO_RNG)
		return;
	if (len != 32 || memcmp(before, buf[i], 16) == 0 ||
	    memcmp(buf[i], buf[i] + 16, 16) == 0)
		complain("no entropy", i, len);
	memcpy(before, buf[i], 16);
}

static void complete(int id, uint32_t len)
{
	unsigned int i = 0;

	while (i < SLOTS && id_of[i] != id)
		i++;
	if (i == SLOTS) {
		complain("an answer to nothing", (uint32_t)id, len);
		return;
	}
	id_of[i] = -1;
	if (d.id == VIRTIO_NET)
		return;
	done++;
	pace();
	check_answer(i, len);
}

static uint32_t turn(bool again)
{
	uint32_t len, seen = 0;
	int id;

	while (vq_poll(&q, &id, &len))
		complete(id, len);
	if (d.id == VIRTIO_NET)
		seen = receive();
	for (unsigned int i = 0; again && i < SLOTS; i++)
		if (id_of[i] < 0)
			submit(i);
	vq_kick(&q, false);
	return seen;
}

/* A byte of each was taken when it is over: what stands still is seen. */
static void serial_lines(uint32_t ms)
{
	const uint32_t start = now_ms();

	while (now_ms() - start < ms && !button()) {
		print("line %u\n", line++);
		done++;
		pace();
	}
	end();
	pace_say();
	print("flow: %u done, 0 bad, 0 lost\n", done);
}

static bool open_device(void)
{
	const uint64_t f = (cmdline_has("packed") ? F_PACKED : 0) |
	    (cmdline_has("event") ? F_EVENT_IDX : 0);
	const uint16_t kind = cmdline_has("net") ? VIRTIO_NET :
	    cmdline_has("console") ? VIRTIO_CONSOLE :
	    cmdline_has("watchdog") ? VIRTIO_WATCHDOG :
	    cmdline_has("rtc") ? VIRTIO_RTC : VIRTIO_RNG;
	const bool second = kind == VIRTIO_NET || kind == VIRTIO_CONSOLE;

	if (!virtio_find(&d, kind, 0) ||
	    !virtio_negotiate(&d, f | (kind == VIRTIO_NET ? 1u << 5 : 0)))
		return false;
	if (kind == VIRTIO_NET && !vq_setup(&rx, &d, 0, RX_BUFS))
		return false;
	if (!vq_setup(&q, &d, second, kind == VIRTIO_WATCHDOG ? 8 : 16))
		return false;
	virtio_driver_ok(&d);
	rx_buf = alloc(RX_BUFS * RX_LEN, PAGE);
	for (uint32_t i = 0; kind == VIRTIO_NET && i < RX_BUFS; i++)
		(void)vq_add(&rx, &BUF_IN(rx_buf + i * RX_LEN, RX_LEN), 1, false);
	if (kind == VIRTIO_NET)
		vq_kick(&rx, true);
	for (unsigned int i = 0; i < SLOTS; i++) {
		buf[i] = alloc(PAGE, PAGE);
		id_of[i] = -1;
	}
	return true;
}

static bool any_in_flight(void)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (id_of[i] >= 0)
			return true;
	return false;
}

void guest_main(void)
{
	const uint32_t ms = cmdline_num("ms", 3000), all = (1u << RX_BUFS) - 1;
	uint32_t start, seen = 0;

	begin("flow");
	if (cmdline_has("serial")) {
		print("running\n");
		serial_lines(ms);
		return;
	}
	if (!open_device()) {
		fail("no device");
		end();
		return;
	}
	print("running\n");
	for (start = now_ms(); now_ms() - start < ms && !button();)
		(void)turn(true);
	for (start = now_ms(); d.id == VIRTIO_NET && seen != all &&
	    now_ms() - start < END_MS;)
		seen |= turn(true);
	check(d.id != VIRTIO_NET || seen == all);
	for (start = now_ms(); any_in_flight() && now_ms() - start < END_MS;)
		(void)turn(false);
	check(!any_in_flight());
	check(done > SLOTS);
	check(!(virtio_status(&d) & STATUS_NEEDS_RESET));
	end();
	pace_say();
	print("flow: %u done, %u bad, %u lost\n", done, bad, lost);
}
