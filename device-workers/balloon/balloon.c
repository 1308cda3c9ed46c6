/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2, 5.5): pages that the driver gives up become holes in
 * guest memory, which is to say the host's again; touched, they are zeros. Called by
 * the worker library.
 *
 * Owns nothing but, with huge pages, a note of which small ones are in the balloon:
 * only a whole one can go back. Where a balloon ends, the driver says in the
 * configuration space, and the controller reads it there. Must not believe an address:
 * each goes through the door (ipc/gmem.h), and what it punches is the guest's own.
 */
#include "device-workers/balloon/balloon.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ipc/log.h"

#define VIRTIO_ID_BALLOON 5
#define PAGE 4096u		/* of a page number, whatever the host's are (5.5.6) */
#define BATCH_REQUESTS 8u	/* a call, then others get their turn */
#define COPY_PAGES 256u
#define STATS_MAX 64u		/* of one report */
#define STATS_KNOWN 10u		/* tags, 5.5.6.4 */

enum { INFLATE, DEFLATE, THIRD, FOURTH, REPORTING_QUEUE, QUEUES };
enum role { GIVES_UP, TAKES_BACK, STATISTICS, REPORTS };

/* 5.5.4 */
struct balloon_config {
	uint32_t target;	/* pages that shall be in the balloon */
	uint32_t actual;	/* that are: the driver's */
};

struct stat_entry {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

_Static_assert(sizeof(struct stat_entry) == 10, "5.5.6.4");

/* Pages beside each other, in the guest and here. */
struct run {
	uint64_t addr, len;
	uint8_t *host;
};

struct balloon {
	uint64_t host_page;	/* bytes: the unit that the host takes back */
	uint64_t *held;		/* with huge pages: a bit a page of the reserve */
	uint64_t nheld;		/* bits */
	uint64_t first, end;	/* words of it that were written to since a reset */
	struct virtq_chain chain;
	uint32_t pages[COPY_PAGES];
	struct stat_entry stats[STATS_MAX];
};

static int
make_notes(struct balloon *b, uint64_t reserve)
{
	b->nheld = reserve / PAGE;
	/* A page of it is there when the first bit in it is set. */
	b->held = mmap(NULL, b->nheld / 8 + 1, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return b->held == MAP_FAILED ? -errno : 0;
}

static int
balloon_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	static struct balloon balloon;
	const Bh__BalloonConfig *c = config->balloon;
	const struct balloon_config space = { .target = (uint32_t)(c->size / PAGE) };
	int rc = 0;

	balloon = (struct balloon){ .host_page = c->host_page };
	if (c->host_page > PAGE)
		rc = make_notes(&balloon, config->memory_reserve);
	if (rc < 0) {
		*why = "no memory for what is in the balloon";
		return rc;
	}
	dev->priv = &balloon;
	dev->virtio_id = VIRTIO_ID_BALLOON;
	dev->features = 1ull << BALLOON_F_STATS_VQ;
	/* A whole huge page goes when its last small one does: the others must not
	 * be in use again unknown to us. */
	if (c->host_page > PAGE)
		dev->features |= 1ull << BALLOON_F_MUST_TELL_HOST;
	if (c->deflate_on_oom)
		dev->features |= 1ull << BALLOON_F_DEFLATE_ON_OOM;
	if (c->free_page_reporting)
		dev->features |= 1ull << BALLOON_F_REPORTING;
	dev->nqueues = c->free_page_reporting ? QUEUES : THIRD + 1;
	for (unsigned int q = 0; q < dev->nqueues; q++)
		dev->queue_max[q] = (uint16_t)c->queue_size;
	dev->config_size = sizeof(space);
	memcpy(dev->config, &space, sizeof(space));
	memset(dev->config_writable + offsetof(struct balloon_config, actual), 0xff,
	    sizeof(space.actual));
	return 0;
}

/* ---- back to the host --------------------------------------------------------- */

static void
give_back(struct device *dev, uint8_t *host, uint64_t addr, uint64_t len)
{
	if (len == 0)
		return;
	if (madvise(host, len, MADV_REMOVE) != 0) {
		log_guest("balloon: %llu bytes at 0x%llx stay: %s",
		    (unsigned long long)len, (unsigned long long)addr,
		    log_errname(errno));
		return;
	}
	/* They read as zeros now, and whoever follows the memory has to know. */
	gmem_mark_dirty(&dev->mem, gpa(addr), len);
	counter_add(dev->counters, BALLOON_COUNT_RETURNED, len);
}

/* The whole host pages within a range. */
static void
give_back_whole(struct device *dev, uint8_t *host, uint64_t addr, uint64_t len)
{
	const struct balloon *b = dev->priv;
	/* Host and guest addresses agree below the size of a host page. */
	uint64_t skip = -addr & (b->host_page - 1);

	if (len > skip)
		give_back(dev, host + skip, addr + skip,
		    (len - skip) & ~(b->host_page - 1));
}

static void
end_run(struct device *dev, struct run *r)
{
	give_back(dev, r->host, r->addr, r->len);
	r->len = 0;
}

/* Linux's pages come one by one, mostly beside each other, up or down. */
static void
add_to_run(struct device *dev, struct run *r, uint8_t *host, uint64_t addr)
{
	if (r->len != 0 && r->addr + r->len == addr && r->host + r->len == host) {
		r->len += PAGE;
		return;
	}
	if (r->len != 0 && addr + PAGE == r->addr && host + PAGE == r->host) {
		r->host = host;
		r->addr = addr;
		r->len += PAGE;
		return;
	}
	end_run(dev, r);
	*r = (struct run){ .addr = addr, .len = PAGE, .host = host };
}

/* All bits of the words of a huge page, which is 512 small ones at least. */
static bool
all_held(const struct balloon *b, uint64_t first)
{
	for (uint64_t i = 0; i < b->host_page / PAGE / 64; i++)
		if (b->held[first / 64 + i] != ~0ull)
			return false;
	return true;
}

/* A small page of a huge one. */
static void
note_page(struct device *dev, uint8_t *host, uint64_t addr, bool in)
{
	struct balloon *b = dev->priv;
	uint64_t at = (uint64_t)(host - dev->mem.reserve) / PAGE;
	uint64_t first = at & ~(b->host_page / PAGE - 1);
	uint64_t bit = 1ull << at % 64;

	if (at >= b->nheld || first + b->host_page / PAGE > b->nheld)
		return;
	if (!in) {
		b->held[at / 64] &= ~bit;
		return;
	}
	b->held[at / 64] |= bit;
	if (b->end == 0 || at / 64 < b->first)
		b->first = at / 64;
	if (at / 64 >= b->end)
		b->end = at / 64 + 1;
	if (all_held(b, first))
		give_back(dev, host - (at - first) * PAGE,
		    addr - (at - first) * PAGE, b->host_page);
}

static void
take_page(struct device *dev, struct run *r, uint32_t number, bool in)
{
	const struct balloon *b = dev->priv;
	uint64_t addr = (uint64_t)number * PAGE;
	uint8_t *host = gmem_span_write(&dev->mem, gpa(addr), PAGE);

	if (host == NULL)
		log_guest("balloon: page 0x%x is no memory", number);
	else if (b->host_page > PAGE)
		note_page(dev, host, addr, in);
	else if (in)
		add_to_run(dev, r, host, addr);
}

/* One request: 32-bit page numbers (5.5.6). */
static void
take_pages(struct device *dev, const struct virtq_chain *chain, bool in)
{
	struct balloon *b = dev->priv;
	struct run run = { .len = 0 };
	uint64_t left = chain->read_len / sizeof(b->pages[0]), at = 0;

	if (left > BALLOON_MAX_PAGES)
		left = BALLOON_MAX_PAGES;
	while (left > 0) {
		uint64_t n = left < COPY_PAGES ? left : COPY_PAGES;

		n = virtq_copy_out_of(chain, at, b->pages, n * sizeof(b->pages[0])) /
		    sizeof(b->pages[0]);
		if (n == 0)
			break;
		for (uint64_t i = 0; i < n; i++)
			take_page(dev, &run, b->pages[i], in);
		at += n * sizeof(b->pages[0]);
		left -= n;
	}
	end_run(dev, &run);
}

/* Ranges that are free in the guest, until it is told that we have seen them. */
static void
take_report(struct device *dev, const struct virtq_chain *chain)
{
	unsigned int n = (unsigned int)chain->nread + chain->nwrite;

	for (unsigned int i = chain->nread; i < n; i++)
		give_back_whole(dev, chain->iov[i].iov_base, chain->addr[i],
		    chain->iov[i].iov_len);
}

/* ---- statistics ---------------------------------------------------------------- */

/*
 * The one buffer of the queue stays in the ring until somebody wants newer figures:
 * the driver fills it when it gets it back (5.5.6.3).
 */
static void
look_at_statistics(struct device *dev)
{
	struct balloon *b = dev->priv;
	struct virtq *vq = &dev->vq[THIRD];
	struct timespec now;
	uint64_t n;

	if (virtq_pop(vq, &b->chain) <= 0)
		return;
	n = virtq_copy_out_of(&b->chain, 0, b->stats, sizeof(b->stats)) /
	    sizeof(b->stats[0]);
	virtq_unpop(vq, &b->chain);
	for (uint64_t i = 0; i < n; i++)
		if (b->stats[i].tag < STATS_KNOWN)
			counter_set(dev->counters, BALLOON_COUNT_STATS +
			    b->stats[i].tag, b->stats[i].value);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	counter_set(dev->counters, BALLOON_COUNT_UPDATED, (uint64_t)now.tv_sec);
}

static bool
has(const struct device *dev, unsigned int feature)
{
	return (dev->driver_features >> feature & 1) != 0;
}

static void
balloon_refresh(struct device *dev)
{
	struct balloon *b = dev->priv;
	struct virtq *vq = &dev->vq[THIRD];

	if (!dev->active || !has(dev, BALLOON_F_STATS_VQ) || !vq->enabled ||
	    virtq_pop(vq, &b->chain) <= 0)
		return;
	virtq_push(vq, &b->chain, 0);
	virtq_flush(vq);
	/* Nothing there yet: that is when the driver is told to kick. */
	look_at_statistics(dev);
}

/* ---- queues ---------------------------------------------------------------------- */

/*
 * Queues have numbers of their own (5.5.2); but drivers count those alone that are
 * there, and the devices that they know do so, too. Statistics are third in both.
 */
static enum role
role_of(const struct device *dev, unsigned int q)
{
	if (q == INFLATE)
		return GIVES_UP;
	if (q == DEFLATE)
		return TAKES_BACK;
	return q == THIRD && has(dev, BALLOON_F_STATS_VQ) ? STATISTICS : REPORTS;
}

static void
serve(struct device *dev, unsigned int q, enum role role)
{
	struct balloon *b = dev->priv;
	struct virtq *vq = &dev->vq[q];
	/* Without it, pages of a huge one may be in use again (5.5.6.1). */
	bool counts = b->host_page == PAGE || has(dev, BALLOON_F_MUST_TELL_HOST);

	for (unsigned int i = 0; i < BATCH_REQUESTS; i++) {
		if (virtq_pop(vq, &b->chain) <= 0)
			return;
		if (role == REPORTS && has(dev, BALLOON_F_REPORTING))
			take_report(dev, &b->chain);
		else if (role != REPORTS && counts)
			take_pages(dev, &b->chain, role == GIVES_UP);
		virtq_push(vq, &b->chain, 0);
	}
	device_again(dev, q);
}

static void
balloon_queue_ready(struct device *dev, unsigned int q)
{
	enum role role = role_of(dev, q);

	if (role == STATISTICS)
		look_at_statistics(dev);
	else
		serve(dev, q, role);
}

static void
balloon_backend_ready(struct device *dev, int fd, uint32_t events)
{
	(void)dev;
	(void)fd;
	(void)events;
}

/* Who drives it next has all pages. */
static void
balloon_reset(struct device *dev)
{
	struct balloon *b = dev->priv;

	if (b->end != 0)
		memset(b->held + b->first, 0, (b->end - b->first) * sizeof(b->held[0]));
	b->first = b->end = 0;
}

static void
balloon_target(struct device *dev, uint64_t size)
{
	uint32_t pages = (uint32_t)(size / PAGE);

	memcpy(dev->config + offsetof(struct balloon_config, target), &pages,
	    sizeof(pages));
	device_config_changed(dev);
}

/* Returned, the buffer of the statistics would come back at once, for ever. */
static int64_t
balloon_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	(void)chain;
	return role_of(dev, q) == STATISTICS ? -1 : 0;
}

const struct device_ops balloon_ops = {
	.name = "balloon",
	.config_case = BH__DEVICE_CONFIG__DEVICE_BALLOON,
	.start = balloon_start,
	.queue_ready = balloon_queue_ready,
	.backend_ready = balloon_backend_ready,
	.reset = balloon_reset,
	.set_target = balloon_target,
	.refresh = balloon_refresh,
	.refuse = balloon_refuse,
	.redo = true,
};
