/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relayed rings: for a back end that keeps no record of requests in flight, and
 * may finish them out of order. When it dies, guest memory does not tell which
 * were done. So it gets available and used rings of this process (descriptors
 * stay where they are); this process hands each request on, and each completion
 * back, knows what is out, and gives that to the back end that comes next, in the
 * order of the first time. A request is completed once, and may be done twice.
 *
 * What is out is written into the record (struct inflight_split, as for rings that
 * are served here), so that a successor of this process can go on. It may end between
 * any two stores.
 *
 * Split rings without event index. The only code here that touches guest memory:
 * two rings a queue, through the door of ipc/gmem.h. What the driver and the back
 * end write is hostile: a head is taken once and below the ring's size, a
 * completion is one of a request that is out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/vhost-user-front/front.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u		/* Linux 6.3 */
#endif

#define AREA 16384u		/* of a queue: 1024 entries fit */
#define USED_AT 4096u
#define NO_INTERRUPT 1u		/* 2.7.6: flags of the available ring */

/* 2.7.6, 2.7.8: both rings begin with flags and index. */
enum { FLAGS, INDEX, RING };

/* Of a queue's book. */
#define BOOK_SIZE (sizeof(struct inflight_split) +			\
	VIRTQ_MAX_SIZE * sizeof(struct inflight_split_entry))
#define STORED(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

uint64_t
relay_size(const struct front *f)
{
	return (uint64_t)f->dev->nqueues * AREA;
}

uint64_t
relay_avail_at(unsigned int q)
{
	return (uint64_t)q * AREA;
}

uint64_t
relay_used_at(unsigned int q)
{
	return (uint64_t)q * AREA + USED_AT;
}

/* ---- making --------------------------------------------------------------------- */

static int
make_eventfd(int slot)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (dup3(fd, slot, O_CLOEXEC) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int
front_memfd(const char *name, uint64_t size, int slot)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	int rc = 0;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ||
	    (fd != slot && dup3(fd, slot, O_CLOEXEC) < 0))
		rc = -errno;
	if (fd != slot)
		close(fd);
	return rc;
}

static int
make_memory(struct front *f)
{
	uint64_t size = relay_size(f);
	int rc = front_memfd("rings", size, FD_FRONT_RINGS);
	void *at;

	if (rc < 0)
		return rc;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, FD_FRONT_RINGS, 0);
	if (at == MAP_FAILED)
		return -errno;
	f->rings = at;
	return 0;
}

static void kick_ready(struct loop_source *src, uint32_t events);
static void call_ready(struct loop_source *src, uint32_t events);

int
relay_init(struct front *f)
{
	static struct {
		_Alignas(64) uint8_t bytes[BOOK_SIZE];
	} books[DEVICE_MAX_QUEUES];
	int rc = make_memory(f);

	for (unsigned int q = 0; q < f->dev->nqueues && rc == 0; q++) {
		struct front_ring *r = &f->ring[q];

		r->book = device_record_region(f->dev, q);
		if (r->book == NULL)
			r->book = (void *)books[q].bytes;
		rc = make_eventfd(FD_FRONT_KICK + (int)q);
		if (rc == 0)
			rc = make_eventfd(FD_FRONT_CALL + (int)q);
		r->kick = (struct loop_source){
			.fd = FD_KICK + (int)q, .ready = kick_ready, .owner = f,
		};
		r->call = (struct loop_source){
			.fd = FD_FRONT_CALL + (int)q, .ready = call_ready,
			.owner = f,
		};
		r->far_avail = (void *)(f->rings + relay_avail_at(q));
		r->far_used = (void *)(f->rings + relay_used_at(q));
	}
	return rc;
}

static void
signal_fd(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

/* ---- what is out ---------------------------------------------------------------- */

static bool
is_out(const struct front_ring *r, uint32_t head)
{
	return STORED(r->book->desc[head].inflight) == 1;
}

static void
note_taken(struct front_ring *r, uint16_t head)
{
	STORE(&r->book->desc[head].counter, ++r->next_order);
	IN_ORDER();
	STORE(&r->book->desc[head].inflight, 1);
	IN_ORDER();
	r->inflight++;
}

/* Once the driver sees it: of two that differ by one, the used index is right. */
static void
note_done(struct front_ring *r, uint16_t head)
{
	IN_ORDER();
	STORE(&r->book->desc[head].inflight, 0);
	IN_ORDER();
	STORE(&r->book->used_idx, r->used_idx);
	r->inflight--;
}

static void
open_book(struct front_ring *r, uint16_t size)
{
	STORE(&r->book->version, 0);
	IN_ORDER();
	memset(r->book->desc, 0, size * sizeof(r->book->desc[0]));
	r->book->last_batch_head = r->book->used_idx = 0;
	r->book->desc_num = size;
	IN_ORDER();
	STORE(&r->book->version, INFLIGHT_VERSION);
}

/* What a predecessor had out. All taken are either that or used. -errno. */
static int
read_book(struct front_ring *r, uint16_t size)
{
	struct inflight_split *book = r->book;
	uint16_t last = STORED(book->last_batch_head);
	uint16_t used = __atomic_load_n(&r->used[INDEX], __ATOMIC_RELAXED);
	uint16_t done = STORED(book->used_idx);

	/* It had not come to this queue. */
	if (STORED(book->version) == 0) {
		open_book(r, size);
		return 0;
	}
	if (STORED(book->version) != INFLIGHT_VERSION ||
	    STORED(book->desc_num) != size || last >= size ||
	    (uint16_t)(used - done) > 1)
		return -EINVAL;
	if (used != done) {
		STORE(&book->desc[last].inflight, 0);
		IN_ORDER();
		STORE(&book->used_idx, used);
	}
	r->used_idx = used;
	for (uint32_t h = 0; h < size; h++) {
		uint64_t order = STORED(book->desc[h].counter);

		if (!is_out(r, h))
			continue;
		r->inflight++;
		if (order > r->next_order && order < UINT64_MAX / 2)
			r->next_order = order;
	}
	r->avail_seen = (uint16_t)(r->used_idx + r->inflight);
	return 0;
}

int
relay_attach(struct front *f, bool resume)
{
	int rc = 0;

	for (unsigned int q = 0; q < f->dev->nqueues; q++) {
		const struct virtq_layout *l = &f->queue[q];
		struct front_ring *r = &f->ring[q];

		if (l->size == 0)
			continue;
		r->avail = gmem_span_read(&f->dev->mem, gpa(l->avail),
		    6 + 2ull * l->size);
		r->used = gmem_span_write(&f->dev->mem, gpa(l->used),
		    6 + 8ull * l->size);
		if (r->avail == NULL || r->used == NULL)
			return -EFAULT;
		r->avail_seen = r->used_idx = r->inflight = 0;
		r->next_order = 0;
		if (!resume)
			open_book(r, (uint16_t)l->size);
		else
			rc = read_book(r, (uint16_t)l->size);
		if (rc < 0)
			return rc;
		/* An interrupt may have been lost with the predecessor. */
		if (resume)
			signal_fd(FD_CALL + (int)q);
	}
	return 0;
}

/* ---- at work -------------------------------------------------------------------- */

static void
hand_on(struct front *f, unsigned int q, uint16_t head)
{
	struct front_ring *r = &f->ring[q];
	uint16_t at = (uint16_t)(r->far_avail_idx & (f->queue[q].size - 1));

	r->far_avail[RING + at] = head;
	r->far_avail_idx++;
}

/* The driver's requests to the back end. */
static void
take_avail(struct front *f, unsigned int q)
{
	struct front_ring *r = &f->ring[q];
	uint16_t size = (uint16_t)f->queue[q].size, index, n;

	if (f->broken || r->avail == NULL)
		return;
	/* Acquire: entries are read after the index that shows them. */
	index = __atomic_load_n(&r->avail[INDEX], __ATOMIC_ACQUIRE);
	n = (uint16_t)(index - r->avail_seen);
	if (n == 0)
		return;
	for (uint16_t i = 0; i < n && n <= size; i++, r->avail_seen++) {
		uint16_t at = (uint16_t)(r->avail_seen & (size - 1));
		uint16_t head = *(const volatile uint16_t *)&r->avail[RING + at];

		/* Out already, or too many: none of its requests is to be trusted. */
		if (head >= size || is_out(r, head)) {
			n = UINT16_MAX;
			break;
		}
		note_taken(r, head);
		hand_on(f, q, head);
	}
	if (n > size) {
		f->broken = true;
		device_needs_reset(f->dev, "the driver broke the available ring");
		return;
	}
	/* Release: the back end sees the entries before the index. */
	__atomic_store_n(&r->far_avail[INDEX], r->far_avail_idx, __ATOMIC_RELEASE);
	signal_fd(FD_FRONT_KICK + (int)q);
}

/*
 * One completion into the driver's ring, which sees it at once: the record tells of
 * one that was under way, not of several. False: of nothing that is out.
 */
static bool
complete(struct front *f, unsigned int q, const uint32_t elem[2])
{
	struct front_ring *r = &f->ring[q];
	uint32_t size = f->queue[q].size, at = r->used_idx & (size - 1);

	if (elem[0] >= size || !is_out(r, elem[0]))
		return false;
	STORE(&r->book->last_batch_head, (uint16_t)elem[0]);
	IN_ORDER();
	memcpy((uint8_t *)r->used + 4 + 8ull * at, elem, 8);
	gmem_mark_dirty(&f->dev->mem, gpa(f->queue[q].used + 4 + 8ull * at), 8);
	/* Release: the entry before the index. */
	__atomic_store_n(&r->used[INDEX], ++r->used_idx, __ATOMIC_RELEASE);
	note_done(r, (uint16_t)elem[0]);
	return true;
}

/* What the back end has done to the driver. False: it lied. */
static bool
take_used(struct front *f, unsigned int q)
{
	struct front_ring *r = &f->ring[q];
	uint32_t size = f->queue[q].size, elem[2];
	uint16_t index, n, before = r->used_idx;
	bool good = true;

	if (f->queue[q].size == 0 || r->used == NULL)
		return true;
	index = __atomic_load_n(&r->far_used[INDEX], __ATOMIC_ACQUIRE);
	n = (uint16_t)(index - r->far_used_seen);
	if (n > r->inflight)
		return false;
	for (; n > 0 && good; n--) {
		uint32_t at = r->far_used_seen & (size - 1);

		memcpy(elem, (const uint8_t *)r->far_used + 4 + 8ull * at, 8);
		/* A copy that the compiler may not read again. */
		__asm__ volatile("" : : "r"(elem) : "memory");
		good = complete(f, q, elem);
		if (good)
			r->far_used_seen++;
	}
	if (r->used_idx == before)
		return good;
	gmem_mark_dirty(&f->dev->mem, gpa(f->queue[q].used + 2), 2);
	/* 2.7.7.1: the index is seen before the driver's flags are looked at. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((*(const volatile uint16_t *)&r->avail[FLAGS] & NO_INTERRUPT) == 0)
		signal_fd(FD_CALL + (int)q);
	return good;
}

static void
kick_ready(struct loop_source *src, uint32_t events)
{
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) == sizeof(count))
		take_avail(src->owner, (unsigned int)(src->fd - FD_KICK));
}

static void
call_ready(struct loop_source *src, uint32_t events)
{
	struct front *f = src->owner;
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) == sizeof(count) &&
	    !take_used(f, (unsigned int)(src->fd - FD_FRONT_CALL)))
		front_conn_lose(f, "it completed a request that it did not have");
}

/* ---- a back end comes, and goes --------------------------------------------------- */

/* Requests that are out, in the order in which they came. How many. */
static unsigned int
outstanding(const struct front_ring *r, uint32_t size, uint16_t *heads)
{
	unsigned int n = 0;

	for (uint32_t h = 0; h < size; h++) {
		unsigned int at = n;

		if (!is_out(r, h))
			continue;
		for (; at > 0 && r->book->desc[heads[at - 1]].counter >
		    r->book->desc[h].counter; at--)
			heads[at] = heads[at - 1];
		heads[at] = (uint16_t)h;
		n++;
	}
	return n;
}

void
relay_refill(struct front *f)
{
	static uint16_t heads[VIRTQ_MAX_SIZE];

	memset(f->rings, 0, relay_size(f));
	for (unsigned int q = 0; q < f->dev->nqueues; q++) {
		struct front_ring *r = &f->ring[q];
		unsigned int n = f->queue[q].size == 0 ? 0 :
		    outstanding(r, f->queue[q].size, heads);

		r->far_avail_idx = r->far_used_seen = 0;
		for (unsigned int i = 0; i < n; i++)
			hand_on(f, q, heads[i]);
		__atomic_store_n(&r->far_avail[INDEX], r->far_avail_idx,
		    __ATOMIC_RELEASE);
	}
}

void
relay_run(struct front *f)
{
	for (unsigned int q = 0; q < f->dev->nqueues; q++) {
		struct front_ring *r = &f->ring[q];

		if (f->queue[q].size == 0)
			continue;
		if (loop_add(&f->loop, &r->kick, EPOLLIN) < 0 ||
		    loop_add(&f->loop, &r->call, EPOLLIN) < 0) {
			front_conn_lose(f, "its eventfds cannot be waited for");
			return;
		}
		take_avail(f, q);
		if (r->inflight > 0)
			signal_fd(FD_FRONT_KICK + (int)q);
	}
}

void
relay_hold(struct front *f)
{
	for (unsigned int q = 0; q < f->dev->nqueues; q++) {
		loop_remove(&f->loop, &f->ring[q].kick);
		loop_remove(&f->loop, &f->ring[q].call);
	}
	relay_settle(f);
}

void
relay_settle(struct front *f)
{
	/* What a liar left behind is left there. */
	for (unsigned int q = 0; q < f->dev->nqueues; q++)
		(void)take_used(f, q);
}

void
relay_forget(struct front *f)
{
	for (unsigned int q = 0; q < f->dev->nqueues; q++) {
		struct front_ring *r = &f->ring[q];

		r->avail = NULL;
		r->used = NULL;
		r->inflight = 0;
		STORE(&r->book->version, 0);
	}
}
