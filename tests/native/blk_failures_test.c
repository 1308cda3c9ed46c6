// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-blk when its storage fails: no space, I/O errors of each
 * kind, a file that has become shorter, one that cannot be written to. The guest
 * gets IOERR, and when the cause has gone the device goes on, nothing lost that was
 * acknowledged. In a folder that tests/native/blk-failures has prepared: small/ is
 * a tmpfs of 24 MiB, failing/ is failing_fs.c over real/.
 */
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "device-workers/blk/blk_req.h"
#include "tests/native/device_test.h"

#define DISK (64u << 20)
#define HEADER FAKEVM_DATA
#define STATUS (FAKEVM_DATA + 0x1000)
#define DATA (FAKEVM_DATA + 0x10000)
#define PART 65536u

static struct fakevm vm;

static int
run(const char *line)
{
	return system(line);	/* NOLINT(cert-env33-c): the tester's own */
}

static bool
start_on(const char *name, Bh__ImageType type, bool readonly)
{
	static char serial[] = "failures", id[] = "disk0";
	struct fakevm_fd fds[1] = { { FD_BACKEND, -1 } };
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	Bh__BlkConfig blk = BH__BLK_CONFIG__INIT;
	struct stat st;
	int rc;

	fds[0].fd = open(name, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	MUST(fds[0].fd >= 0 && fstat(fds[0].fd, &st) == 0);
	blk.size = (uint64_t)st.st_size;
	blk.block_size = 512;
	blk.serial = serial;
	blk.num_queues = 1;
	blk.queue_size = 64;
	blk.sparse = true;
	blk.readonly = readonly;
	blk.image_type = type;
	config.id = id;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	rc = fakevm_start(&vm, "build/bulkhead-blk", &config, fds, 1);
	close(fds[0].fd);
	MUST(rc == 0);
	MUST(activate(&vm, 0, 1) == 0);
	return true;
}

static int
request(uint32_t type, uint64_t sector, uint32_t len)
{
	bool write = type == VIRTIO_BLK_T_IN;
	const struct drvq_buf bufs[] = {
		{ HEADER, BLK_HEADER_SIZE, false }, { DATA, len, write },
		{ STATUS, 1, true },
	};
	const struct drvq_buf none[] = { bufs[0], bufs[2] };
	uint64_t cookie;
	uint32_t used;

	memset(vm.ram + HEADER, 0, BLK_HEADER_SIZE);
	memcpy(vm.ram + HEADER, &type, sizeof(type));
	memcpy(vm.ram + HEADER + 8, &sector, sizeof(sector));
	vm.ram[STATUS] = 0xee;
	if (drvq_add(&vm.q[0], len > 0 ? bufs : none, len > 0 ? 3 : 2, 0, 1) < 0)
		return -1;
	fakevm_publish(&vm, 0);
	return fakevm_used(&vm, 0, &cookie, &used) == 0 ? vm.ram[STATUS] : -1;
}

/* Part @i of the disk, which then holds bytes of @i alone. */
static int
put(unsigned int i)
{
	memset(vm.ram + DATA, (int)(i % 251 + 1), PART);
	return request(VIRTIO_BLK_T_OUT, (uint64_t)i * PART / 512, PART);
}

static int
get(unsigned int i, bool *same)
{
	int status;

	memset(vm.ram + DATA, 0, PART);
	status = request(VIRTIO_BLK_T_IN, (uint64_t)i * PART / 512, PART);
	*same = true;
	for (unsigned int b = 0; b < PART; b++)
		*same = *same && vm.ram[DATA + b] == i % 251 + 1;
	return status;
}

static int
flush(void)
{
	return request(VIRTIO_BLK_T_FLUSH, 0, 0);
}

#define OK VIRTIO_BLK_S_OK
#define IOERR VIRTIO_BLK_S_IOERR
#define PARTS (DISK / PART)

static bool
end(void)
{
	MUST(vm.needs_reset == 0 && vm.denied[0] == 0);
	MUST(fakevm_quit(&vm) == 0);
	return true;
}

/* A tmpfs of 24 MiB is full before a disk of 64 MiB is. */
static bool
no_space(Bh__ImageType type, const char *name)
{
	bool written[PARTS] = { false }, same;
	unsigned int failed = 0, n = 0;

	MUST(start_on(name, type, false));
	for (unsigned int i = 0; i < PARTS && failed < 20; i++) {
		int status = put(i);

		MUST(status == OK || status == IOERR);
		written[i] = status == OK;
		failed += status == IOERR;
		n += status == OK;
	}
	MUST(failed == 20 && n > 16 * (1u << 20) / PART);
	for (unsigned int i = 0; i < PARTS; i++)
		if (written[i])
			MUST(get(i, &same) == OK && same);
	/* The cause goes: what failed succeeds, and what was there still is. */
	MUST(mount("none", "small", "tmpfs", MS_REMOUNT, "size=100m") == 0);
	for (unsigned int i = 0; i < PARTS; i++)
		if (!written[i])
			MUST(put(i) == OK);
	MUST(flush() == OK);
	for (unsigned int i = 0; i < PARTS; i++)
		MUST(get(i, &same) == OK && same);
	MUST(mount("none", "small", "tmpfs", MS_REMOUNT, "size=100m") == 0);
	return end();
}

/* @operation fails with @error while the guest does its work. */
static bool
fails(Bh__ImageType type, const char *name, const char *operation, int error)
{
	bool reads = strcmp(operation, "read") == 0, same;
	bool writes = strcmp(operation, "write") == 0;
	FILE *f;

	MUST(run("rm -f real/fail") == 0);
	MUST(start_on(name, type, false));
	for (unsigned int i = 0; i < 40; i++)
		MUST(put(i) == OK);
	MUST(flush() == OK);
	f = fopen("real/fail", "w");
	MUST(f != NULL && fprintf(f, "%s %d\n", operation, error) > 0);
	MUST(fclose(f) == 0);
	MUST(get(3, &same) == (reads ? IOERR : OK));
	/* In place; and where an image has to find a place first. */
	MUST(put(4) == (writes ? IOERR : OK));
	if (writes)
		for (unsigned int i = 40; i < 300; i++)
			MUST(put(i) == IOERR);
	/* One that has nothing to make durable may well succeed. */
	if (strcmp(operation, "fsync") == 0)
		MUST(put(41) != -1 && flush() == IOERR);
	MUST(run("rm real/fail") == 0);
	for (unsigned int i = 0; i < 300; i++)
		MUST(put(i) == OK);
	MUST(flush() == OK);
	for (unsigned int i = 0; i < 300; i++)
		MUST(get(i, &same) == OK && same);
	return end();
}

/* Somebody cuts the file while the guest runs, and makes it long again. */
static bool
cut(void)
{
	bool same;

	MUST(run("truncate -s 64M short") == 0);
	MUST(start_on("short", BH__IMAGE_TYPE__IMAGE_TYPE_RAW, false));
	MUST(put(0) == OK && put(PARTS - 1) == OK);
	MUST(truncate("short", 1 << 20) == 0);
	MUST(get(0, &same) == OK && same);
	MUST(get(PARTS - 1, &same) == IOERR);
	MUST(truncate("short", DISK) == 0);
	MUST(get(PARTS - 1, &same) == OK && !same);
	MUST(put(PARTS - 1) == OK);
	MUST(get(PARTS - 1, &same) == OK && same);
	return end();
}

static bool
readonly(Bh__ImageType type, const char *name)
{
	bool same;

	MUST(start_on(name, type, true));
	MUST(put(5) == IOERR);
	MUST(get(5, &same) == OK);
	MUST(flush() == OK);
	return end();
}

static void
judge(bool good, const char *what, const char *check)
{
	if (good && check != NULL && run(check) != 0) {
		printf("# %s\n", check);
		good = false;
	}
	result(good, &vm, what);
	if (!good)
		fakevm_kill(&vm);
}

int
main(int argc, char **argv)
{
	const Bh__ImageType raw = BH__IMAGE_TYPE__IMAGE_TYPE_RAW;
	const Bh__ImageType qcow2 = BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2;
	const char *check = "qemu-img check -q -f qcow2 real/q";
	static const struct { const char *operation; int error; } all[] = {
		{ "read", EIO }, { "write", EIO }, { "write", ENOSPC },
		{ "fsync", EIO },
	};
	char what[80];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || chdir(argv[1]) != 0 || fakevm_init(&vm) != 0)
		return 2;
	judge(run("truncate -s 64M small/disk") == 0 && no_space(raw, "small/disk"),
	    "ENOSPC, raw", NULL);
	judge(mount("none", "small", "tmpfs", MS_REMOUNT, "size=100m") == 0 &&
	    run("rm small/disk; qemu-img create -q -f qcow2 small/disk 64M") == 0 &&
	    mount("none", "small", "tmpfs", MS_REMOUNT, "size=24m") == 0 &&
	    no_space(qcow2, "small/disk"), "ENOSPC, qcow2",
	    "qemu-img check -q -f qcow2 small/disk >/dev/null; test $? = 0 -o $? = 3");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(what, sizeof(what), "%s fails with %s, raw",
		    all[i].operation, strerrorname_np(all[i].error));
		judge(run("rm -f real/*; truncate -s 64M real/r") == 0 &&
		    fails(raw, "failing/r", all[i].operation, all[i].error),
		    what, NULL);
		snprintf(what, sizeof(what), "%s fails with %s, qcow2",
		    all[i].operation, strerrorname_np(all[i].error));
		judge(run("rm -f real/*; qemu-img create -q -f qcow2 real/q 64M") ==
		    0 && fails(qcow2, "failing/q", all[i].operation,
		    all[i].error), what, check);
	}
	judge(cut(), "a file that is cut and grows again", NULL);
	judge(readonly(raw, "short"), "read only, raw", NULL);
	judge(run("qemu-img create -q -f qcow2 q 64M; cp q q.before") == 0 &&
	    readonly(qcow2, "q"), "read only, qcow2", "cmp q q.before");
	fakevm_fini(&vm);
	return finish();
}
