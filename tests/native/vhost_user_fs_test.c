/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-fs with a front end that behaves: a directory as a session of
 * FUSE sees it, what becomes of it when the front end goes, comes back and sends its
 * memory and rings anew, a share that is read only, and what is no share.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/native/vhu_front.h"

#define IN 0x100000u
#define OUT 0x180000u
#define ROOM 0x10000u

static unsigned int number, failures;
static char share[96], program[160];
static uint32_t as_uid;		/* whose the requests are; 0: ours */

static void
result(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %u - %s\n", good ? "" : "not ", number, name);
}

static void *
body(void)
{
	return t.ram + OUT + sizeof(struct fuse_out_header);
}

/* The error of a request of argument and name, or -1: no answer. */
static int
call(uint32_t opcode, uint64_t node, const void *arg, size_t arg_len,
    const void *tail, size_t tail_len)
{
	static uint64_t unique;
	struct fuse_in_header h = {
		.len = (uint32_t)(sizeof(h) + arg_len + tail_len), .opcode = opcode,
		.unique = unique += 2, .nodeid = node,
		.uid = as_uid != 0 ? as_uid : getuid(),
		.gid = getgid(),
	};
	const struct drvq_buf bufs[2] = { { IN, h.len, false }, { OUT, ROOM, true } };
	const struct fuse_out_header *o = (const void *)(t.ram + OUT);
	const uint64_t one = 1;
	uint64_t cookie, count;
	uint32_t len;

	memcpy(t.ram + IN, &h, sizeof(h));
	memcpy(t.ram + IN + sizeof(h), arg, arg_len);
	memcpy(t.ram + IN + sizeof(h) + arg_len, tail, tail_len);
	drvq_add(&t.q, bufs, 2, 0, 1);
	drvq_publish(&t.q);
	if (write(t.kick, &one, sizeof(one)) < 0)
		return -1;
	while (!drvq_get(&t.q, &cookie, &len)) {
		struct pollfd p = { .fd = t.call, .events = POLLIN };

		if (poll(&p, 1, WAIT_MS) != 1)
			return -1;
		if (read(t.call, &count, sizeof(count)) < 0)
			return -1;
	}
	return len < sizeof(*o) || o->unique != h.unique ? -1 : -o->error;
}

static int
named(uint32_t opcode, const void *arg, size_t arg_len, const char *name)
{
	return call(opcode, 1, arg, arg_len, name, strlen(name) + 1);
}

static int
init(void)
{
	const struct fuse_init_in in = { .major = 7, .minor = 38,
		.flags = 0x3fffffff };

	return call(FUSE_INIT, 0, &in, sizeof(in), "", 0);
}

static bool
back_end(const char *option)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "--shared-dir=%s", share);
	return front_start(program, dir, option, NULL);
}

static bool
stop(void)
{
	int status = -1;

	MUST(kill(t.pid, SIGTERM) == 0 && waitpid(t.pid, &status, 0) == t.pid);
	t.pid = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int
make_file(const char *name, uint64_t *node, uint64_t *fh)
{
	const struct fuse_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0640 };
	int rc = named(FUSE_CREATE, &in, sizeof(in), name);

	if (rc == 0) {
		memcpy(node, body(), sizeof(*node));
		memcpy(fh, (uint8_t *)body() + sizeof(struct fuse_entry_out),
		    sizeof(*fh));
	}
	return rc;
}

static bool
write_and_read(const char *name)
{
	struct fuse_write_in out = { .size = 6 };
	struct fuse_read_in in = { .size = 100 };
	uint64_t node = 0;
	char path[160], text[16] = "";
	struct stat st;
	int fd;

	MUST(make_file(name, &node, &out.fh) == 0);
	in.fh = out.fh;
	MUST(call(FUSE_WRITE, node, &out, sizeof(out), "hello\n", 6) == 0);
	MUST(call(FUSE_READ, node, &in, sizeof(in), "", 0) == 0);
	MUST(memcmp(body(), "hello\n", 6) == 0);
	snprintf(path, sizeof(path), "%s/%s", share, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0 && read(fd, text, sizeof(text)) == 6 && fstat(fd, &st) == 0);
	close(fd);
	MUST(strcmp(text, "hello\n") == 0 && st.st_uid == getuid() &&
	    st.st_gid == getgid() && (st.st_mode & 07777) == 0640);
	return true;
}

/* Its root is the share, and nothing is above it. */
static bool
is_root(void)
{
	char path[64], line[64];
	struct stat st, here;

	snprintf(path, sizeof(path), "/proc/%d/root/..", t.pid);
	MUST(stat(share, &here) == 0);
	/* Ptrace may be needed to look, which a stranger may not. */
	if (stat(path, &st) != 0)
		return errno == EACCES || errno == EPERM;
	MUST(st.st_ino == here.st_ino && st.st_dev == here.st_dev);
	snprintf(line, sizeof(line), "/proc/%d/root/proc/self", t.pid);
	return stat(line, &st) != 0;
}

static bool
session(void)
{
	MUST(back_end(NULL));
	MUST(all_up());
	if (strstr(program, "/san/") == NULL)
		MUST(is_root());
	MUST(named(FUSE_LOOKUP, "", 0, "a") == EIO);
	MUST(init() == 0 && named(FUSE_LOOKUP, "", 0, "a") == ENOENT);
	return write_and_read("a") && named(FUSE_LOOKUP, "", 0, "..") == EINVAL;
}

/* Fds that come while all low numbers are taken, and what was open goes. */
static bool
again(void)
{
	for (int i = 0; i < 3; i++) {
		char name[8];

		MUST(all_up());
		MUST(named(FUSE_LOOKUP, "", 0, "a") == EIO);
		MUST(init() == 0 && named(FUSE_LOOKUP, "", 0, "a") == 0);
		snprintf(name, sizeof(name), "b%d", i);
		MUST(write_and_read(name));
		MUST(set_memory() && set_memory());
		MUST(set_fd(VHU_SET_VRING_CALL, t.ring, t.call) == 0);
		MUST(named(FUSE_LOOKUP, "", 0, "a") == 0);
		snprintf(name, sizeof(name), "c%d", i);
		MUST(write_and_read(name));
	}
	return stop();
}

static bool
read_only(void)
{
	uint64_t node, fh;

	MUST(back_end("--readonly"));
	MUST(all_up() && init() == 0);
	MUST(make_file("no", &node, &fh) == EROFS);
	MUST(named(FUSE_LOOKUP, "", 0, "a") == 0);
	return stop();
}

/* Ids of the guest are others on the host; those that are none make no files. */
static bool
mapped(void)
{
	const struct fuse_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0640 };
	const struct fuse_entry_out *e = body();
	const uint32_t guest[] = { 1003, 5, 1009, 1010 };
	const uint32_t host[] = { 5003, 0, 5009, 0 };	/* 0: none */
	char path[160], name[8];
	struct stat st;
	int status = 0;

	if (getuid() != 0) {
		MUST(back_end("--uid-map=:7:5000:10:"));
		MUST(waitpid(t.pid, &status, 0) == t.pid && WEXITSTATUS(status) == 1);
		t.pid = 0;
		return true;
	}
	MUST(chmod(share, 0777) == 0);
	MUST(back_end("--uid-map=:1000:5000:10:"));
	MUST(all_up() && init() == 0);
	for (size_t i = 0; i < sizeof(guest) / sizeof(guest[0]); i++) {
		snprintf(name, sizeof(name), "m%zu", i);
		snprintf(path, sizeof(path), "%s/%s", share, name);
		as_uid = guest[i];
		status = named(FUSE_CREATE, &in, sizeof(in), name);
		as_uid = 0;
		MUST(status == (host[i] != 0 ? 0 : EOVERFLOW));
		if (host[i] == 0) {
			MUST(stat(path, &st) < 0);
			continue;
		}
		MUST(stat(path, &st) == 0 && st.st_uid == host[i] && st.st_gid == 0);
		MUST(e->attr.uid == host[i] - 4000);
	}
	return stop();
}

static bool
no_share(void)
{
	int status = 0;

	MUST(front_start(program, NULL, NULL, NULL));
	MUST(waitpid(t.pid, &status, 0) == t.pid && WEXITSTATUS(status) == 1);
	MUST(front_start(program, "--shared-dir=/dev/null", NULL, NULL));
	MUST(waitpid(t.pid, &status, 0) == t.pid && WEXITSTATUS(status) == 1);
	MUST(front_start(program, "--shared-dir=/", "--uid-map=:1:2:0:", NULL));
	MUST(waitpid(t.pid, &status, 0) == t.pid && WEXITSTATUS(status) == 1);
	MUST(front_start(program, "--shared-dir=/", "--cache=sometimes", NULL));
	MUST(waitpid(t.pid, &status, 0) == t.pid && WEXITSTATUS(status) == 1);
	t.pid = 0;
	return true;
}

static void
empty(void)
{
	DIR *d = opendir(share);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(share);
}

int
main(void)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "a file is made, written and read", session },
		{ "a front end comes back with new memory and rings", again },
		{ "read only", read_only },
		{ "ids are mapped", mapped },
		{ "what is no share", no_share },
	};
	const char *build = getenv("BUILD");

	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)umask(022);
	snprintf(program, sizeof(program), "%s/bulkhead-vhost-user-fs",
	    build != NULL ? build : "build");
	if (!front_set_up(4096))
		return 1;
	t.ring = 1;
	snprintf(share, sizeof(share), "%s/share", t.dir);
	if (mkdir(share, 0755) != 0)
		return 1;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		result(tests[i].run(), tests[i].name);
	empty();
	front_clean_up();
	printf("1..%u\n", number);
	return failures != 0;
}
