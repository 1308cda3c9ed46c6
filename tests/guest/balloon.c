/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon: does what the device asks for, on each kind of ring, and then, on the
 * last one, for as long as it is asked: "ms=" from the last change on. Statistics and a
 * report of free pages go with it.
 */
#include "lib/virtio.h"

#define F_MUST_TELL_HOST (1ull << 0)
#define F_STATS (1ull << 1)
#define F_REPORTING (1ull << 5)
#define POOL 0x2000000u		/* 32 MiB: what is given up begins there */
#define STEP 256u		/* pages a request */

static uint32_t *numbers;
static uint8_t *stats;
static uint32_t actual;

static bool move(struct vq *q, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		numbers[i] = POOL / PAGE + from + i;
	return vq_do(q, &BUF_OUT(numbers, n * 4), 1, false) == 0;
}

/* Inflate or deflate until as many pages are in it as the device wants. */
static bool follow(const struct vdev *d, struct vq *q)
{
	uint32_t want = read32(d->config);
	bool good = true;

	while (good && actual != want) {
		uint32_t n = actual < want ? want - actual : actual - want;

		if (n > STEP)
			n = STEP;
		if (actual < want) {
			for (uint32_t i = 0; i < n; i++)
				*(volatile uint32_t *)(uintptr_t)(POOL +
				    (actual + i) * PAGE) = ~0u;
			good = move(&q[0], actual, n);
			/* Of one page alone: it comes back by being read. */
			good = good && *(volatile uint32_t *)(uintptr_t)(POOL +
			    actual * PAGE) == 0;
			actual += n;
		} else {
			actual -= n;
			good = move(&q[1], actual, n);
		}
	}
	write32(d->config + 4, actual);
	return good && read32(d->config + 4) == actual;
}

static void put_stats(struct vq *q, uint16_t n)
{
	const uint16_t tag = 4;		/* free memory */
	const uint64_t value = n;

	memcpy(stats, &tag, 2);
	memcpy(stats + 2, &value, 8);
	vq_add(q, &BUF_OUT(stats, 10), 1, false);
	vq_kick(q, false);
}

static void balloon(struct vdev *d, const char *name, uint64_t features)
{
	static struct vq q[4];
	unsigned int n;

	begin(name);
	actual = 0;
	check(virtio_negotiate(d, features | F_MUST_TELL_HOST | F_STATS | F_REPORTING));
	n = d->features & F_REPORTING ? 4 : 3;
	for (unsigned int i = 0; i < n; i++)
		check(vq_setup(&q[i], d, (uint16_t)i, 64));
	virtio_driver_ok(d);
	check_eq(read32(d->config + 4), 0);
	check(follow(d, q));
	check_eq(actual, cmdline_num("pages", 0));
	if (n == 4) {
		volatile uint32_t *free = (void *)(uintptr_t)(POOL - 512 * PAGE);

		*free = 1;
		check(vq_do(&q[3], &BUF_IN(POOL - 512 * PAGE, 512 * PAGE), 1, false)
		    == 0);
		check_eq(*free, 0);
	}
	end();
	if (!cmdline_has("follow") || !(features & F_EVENT_IDX))
		return;
	begin("followed");
	put_stats(&q[2], 1);
	print("pages %u\n", actual);
	for (uint32_t last = now_ms(), said = 1; now_ms() - last < cmdline_num("ms", 0);) {
		uint32_t len;
		int id;

		if (read32(d->config) != actual) {
			check(follow(d, q));
			print("pages %u\n", actual);
			last = now_ms();
		}
		if (vq_poll(&q[2], &id, &len)) {
			put_stats(&q[2], (uint16_t)++said);
			last = now_ms();
		}
	}
	end();
}

void guest_main(void)
{
	struct vdev d;

	if (!virtio_find(&d, VIRTIO_BALLOON, 0)) {
		begin("balloon");
		fail("none found");
		end();
		return;
	}
	numbers = alloc(PAGE, PAGE);
	stats = alloc(PAGE, PAGE);
	balloon(&d, "split", 0);
	if (virtio_offered(&d) & F_PACKED)
		balloon(&d, "packed-event", F_PACKED | F_EVENT_IDX);
	balloon(&d, "split-event", F_EVENT_IDX);
}
