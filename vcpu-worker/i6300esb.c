/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 6300ESB's watchdog, see i6300esb.h.
 */
#include "vcpu-worker/i6300esb.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define VENDOR 0x8086u
#define DEVICE 0x25abu
#define CLASS_SYSTEM_OTHER 0x088000u
#define BAR_SIZE 16u

/* Configuration space */
#define CFG_WDT 0x60u		/* 16 bits */
#define WDT_OUTPUT_OFF 0x20u	/* the second stage's end resets nobody */
#define WDT_FAST 0x04u		/* ticks of 1 us, not 1 ms */
#define WDT_INT_TYPE 0x03u	/* kept, and not acted on */
#define CFG_LOCK 0x68u		/* 8 bits */
#define LOCK_FREE_RUN 0x04u
#define LOCK_ENABLE 0x02u
#define LOCK_LOCK 0x01u		/* no write to this register from now on */

/* Registers in BAR0 */
#define REG_PRELOAD1 0x0u
#define REG_PRELOAD2 0x4u
#define REG_RELOAD 0xcu		/* 16 bits */
#define RELOAD_RELOAD 0x0100u
#define RELOAD_TIMEOUT 0x0200u	/* write 1 to clear */
#define UNLOCK_FIRST 0x80u
#define UNLOCK_SECOND 0x86u
#define UNLOCKED 2u
#define PRELOAD_MASK 0xfffffu

#define NS 1000000000ull

static uint64_t
monotonic(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* @deadline 0: off. */
static void
set_timer(const struct i6300esb *w, uint64_t deadline)
{
	const struct itimerspec at = {
		.it_value.tv_sec = (time_t)(deadline / NS),
		.it_value.tv_nsec = (long)(deadline % NS),
	};

	(void)timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* The counter has 35 bits at 33 MHz; the preload is its upper or its middle 20. */
static uint64_t
stage_ns(const struct i6300esb *w, unsigned int stage)
{
	unsigned int shift = (w->fn.config[CFG_WDT] & WDT_FAST) != 0 ? 5 : 15;
	uint64_t ticks = w->preload[stage - 1];

	return ((ticks != 0 ? ticks : 1) << shift) * 1000 / 33;
}

static void
stop(struct i6300esb *w)
{
	if (w->stage == 0)
		return;
	w->stage = 0;
	set_timer(w, 0);
}

static void
run(struct i6300esb *w, unsigned int stage)
{
	w->stage = stage;
	w->left = stage_ns(w, stage);
	if (w->paused)
		return;
	w->deadline = monotonic() + w->left;
	set_timer(w, w->deadline);
}

static bool
enabled(const struct i6300esb *w)
{
	return (w->fn.config[CFG_LOCK] & LOCK_ENABLE) != 0;
}

/* Free running it has but the second stage. */
static void
restart(struct i6300esb *w)
{
	if (enabled(w))
		run(w, (w->fn.config[CFG_LOCK] & LOCK_FREE_RUN) != 0 ? 2 : 1);
}

static void
config_written(void *owner, uint32_t offset, uint32_t len)
{
	struct i6300esb *w = owner;

	if (offset > CFG_LOCK || offset + len <= CFG_LOCK)
		return;
	if ((w->fn.config[CFG_LOCK] & LOCK_LOCK) != 0)
		w->fn.writable[CFG_LOCK] = 0;
	if (!enabled(w))
		stop(w);
	else if (w->stage == 0)
		restart(w);
}

static void
bar_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	const struct i6300esb *w = owner;
	uint8_t image[BAR_SIZE] = { 0 };

	bus_put(image + REG_PRELOAD1, 4, w->preload[0]);
	bus_put(image + REG_PRELOAD2, 4, w->preload[1]);
	bus_put(image + REG_RELOAD, 2, w->timed_out ? RELOAD_TIMEOUT : 0);
	memcpy(data, image + offset, len);
}

static void
reload_written(struct i6300esb *w, uint64_t value)
{
	if ((value & RELOAD_TIMEOUT) != 0)
		w->timed_out = false;
	if ((value & RELOAD_RELOAD) != 0)
		restart(w);
}

/* One write of a register needs the two bytes of the sequence before it. */
static void
bar_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct i6300esb *w = owner;
	uint64_t value = bus_get(data, len);
	unsigned int unlock = w->unlock;
	bool open = unlock == UNLOCKED;

	w->unlock = 0;
	if (open && offset == REG_PRELOAD1 && len >= 4)
		w->preload[0] = value & PRELOAD_MASK;
	else if (open && offset == REG_PRELOAD2 && len >= 4)
		w->preload[1] = value & PRELOAD_MASK;
	else if (open && offset == REG_RELOAD && len >= 2)
		reload_written(w, value);
	else if (offset == REG_RELOAD && (value & 0xffff) == UNLOCK_FIRST)
		w->unlock = 1;
	else if (offset == REG_RELOAD && (value & 0xffff) == UNLOCK_SECOND && unlock == 1)
		w->unlock = UNLOCKED;
}

static const struct pci_function_ops ops = {
	.config_written = config_written,
	.bar_read = bar_read, .bar_write = bar_write,
};

static int
make_timer(int at)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fd == at)
		return 0;
	if (dup3(fd, at, O_CLOEXEC) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int
i6300esb_add(struct i6300esb *w, struct pci_host *host, uint16_t bdf, int timer,
    bool fired)
{
	int rc = make_timer(timer);

	if (rc < 0)
		return rc;
	w->timer = timer;
	w->preload[0] = w->preload[1] = PRELOAD_MASK;
	w->timed_out = fired;
	pci_function_init(&w->fn, bdf, VENDOR, DEVICE, CLASS_SYSTEM_OTHER, 0);
	pci_set16(&w->fn, PCI_CFG_SUBVENDOR, VENDOR);
	pci_set16(&w->fn, PCI_CFG_SUBDEVICE, DEVICE);
	w->fn.writable[CFG_WDT] = WDT_OUTPUT_OFF | WDT_FAST | WDT_INT_TYPE;
	w->fn.writable[CFG_LOCK] = LOCK_FREE_RUN | LOCK_ENABLE | LOCK_LOCK;
	w->fn.ops = &ops;
	w->fn.owner = w;
	rc = pci_add_bar(host, &w->fn, BAR_SIZE);
	return rc < 0 ? rc : pci_add_function(host, &w->fn);
}

/* The stage has come to its end. */
static bool
expire(struct i6300esb *w)
{
	if (w->stage == 1) {
		run(w, 2);
		return false;
	}
	/* Free running it would begin again, and nobody could tell. */
	w->stage = 0;
	w->timed_out = true;
	return (w->fn.config[CFG_WDT] & WDT_OUTPUT_OFF) == 0;
}

bool
i6300esb_timer(struct i6300esb *w)
{
	uint64_t count;
	bool reset;

	/* EAGAIN: it was set anew meanwhile. */
	if (read(w->timer, &count, sizeof(count)) < 0)
		return false;
	pthread_mutex_lock(&w->fn.lock);
	reset = w->stage != 0 && !w->paused && monotonic() >= w->deadline &&
	    expire(w);
	pthread_mutex_unlock(&w->fn.lock);
	return reset;
}

void
i6300esb_pause(struct i6300esb *w, bool paused)
{
	uint64_t now = monotonic();

	if (w->fn.host == NULL || w->paused == paused)
		return;
	pthread_mutex_lock(&w->fn.lock);
	w->paused = paused;
	if (w->stage != 0 && paused) {
		w->left = w->deadline > now ? w->deadline - now : 1;
		set_timer(w, 0);
	} else if (w->stage != 0) {
		w->deadline = now + w->left;
		set_timer(w, w->deadline);
	}
	pthread_mutex_unlock(&w->fn.lock);
}

void
i6300esb_save(struct i6300esb *w, Bh__I6300esbState *m)
{
	bh__i6300esb_state__init(m);
	pci_save(&w->fn, &w->saved);
	m->pci = &w->saved;
	m->preload1 = w->preload[0];
	m->preload2 = w->preload[1];
	m->unlock = w->unlock;
	m->timed_out = w->timed_out;
	m->stage = w->stage;
	m->left_ns = w->left;
}

void
i6300esb_load(struct i6300esb *w, const Bh__I6300esbState *m)
{
	pthread_mutex_lock(&w->fn.lock);
	pci_load(&w->fn, m->pci);
	if ((w->fn.config[CFG_LOCK] & LOCK_LOCK) != 0)
		w->fn.writable[CFG_LOCK] = 0;
	w->preload[0] = m->preload1;
	w->preload[1] = m->preload2;
	w->unlock = m->unlock;
	w->timed_out = m->timed_out;
	w->stage = m->stage;
	w->left = m->left_ns != 0 ? m->left_ns : 1;
	pthread_mutex_unlock(&w->fn.lock);
}
