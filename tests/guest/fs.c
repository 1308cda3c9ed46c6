/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-fs as the kernel's driver begins: FUSE_INIT, then the file "hello" in the
 * shared directory is looked up, opened and read. The back end is virtiofsd.
 */
#include "lib/virtio.h"

#define VIRTIO_FS 26u

enum { FUSE_LOOKUP = 1, FUSE_OPEN = 14, FUSE_READ = 15, FUSE_INIT = 26 };

/* <linux/fuse.h> */
struct in_header {
	uint32_t len, opcode;
	uint64_t unique, nodeid;
	uint32_t uid, gid, pid, padding;
};

struct out_header {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

static struct vdev d;
static struct vq q;
static uint8_t *in, *out;
static uint64_t unique = 2;

/* The error, or 1: no answer of this request. */
static int32_t call(uint32_t opcode, uint64_t node, const void *arg, uint32_t len,
    uint32_t want)
{
	struct in_header *h = (void *)in;
	struct out_header *o = (void *)out;
	struct buf v[2] = { BUF_OUT(in, sizeof(*h) + len),
		BUF_IN(out, sizeof(*o) + want) };

	memset(in, 0, PAGE);
	memset(out, 0, PAGE);
	h->len = (uint32_t)sizeof(*h) + len;
	h->opcode = opcode;
	h->unique = unique += 2;
	h->nodeid = node;
	memcpy(in + sizeof(*h), arg, len);
	if (vq_do(&q, v, 2, false) < 0 || o->unique != unique)
		return 1;
	return o->error;
}

static uint64_t answer64(uint32_t at)
{
	return *(uint64_t *)(void *)(out + sizeof(struct out_header) + at);
}

static void begin_session(void)
{
	const uint32_t init[4] = { 7, 31, 0x20000, 0 };

	begin("init");
	check_eq((uint32_t)call(FUSE_INIT, 0, init, sizeof(init), 64), 0);
	check_eq((uint32_t)answer64(0), 7);
	end();
}

static void read_file(void)
{
	static const char name[] = "hello", text[] = "from the host\n";
	uint64_t node, read_in[5] = { 0 };
	const uint32_t open_in[2] = { 0, 0 };

	begin("lookup");
	check_eq((uint32_t)call(FUSE_LOOKUP, 1, name, sizeof(name), 128), 0);
	node = answer64(0);
	check_eq((uint32_t)answer64(48), sizeof(text) - 1);
	end();
	begin("open-and-read");
	check_eq((uint32_t)call(FUSE_OPEN, node, open_in, sizeof(open_in), 16), 0);
	read_in[0] = answer64(0);
	read_in[2] = 100;
	check_eq((uint32_t)call(FUSE_READ, node, read_in, sizeof(read_in), 100), 0);
	check(memcmp(out + sizeof(struct out_header), text, sizeof(text) - 1) == 0);
	end();
}

void guest_main(void)
{
	char tag[37] = { 0 };

	begin("device");
	check(virtio_find(&d, VIRTIO_FS, 0));
	for (uint32_t i = 0; i < 36; i++)
		tag[i] = (char)read8(d.config + i);
	check(memcmp(tag, "share", 6) == 0);
	check_eq(read32(d.config + 36), 1);
	check(virtio_negotiate(&d, 0));
	check(vq_setup(&q, &d, 1, 64));
	virtio_driver_ok(&d);
	end();
	in = alloc(PAGE, PAGE);
	out = alloc(PAGE, PAGE);
	begin_session();
	read_file();
}
