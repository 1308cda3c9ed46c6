/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a device, see record.h. Layout: a head, counters, two slots for the
 * device's state, then the queues' in-flight regions.
 */
#include "device-workers/lib/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-workers/lib/counters.h"
#include "device-workers/lib/virtq.h"
#include "ipc/slots.h"

#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
/* As a successor sees the stores of a dead process: in the program's order. */
#define IN_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#define STATE_AT 4096u
#define QUEUES_AT RECORD_QUEUE_SIZE

struct head {
	/* Which slot holds the state: 1 or 2; 0: none does. */
	uint32_t state;
	uint32_t state_len[2];
	uint32_t version;	/* of all this; 0: 1, which had no such word */
	struct record_mark mark[DEVICE_LIMIT_QUEUES];
};

_Static_assert(sizeof(struct head) <= COUNTERS_AT &&
    COUNTERS_AT + COUNTERS * sizeof(uint64_t) <= STATE_AT, "in its page");
_Static_assert(STATE_AT + 2 * RECORD_STATE_SIZE <= QUEUES_AT, "before the queues");

static struct head *
head_of(const struct record *r)
{
	return (struct head *)(void *)r->base;
}

int
record_open(struct record *r)
{
	const int seals = fcntl(FD_RECORD, F_GET_SEALS);
	struct stat st;
	void *base;

	r->base = NULL;
	r->nqueues = 0;
	if (seals < 0)
		return errno == EBADF ? 0 : -errno;
	if ((seals & F_SEAL_SHRINK) == 0 || fstat(FD_RECORD, &st) < 0 ||
	    st.st_size < (off_t)RECORD_QUEUE_SIZE ||
	    st.st_size > (off_t)RECORD_SIZE(DEVICE_LIMIT_QUEUES))
		return -EINVAL;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    FD_RECORD, 0);
	if (base == MAP_FAILED)
		return -errno;
	close(FD_RECORD);
	r->base = base;
	r->nqueues = (unsigned int)((uint64_t)st.st_size / RECORD_QUEUE_SIZE) - 1;
	r->version = LOAD(&head_of(r)->version);
	if (r->version == 0)
		r->version = 1;
	return 0;
}

uint64_t *
record_counters(const struct record *r)
{
	return r->base == NULL ? NULL :
	    (uint64_t *)(void *)(r->base + COUNTERS_AT);
}

void
record_sign(struct record *r, uint32_t version)
{
	if (r->base == NULL)
		return;
	r->version = version;
	STORE(&head_of(r)->version, version > 1 ? version : 0);
}

void *
record_region(const struct record *r, unsigned int q)
{
	return r->base + QUEUES_AT + (size_t)q * RECORD_QUEUE_SIZE;
}

struct record_mark *
record_mark(const struct record *r, unsigned int q)
{
	return &head_of(r)->mark[q];
}

struct record_taken *
record_trail(const struct record *r, unsigned int q)
{
	struct record_taken *trail = (struct record_taken *)(void *)
	    ((uint8_t *)record_region(r, q) + RECORD_TRAIL_AT);

	memset(trail, 0, RECORD_TRAIL * sizeof(*trail));
	return trail;
}

void
record_clear(struct record *r, bool rings)
{
	if (r->base == NULL)
		return;
	STORE(&head_of(r)->state, 0);
	for (unsigned int q = 0; q < r->nqueues; q++) {
		*record_mark(r, q) = (struct record_mark){ 0 };
		/* The next driver's rings are others; who is to begin on them may
		 * die before it does, and its successor be told to go on. */
		if (rings)
			virtq_region_clear(record_region(r, q));
	}
}

int
record_suspect(const struct record *r, unsigned int q, bool guilty)
{
	struct record_mark *m = record_mark(r, q);
	const uint32_t now = LOAD(&m->now);
	const uint32_t deaths = LOAD(&m->deaths);

	STORE(&m->now, 0);
	if (!guilty)
		return -1;
	if (now == 0 || now > VIRTQ_LIMIT_SIZE) {
		record_trust(r, q);
		return -1;
	}
	if (now != LOAD(&m->suspect)) {
		STORE(&m->suspect, now);
		STORE(&m->deaths, 1);
		return -1;
	}
	STORE(&m->deaths, deaths < RECORD_DEATHS ? deaths + 1 : RECORD_DEATHS);
	return deaths + 1 >= RECORD_DEATHS ? (int)now - 1 : -1;
}

void
record_trust(const struct record *r, unsigned int q)
{
	struct record_mark *m = record_mark(r, q);

	STORE(&m->suspect, 0);
	STORE(&m->deaths, 0);
}

void
record_write_state(struct record *r, const uint8_t *data, size_t len)
{
	struct head *head = head_of(r);
	uint32_t slot;

	if (r->base == NULL || len > RECORD_STATE_SIZE)
		return;
	/* The one that is not valid now, which the next store makes valid. */
	slot = LOAD(&head->state) == 1 ? 1 : 0;
	memcpy(r->base + STATE_AT + (size_t)slot * RECORD_STATE_SIZE, data, len);
	STORE(&head->state_len[slot], (uint32_t)len);
	IN_ORDER();
	STORE(&head->state, slot + 1);
}

size_t
record_read_state(const struct record *r, uint8_t *buf)
{
	const struct head *head = head_of(r);
	uint32_t slot, len;

	if (r->base == NULL)
		return 0;
	slot = LOAD(&head->state);
	if (slot < 1 || slot > 2)
		return 0;
	len = LOAD(&head->state_len[slot - 1]);
	if (len > RECORD_STATE_SIZE)
		return 0;
	memcpy(buf, r->base + STATE_AT + (size_t)(slot - 1) * RECORD_STATE_SIZE,
	    len);
	return len;
}
