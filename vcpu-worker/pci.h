/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI: configuration space of all functions, reached by ECAM and by ports 0xcf8
 * and 0xcfc, and the memory windows where their BARs are decoded. Each segment has one
 * bus, a MiB of ECAM, and all functions are integrated endpoints (PCI Local Bus 3.0;
 * PCI Express 4.0, 7.2.2); the ports reach segment 0 alone.
 *
 * Functions come and go while vCPUs run: an access holds the host's presence for
 * reading, adding and removing one holds it for writing. Inside it, a function's lock
 * is held when its ops are called; the lock of the BAR map is taken inside that.
 */
#ifndef BULKHEAD_VCPU_WORKER_PCI_H
#define BULKHEAD_VCPU_WORKER_PCI_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

#define PCI_CONFIG_SIZE 256u
#define PCI_MAX_FUNCTIONS 513u		/* devices and the host bridge */
#define PCI_UNMAPPED UINT64_MAX
#define PCI_MAX_SEGMENTS 256u

/* A function as Linux names it, for log lines. */
#define PCI_NAME "%04x:00:%02x.%x"
#define PCI_NAME_OF(bdf) (bdf) >> 8, (bdf) >> 3 & 31, (bdf) & 7

/* Offsets in configuration space. */
enum pci_offset {
	PCI_CFG_VENDOR = 0x00, PCI_CFG_DEVICE = 0x02, PCI_CFG_COMMAND = 0x04,
	PCI_CFG_STATUS = 0x06, PCI_CFG_REVISION = 0x08, PCI_CFG_CLASS = 0x09,
	PCI_CFG_HEADER = 0x0e, PCI_CFG_BAR0 = 0x10, PCI_CFG_BAR1 = 0x14,
	PCI_CFG_SUBVENDOR = 0x2c, PCI_CFG_SUBDEVICE = 0x2e,
	PCI_CFG_CAPABILITIES = 0x34,
};

#define PCI_CMD_MEMORY 0x2u
#define PCI_STATUS_CAPABILITIES 0x10u

/* Called with the function's lock held. config_* may be NULL. */
struct pci_function_ops {
	/* Bytes are about to be read: bring them up to date. */
	void (*config_read)(void *owner, uint32_t offset, uint32_t len);
	/* Bytes have been written. */
	void (*config_written)(void *owner, uint32_t offset, uint32_t len);
	/* BAR0 is decoded at @base now, or nowhere (PCI_UNMAPPED). */
	void (*bar_moved)(void *owner, uint64_t old, uint64_t base);
	void (*bar_read)(void *owner, uint64_t offset, uint8_t *data,
	    uint32_t len);
	void (*bar_write)(void *owner, uint64_t offset, const uint8_t *data,
	    uint32_t len);
};

struct pci_host;

struct pci_function {
	uint16_t bdf;		/* segment << 8 | slot << 3 | function */
	pthread_mutex_t lock;
	struct pci_host *host;
	const struct pci_function_ops *ops;	/* NULL: registers only */
	void *owner;
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];	/* bits the guest may change */
	uint64_t bar_size;	/* of BAR0, 64-bit memory; 0: none */
	uint64_t bar_base;	/* where it is decoded, or PCI_UNMAPPED */
	bool removable;		/* the guest may eject it */
	atomic_bool ejected;	/* it has, and it is on no host any more */
};

struct pci_window {
	uint64_t base, size;
};

struct pci_mapping {
	uint64_t base;
	struct pci_function *fn;
};

struct pci_host {
	pthread_rwlock_t presence;	/* of what follows */
	bool live;			/* the guest runs, or soon will */
	uint32_t nfunctions;
	struct pci_function *function[PCI_MAX_FUNCTIONS];	/* by bdf */
	struct pci_function bridge;
	struct pci_window window[2];	/* 32 and 64 bits; size 0: none */
	uint32_t nsegments;
	/* What is left of each segment's part of the first window, for BARs that are
	 * preassigned. */
	struct pci_window free[PCI_MAX_SEGMENTS];
	uint32_t address;		/* port 0xcf8 */
	void (*reset)(void *owner);	/* port 0xcf9 */
	void *reset_owner;

	pthread_rwlock_t lock;		/* of the map */
	uint32_t nmapped;
	struct pci_mapping mapped[PCI_MAX_FUNCTIONS];	/* sorted by base */
};

void pci_host_init(struct pci_host *host, const struct pci_window *low,
    const struct pci_window *high, void (*reset)(void *owner),
    void *reset_owner);

/*
 * One segment more, its BARs preassigned in @part of the 32-bit window. The first is
 * segment 0, which has the host bridge. False: there are PCI_MAX_SEGMENTS, or @part is
 * not in the window.
 */
bool pci_add_segment(struct pci_host *host, const struct pci_window *part);

/* Put ECAM (@ecam, @ecam_size), both windows and the ports on the buses. */
int pci_host_attach(struct pci_host *host, struct bus *ports, struct bus *mmio,
    uint64_t ecam, uint64_t ecam_size);

/* Fill in a function's identity; the caller adds capabilities and its ops. */
void pci_function_init(struct pci_function *fn, uint16_t bdf, uint16_t vendor,
    uint16_t device, uint32_t class_code, uint8_t revision);

/*
 * Append a capability of @len bytes at @at, its first two bytes are made here.
 * Capabilities are added in ascending order.
 */
void pci_add_capability(struct pci_function *fn, uint8_t at, uint8_t id,
    const void *body, uint8_t len);

/*
 * Give BAR0 @size bytes (a power of two, at least 16), preassigned; to one that comes
 * when the guest runs the guest assigns it. ENOSPC.
 */
int pci_add_bar(struct pci_host *host, struct pci_function *fn, uint64_t size);

/* EEXIST: that bdf is taken; ENOSPC; EINVAL: on no bus there is. */
int pci_add_function(struct pci_host *host, struct pci_function *fn);

/* Any thread: after it no access is at @fn, and none comes. */
void pci_remove_function(struct pci_host *host, struct pci_function *fn);

/*
 * Any thread: the guest ejects what is in @slot of @bus. Functions that are removable
 * are removed, and say so (ejected). True: there was one.
 */
bool pci_eject(struct pci_host *host, uint32_t bus, uint32_t slot);

/* The guest runs from now on: it assigns BARs itself. */
void pci_host_finish(struct pci_host *host);

/* Configuration space of a function, with its lock; @offset below 4096. */
void pci_config_read(struct pci_function *fn, uint32_t offset, uint8_t *data,
    uint32_t len);
void pci_config_write(struct pci_function *fn, uint32_t offset,
    const uint8_t *data, uint32_t len);

/*
 * At a standstill, with the function's lock: configuration space. Fits: NULL, or what
 * the guest would see that it has not seen before. Load: its BAR is where it was.
 */
void pci_save(struct pci_function *fn, Bh__PciState *m);
const char *pci_fits(const struct pci_function *fn, const Bh__PciState *m);
void pci_load(struct pci_function *fn, const Bh__PciState *m);

/* Little-endian fields of configuration space. */
uint16_t pci_get16(const struct pci_function *fn, uint32_t offset);
uint32_t pci_get32(const struct pci_function *fn, uint32_t offset);
void pci_set16(struct pci_function *fn, uint32_t offset, uint16_t value);
void pci_set32(struct pci_function *fn, uint32_t offset, uint32_t value);

#endif
