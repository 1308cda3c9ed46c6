/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock: sends back what it gets. Until a client of the host connects to port 1004,
 * it connects to the host's port 5000, again and again, by turns as a stream and with
 * messages where the device has them; clients of the host's find it at port 1003. It says
 * which of its own connections came about ("up TYPE"), were refused ("refused TYPE") and
 * ended ("down TYPE").
 */
#include "lib/virtio.h"

#define F_SEQPACKET (1ull << 1)
#define HOST 2u
#define PORT 5000u
#define ECHO 1003u
#define STOP 1004u
#define BUFFERS 16u
#define ROOM 4096u
#define ALLOC 65536u

enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };
enum { STREAM = 1, SEQPACKET };

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
	uint8_t data[ROOM];
} __attribute__((packed));

#define HEADER ((uint32_t)offsetof(struct packet, data))

static struct vdev d;
static struct vq rx, tx, events;
static struct packet *in, *out;
static uint64_t cid;
static bool stop;

/* Its own connection, one at a time. */
static struct {
	uint16_t type;
	uint32_t port;
	bool asked, up;
	uint32_t since;
} own = { .type = STREAM, .port = 40000 };

/* What was got of a connection, by its host's port: they come one after the other. */
static struct {
	uint32_t port, got;
} counts[2048];

static uint32_t count(uint32_t port, uint32_t n)
{
	unsigned int i = port % ARRAY_LEN(counts);

	if (counts[i].port != port) {
		counts[i].port = port;
		counts[i].got = 0;
	}
	return counts[i].got += n;
}

static void put(uint16_t op, uint16_t type, uint32_t from, uint32_t to, uint32_t flags,
    const void *data, uint32_t len)
{
	memset(out, 0, HEADER);
	out->src_cid = cid;
	out->dst_cid = HOST;
	out->src_port = from;
	out->dst_port = to;
	out->len = len;
	out->type = type;
	out->op = op;
	out->flags = flags;
	out->buf_alloc = ALLOC;
	out->fwd_cnt = count(from == own.port ? from : to, 0);
	memcpy(out->data, data, len);
	if (vq_do(&tx, &BUF_OUT(out, HEADER + len), 1, false) < 0)
		fail("a packet is not taken");
}

static const char *name(void)
{
	return own.type == STREAM ? "stream" : "messages";
}

static void ended(const char *how)
{
	print("%s %s\n", how, name());
	own.asked = own.up = false;
	own.since = now_ms();
	own.port++;
	if (d.features & F_SEQPACKET)
		own.type = own.type == STREAM ? SEQPACKET : STREAM;
}

static void on_packet(const struct packet *p)
{
	bool mine = own.asked && p->dst_port == own.port && p->type == own.type;
	uint32_t key = mine ? own.port : p->src_port;

	switch (p->op) {
	case REQUEST:
		stop |= p->dst_port == STOP;
		put(p->dst_port == ECHO || p->dst_port == STOP ? RESPONSE : RST, p->type,
		    p->dst_port, p->src_port, 0, "", 0);
		break;
	case RESPONSE:
		if (!mine || own.up || p->src_port != PORT)
			fail("a response of port %u to %u", p->src_port, p->dst_port);
		own.up = true;
		print("up %s\n", name());
		break;
	case RW:
		(void)count(key, p->len);
		put(RW, p->type, p->dst_port, p->src_port, p->flags, p->data, p->len);
		break;
	case SHUTDOWN:
		if ((p->flags & 2) != 0)
			put(SHUTDOWN, p->type, p->dst_port, p->src_port, 3, "", 0);
		break;
	case RST:
		if (mine)
			ended(own.up ? "down" : "refused");
		break;
	default:
		break;
	}
}

static void receive(void)
{
	uint32_t len;
	int id;

	while (vq_poll(&rx, &id, &len)) {
		struct packet *p = &in[id];

		if (len < HEADER || p->len != len - HEADER || p->src_cid != HOST ||
		    p->dst_cid != cid)
			fail("a packet of %u bytes says %u", len, p->len);
		else
			on_packet(p);
		vq_add(&rx, &BUF_IN(p, sizeof(*p)), 1, false);
		vq_kick(&rx, false);
	}
}

void guest_main(void)
{
	begin("vsock");
	if (!virtio_find(&d, VIRTIO_VSOCK, 0)) {
		fail("none found");
		end();
		return;
	}
	check(virtio_negotiate(&d, F_EVENT_IDX | F_PACKED | F_SEQPACKET));
	check(vq_setup(&rx, &d, 0, BUFFERS) && vq_setup(&tx, &d, 1, BUFFERS) &&
	    vq_setup(&events, &d, 2, BUFFERS));
	cid = read32(d.config);
	in = alloc(BUFFERS * sizeof(*in), 16);
	out = alloc(sizeof(*out), 16);
	virtio_driver_ok(&d);
	/* Ids are given in order: that of a buffer is its place. */
	for (unsigned int i = 0; i < BUFFERS; i++)
		if (vq_add(&rx, &BUF_IN(&in[i], sizeof(in[i])), 1, false) != (int)i)
			fail("buffer %u has another id", i);
	vq_kick(&rx, true);
	while (!stop && now_ms() < cmdline_num("ms", 20000)) {
		receive();
		if (own.asked || now_ms() - own.since < 20)
			continue;
		own.asked = true;
		put(REQUEST, own.type, own.port, PORT, 0, "", 0);
	}
	check(stop);
	end();
}
