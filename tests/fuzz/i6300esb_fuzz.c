/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest at the 6300ESB's watchdog: accesses of any width at any place of its
 * configuration space and BAR, pauses, states that were saved, and a timer that goes off.
 * The input is a list of 8-byte operations. After each: what is locked is as it was, the
 * timer runs if and only if a stage does and time does not stand still.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vcpu-worker/i6300esb.h"

#define TIMER 60
#define BDF 8u
#define LOW 0xc0000000u
#define CFG_LOCK 0x68u
#define LOCK_LOCK 1u

static struct i6300esb w;
static struct pci_host host;
static struct bus ports, mmio;

static void
no_reset(void *owner)
{
	(void)owner;
}

static void
set_up(void)
{
	const struct pci_window low = { LOW, 1 << 20 }, high = { 0, 0 };

	memset(&w, 0, sizeof(w));
	memset(&ports, 0, sizeof(ports));
	memset(&mmio, 0, sizeof(mmio));
	close(TIMER);
	pci_host_init(&host, &low, &high, no_reset, NULL);
	if (!pci_add_segment(&host, &low) ||
	    pci_host_attach(&host, &ports, &mmio, 0xe8000000, 1 << 20) != 0 ||
	    i6300esb_add(&w, &host, BDF, TIMER, false) != 0)
		abort();
}

static uint32_t
locked(void)
{
	uint8_t lock;

	pci_config_read(&w.fn, CFG_LOCK, &lock, 1);
	return (lock & LOCK_LOCK) != 0 ? lock : 0;
}

static void
check(uint32_t was_locked)
{
	struct itimerspec is;

	if (was_locked != 0 && locked() != was_locked)
		abort();
	if (w.stage > 2 || w.preload[0] > 0xfffff || w.preload[1] > 0xfffff)
		abort();
	if (timerfd_gettime(TIMER, &is) != 0)
		abort();
	/* One that has gone off is armed no more, and still to be told. */
	if ((is.it_value.tv_sec != 0 || is.it_value.tv_nsec != 0) &&
	    (w.stage == 0 || w.paused))
		abort();
}

static void
operate(const uint8_t *op)
{
	uint32_t len = 1u << op[1] % 4, at;
	uint8_t data[8] = { 0 };
	Bh__I6300esbState state;

	memcpy(&at, op + 2, 2);
	at &= 0xffff;
	memcpy(data, op + 4, 4);
	switch (op[0] % 8) {
	case 0:
	case 1:
		pci_config_write(&w.fn, at % 256, data, len > 4 ? 4 : len);
		break;
	case 2:
		pci_config_read(&w.fn, at % 256, data, len > 4 ? 4 : len);
		break;
	case 3:
	case 4:
		(void)bus_write(&mmio, LOW + at % 32, data, len);
		break;
	case 5:
		(void)bus_read(&mmio, LOW + at % 32, data, len);
		break;
	case 6:
		i6300esb_pause(&w, (op[1] & 4) != 0);
		if (!w.paused)
			break;
		i6300esb_save(&w, &state);
		i6300esb_load(&w, &state);
		break;
	default:
		(void)i6300esb_timer(&w);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set_up();
	for (; size >= 8; data += 8, size -= 8) {
		uint32_t was_locked = locked();

		operate(data);
		check(was_locked);
	}
	return 0;
}
