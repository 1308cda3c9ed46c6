// SPDX-License-Identifier: Apache-2.0
/* The door of the file system: what comes through, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "device-workers/fs/door.h"

static int64_t
run(struct fs *fs, struct fs_req *req)
{
	(void)fs;
	(void)req;
	return 0;
}

static const struct fs_op ops[] = {
	[FUSE_LOOKUP] = { .tail = FS_TAIL_NAME, .run = run },
	[FUSE_RENAME] = { .size = sizeof(struct fuse_rename_in),
			  .tail = FS_TAIL_TWO_NAMES, .run = run },
	[FUSE_SYMLINK] = { .tail = FS_TAIL_LINK, .run = run },
	[FUSE_WRITE] = { .size = sizeof(struct fuse_write_in),
			 .tail = FS_TAIL_DATA, .run = run },
	[FUSE_SETXATTR] = { .size = 8, .tail = FS_TAIL_VALUE, .run = run },
	[FUSE_INIT] = { .size = 16, .run = run },
	[FUSE_BATCH_FORGET] = { .size = sizeof(struct fuse_batch_forget_in),
				.tail = FS_TAIL_FORGETS, .run = run },
};

static uint8_t memory[80000], answer[4096], arg[FS_ARG_MAX + 1];
static struct virtq_chain chain;
static struct fs_req req;

/* A request of @len bytes behind its header, cut at @cut. */
static int
enter(uint32_t opcode, const void *bytes, size_t len, size_t said, size_t cut)
{
	struct fuse_in_header h = {
		.len = (uint32_t)said, .opcode = opcode, .unique = 7, .nodeid = 1,
	};
	size_t total = sizeof(h) + len;

	memcpy(memory, &h, sizeof(h));
	memcpy(memory + sizeof(h), bytes, len);
	memset(&chain, 0, sizeof(chain));
	if (cut > 0 && cut < total) {
		chain.iov[0] = (struct iovec){ memory, cut };
		chain.iov[1] = (struct iovec){ memory + cut, total - cut };
		chain.nread = 2;
	} else {
		chain.iov[0] = (struct iovec){ memory, total };
		chain.nread = 1;
	}
	chain.iov[chain.nread] = (struct iovec){ answer, sizeof(answer) };
	chain.nwrite = 1;
	chain.read_len = total;
	chain.write_len = sizeof(answer);
	return fs_door(&req, &chain, ops, sizeof(ops) / sizeof(ops[0]), arg);
}

static int
exact(uint32_t opcode, const void *bytes, size_t len)
{
	return enter(opcode, bytes, len, sizeof(struct fuse_in_header) + len, 0);
}

static void
names(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_int_equal(fs_door_name("a", 1), 0);
	assert_int_equal(fs_door_name("...", 3), 0);
	assert_int_equal(fs_door_name("..a", 3), 0);
	assert_int_equal(fs_door_name("", 0), -EINVAL);
	assert_int_equal(fs_door_name(".", 1), -EINVAL);
	assert_int_equal(fs_door_name("..", 2), -EINVAL);
	assert_int_equal(fs_door_name("a/", 2), -EINVAL);
	assert_int_equal(fs_door_name("a\0b", 3), -EINVAL);
	assert_int_equal(fs_door_name(name, 255), 0);
	assert_int_equal(fs_door_name(name, 256), -ENAMETOOLONG);
	assert_int_equal(exact(FUSE_LOOKUP, "name", 5), 0);
	assert_string_equal(req.name, "name");
	assert_int_equal(exact(FUSE_LOOKUP, "name", 4), -EINVAL);
	assert_int_equal(exact(FUSE_LOOKUP, "name\0x", 7), -EINVAL);
	assert_int_equal(exact(FUSE_LOOKUP, "", 0), -EINVAL);
	assert_int_equal(exact(FUSE_RENAME, "12345678a\0b", 12), 0);
	assert_string_equal(req.name, "a");
	assert_string_equal(req.name2, "b");
	assert_memory_equal(&req.in.rename.newdir, "12345678", 8);
	assert_int_equal(exact(FUSE_RENAME, "12345678a\0", 10), -EINVAL);
	assert_int_equal(exact(FUSE_RENAME, "12345678a\0..", 13), -EINVAL);
	assert_int_equal(exact(FUSE_SYMLINK, "a\0/b/../c", 10), 0);
	assert_string_equal(req.name2, "/b/../c");
	assert_int_equal(exact(FUSE_SYMLINK, "a\0", 3), -EINVAL);
}

static void
long_names(void **state)
{
	static uint8_t text[70100];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[1] = '\0';
	text[2 + 4095] = '\0';
	assert_int_equal(exact(FUSE_SYMLINK, text, 2 + 4096), 0);
	text[2 + 4095] = 'a';
	text[2 + 4096] = '\0';
	assert_int_equal(exact(FUSE_SYMLINK, text, 2 + 4097), -ENAMETOOLONG);
	assert_int_equal(exact(FUSE_LOOKUP, text + 5000, 10000), -EINVAL);
	text[5000 + 9999] = '\0';
	assert_int_equal(exact(FUSE_LOOKUP, text + 5000, 10000), -ENAMETOOLONG);
	assert_int_equal(exact(FUSE_LOOKUP, text + 5000, 60000), -ENAMETOOLONG);
	assert_int_equal(exact(FUSE_LOOKUP, text, FS_ARG_MAX + 1), -E2BIG);
}

static void
sizes(void **state)
{
	uint8_t bytes[100] = { 0 };

	(void)state;
	assert_int_equal(enter(FUSE_LOOKUP, "a", 2, 41, 0), -EINVAL);
	assert_int_equal(enter(FUSE_LOOKUP, "a", 2, 43, 0), -EINVAL);
	assert_int_equal(enter(FUSE_LOOKUP, "a", 2, 0, 0), -EINVAL);
	assert_int_equal(enter(FUSE_LOOKUP, "a", 2, UINT32_MAX, 0), -EINVAL);
	assert_int_equal(exact(FUSE_INIT, bytes, 15), -EINVAL);
	assert_int_equal(exact(FUSE_INIT, bytes, 16), 0);
	assert_int_equal(exact(FUSE_INIT, bytes, 100), 0);
	assert_int_equal(exact(FUSE_RENAME, bytes, 7), -EINVAL);
	assert_int_equal(exact(3000, bytes, 100), -ENOSYS);
	assert_int_equal(exact(UINT32_MAX, bytes, 100), -ENOSYS);
	assert_int_equal(exact(FUSE_LINK, bytes, 100), -ENOSYS);
	memset(&chain, 0, sizeof(chain));
	assert_int_equal(fs_door(&req, &chain, ops, sizeof(ops) / sizeof(ops[0]),
	    arg), -EBADMSG);
}

static void
tails(void **state)
{
	struct { struct fuse_write_in in; uint8_t data[50]; } write = {
		.in.size = 50,
	};
	struct { struct fuse_batch_forget_in in; uint8_t one[32]; } forget = {
		.in.count = 2,
	};
	struct { uint32_t size, flags; char text[12]; } value = {
		.size = 5, .text = "user.a\0value",
	};

	(void)state;
	assert_int_equal(exact(FUSE_WRITE, &write, sizeof(write.in) + 50), 0);
	write.in.size = 51;
	assert_int_equal(exact(FUSE_WRITE, &write, sizeof(write.in) + 50), -EINVAL);
	write.in.size = UINT32_MAX;
	assert_int_equal(exact(FUSE_WRITE, &write, sizeof(write.in) + 50), -EINVAL);
	assert_int_equal(exact(FUSE_BATCH_FORGET, &forget, 40), 0);
	assert_int_equal(exact(FUSE_BATCH_FORGET, &forget, 39), -EINVAL);
	forget.in.count = UINT32_MAX;
	assert_int_equal(exact(FUSE_BATCH_FORGET, &forget, 40), -EINVAL);
	assert_int_equal(exact(FUSE_SETXATTR, &value, 20), 0);
	assert_int_equal(req.tail_len, 5);
	assert_memory_equal(req.tail, "value", 5);
	value.size = 6;
	assert_int_equal(exact(FUSE_SETXATTR, &value, 20), -EINVAL);
	value.size = UINT32_MAX;
	assert_int_equal(exact(FUSE_SETXATTR, &value, 20), -EINVAL);
}

/* However the driver cuts it. */
static void
cuts(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 52; cut++) {
		assert_int_equal(enter(FUSE_RENAME, "12345678a\0b", 12, 52, cut), 0);
		assert_string_equal(req.name2, "b");
	}
}

static void
spans(void **state)
{
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint8_t a[10], b[20], c[30];

	(void)state;
	memset(&chain, 0, sizeof(chain));
	chain.iov[0] = (struct iovec){ a, 10 };
	chain.iov[1] = (struct iovec){ b, 20 };
	chain.iov[2] = (struct iovec){ c, 30 };
	chain.nread = 2;
	chain.nwrite = 1;
	assert_int_equal(fs_door_span(&chain, false, 4, 12, iov), 2);
	assert_ptr_equal(iov[0].iov_base, a + 4);
	assert_int_equal(iov[0].iov_len, 6);
	assert_ptr_equal(iov[1].iov_base, b);
	assert_int_equal(iov[1].iov_len, 6);
	assert_int_equal(fs_door_span(&chain, false, 10, 100, iov), 1);
	assert_int_equal(iov[0].iov_len, 20);
	assert_int_equal(fs_door_span(&chain, false, 30, 1, iov), 0);
	assert_int_equal(fs_door_span(&chain, true, 16, 100, iov), 1);
	assert_ptr_equal(iov[0].iov_base, c + 16);
	assert_int_equal(iov[0].iov_len, 14);
	assert_int_equal(fs_door_span(&chain, true, 0, 0, iov), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(long_names),
		cmocka_unit_test(sizes), cmocka_unit_test(tails),
		cmocka_unit_test(cuts), cmocka_unit_test(spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
