/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-fs as the kernel's driver begins: FUSE_INIT, then the file "hello" in the
 * shared directory is looked up, opened and read. The back end is virtiofsd, or ours.
 *
 * "storm": until the power button, directories and files are made, written, read,
 * renamed and removed, each answer checked; one file is open that has no name any more,
 * one is locked. Whoever kills the worker meanwhile shall not be noticed.
 */
#include "lib/fuse.h"

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

/* ---- "storm" ---- */

struct file {
	uint64_t node, fh;
};

static char args[512];

static uint32_t with_name(uint32_t at, const char *name, uint32_t n)
{
	uint32_t len = 0;

	while (name[len]) {
		args[at + len] = name[len];
		len++;
	}
	args[at + len++] = (char)('a' + n / 26 % 26);
	args[at + len++] = (char)('a' + n % 26);
	args[at + len++] = 0;
	return at + len;
}

static void clear_args(void)
{
	memset(args, 0, sizeof(args));
}

static void expect_call(const char *what, uint32_t opcode, uint64_t node, uint32_t len,
    uint32_t want)
{
	int32_t rc = call(opcode, node, args, len, want);

	if (rc != 0)
		fail("%s: %d", what, rc);
}

static struct file create(uint64_t dir, const char *name, uint32_t n)
{
	struct file f;

	clear_args();
	*(uint32_t *)(void *)args = 2 | 0100 | 0200;	/* O_RDWR, O_CREAT, O_EXCL */
	*(uint32_t *)(void *)(args + 4) = 0100644;
	expect_call("create", FUSE_CREATE, dir, with_name(16, name, n), 144);
	f.node = answer64(0);
	f.fh = answer64(128);
	return f;
}

static void put(const struct file *f, uint32_t seed)
{
	clear_args();
	*(uint64_t *)(void *)args = f->fh;
	*(uint32_t *)(void *)(args + 16) = 64;
	for (uint32_t i = 0; i < 64; i++)
		args[40 + i] = (char)(seed + i);
	expect_call("write", FUSE_WRITE, f->node, 104, 8);
}

static void get(const char *what, const struct file *f, uint32_t seed)
{
	clear_args();
	*(uint64_t *)(void *)args = f->fh;
	*(uint32_t *)(void *)(args + 16) = 64;
	expect_call(what, FUSE_READ, f->node, 40, 64);
	for (uint32_t i = 0; i < 64; i++)
		if (out[sizeof(struct out_header) + i] != (uint8_t)(seed + i)) {
			fail("%s: byte %u is wrong", what, i);
			return;
		}
}

static void name_call(const char *what, uint32_t opcode, uint64_t dir,
    const char *name, uint32_t n)
{
	clear_args();
	expect_call(what, opcode, dir, with_name(0, name, n), 0);
}

static void release(const struct file *f)
{
	clear_args();
	*(uint64_t *)(void *)args = f->fh;
	expect_call("release", FUSE_RELEASE, f->node, 24, 0);
}

static void lock(const struct file *f)
{
	clear_args();
	*(uint64_t *)(void *)args = f->fh;
	*(uint64_t *)(void *)(args + 8) = 77;
	*(uint64_t *)(void *)(args + 24) = INT64_MAX;
	*(uint32_t *)(void *)(args + 32) = 1;	/* F_WRLCK */
	expect_call("lock", FUSE_SETLK, f->node, 48, 0);
}

static void round_of(uint32_t n)
{
	struct file f;
	uint64_t dir;
	uint32_t end;

	clear_args();
	*(uint32_t *)(void *)args = 0755;
	expect_call("mkdir", FUSE_MKDIR, 1, with_name(8, "dir", n), 128);
	dir = answer64(0);
	f = create(dir, "file", n);
	put(&f, n);
	clear_args();
	*(uint64_t *)(void *)args = dir;
	end = with_name(8, "file", n);
	expect_call("rename", FUSE_RENAME, dir, with_name(end, "other", n), 0);
	get("read", &f, n);
	clear_args();
	*(uint64_t *)(void *)args = f.node;
	expect_call("link", FUSE_LINK, 1, with_name(8, "link", n), 128);
	name_call("unlink", FUSE_UNLINK, dir, "other", n);
	get("read of the link", &f, n);
	name_call("unlink of the link", FUSE_UNLINK, 1, "link", n);
	get("read without a name", &f, n);
	release(&f);
	name_call("rmdir", FUSE_RMDIR, 1, "dir", n);
}

static void storm(void)
{
	struct file nameless = create(1, "nameless", 0), locked = create(1, "locked", 0);
	uint32_t n = 0;

	begin("storm");
	put(&nameless, 7);
	name_call("unlink", FUSE_UNLINK, 1, "nameless", 0);
	put(&locked, 9);
	lock(&locked);
	print("busy\n");
	while ((inb(LAYOUT_PORT_GED) & LAYOUT_GED_POWER_BUTTON) == 0) {
		round_of(n++ % 600);
		get("nameless", &nameless, 7);
		get("locked", &locked, 9);
	}
	print("# rounds %u\n", n);
	end();
}

void guest_main(void)
{
	fuse_begin();
	if (cmdline_has("storm")) {
		storm();
		print("done\n");
		power_off();
	}
	read_file();
}
