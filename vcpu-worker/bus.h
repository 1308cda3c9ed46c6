/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bus: the table of who answers at which addresses. The machine has two, ports
 * and memory. Filled from the main thread before vCPUs run and constant after
 * that, so that vCPU threads look up without a lock; each device has its own.
 */
#ifndef BULKHEAD_VCPU_WORKER_BUS_H
#define BULKHEAD_VCPU_WORKER_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_MAX_WINDOWS 48u

/*
 * @offset is inside the window, @len is 1 to 8 and the access ends inside it.
 * Little endian. read fills @data whole.
 */
struct bus_ops {
	void (*read)(void *owner, uint64_t offset, uint8_t *data, uint32_t len);
	void (*write)(void *owner, uint64_t offset, const uint8_t *data,
	    uint32_t len);
};

struct bus_window {
	uint64_t base, size;
	const struct bus_ops *ops;
	void *owner;
};

struct bus {
	uint32_t nwindows;
	struct bus_window window[BUS_MAX_WINDOWS];	/* sorted by base */
};

/*
 * Put a window on the bus; *ops and @owner stay. EEXIST: overlap; ENOSPC; EINVAL:
 * empty or past the end.
 */
int bus_add(struct bus *bus, uint64_t base, uint64_t size,
    const struct bus_ops *ops, void *owner);

/* Any thread. False: nobody is there (a read has filled @data with ones). */
bool bus_read(const struct bus *bus, uint64_t addr, uint8_t *data,
    uint32_t len);
bool bus_write(const struct bus *bus, uint64_t addr, const uint8_t *data,
    uint32_t len);

/* For register files: a value of @len bytes, 1 to 8, and back. */
uint64_t bus_get(const uint8_t *data, uint32_t len);
void bus_put(uint8_t *data, uint32_t len, uint64_t value);

#endif
