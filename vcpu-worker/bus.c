/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus table, see bus.h.
 */
#include "vcpu-worker/bus.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

int
bus_add(struct bus *bus, uint64_t base, uint64_t size,
    const struct bus_ops *ops, void *owner)
{
	uint64_t last;
	uint32_t at = 0;

	if (size == 0 || __builtin_add_overflow(base, size - 1, &last))
		return -EINVAL;
	if (bus->nwindows >= BUS_MAX_WINDOWS)
		return -ENOSPC;
	while (at < bus->nwindows && bus->window[at].base < base)
		at++;
	if (at < bus->nwindows && bus->window[at].base <= last)
		return -EEXIST;
	if (at > 0 && base - bus->window[at - 1].base <
	    bus->window[at - 1].size)
		return -EEXIST;
	memmove(&bus->window[at + 1], &bus->window[at],
	    (bus->nwindows - at) * sizeof(bus->window[0]));
	bus->window[at] = (struct bus_window){
		.base = base, .size = size, .ops = ops, .owner = owner,
	};
	bus->nwindows++;
	return 0;
}

/* The window that has all @len bytes at @addr, or NULL. */
static const struct bus_window *
find(const struct bus *bus, uint64_t addr, uint32_t len)
{
	uint32_t low = 0, high = bus->nwindows;
	const struct bus_window *w;

	/* The last window that begins at or below addr. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (bus->window[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	w = &bus->window[low - 1];
	if (addr - w->base >= w->size || len > w->size - (addr - w->base))
		return NULL;
	return w;
}

bool
bus_read(const struct bus *bus, uint64_t addr, uint8_t *data, uint32_t len)
{
	const struct bus_window *w = find(bus, addr, len);

	if (w == NULL) {
		memset(data, 0xff, len);
		return false;
	}
	w->ops->read(w->owner, addr - w->base, data, len);
	return true;
}

bool
bus_write(const struct bus *bus, uint64_t addr, const uint8_t *data,
    uint32_t len)
{
	const struct bus_window *w = find(bus, addr, len);

	if (w == NULL)
		return false;
	w->ops->write(w->owner, addr - w->base, data, len);
	return true;
}

uint64_t
bus_get(const uint8_t *data, uint32_t len)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < len; i++)
		value |= (uint64_t)data[i] << (8 * i);
	return value;
}

void
bus_put(uint8_t *data, uint32_t len, uint64_t value)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(value >> (8 * i));
}
