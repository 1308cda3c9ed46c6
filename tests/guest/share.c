/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who and what is on the other side of a shared directory.
 *
 * "ids": owners as they are seen and made through a map of ids, the guest's 0 to 999 and
 * 5000, or with "rootless" 5000 alone; once more when there is a file "again".
 * "pair=1", "pair=2": two guests on one share: locks of each against the other and the
 * host, names that move, a file that grows. They wait for each other by files.
 */
#include "lib/fuse.h"

#define EPERM 1
#define ENOENT 2
#define EAGAIN 11
#define EACCES 13
#define EEXIST 17
#define EOVERFLOW 75
#define ESTALE 116

#define ENTRY 128u
#define AT_INO 40u
#define AT_MODE 100u
#define AT_UID 108u
#define AT_GID 112u
#define FLOCK 1u		/* lk_flags */

enum { READ_LOCK, WRITE_LOCK, UNLOCK };

static char args[512];
static uint32_t used;

static void put32(uint32_t v)
{
	*(uint32_t *)(void *)(args + used) = v;
	used += 4;
}

static void put64(uint64_t v)
{
	put32((uint32_t)v);
	put32((uint32_t)(v >> 32));
}

static void put_name(const char *name)
{
	do
		args[used++] = *name;
	while (*name++ != '\0');
}

static int32_t ask(uint32_t opcode, uint64_t node, uint32_t want)
{
	uint32_t len = used;

	used = 0;
	return call(opcode, node, args, len, want);
}

static uint32_t answer32(uint32_t at)
{
	return *(uint32_t *)(void *)(out + sizeof(struct out_header) + at);
}

static int32_t lookup(uint64_t dir, const char *name)
{
	put_name(name);
	return ask(FUSE_LOOKUP, dir, ENTRY);
}

static uint64_t node_of(const char *name)
{
	check_eq(lookup(1, name), 0);
	return answer64(0);
}

static int32_t create(const char *name, uint32_t uid, uint32_t gid, uint32_t mode)
{
	int32_t rc;

	as_uid = uid;
	as_gid = gid;
	put32(2 | 0100 | 0200);		/* O_RDWR, O_CREAT, O_EXCL */
	put32(0100000 | mode);
	put64(0);
	put_name(name);
	rc = ask(FUSE_CREATE, 1, ENTRY + 16);
	as_uid = as_gid = 0;
	return rc;
}

static int32_t open(uint64_t node, uint64_t *fh)
{
	int32_t rc;

	put32(2);
	put32(0);
	rc = ask(FUSE_OPEN, node, 16);
	*fh = answer64(0);
	return rc;
}

static int32_t write(uint64_t node, uint64_t fh, uint64_t at, char c, uint32_t n)
{
	put64(fh);
	put64(at);
	put32(n);
	put32(0);
	put64(0);
	put64(0);
	for (uint32_t i = 0; i < n; i++)
		args[used++] = c;
	return ask(FUSE_WRITE, node, 8);
}

static int32_t give(uint64_t node, uint32_t uid, uint32_t gid)
{
	put32(2 | 4);			/* FATTR_UID, FATTR_GID */
	while (used < 76)
		put32(0);
	put32(uid);
	put32(gid);
	put32(0);
	return ask(FUSE_SETATTR, node, 104);
}

/* ---- "ids" ---- */

static void owned(const char *name, uint32_t uid, uint32_t gid, uint32_t mode)
{
	check_eq(lookup(1, name), 0);
	check_eq(answer32(AT_UID), uid);
	check_eq(answer32(AT_GID), gid);
	check_eq(answer32(AT_MODE) & 07777, mode);
}

/* A name that is another in each round. */
static const char *named(const char *name, uint32_t round)
{
	static char text[32];
	uint32_t n = 0;

	while (name[n] != '\0') {
		text[n] = name[n];
		n++;
	}
	text[n] = (char)('0' + round);
	text[n + 1] = '\0';
	return text;
}

/* Of ids outside of the map nothing is made, and nothing becomes theirs. */
static void nothing_of(uint32_t uid, uint32_t gid)
{
	check_eq(create("none", uid, gid, 0644), -EOVERFLOW);
	as_uid = uid;
	as_gid = gid;
	put32(0755);
	put32(0);
	put_name("none");
	check_eq(ask(FUSE_MKDIR, 1, ENTRY), -EOVERFLOW);
	put32(0010644);
	put64(0);
	put32(0);
	put_name("none");
	check_eq(ask(FUSE_MKNOD, 1, ENTRY), -EOVERFLOW);
	put_name("none");
	put_name("to");
	check_eq(ask(FUSE_SYMLINK, 1, ENTRY), -EOVERFLOW);
	as_uid = as_gid = 0;
	check_eq(lookup(1, "none"), -ENOENT);
	check_eq(give(node_of("mapped"), uid, gid), -EPERM);
}

static void ids_of_root(uint32_t round)
{
	uint64_t fh;

	begin("the host's owners");
	owned("mapped", 5, 6, 0644);
	owned("user", 5000, 1, 0600);
	owned("outside", 65534, 65534, 0600);
	owned(named("suid", round), 5, 6, 04755);
	end();
	begin("a file outside the map is nobody's");
	check_eq(open(node_of("outside"), &fh), -EACCES);
	check_eq(give(node_of("outside"), 0, 0), -EPERM);
	end();
	begin("what is made and given away");
	check_eq(create(named("made", round), 7, 8, 0640), 0);
	owned(named("made", round), 7, 8, 0640);
	check_eq(create(named("users", round), 5000, 1, 0644), 0);
	check_eq(create(named("given", round), 0, 0, 0644), 0);
	check_eq(give(node_of(named("given", round)), 999, 998), 0);
	owned(named("given", round), 999, 998, 0644);
	end();
	begin("ids outside the map make nothing");
	nothing_of(1000, 0);
	nothing_of(0, 5000);
	nothing_of(0xfffffffe, 0);
	nothing_of(0, 0xfffffffe);
	end();
	begin("setuid goes when it is written to");
	check_eq(open(node_of(named("suid", round)), &fh), 0);
	check_eq(write(node_of(named("suid", round)), fh, 0, 'x', 1), 0);
	owned(named("suid", round), 5, 6, 0755);
	end();
}

static void ids_of_a_user(uint32_t round)
{
	begin("the user's files");
	owned("mapped", 5000, 6000, 0644);
	owned("outside", 65534, 65534, 0644);
	check_eq(create(named("made", round), 5000, 6000, 0640), 0);
	owned(named("made", round), 5000, 6000, 0640);
	end();
	begin("no other id makes one");
	nothing_of(0, 6000);
	nothing_of(5000, 0);
	end();
}

static void wait_for(const char *name)
{
	uint32_t begun = now_ms();

	while (lookup(1, name) != 0)
		if (now_ms() - begun > 20000) {
			fail("no %s", name);
			return;
		}
}

static void ids(void)
{
	for (uint32_t round = 0; round < 2; round++) {
		if (cmdline_has("rootless"))
			ids_of_a_user(round);
		else
			ids_of_root(round);
		if (round == 0) {
			print("once\n");
			begin("once more");
			wait_for("again");
			end();
		}
	}
}

/* ---- "pair" ---- */

static uint64_t shared, shared_fh, hosts, hosts_fh, records, records_fh, grows, grows_fh;

static void say(const char *name)
{
	check_eq(create(name, 0, 0, 0644), 0);
}

/* Bytes @first to @last, or with FLOCK the whole file. */
static int32_t lock(uint32_t opcode, uint64_t node, uint64_t fh, uint32_t flags,
    uint32_t type, uint64_t first, uint64_t last)
{
	put64(fh);
	put64(77);
	put64(first);
	put64(last);
	put32(type);
	put32(0);
	put32(flags);
	put32(0);
	return ask(opcode, node, opcode == FUSE_GETLK ? 24 : 0);
}

static int32_t whole(uint32_t type)
{
	return lock(FUSE_SETLK, shared, shared_fh, FLOCK, type, 0, INT64_MAX);
}

static int32_t part(uint32_t type, uint64_t first, uint64_t last)
{
	return lock(FUSE_SETLK, records, records_fh, 0, type, first, last);
}

static uint64_t size_of(uint64_t node, uint64_t fh)
{
	put32(1);			/* FUSE_GETATTR_FH */
	put32(0);
	put64(fh);
	check_eq(ask(FUSE_GETATTR, node, 104), 0);
	check_eq(answer64(0), cmdline_num("valid", 0));
	return answer64(24);
}

static void open_all(void)
{
	shared = node_of("shared");
	check_eq(open(shared, &shared_fh), 0);
	records = node_of("records");
	check_eq(open(records, &records_fh), 0);
	grows = node_of("grows");
	check_eq(open(grows, &grows_fh), 0);
	hosts = node_of("hosts");
	check_eq(open(hosts, &hosts_fh), 0);
	check_eq(lock(FUSE_SETLK, hosts, hosts_fh, FLOCK, READ_LOCK, 0, INT64_MAX),
	    -EAGAIN);
}

static int32_t move(uint64_t from, const char *old, uint64_t to, const char *new,
    uint32_t flags)
{
	put64(to);
	put32(flags);
	put32(0);
	put_name(old);
	put_name(new);
	return ask(FUSE_RENAME2, from, 0);
}

static void first(void)
{
	uint64_t dir, ino;

	begin("locks of the first");
	open_all();
	check_eq(whole(WRITE_LOCK), 0);
	check_eq(part(WRITE_LOCK, 0, 9), 0);
	say("locked");
	wait_for("waits");
	delay_ms(100);
	check_eq(whole(UNLOCK), 0);
	wait_for("has");
	check_eq(whole(READ_LOCK), -EAGAIN);
	check_eq(part(WRITE_LOCK, 12, 30), -EAGAIN);
	end();
	begin("the host lets go");
	wait_for("free");
	check_eq(lock(FUSE_SETLK, hosts, hosts_fh, FLOCK, WRITE_LOCK, 0, INT64_MAX), 0);
	check_eq(lock(FUSE_SETLKW, shared, shared_fh, FLOCK, READ_LOCK, 0, INT64_MAX), 0);
	end();
	begin("a file grows and moves");
	check_eq(write(grows, grows_fh, 0, 'a', 64), 0);
	check_eq(size_of(grows, grows_fh), 64);
	check_eq(lookup(1, "grows"), 0);
	ino = answer64(AT_INO);
	say("grown");
	wait_for("moved");
	check_eq(lookup(1, "grows"), -ENOENT);
	check_eq(lookup(1, "dir"), 0);
	dir = answer64(0);
	check_eq(lookup(dir, "grown"), 0);
	check_eq(answer64(AT_INO), ino);
	check_eq(size_of(grows, grows_fh), 128);
	put64(grows_fh);
	put64(32);
	put32(96);
	while (used < 40)
		put32(0);
	check_eq(ask(FUSE_READ, grows, 96), 0);
	for (uint32_t i = 0; i < 96; i++)
		check_eq(out[sizeof(struct out_header) + i], i < 32 ? 'a' : 'b');
	check_eq(move(1, "locked", 1, "grown", 1), -EEXIST);	/* RENAME_NOREPLACE */
	end();
}

static void second(void)
{
	uint64_t dir;

	begin("locks of the second");
	wait_for("locked");
	open_all();
	check_eq(whole(WRITE_LOCK), -EAGAIN);
	check_eq(whole(READ_LOCK), -EAGAIN);
	check_eq(part(READ_LOCK, 5, 20), -EAGAIN);
	check_eq(part(WRITE_LOCK, 10, 20), 0);
	check_eq(lock(FUSE_GETLK, records, records_fh, 0, READ_LOCK, 0, 100), 0);
	check_eq(answer64(0), 0);
	check_eq(answer64(8), 9);
	check_eq(answer32(16), WRITE_LOCK);
	say("waits");
	check_eq(lock(FUSE_SETLKW, shared, shared_fh, FLOCK, WRITE_LOCK, 0, INT64_MAX), 0);
	say("has");
	wait_for("free");
	check_eq(whole(UNLOCK), 0);
	end();
	begin("a file grows and moves");
	wait_for("grown");
	check_eq(size_of(grows, grows_fh), 64);
	check_eq(write(grows, grows_fh, 64, 'b', 64), 0);
	put32(0755);
	put32(0);
	put_name("dir");
	check_eq(ask(FUSE_MKDIR, 1, ENTRY), 0);
	dir = answer64(0);
	check_eq(move(1, "grows", dir, "grown", 0), 0);
	check_eq(size_of(grows, grows_fh), 128);
	say("moved");
	end();
}

void guest_main(void)
{
	fuse_begin();
	if (cmdline_num("pair", 0) == 1)
		first();
	else if (cmdline_num("pair", 0) == 2)
		second();
	else
		ids();
}
