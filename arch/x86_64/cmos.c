/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CMOS and real-time clock, see cmos.h.
 */
#include "arch/x86_64/cmos.h"

#include <string.h>
#include <time.h>

enum cmos_reg {
	RTC_SECOND = 0x00, RTC_MINUTE = 0x02, RTC_HOUR = 0x04,
	RTC_WEEKDAY = 0x06, RTC_DAY = 0x07, RTC_MONTH = 0x08, RTC_YEAR = 0x09,
	RTC_A = 0x0a, RTC_B = 0x0b, RTC_C = 0x0c, RTC_D = 0x0d,
	CMOS_SHUTDOWN = 0x0f,
	CMOS_BASE_LOW = 0x15, CMOS_BASE_HIGH = 0x16,	/* KiB below 1 MiB */
	CMOS_EXT_LOW = 0x17, CMOS_EXT_HIGH = 0x18,	/* KiB above, to 64 MiB */
	CMOS_EXT2_LOW = 0x30, CMOS_EXT2_HIGH = 0x31,
	CMOS_CENTURY = 0x32,
	CMOS_MEM16_LOW = 0x34, CMOS_MEM16_HIGH = 0x35,	/* 64 KiB above 16 MiB */
	CMOS_MEM4G_LOW = 0x5b, CMOS_MEM4G_MID = 0x5c, CMOS_MEM4G_HIGH = 0x5d,
};

#define RTC_A_RATE 0x26u	/* 32768 Hz base, no update in progress */
#define RTC_B_BINARY 0x04u
#define RTC_B_24H 0x02u
#define RTC_D_VALID 0x80u

static void
put16(struct cmos *c, uint8_t low, uint8_t high, uint64_t value)
{
	if (value > 0xffff)
		value = 0xffff;
	c->ram[low] = (uint8_t)value;
	c->ram[high] = (uint8_t)(value >> 8);
}

void
cmos_init(struct cmos *c, uint64_t low, uint64_t high,
    const struct arch_host *host)
{
	uint64_t ext = low > 0x100000 ? low - 0x100000 : 0;
	uint64_t above16 = low > 0x1000000 ? low - 0x1000000 : 0;
	uint64_t high64 = high >> 16;

	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->host = *host;
	c->ram[RTC_B] = RTC_B_24H;
	put16(c, CMOS_BASE_LOW, CMOS_BASE_HIGH, 640);
	put16(c, CMOS_EXT_LOW, CMOS_EXT_HIGH, ext >> 10);
	put16(c, CMOS_EXT2_LOW, CMOS_EXT2_HIGH, ext >> 10);
	put16(c, CMOS_MEM16_LOW, CMOS_MEM16_HIGH, above16 >> 16);
	c->ram[CMOS_MEM4G_LOW] = (uint8_t)high64;
	c->ram[CMOS_MEM4G_MID] = (uint8_t)(high64 >> 8);
	c->ram[CMOS_MEM4G_HIGH] = (uint8_t)(high64 >> 16);
}

/* Days since 1970-01-01 to a date of the Gregorian calendar. */
static void
date_of(int64_t days, int64_t *year, unsigned int *month, unsigned int *day)
{
	/* Years from March on, so that the leap day is the last of one; eras
	 * are 400 years of 146097 days, from 0000-03-01. */
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (unsigned int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (unsigned int)(mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2);
}

static uint8_t
clock_value(const struct cmos *c, unsigned int value)
{
	if ((c->ram[RTC_B] & RTC_B_BINARY) != 0)
		return (uint8_t)value;
	return (uint8_t)((value / 10) << 4 | value % 10);
}

static uint8_t
hour_value(const struct cmos *c, unsigned int hour)
{
	unsigned int twelve = hour % 12 == 0 ? 12 : hour % 12;

	if ((c->ram[RTC_B] & RTC_B_24H) != 0)
		return clock_value(c, hour);
	return clock_value(c, twelve) | (hour >= 12 ? 0x80 : 0);
}

uint8_t
cmos_clock(const struct cmos *c, uint8_t reg, int64_t now)
{
	int64_t days = now / 86400, year;
	unsigned int second = (unsigned int)(now % 86400), month, day;

	date_of(days, &year, &month, &day);
	switch (reg) {
	case RTC_SECOND:
		return clock_value(c, second % 60);
	case RTC_MINUTE:
		return clock_value(c, second / 60 % 60);
	case RTC_HOUR:
		return hour_value(c, second / 3600);
	case RTC_WEEKDAY:
		/* 1970-01-01 was a Thursday; Sunday is 1. */
		return clock_value(c, (unsigned int)((days + 4) % 7 + 1));
	case RTC_DAY:
		return clock_value(c, day);
	case RTC_MONTH:
		return clock_value(c, month);
	case RTC_YEAR:
		return clock_value(c, (unsigned int)(year % 100));
	case CMOS_CENTURY:
		return clock_value(c, (unsigned int)(year / 100));
	default:
		return 0;
	}
}

static uint8_t
cmos_get(const struct cmos *c)
{
	uint8_t reg = c->index & 0x7f;
	struct timespec now;

	switch (reg) {
	case RTC_SECOND: case RTC_MINUTE: case RTC_HOUR: case RTC_WEEKDAY:
	case RTC_DAY: case RTC_MONTH: case RTC_YEAR: case CMOS_CENTURY:
		clock_gettime(CLOCK_REALTIME, &now);
		return cmos_clock(c, reg, now.tv_sec);
	case RTC_A:
		return RTC_A_RATE;
	case RTC_C:
		return 0;
	case RTC_D:
		return RTC_D_VALID;
	default:
		return c->ram[reg];
	}
}

static void
cmos_set(struct cmos *c, uint8_t value)
{
	uint8_t reg = c->index & 0x7f;

	/* Shutdown status 0, written with NMI off: reset, as firmware does. */
	if (c->index == (0x80 | CMOS_SHUTDOWN) && value == 0)
		c->host.stop(c->host.owner, ARCH_STOP_RESET);
	/* The clock is the host's: what is written to it is forgotten. */
	if (reg == RTC_B)
		c->ram[reg] = value & (RTC_B_BINARY | RTC_B_24H);
	else if (reg > RTC_D && reg != CMOS_CENTURY)
		c->ram[reg] = value;
}

static void
cmos_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct cmos *c = owner;

	memset(data, 0xff, len);
	pthread_mutex_lock(&c->lock);
	if (offset == 1)
		data[0] = cmos_get(c);
	pthread_mutex_unlock(&c->lock);
}

static void
cmos_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct cmos *c = owner;

	pthread_mutex_lock(&c->lock);
	if (offset == 0) {
		c->index = data[0];
		/* outw: index and value at once */
		if (len > 1)
			cmos_set(c, data[1]);
	} else {
		cmos_set(c, data[0]);
	}
	pthread_mutex_unlock(&c->lock);
}

void
cmos_save(struct cmos *c, Bh__X86Platform *m)
{
	pthread_mutex_lock(&c->lock);
	m->cmos_index = c->index;
	m->cmos_ram.len = sizeof(c->ram);
	m->cmos_ram.data = c->ram;
	pthread_mutex_unlock(&c->lock);
}

void
cmos_load(struct cmos *c, const Bh__X86Platform *m)
{
	pthread_mutex_lock(&c->lock);
	c->index = (uint8_t)m->cmos_index;
	memcpy(c->ram, m->cmos_ram.data, sizeof(c->ram));
	c->ram[RTC_B] &= RTC_B_BINARY | RTC_B_24H;
	pthread_mutex_unlock(&c->lock);
}

const struct bus_ops cmos_ops = { .read = cmos_read, .write = cmos_write };
