// SPDX-License-Identifier: Apache-2.0
/*
 * Locks of the shipped bulkhead-fs in its jail: between owners of the guest's,
 * between guest and host; who waits, who is told to stop waiting, and more of all
 * that than there is room for.
 */
#include <sys/file.h>

#include "tests/native/fs_drive.h"

#define ALL INT64_MAX
#define ENDLESS 0

static uint64_t node;
static int host = -1;		/* the host's own description of the file */

/* A request about a lock of bytes @from to @to. */
static struct fuse_lk_in
lk(uint64_t fh, uint64_t owner, uint32_t type, uint64_t from, uint64_t to)
{
	return (struct fuse_lk_in){ .fh = fh, .owner = owner,
		.lk = { .start = from, .end = to, .type = type } };
}

static int
range(uint32_t opcode, uint64_t fh, uint64_t owner, uint32_t type, uint64_t from,
    uint64_t to)
{
	const struct fuse_lk_in in = lk(fh, owner, type, from, to);

	return call(opcode, node, &in, sizeof(in), "", 0);
}

static int
whole(uint64_t fh, uint32_t type)
{
	struct fuse_lk_in in = lk(fh, 0, type, 0, ALL);

	in.lk_flags = FUSE_LK_FLOCK;
	return call(FUSE_SETLK, node, &in, sizeof(in), "", 0);
}

static int
flush(uint64_t fh, uint64_t owner)
{
	const struct fuse_flush_in in = { .fh = fh, .lock_owner = owner };

	return call(FUSE_FLUSH, node, &in, sizeof(in), "", 0);
}

static struct fuse_file_lock
held(void)
{
	return ((const struct fuse_lk_out *)body())->lk;
}

/* The host tries: 0 or its errno. */
static int
host_range(int type, off_t from, off_t len)
{
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET,
		.l_start = from, .l_len = len };

	return fcntl(host, F_OFD_SETLK, &l) == 0 ? 0 : errno;
}

/* A request that is not awaited: its answer comes to @slot's place. */
static uint64_t
answer_at(uint64_t slot)
{
	return OUT + 0x40000 + slot * 0x100;
}

static bool
wait_for(const struct fuse_lk_in *in, uint64_t slot)
{
	uint64_t at = IN + 0x40000 + slot * 0x100;
	uint32_t len = put(FUSE_SETLKW, node, in, sizeof(*in), "", 0);
	const struct drvq_buf bufs[] = { { at, len, false },
		{ answer_at(slot), 64, true } };

	memcpy(vm.ram + at, vm.ram + IN, len);
	MUST(drvq_add(&vm.q[1], bufs, 2, 0, 100 + slot) >= 0);
	fakevm_publish(&vm, 1);
	return true;
}

/* The answer to one of them: its error. *slot: whose it is. */
static int
answer_of(uint64_t *slot)
{
	const struct fuse_out_header *o;
	uint64_t cookie = 0;
	uint32_t len = 0;

	if (fakevm_used(&vm, 1, &cookie, &len) != 0 || cookie < 100)
		return NO_ANSWER;
	*slot = cookie - 100;
	o = (const void *)(vm.ram + answer_at(*slot));
	return len == sizeof(*o) && o->len == len ? -o->error : NO_ANSWER;
}

static bool
begin_with(uint64_t *fh, uint64_t *fh2)
{
	char path[100];

	if (host >= 0)
		close(host);
	MUST(begin());
	MUST(create(1, "locked", O_RDWR, &node, fh) == 0);
	MUST(open_node(node, O_RDWR, fh2) == 0);
	snprintf(path, sizeof(path), "%s/locked", dir);
	host = open(path, O_RDWR | O_CLOEXEC);
	MUST(host >= 0);
	return true;
}

static bool
records(void)
{
	uint64_t a, b;

	MUST(begin_with(&a, &b));
	MUST(range(FUSE_SETLK, a, 1, F_WRLCK, 0, 9) == 0);
	/* The same handle for another owner, as after fork. */
	MUST(range(FUSE_SETLK, a, 2, F_RDLCK, 5, 5) == EAGAIN);
	MUST(range(FUSE_SETLK, b, 2, F_WRLCK, 9, 20) == EAGAIN);
	MUST(range(FUSE_SETLK, b, 2, F_WRLCK, 10, ALL) == 0);
	/* The same owner by another handle. */
	MUST(range(FUSE_SETLK, b, 1, F_RDLCK, 0, 4) == 0);
	MUST(range(FUSE_GETLK, a, 2, F_WRLCK, 0, ALL) == 0 &&
	    held().type == F_RDLCK && held().start == 0 && held().end == 4 &&
	    held().pid == 0);
	MUST(range(FUSE_GETLK, a, 3, F_RDLCK, 11, 12) == 0 &&
	    held().type == F_WRLCK && held().start == 10 && held().end == ALL);
	MUST(range(FUSE_GETLK, a, 3, F_RDLCK, 0, 4) == 0 &&
	    held().type == F_UNLCK);
	/* The host sees them, and the guest the host's. */
	MUST(host_range(F_WRLCK, 0, 1) == EAGAIN);
	MUST(host_range(F_RDLCK, 0, 5) == 0);
	MUST(range(FUSE_SETLK, a, 1, F_WRLCK, 0, 4) == EAGAIN);
	MUST(host_range(F_UNLCK, 0, ENDLESS) == 0);
	MUST(range(FUSE_SETLK, a, 1, F_WRLCK, 0, 4) == 0);
	MUST(range(FUSE_SETLK, a, 1, F_UNLCK, 0, 2) == 0);
	MUST(host_range(F_WRLCK, 0, 3) == 0 && host_range(F_WRLCK, 3, 1) == EAGAIN);
	/* A close of any handle gives an owner's up, and nobody else's. */
	MUST(flush(b, 1) == 0);
	MUST(host_range(F_WRLCK, 0, 10) == 0 &&
	    host_range(F_WRLCK, 10, 1) == EAGAIN);
	MUST(range(FUSE_SETLK, a, 2, F_UNLCK, 0, ALL) == 0);
	MUST(host_range(F_WRLCK, 0, ENDLESS) == 0);
	MUST(host_range(F_UNLCK, 0, ENDLESS) == 0);
	/* A driver that forgets to: with the last handle all go. */
	MUST(range(FUSE_SETLK, a, 7, F_WRLCK, 0, ALL) == 0);
	MUST(release(node, a, FUSE_RELEASE) == 0);
	MUST(host_range(F_WRLCK, 0, ENDLESS) == EAGAIN);
	MUST(release(node, b, FUSE_RELEASE) == 0);
	MUST(host_range(F_WRLCK, 0, ENDLESS) == 0);
	return end();
}

/* Of a file that has no name any more, and with a session. */
static bool
nameless(void)
{
	uint64_t a, b;

	MUST(begin_with(&a, &b));
	MUST(named(FUSE_UNLINK, 1, "", 0, "locked") == 0);
	MUST(range(FUSE_SETLK, a, 1, F_WRLCK, 0, ALL) == 0);
	MUST(range(FUSE_SETLK, b, 2, F_RDLCK, 0, 0) == EAGAIN);
	MUST(host_range(F_RDLCK, 0, 1) == EAGAIN);
	MUST(flush(a, 1) == 0 && host_range(F_RDLCK, 0, 1) == 0);
	MUST(host_range(F_UNLCK, 0, ENDLESS) == 0);
	MUST(range(FUSE_SETLK, a, 1, F_WRLCK, 0, ALL) == 0 && whole(b, F_WRLCK) == 0);
	MUST(init() == 0);
	MUST(host_range(F_WRLCK, 0, ENDLESS) == 0 &&
	    flock(host, LOCK_EX | LOCK_NB) == 0);
	return end();
}

static bool
files(void)
{
	uint64_t a, b;

	MUST(begin_with(&a, &b));
	MUST(whole(a, F_RDLCK) == 0 && whole(b, F_RDLCK) == 0);
	MUST(flock(host, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK);
	MUST(whole(a, F_WRLCK) == EAGAIN);
	MUST(whole(b, F_UNLCK) == 0 && whole(a, F_WRLCK) == 0);
	MUST(flock(host, LOCK_SH | LOCK_NB) != 0);
	/* flock and record locks know nothing of each other. */
	MUST(range(FUSE_SETLK, b, 1, F_WRLCK, 0, ALL) == 0);
	MUST(release(node, a, FUSE_RELEASE) == 0);
	MUST(flock(host, LOCK_EX | LOCK_NB) == 0 && whole(b, F_RDLCK) == EAGAIN);
	return end();
}

static bool
waiting(void)
{
	struct fuse_interrupt_in stop = { 0 };
	struct drvq_buf buf = { IN, 0, false };
	struct fuse_lk_in in;
	uint64_t a, b, slot = 99;
	uint32_t len;

	MUST(begin_with(&a, &b));
	/* For another owner: everybody else is served meanwhile. */
	MUST(range(FUSE_SETLKW, a, 1, F_WRLCK, 0, 9) == 0);
	in = lk(b, 2, F_WRLCK, 5, 5);
	MUST(wait_for(&in, 0));
	in = lk(b, 3, F_RDLCK, 5, 5);
	MUST(wait_for(&in, 1));
	MUST(getattr(node) == 0 && do_write(node, a, 0, "x", 1) == 0);
	MUST(range(FUSE_SETLK, a, 1, F_UNLCK, 0, 9) == 0);
	/* In their order; the second then waits for the first. */
	MUST(answer_of(&slot) == 0 && slot == 0);
	MUST(flush(b, 2) == 0);
	MUST(answer_of(&slot) == 0 && slot == 1);
	MUST(host_range(F_WRLCK, 5, 1) == EAGAIN && host_range(F_RDLCK, 5, 1) == 0);
	MUST(flush(b, 3) == 0);
	/* For the host, who says nothing when it unlocks. */
	MUST(host_range(F_WRLCK, 0, ENDLESS) == 0);
	in = lk(a, 4, F_RDLCK, 0, ALL);
	MUST(wait_for(&in, 2) && getattr(node) == 0);
	MUST(host_range(F_UNLCK, 0, ENDLESS) == 0);
	MUST(answer_of(&slot) == 0 && slot == 2);
	MUST(host_range(F_WRLCK, 7, 1) == EAGAIN && flush(a, 4) == 0);
	MUST(flock(host, LOCK_EX) == 0);
	in = lk(a, 0, F_WRLCK, 0, ALL);
	in.lk_flags = FUSE_LK_FLOCK;
	MUST(wait_for(&in, 3) && getattr(node) == 0);
	MUST(flock(host, LOCK_UN) == 0);
	MUST(answer_of(&slot) == 0 && slot == 3);
	MUST(flock(host, LOCK_SH | LOCK_NB) != 0);
	/* Interrupted; and one whose handle goes away meanwhile. */
	in = lk(b, 0, F_WRLCK, 0, ALL);
	in.lk_flags = FUSE_LK_FLOCK;
	MUST(wait_for(&in, 4));
	stop.unique = ((const struct fuse_in_header *)(const void *)(vm.ram +
	    IN))->unique;
	MUST(getattr(node) == 0);
	buf.len = put(FUSE_INTERRUPT, 0, &stop, sizeof(stop), "", 0);
	MUST(fakevm_request(&vm, 0, &buf, 1, &len) == 0);
	MUST(answer_of(&slot) == EINTR && slot == 4);
	MUST(wait_for(&in, 5) && release(node, b, FUSE_RELEASE) == 0);
	MUST(answer_of(&slot) == EBADF && slot == 5);
	return end();
}

/* Who waits keeps neither a pause nor a reset nor the end. */
static bool
quiet(void)
{
	struct fuse_lk_in in;
	uint64_t a, b, slot = 99;

	MUST(begin_with(&a, &b));
	MUST(host_range(F_WRLCK, 0, ENDLESS) == 0);
	in = lk(b, 2, F_WRLCK, 0, 5);
	MUST(wait_for(&in, 0) && getattr(node) == 0);
	for (int i = 0; i < 3; i++)
		MUST(getattr(node) == 0);
	MUST(fakevm_drain(&vm) == 0);
	MUST(answer_of(&slot) == EINTR && slot == 0);
	MUST(fakevm_reset(&vm) == 0);
	MUST(activate(&vm, 2, 2) == 0 && init() == 0 && lookup(1, "locked") == 0);
	node = entry();
	MUST(open_node(node, O_RDWR, &b) == 0);
	for (int i = 0; i < (full ? 1000 : 30); i++) {
		in = lk(b, 2, F_WRLCK, 0, 5);
		MUST(wait_for(&in, 0) && getattr(node) == 0);
		MUST(fakevm_reset(&vm) == 0);
		MUST(activate(&vm, (size_t)i % 2 * 2, 2) == 0 && init() == 0);
		MUST(lookup(1, "locked") == 0);
		node = entry();
		MUST(open_node(node, O_RDWR, &b) == 0);
	}
	MUST(host_range(F_UNLCK, 0, ENDLESS) == 0);
	MUST(range(FUSE_SETLK, b, 2, F_WRLCK, 0, 5) == 0);
	MUST(host_range(F_WRLCK, 0, ENDLESS) == EAGAIN);
	in = lk(b, 3, F_WRLCK, 0, 5);
	MUST(wait_for(&in, 0) && getattr(node) == 0);
	return end();
}

/* More than there is room for is ENOLCK, and it goes on. */
static bool
too_many(void)
{
	struct fuse_lk_in in;
	uint64_t a, b, slot, owners = 0;
	unsigned int waiters = 0;
	int rc;

	MUST(begin_with(&a, &b));
	do {
		owners++;
		rc = range(FUSE_SETLK, a, owners, F_RDLCK, owners, owners);
	} while (rc == 0 && owners < 5000);
	MUST(rc == ENOLCK && owners > 400 && owners < 1000);
	MUST(range(FUSE_SETLK, a, 1, F_UNLCK, 0, ALL) == 0);
	MUST(range(FUSE_SETLK, a, owners, F_RDLCK, 0, 0) == 0);
	MUST(release(node, b, FUSE_RELEASE) == 0 &&
	    release(node, a, FUSE_RELEASE) == 0);
	MUST(host_range(F_WRLCK, 0, ENDLESS) == 0);
	MUST(open_node(node, O_RDWR, &a) == 0);
	for (; waiters < 40; waiters++) {
		in = lk(a, waiters, F_RDLCK, 0, ALL);
		MUST(wait_for(&in, waiters));
	}
	for (unsigned int i = 0; i < 8; i++)
		MUST(answer_of(&slot) == ENOLCK && slot >= 32);
	MUST(host_range(F_UNLCK, 0, ENDLESS) == 0);
	for (unsigned int i = 0; i < 32; i++)
		MUST(answer_of(&slot) == 0 && slot == i);
	return end();
}

static bool
lies(void)
{
	static const uint32_t types[] = { 3, 4, 0x80, 0x10002, UINT32_MAX };
	struct fuse_lk_in in;
	uint64_t a, b, other, fh;

	MUST(begin_with(&a, &b));
	for (uint32_t op = FUSE_GETLK; op <= FUSE_SETLKW; op++) {
		MUST(range(op, a + 1000, 1, F_RDLCK, 0, 1) == EBADF);
		MUST(range(op, a, 1, F_RDLCK, 2, 1) == EINVAL);
		MUST(range(op, a, 1, F_RDLCK, UINT64_MAX, UINT64_MAX) == EINVAL);
		MUST(range(op, a, 1, F_RDLCK, 1ull << 63, UINT64_MAX) == EINVAL);
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			MUST(range(op, a, 1, types[i], 0, 1) == EINVAL);
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		MUST(whole(a, types[i]) == EINVAL);
	MUST(flush(a + 1000, 1) == EBADF && flush(a, 77) == 0);
	/* To the last byte there can be. */
	MUST(range(FUSE_SETLK, a, 1, F_WRLCK, ALL, UINT64_MAX) == 0);
	MUST(range(FUSE_GETLK, a, 2, F_WRLCK, 0, ALL) == 0 &&
	    held().type == F_WRLCK && held().start == ALL && held().end == ALL);
	/* The handle of one file, the id of another. */
	MUST(create(1, "other", O_RDWR, &other, &fh) == 0);
	in = lk(fh, 1, F_RDLCK, 0, 1);
	MUST(call(FUSE_SETLK, node, &in, sizeof(in), "", 0) == EBADF);
	/* A share that is read only has no lock for writers. */
	MUST(end());
	MUST(start(true, BH__FS_CACHE__FS_CACHE_AUTO, dir) &&
	    activate(&vm, 0, 2) == 0 && init() == 0);
	MUST(lookup(1, "locked") == 0);
	node = entry();
	MUST(open_node(node, O_RDONLY, &fh) == 0);
	MUST(range(FUSE_SETLK, fh, 1, F_WRLCK, 0, 1) == EBADF);
	MUST(range(FUSE_SETLK, fh, 1, F_RDLCK, 0, 1) == 0);
	MUST(host_range(F_WRLCK, 0, 1) == EAGAIN);
	return end();
}

int
main(void)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "record locks, of owners and of the host", records },
		{ "locks of a file without a name, and after a session", nameless },
		{ "flock, in the guest and on the host", files },
		{ "who waits for a lock gets it, and keeps nobody", waiting },
		{ "who waits keeps no drain, reset and end", quiet },
		{ "more owners and waiters than there is room for", too_many },
		{ "locks that lie", lies },
	};
	const char *tmp = getenv("TMPDIR");

	full = getenv("FULL") != NULL;
	snprintf(dir, sizeof(dir), "%.40s/fs-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL || fakevm_init(&vm) != 0)
		return 1;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		result(tests[i].run(), &vm, tests[i].name);
		fakevm_kill(&vm);
		vm.needs_reset = 0;
	}
	fakevm_fini(&vm);
	return finish();
}
