/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back end that says anything, to a front end: the input is a script of answers,
 * right in form or not, messages of its own, hang-ups, and of what the driver and
 * the controller do meanwhile. What must hold: no crash; nothing is taken from
 * memory that the device has not got.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-workers/vhost-user-front/front.h"
#include "device-workers/vhost-user-front/vhost_user_front.h"

#define RAM (1u << 20)
#define QUEUES 2u

static struct device dev;
static struct front *f;
static int ram_fd, peer = -1, events = -1;
static uint8_t *ram;
static bool wanted;

struct input {
	const uint8_t *at;
	size_t left;
};

/* ---- the library's doubles ---- */

int device_watch(struct device *d, int fd, uint32_t mask)
{
	(void)d; (void)fd; (void)mask;
	return 0;
}

void device_want_connection(struct device *d)
{
	(void)d;
	wanted = true;
}

void device_again(struct device *d, unsigned int q)
{
	(void)d; (void)q;
}

void device_state_changed(struct device *d)
{
	(void)d;
}

void *device_record_region(struct device *d, unsigned int q)
{
	(void)d; (void)q;
	return NULL;
}

int device_serve_queue(struct device *d, unsigned int q, const struct virtq_layout *l,
    bool resume)
{
	(void)d; (void)q; (void)l; (void)resume;
	return -EINVAL;
}

void device_config_changed(struct device *d)
{
	(void)d;
}

void device_needs_reset(struct device *d, const char *why)
{
	(void)d; (void)why;
}

/* ---- the script ---- */

static uint8_t next(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static void copy(struct input *in, void *to, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	memset(to, 0, len);
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

static void work(void)
{
	uint8_t sink[4096];

	for (int i = 0; i < 4; i++)
		(void)loop_once(&f->loop, 0);
	while (peer >= 0 && recv(peer, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

static void tell(int fd, const void *data, size_t len, int pass)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd < 0 || len == 0)
		return;
	if (pass >= 0) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	(void)sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void hang_up(void)
{
	if (peer >= 0)
		close(peer);
	if (events >= 0)
		close(events);
	peer = events = -1;
	work();
}

static void give_connection(void)
{
	int a[2], b[2], fds[3];

	hang_up();
	if (!wanted || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b) != 0)
		return;
	wanted = false;
	peer = fcntl(a[1], F_DUPFD, 800);
	events = fcntl(b[1], F_DUPFD, 800);
	fds[0] = fcntl(a[0], F_DUPFD, FD_INCOMING);
	fds[1] = fcntl(b[0], F_DUPFD, FD_INCOMING);
	fds[2] = fcntl(b[1], F_DUPFD, FD_INCOMING);
	close(a[0]); close(a[1]); close(b[0]); close(b[1]);
	front_ops.remote->connection(&dev, 0, fds, 3);
}

/* As it should be, with what the script says in it, or for success (@good). */
static void answer(struct input *in, bool good, bool with_fd)
{
	struct {
		struct vhu_header header;
		union front_payload payload;
	} __attribute__((packed)) m;
	uint32_t size = f->expect.size;

	if (!f->waiting || size > sizeof(m.payload))
		return;
	m.header = (struct vhu_header){ f->expect.request,
		VHU_VERSION | VHU_FLAG_REPLY, size };
	memset(&m.payload, 0, sizeof(m.payload));
	if (!good) {
		copy(in, &m.payload, size < 32 ? size : 32);
	} else if (f->expect.request == VHU_GET_FEATURES) {
		m.payload.u64 = 1ull << VIRTIO_F_VERSION_1 |
		    1ull << VHU_F_PROTOCOL_FEATURES | 0xffffffffull;
	} else if (f->expect.request == VHU_GET_PROTOCOL_FEATURES) {
		/* With a record of requests, or to be relayed. */
		m.payload.u64 = next(in) & 1 ? ~0ull : ~(1ull << VHU_PF_INFLIGHT_SHMFD);
	} else if (f->expect.request == VHU_GET_QUEUE_NUM ||
	    f->expect.request == VHU_GET_MAX_MEM_SLOTS) {
		m.payload.u64 = 32;
	} else if (f->expect.request == VHU_GET_CONFIG) {
		m.payload.config.size = size - 12;
	} else if (f->expect.request == VHU_GET_VRING_BASE) {
		m.payload.vring.index = f->sub;
	} else if (f->expect.request == VHU_GET_INFLIGHT_FD) {
		m.payload.inflight = (struct front_inflight){ 65536, 0, 32, 1024 };
	}
	tell(peer, &m, sizeof(m.header) + size, with_fd ? ram_fd : -1);
	work();
}

static void raw(struct input *in, int fd)
{
	uint8_t bytes[64];
	size_t len = next(in) % sizeof(bytes);
	int pass = next(in) & 1 ? ram_fd : -1;

	copy(in, bytes, len);
	tell(fd, bytes, len, pass);
	work();
}

static void event(struct input *in)
{
	struct vhu_header h = { VHU_BACKEND_CONFIG_CHANGE, VHU_VERSION |
		(next(in) & 1 ? VHU_FLAG_NEED_REPLY : 0), 0 };

	tell(events, &h, sizeof(h), -1);
	work();
}

static void driver(struct input *in)
{
	struct virtq_layout layout[DEVICE_MAX_QUEUES] = { { 0 } };

	if (dev.active || !f->known)
		return;
	for (unsigned int q = 0; q < QUEUES; q++) {
		uint64_t odd = next(in) == 7 ? (uint64_t)next(in) << 13 : 0;

		layout[q] = (struct virtq_layout){ .size = 64,
			.desc = 0x10000 * q + 0x1000 + odd,
			.avail = 0x10000 * q + 0x2000, .used = 0x10000 * q + 0x3000 };
	}
	dev.active = true;
	dev.driver_features = dev.features;
	/* As a successor: what a driver had once is in the books still. */
	f->loaded = next(in) & 1;
	front_ops.remote->activate(&dev, layout, f->loaded);
	work();
}

static void reset(void)
{
	front_ops.remote->stop(&dev);
	for (int i = 0; i < 64 && front_ops.drain(&dev) > 0 && peer >= 0; i++) {
		struct input none = { NULL, 0 };

		answer(&none, true, false);
	}
	if (front_ops.drain(&dev) > 0)
		return;
	if (dev.active)
		front_ops.reset(&dev);
	dev.active = false;
}

/* Bytes into a ring: the driver's, or the one that the back end has. */
static void scribble(struct input *in)
{
	bool far = next(in) & 1;
	unsigned int q = next(in) % QUEUES, at = next(in) * 2u;
	uint8_t *to = far ? f->rings + relay_used_at(q) : ram + 0x10000 * q + 0x2000;
	const uint64_t one = 1;

	copy(in, to + at, next(in) % 17);
	to[2] = (uint8_t)(to[2] + (next(in) & 3));
	(void)!write(far ? FD_FRONT_CALL + (int)q : FD_KICK + (int)q, &one, 8);
	work();
}

static void memory(struct input *in)
{
	uint32_t slot = next(in) % 4 + 1;
	struct gmem_region r = { .gpa = 0x10000000ull * slot, .size = 65536 };

	if (next(in) & 1)
		front_ops.remote->remove_memory(&dev, slot);
	else
		front_ops.remote->add_memory(&dev, slot, &r,
		    fcntl(ram_fd, F_DUPFD, FD_INCOMING), 0);
	work();
}

static void step(struct input *in)
{
	uint8_t data[8] = { 1 };

	switch (next(in) % 16) {
	case 0: raw(in, peer); return;
	case 1: raw(in, events); return;
	case 2: event(in); return;
	case 3: hang_up(); return;
	case 4: f->retry_at = 0; front_conn_want(f); give_connection(); return;
	case 5: driver(in); return;
	case 6: reset(); return;
	case 7: scribble(in); return;
	case 8: memory(in); return;
	case 9: front_ops.config_write(&dev, next(in), data, 1); work(); return;
	case 10: answer(in, false, next(in) & 1); return;
	default: answer(in, true, f->expect.request == VHU_GET_INFLIGHT_FD); return;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uint32_t sizes[QUEUES] = { 64, 64 };
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	Bh__FrontConfig front = BH__FRONT_CONFIG__INIT;
	const char *why;

	(void)argc; (void)argv;
	/* The caller may have left something there. */
	(void)close_range(FD_BACKEND, 1023, 0);
	ram_fd = fcntl(memfd_create("ram", 0), F_DUPFD, 900);
	if (ram_fd < 0 || ftruncate(ram_fd, RAM) != 0)
		abort();
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	for (int q = 0; q < (int)QUEUES; q++) {
		dup2(eventfd(0, EFD_NONBLOCK), FD_KICK + q);
		dup2(eventfd(0, EFD_NONBLOCK), FD_CALL + q);
	}
	front.virtio_id = 2;
	front.n_queue_sizes = QUEUES;
	front.queue_sizes = sizes;
	front.reply_ms = 3600000;
	config.front = &front;
	dev.ops = &front_ops;
	if (gmem_init(&dev.mem, 16u << 20) != 0 ||
	    front_ops.start(&dev, &config, &why) != 0)
		abort();
	f = dev.priv;
	return 0;
}

/* As after start(), with one region. */
static void fresh(void)
{
	struct gmem_region all = { .gpa = 0, .size = RAM };

	hang_up();
	if (dev.active)
		front_ops.reset(&dev);
	dev.active = false;
	for (uint32_t slot = 0; slot < GMEM_MAX_REGIONS; slot++)
		front_ops.remote->remove_memory(&dev, slot);
	f->known = f->relay = f->started = f->mapped = false;
	f->why = NULL;
	f->retry_at = f->config_at = 0;
	f->conn = CONN_AWAY;
	f->config_len = 60;
	dev.config_size = 0;
	memset(ram, 0, RAM);
	front_ops.remote->add_memory(&dev, 0, &all,
	    fcntl(ram_fd, F_DUPFD, FD_INCOMING), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	fresh();
	(void)front_ops.jailed(&dev, &(const char *){ NULL });
	give_connection();
	for (int i = 0; i < 200 && in.left > 0; i++)
		step(&in);
	return 0;
}
