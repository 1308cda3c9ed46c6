// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-blk in its jail, on disk images: that nothing of a format
 * needs a call that the filter denies, that a successor finds all that was
 * written, and that what cannot be opened is said.
 */
#include <stdarg.h>
#include <sys/stat.h>

#include "device-workers/blk/blk_req.h"
#include "tests/native/device_test.h"

#define DISK (64u << 20)
#define HEADER FAKEVM_DATA
#define STATUS (FAKEVM_DATA + 0x1000)
#define DATA (FAKEVM_DATA + 0x10000)

static struct fakevm vm;
static bool want_backing;	/* backing_files=on */
static char dir[] = "/tmp/bulkhead-image-XXXXXX";

static int __attribute__((format(printf, 1, 2)))
run(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int at = snprintf(line, sizeof(line), "cd %s && ", dir);

	va_start(ap, fmt);
	vsnprintf(line + at, sizeof(line) - (size_t)at, fmt, ap);
	va_end(ap);
	return system(line);	/* NOLINT(cert-env33-c): the tester's own */
}

/* The worker on @name, with @other as the next file if that is not NULL. */
static int
start(Bh__ImageType type, const char *name, const char *other)
{
	static char serial[] = "image", id[] = "disk0";
	struct fakevm_fd fds[2] = { { FD_BACKEND, -1 }, { FD_BACKEND + 1, -1 } };
	Bh__DeviceConfig config;
	Bh__BlkConfig blk;
	Bh__BlkFile file, *files = &file;
	char path[256];
	struct stat st;
	int rc;

	bh__device_config__init(&config);
	bh__blk_config__init(&blk);
	bh__blk_file__init(&file);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fds[0].fd = open(path, O_RDWR | O_CLOEXEC);
	if (fds[0].fd < 0 || fstat(fds[0].fd, &st) != 0)
		return -errno;
	blk.size = (uint64_t)st.st_size;
	if (other != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, other);
		fds[1].fd = open(path, (type == BH__IMAGE_TYPE__IMAGE_TYPE_VMDK ||
		    type == BH__IMAGE_TYPE__IMAGE_TYPE_DETECT ?
		    O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (fds[1].fd < 0 || fstat(fds[1].fd, &st) != 0)
			return -errno;
		file.size = (uint64_t)st.st_size;
		file.readonly = type != BH__IMAGE_TYPE__IMAGE_TYPE_VMDK &&
		    type != BH__IMAGE_TYPE__IMAGE_TYPE_DETECT;
		blk.files = &files;
		blk.n_files = 1;
		blk.backing_files = true;
	}
	blk.block_size = 512;
	blk.serial = serial;
	blk.num_queues = 1;
	blk.queue_size = 64;
	blk.sparse = true;
	blk.image_type = type;
	if (want_backing)
		blk.backing_files = true;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	rc = fakevm_start(&vm, "build/bulkhead-blk", &config, fds,
	    other != NULL ? 2 : 1);
	close(fds[0].fd);
	if (other != NULL)
		close(fds[1].fd);
	return rc;
}

static int
request(uint32_t type, uint64_t sector, uint32_t len, bool write)
{
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

static bool
fill_and_check(Bh__ImageType type, const char *name, const char *other)
{
	struct { uint64_t sector; uint32_t n, flags; } range = { 4096, 2048, 1 };
	uint64_t capacity;

	memcpy(&capacity, vm.config, sizeof(capacity));
	MUST(capacity == DISK / 512);
	MUST(activate(&vm, 0, 1) == 0);
	for (unsigned int i = 0; i < 32; i++) {
		memset(vm.ram + DATA, (int)i + 1, 100000 / 512 * 512);
		MUST(request(VIRTIO_BLK_T_OUT, i * 3000 + 5, 100000 / 512 * 512,
		    false) == 0);
	}
	memcpy(vm.ram + DATA, &range, sizeof(range));
	MUST(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false) == 0);
	MUST(request(VIRTIO_BLK_T_DISCARD, 0, 16, false) == 2 ||
	    vm.ram[STATUS] != 0xee);
	/* Not flushed, and its worker killed: a successor still finds it. */
	fakevm_kill(&vm);
	MUST(start(type, name, other) == 0);
	MUST(activate(&vm, 0, 1) == 0);
	MUST(request(VIRTIO_BLK_T_IN, 31 * 3000 + 5, 512, true) == 0);
	MUST(vm.ram[DATA] == 32 && vm.ram[DATA + 511] == 32);
	MUST(request(VIRTIO_BLK_T_IN, 4096, 512, true) == 0);
	MUST(vm.ram[DATA] == 0);
	MUST(request(VIRTIO_BLK_T_FLUSH, 0, 0, false) == 0);
	MUST(request(VIRTIO_BLK_T_OUT, 1, 512, false) == 0);
	MUST(fakevm_quit(&vm) == 0);
	MUST(vm.denied[0] == 0);
	return true;
}

static bool
refused(Bh__ImageType type, const char *name, const char *words)
{
	MUST(start(type, name, NULL) != 0);
	if (strstr(vm.failed, words) == NULL)
		printf("# \"%s\"\n", vm.failed);
	MUST(strstr(vm.failed, words) != NULL);
	return true;
}

/* ---- files that the worker asks for ------------------------------------------ */

static bool asked_extent;

static int
open_named(const char *name, bool extent)
{
	char path[sizeof(dir) + 1024];

	asked_extent = extent;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, (extent ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

/* The second start is a successor's, which is given what the first asked for. */
static bool
asks(Bh__ImageType type, const char *name, const char *wanted, bool extent)
{
	struct fakevm none = { .open_file = NULL };

	vm.open_file = open_named;
	want_backing = true;
	MUST(start(type, name, NULL) == 0);
	MUST(strcmp(vm.wanted, wanted) == 0 && asked_extent == extent);
	MUST(activate(&vm, 0, 1) == 0);
	memset(vm.ram + DATA, 0x77, 512);
	MUST(request(VIRTIO_BLK_T_OUT, 77, 512, false) == 0);
	fakevm_kill(&vm);
	vm.open_file = none.open_file;
	vm.wanted[0] = '\0';
	MUST(start(type, name, wanted) == 0);
	MUST(vm.wanted[0] == '\0');
	MUST(activate(&vm, 0, 1) == 0);
	MUST(request(VIRTIO_BLK_T_IN, 77, 512, true) == 0);
	MUST(vm.ram[DATA] == 0x77 && vm.ram[DATA + 511] == 0x77);
	MUST(fakevm_quit(&vm) == 0);
	MUST(vm.denied[0] == 0);
	want_backing = false;
	return true;
}

/* Seven more files and no more; what the controller refuses, in its words. */
static bool
asks_in_vain(const char *name, bool answer, const char *words)
{
	vm.open_file = answer ? open_named : NULL;
	want_backing = true;
	MUST(start(BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2, name, NULL) != 0);
	want_backing = false;
	vm.open_file = NULL;
	if (strstr(vm.failed, words) == NULL)
		printf("# \"%s\"\n", vm.failed);
	MUST(strstr(vm.failed, words) != NULL);
	return true;
}

/* An L2 entry is damaged while the guest runs: said once, and no write after it. */
static bool
damaged(void)
{
	unsigned int lines;

	MUST(run("qemu-img create -q -f qcow2 d 64M && qemu-io -f qcow2 -c "
	    "'write -q -P 1 0 64k' -c 'write -q -P 1 16M 64k' d >/dev/null") == 0);
	MUST(start(BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2, "d", NULL) == 0);
	MUST(activate(&vm, 0, 1) == 0);
	/* The L2 table is the fifth cluster; entry 256 is of 16 MiB: a table. */
	MUST(run("printf '\\200\\0\\0\\0\\0\\3\\0\\0' | dd of=d bs=1 "
	    "seek=264192 conv=notrunc 2>/dev/null") == 0);
	MUST(request(VIRTIO_BLK_T_IN, 0, 512, true) == 0);
	MUST(request(VIRTIO_BLK_T_OUT, 32768, 512, false) == 1);
	MUST(fakevm_pump(&vm, 200) >= 0);
	MUST(vm.log_lines >= 2);
	lines = vm.log_lines;
	MUST(request(VIRTIO_BLK_T_OUT, 0, 512, false) == 1);
	MUST(fakevm_pump(&vm, 200) >= 0);
	MUST(vm.log_lines == lines + 1);
	MUST(request(VIRTIO_BLK_T_IN, 0, 512, true) == 0);
	MUST(fakevm_quit(&vm) == 0);
	/* Marked, as QEMU would have: nobody writes to it before a repair. */
	MUST(run("qemu-img info d | grep -q 'corrupt: true'") == 0);
	return true;
}

static bool
resized(void)
{
	uint64_t capacity;

	MUST(run("qemu-img create -q -f qcow2 g 64M") == 0);
	MUST(start(BH__IMAGE_TYPE__IMAGE_TYPE_DETECT, "g", NULL) == 0);
	MUST(activate(&vm, 0, 1) == 0);
	vm.config_changes = 0;
	vm.resize_image = false;
	MUST(fakevm_resize(&vm, 2ull * DISK) == -EOPNOTSUPP);
	vm.resize_image = true;
	MUST(request(VIRTIO_BLK_T_OUT, DISK / 512, 512, false) == 1);
	MUST(fakevm_resize(&vm, 2ull * DISK) == 0);
	while (vm.config_changes == 0)
		MUST(fakevm_pump(&vm, 1000) >= 0);
	memcpy(&capacity, vm.config, sizeof(capacity));
	MUST(capacity == 2 * DISK / 512);
	MUST(request(VIRTIO_BLK_T_OUT, DISK / 512, 512, false) == 0);
	/* Half of that and less: the guest is told, and what was there is gone. */
	vm.config_changes = 0;
	MUST(fakevm_resize(&vm, DISK / 2) == 0);
	while (vm.config_changes == 0)
		MUST(fakevm_pump(&vm, 1000) >= 0);
	memcpy(&capacity, vm.config, sizeof(capacity));
	MUST(capacity == DISK / 2 / 512);
	MUST(request(VIRTIO_BLK_T_OUT, DISK / 512, 512, false) == 1);
	MUST(fakevm_resize(&vm, 2ull * DISK) == 0);
	memset(vm.ram + DATA, 0xff, 512);
	MUST(request(VIRTIO_BLK_T_IN, DISK / 512, 512, true) == 0);
	MUST(vm.ram[DATA] == 0 && vm.ram[DATA + 511] == 0);
	MUST(fakevm_quit(&vm) == 0);
	MUST(run("qemu-img check -q g && qemu-img info g | grep -q 134217728") == 0);
	/* A raw disk that was detected says so. */
	MUST(start(BH__IMAGE_TYPE__IMAGE_TYPE_DETECT, "r", NULL) == 0);
	MUST(fakevm_resize(&vm, 2ull * DISK) == -ENOTBLK);
	MUST(fakevm_quit(&vm) == 0);
	vm.resize_image = false;
	return true;
}

/* The formats whose size is fixed say which they are. */
static bool
not_resized(const char *name, Bh__ImageType type, const char *other)
{
	char words[64];

	snprintf(words, sizeof(words), "a %s image", name);
	MUST(start(type, other != NULL ? "m.vmdk" : "f", other) == 0);
	vm.resize_image = true;
	MUST(fakevm_resize(&vm, 2ull * DISK) == -EOPNOTSUPP);
	MUST(strstr(vm.failed, words) != NULL);
	vm.resize_image = false;
	MUST(fakevm_quit(&vm) == 0);
	return true;
}

static bool
fixed_formats(void)
{
	MUST(run("rm -f f && qemu-img create -q -f vpc -o subformat=fixed,"
	    "force_size=on f 64M") == 0);
	MUST(not_resized("vhd", BH__IMAGE_TYPE__IMAGE_TYPE_DETECT, NULL));
	MUST(run("rm -f f && qemu-img create -q -f vhdx f 64M") == 0);
	MUST(not_resized("vhdx", BH__IMAGE_TYPE__IMAGE_TYPE_VHDX, NULL));
	MUST(not_resized("vmdk", BH__IMAGE_TYPE__IMAGE_TYPE_VMDK, "m-flat.vmdk"));
	return true;
}

static void
asking(void)
{
	bool good = run("qemu-img create -q -f qcow2 -b r -F raw b && "
	    "qemu-img create -q -f qcow2 -b b -F qcow2 loop && "
	    "qemu-img rebase -q -u -b loop -F qcow2 loop && last=r type=raw && "
	    "for i in 1 2 3 4 5 6 7 8; do qemu-img create -q -f qcow2 -b $last -F "
	    "$type c$i 64M; last=c$i type=qcow2; done") == 0;

	result(good && asks(BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2, "b", "r", false),
	    &vm, "a backing file, asked for in the jail");
	result(asks(BH__IMAGE_TYPE__IMAGE_TYPE_DETECT, "m.vmdk", "m-flat.vmdk",
	    true), &vm, "an extent, asked for in the jail");
	result(asks_in_vain("b", false, "refused by the test"), &vm,
	    "a backing file that is refused");
	result(asks_in_vain("loop", true, "twice"), &vm, "an image on itself");
	result(asks_in_vain("c8", true, "8 files"), &vm, "too many files");
}

/* @make a 64 MiB image "a"; then qemu-img checks with @check. */
static void
on(const char *what, Bh__ImageType type, const char *make, const char *name,
    const char *other, const char *check)
{
	bool good = run("%s", make) == 0;

	good = good && start(type, name, other) == 0 &&
	    fill_and_check(type, name, other);
	if (good && check != NULL && run("%s", check) != 0) {
		printf("# %s\n", check);
		good = false;
	}
	result(good, &vm, what);
	if (!good)
		fakevm_kill(&vm);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mkdtemp(dir) == NULL || fakevm_init(&vm) != 0)
		return 2;
	on("qcow2", BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2,
	    "qemu-img create -q -f qcow2 a 64M", "a", NULL,
	    /* The killed worker's clusters, set aside for nobody: 3. */
	    "qemu-img check -q -f qcow2 a >/dev/null 2>&1; test $? = 3 -o $? = 0");
	on("qcow2, detected, zlib", BH__IMAGE_TYPE__IMAGE_TYPE_DETECT,
	    "truncate -s 64M r && yes | head -c 9000000 | dd of=r conv=notrunc "
	    "2>/dev/null && qemu-img convert -c -O qcow2 r a", "a", NULL,
	    "qemu-img check -q -f qcow2 a >/dev/null 2>&1; test $? = 3 -o $? = 0");
	on("qcow2, zstd", BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2,
	    "qemu-img convert -c -O qcow2 -o compression_type=zstd r a", "a",
	    NULL, "qemu-img check -q -f qcow2 a >/dev/null 2>&1; test $? = 3 -o $? = 0");
	on("qcow2 on a backing file", BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2,
	    "qemu-img create -q -f qcow2 -b r -F raw a", "a", "r",
	    "qemu-img check -q -f qcow2 a >/dev/null 2>&1; test $? = 3 -o $? = 0");
	result(refused(BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2, "a", "backing_files=on"),
	    &vm, "a backing file that is not allowed");
	on("VHD", BH__IMAGE_TYPE__IMAGE_TYPE_DETECT, "qemu-img create -q -f vpc "
	    "-o subformat=fixed,force_size=on a 64M", "a", NULL, NULL);
	on("VHDX", BH__IMAGE_TYPE__IMAGE_TYPE_VHDX,
	    "rm a; qemu-img create -q -f vhdx a 64M", "a", NULL,
	    "qemu-img check -q -f vhdx a");
	on("VMDK", BH__IMAGE_TYPE__IMAGE_TYPE_VMDK, "qemu-img create -q -f vmdk -o "
	    "subformat=monolithicFlat m.vmdk 64M", "m.vmdk", "m-flat.vmdk", NULL);
	result(refused(BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2, "r", "not a qcow2"), &vm,
	    "what is not an image");
	result(damaged(), &vm, "damage that is found in use");
	result(resized(), &vm, "an image that grows and shrinks in use");
	result(fixed_formats(), &vm, "images whose size is fixed");
	asking();
	fakevm_fini(&vm);
	(void)run("rm -rf %s", dir);
	return finish();
}
