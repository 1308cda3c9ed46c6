// SPDX-License-Identifier: Apache-2.0
//
// The bare loop that the block device is measured against: a vhost-user-blk back
// end that checks nothing, has one queue of a split ring, reads with pread and
// writes with pwrite. Descriptors are as blk_client.c makes them. It is what the
// work costs without a device around it; no part of the product.
//	blk-floor SOCKET FILE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RING 1024u

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct avail { uint16_t flags, idx, ring[RING], used_event; };
struct used { uint16_t flags, idx; struct { uint32_t id, len; } ring[RING];
	uint16_t avail_event; };

static uint8_t *ram;
static uint64_t uva;
static struct desc *descs;
static struct avail *avail;
static struct used *used;
static int disk, kick = -1, call = -1;
static uint16_t seen, said;

static void
serve(unsigned int head)
{
	struct desc *d = &descs[head], *data = &descs[d->next];
	uint8_t *h = ram + d->addr;
	uint64_t sector;
	ssize_t n;

	memcpy(&sector, h + 8, 8);
	n = h[0] == 0 ? pread(disk, ram + data->addr, data->len,
	    (off_t)sector * 512) : pwrite(disk, ram + data->addr, data->len,
	    (off_t)sector * 512);
	ram[descs[data->next].addr] = n != (ssize_t)data->len;
	used->ring[seen % RING].id = head;
	used->ring[seen % RING].len = data->len + 1;
}

static void
loop(void)
{
	uint64_t n;

	for (;;) {
		while (__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) != seen) {
			while (__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) != seen) {
				serve(avail->ring[seen % RING]);
				seen++;
			}
			__atomic_store_n(&used->idx, seen, __ATOMIC_RELEASE);
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			n = 1;
			if ((uint16_t)(seen - avail->used_event - 1) <
			    (uint16_t)(seen - said) && write(call, &n, 8) < 0)
				exit(1);
			said = seen;
		}
		used->avail_event = seen;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) != seen)
			continue;
		if (read(kick, &n, 8) < 0)
			exit(1);
	}
}

static void
carry_out(int conn)
{
	struct { uint32_t request, flags, size; uint8_t payload[280]; } m;
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } c;
	struct iovec iov = { &m, 12 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c) };
	struct stat st;
	uint64_t v = 0, a[5];
	int fd = -1;

	memset(&c, 0, sizeof(c));
	if (recvmsg(conn, &h, 0) != 12 || m.size > sizeof(m.payload) ||
	    (m.size > 0 && recv(conn, m.payload, m.size, MSG_WAITALL) !=
	    (ssize_t)m.size))
		exit(0);
	if (h.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&c.h), sizeof(fd));
	m.flags |= 4;
	switch (m.request) {
	case 1: v = 1ull << 32 | 1ull << 30 | 1ull << 29; break;
	case 15: v = 1ull << 9; break;
	case 24:
		fstat(disk, &st);
		v = (uint64_t)st.st_size / 512;
		memcpy(m.payload + 12, &v, 8);
		(void)!write(conn, &m, 12 + m.size);
		return;
	case 5:
		memcpy(a, m.payload, sizeof(a));
		uva = a[3];
		ram = mmap(NULL, a[2], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		return;
	case 9:
		memcpy(a, m.payload, sizeof(a));
		descs = (void *)(ram + a[1] - uva);
		used = (void *)(ram + a[2] - uva);
		avail = (void *)(ram + a[3] - uva);
		return;
	case 12: kick = fd; return;
	case 13: call = fd; return;
	case 18: loop(); return;
	default: return;
	}
	m.size = 8;
	memcpy(m.payload, &v, 8);
	(void)!write(conn, &m, 20);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), conn;

	if (argc != 3)
		return 2;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", argv[1]);
	disk = open(argv[2], O_RDWR);
	if (disk < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(s, 1) != 0)
		return 1;
	for (conn = accept(s, NULL, NULL);;)
		carry_out(conn);
}
