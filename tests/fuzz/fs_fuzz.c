// SPDX-License-Identifier: Apache-2.0
/*
 * The file system against a hostile driver: a directory of its own, in which
 * another takes things away meanwhile. A file beside it must stay what it is, and
 * no fd may be left when the driver is gone. Now and then the worker is another one,
 * which finds a table that somebody has written into.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "device-workers/fs/door.h"
#include "device-workers/fs/fs.h"
#include "device-workers/fs/fs_int.h"
#include "tests/fuzz/device_fuzz.h"

static char base[64];

/*
 * A request of the shape that the door lets in: opcode, node, what follows; into
 * the data, and to the device.
 */
static void
put_request(uint32_t opcode, uint64_t node, const uint8_t *rest, uint32_t len)
{
	const struct fuse_in_header head = {
		.len = (uint32_t)sizeof(head) + len, .opcode = opcode, .unique = 3,
		.nodeid = node,
	};
	const struct h_seg seg[2] = {
		{ H_DATA, head.len, false }, { H_DATA + 0x8000, 0x2000, true },
	};

	memcpy(h.mem + H_DATA, &head, sizeof(head));
	memcpy(h.mem + H_DATA + sizeof(head), rest, len);
	h_add(1, seg, 2);
	h_kick(1);
}

static void
begin_session(void)
{
	const struct fuse_init_in in = { .major = 7, .minor = 38, .flags = UINT32_MAX };
	uint8_t bytes[sizeof(in)];

	memcpy(bytes, &in, sizeof(in));
	put_request(FUSE_INIT, 0, bytes, sizeof(bytes));
}

static void
entry_path(char path[96], uint32_t n)
{
	(void)snprintf(path, 96, "%s/share/%c", base, 'a' + n % 4);
}

/* The fds of a worker that has died. */
static void
lose_fds(struct fs *fs)
{
	for (uint32_t i = 0; i < fs->table->handles; i++)
		if (fs->handle[i].kind != FS_FREE && fs->handle[i].fd >= 0)
			close(fs->handle[i].fd);
	for (uint32_t i = 0; i < FS_LOCKS; i++)
		if (fs->lock[i].node != 0)
			close(fs->lock[i].fd);
	for (uint32_t i = 0; i < FS_CACHE; i++)
		if (fs->cached[i].node != 0)
			close(fs->cached[i].fd);
}

static void
take_over(struct fuzz_in *in)
{
	struct fs *fs = h.dev.priv;
	struct fs_table *t = fs->table;
	const struct { void *at; size_t size; } parts[] = {
		{ t, offsetof(struct fs_table, done) }, { t->done, sizeof(t->done[0]) * 2 },
		{ t->lock, sizeof(t->lock[0]) * 3 }, { t->handle, sizeof(t->handle[0]) * 4 },
		{ t->node + 1, sizeof(t->node[0]) * 8 }, { t->cell + 1, sizeof(t->cell[0]) * 8 },
	};
	struct stat st;

	lose_fds(fs);
	for (uint32_t n = fuzz_take(in, 1) % 8; n > 0; n--) {
		uint32_t part = fuzz_take(in, 1) % 6;
		uint32_t at = fuzz_take(in, 2) % (uint32_t)parts[part].size;

		((uint8_t *)parts[part].at)[at] = (uint8_t)fuzz_take(in, 1);
	}
	memset(fs->by_id, 0, sizeof(fs->by_id));
	memset(fs->by_name, 0, sizeof(fs->by_name));
	memset(fs->cached, 0, sizeof(fs->cached));
	for (uint32_t i = 0; i < FS_CACHE; i++)
		fs->cached[i].fd = -1;
	fs->free_node = fs->free_cell = fs->free_handle = 0;
	fs->hand = fs->npinned = fs->nwaiting = 0;
	if (fstat(FD_SHARE, &st) != 0)
		abort();
	fs_table_adopt(fs, &st);
	fs_handles_adopt(fs);
	fs_locks_adopt(&h.dev);
}

void
fuzz_backend(struct fuzz_in *in)
{
	uint32_t what = fuzz_take(in, 1), len;
	uint8_t rest[200];
	char path[96], path2[96];

	entry_path(path, what >> 3);
	entry_path(path2, what >> 5);
	switch (what % 8) {
	case 0:
		(void)unlink(path);
		return;
	case 1:
		(void)rename(path, path2);
		return;
	case 2:
		(void)symlink("../secret", path);
		return;
	case 3:
		begin_session();
		return;
	case 4:
		take_over(in);
		return;
	default:
		break;
	}
	what = fuzz_take(in, 1) % 54;
	/* Who waits for a lock tries again. */
	if (what == 53) {
		fs_ops.backend_ready(&h.dev, FD_TIMER, 1);
		return;
	}
	len = fuzz_take(in, 1) % sizeof(rest);
	for (uint32_t i = 0; i < len; i++)
		rest[i] = (uint8_t)fuzz_take(in, 1);
	put_request(what, fuzz_take(in, 1) % 8, rest, len);
}

static void
write_secret(void)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/secret", base);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "secret", 6) != 6)
		abort();
	close(fd);
}

static void
check_secret(void)
{
	char path[96], text[10];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/secret", base);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_nlink != 1 ||
	    (st.st_mode & 07777) != 0600 || read(fd, text, 10) != 6 ||
	    memcmp(text, "secret", 6) != 0)
		abort();
	close(fd);
}

static void
empty(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s/share/*", base);
	if (system(command) != 0)
		abort();
}

static int
highest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
clean_up(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", base);
	(void)!system(command);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char tag[] = "fuzz";
	static Bh__FsConfig fs;
	static Bh__DeviceConfig config;
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct rlimit files;
	const char *why;
	char path[96];
	int fd;

	(void)argc;
	(void)argv;
	(void)snprintf(base, sizeof(base), "%s/fs-fuzz-XXXXXX", tmp);
	if (mkdtemp(base) == NULL)
		abort();
	atexit(clean_up);
	(void)snprintf(path, sizeof(path), "%s/share", base);
	if (mkdir(path, 0755) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
		abort();
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bh__fs_config__init(&fs);
	bh__device_config__init(&config);
	config.device_case = BH__DEVICE_CONFIG__DEVICE_FS;
	config.fs = &fs;
	fs.tag = tag;
	fs.num_queues = 1;
	fs.queue_size = H_QUEUE;
	write_secret();
	if (dup2(fd, FD_BACKEND) != FD_BACKEND ||
	    h_start(&fs_ops, &config, &why) != 0 || fs_ops.jailed(&h.dev, &why) != 0)
		abort();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int runs;
	int before = highest_fd();

	fuzz_run(data, size);
	check_secret();
	if (highest_fd() != before)
		abort();
	if (runs++ % 256 == 0)
		empty();
	return 0;
}
