/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rtc (device 17, of the drafts of virtio 1.4; the layout is that of Linux'
 * driver): the host's clocks, read on request. Clock 0 is CLOCK_REALTIME, of which
 * nobody knows here whether leap seconds are smeared; clock 1 CLOCK_MONOTONIC. No alarms
 * and no readings across clocks, which the driver is told. Called by the worker
 * library; no state, no back end.
 */
#include "device-workers/rtc/rtc.h"

#include <string.h>
#include <time.h>

#define VIRTIO_ID_CLOCK 17
#define QUEUE_SIZE 64u
#define BATCH 64u		/* requests a call, then others get their turn */
#define NS 1000000000ull

enum request {
	REQ_READ = 0x0001,
	REQ_READ_CROSS = 0x0002,
	REQ_CFG = 0x1000,
	REQ_CLOCK_CAP = 0x1001,
	REQ_CROSS_CAP = 0x1002,
};

enum status {
	S_OK = 0, S_EOPNOTSUPP = 2, S_ENODEV = 3, S_EINVAL = 4, S_EIO = 5,
};

enum clock_type { CLOCK_TYPE_MONOTONIC = 2, CLOCK_TYPE_UTC_MAYBE_SMEARED = 4 };

static const struct { clockid_t id; uint8_t type; } clocks[] = {
	{ CLOCK_REALTIME, CLOCK_TYPE_UTC_MAYBE_SMEARED },
	{ CLOCK_MONOTONIC, CLOCK_TYPE_MONOTONIC },
};

#define NCLOCKS (sizeof(clocks) / sizeof(clocks[0]))

/* What is read of a request: head and the clock, which CFG does not have. */
struct rtc_request {
	uint16_t type;
	uint8_t reserved[6];
	uint16_t clock;
	uint8_t rest[6];
};
#define HEAD_SIZE 8u

/* Of an answer: head, and what the request asks for. */
struct rtc_answer {
	uint8_t status;
	uint8_t reserved[7];
	union {
		uint64_t reading;	/* ns */
		uint16_t nclocks;
		struct {
			uint8_t type, smearing, flags, reserved[5];
		} cap;
	} u;
};

_Static_assert(sizeof(struct rtc_request) == 16 &&
    sizeof(struct rtc_answer) == 16, "no padding");

static int
rtc_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	static struct virtq_chain chain;

	(void)config;
	(void)why;
	dev->priv = &chain;
	dev->virtio_id = VIRTIO_ID_CLOCK;
	dev->nqueues = 1;
	dev->queue_max[0] = QUEUE_SIZE;
	return 0;
}

static uint64_t
reading_of(uint16_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clocks[clock].id, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* Fill in the answer to @req, of which @len bytes are there: its length. */
static size_t
answer(const struct rtc_request *req, size_t len, struct rtc_answer *a)
{
	memset(a, 0, sizeof(*a));
	a->status = S_EINVAL;
	if (len < HEAD_SIZE)
		return HEAD_SIZE;
	if (req->type == REQ_CFG) {
		a->status = S_OK;
		a->u.nclocks = NCLOCKS;
		return sizeof(*a);
	}
	if (req->type != REQ_READ && req->type != REQ_CLOCK_CAP &&
	    req->type != REQ_CROSS_CAP) {
		a->status = S_EOPNOTSUPP;
		return HEAD_SIZE;
	}
	if (len < sizeof(*req))
		return HEAD_SIZE;
	a->status = S_ENODEV;
	if (req->clock >= NCLOCKS)
		return HEAD_SIZE;
	a->status = S_OK;
	if (req->type == REQ_READ)
		a->u.reading = reading_of(req->clock);
	else if (req->type == REQ_CLOCK_CAP)
		a->u.cap.type = clocks[req->clock].type;
	return sizeof(*a);	/* CROSS_CAP: no flag, no counter is known */
}

/* An answer that does not fit is none: its status says so. */
static uint32_t
put_answer(const struct virtq_chain *chain, struct rtc_answer *a, size_t len)
{
	if (chain->write_len < len) {
		memset(a, 0, sizeof(*a));
		a->status = S_EINVAL;
		len = HEAD_SIZE;
	}
	return (uint32_t)virtq_copy_into(chain, 0, a, len);
}

static void
rtc_queue_ready(struct device *dev, unsigned int q)
{
	struct virtq_chain *chain = dev->priv;
	struct virtq *vq = &dev->vq[q];
	unsigned int n;

	for (n = 0; n < BATCH && virtq_pop(vq, chain) > 0; n++) {
		struct rtc_request req = { 0 };
		struct rtc_answer a;
		size_t len = virtq_copy_out_of(chain, 0, &req, sizeof(req));

		len = answer(&req, len, &a);
		virtq_push(vq, chain, put_answer(chain, &a, len));
	}
	if (n == BATCH)
		device_again(dev, q);
}

static void
rtc_backend_ready(struct device *dev, int fd, uint32_t events)
{
	(void)dev;
	(void)fd;
	(void)events;
}

static int64_t
rtc_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	struct rtc_answer a = { .status = S_EIO };

	(void)dev;
	(void)q;
	return (int64_t)put_answer(chain, &a, HEAD_SIZE);
}

const struct device_ops rtc_ops = {
	.name = "rtc",
	.config_case = BH__DEVICE_CONFIG__DEVICE_RTC,
	.start = rtc_start,
	.queue_ready = rtc_queue_ready,
	.backend_ready = rtc_backend_ready,
	.refuse = rtc_refuse,
	.redo = true,
};
