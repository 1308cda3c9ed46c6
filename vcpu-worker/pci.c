/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI, see pci.h.
 */
#include "vcpu-worker/pci.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define PORT_ADDRESS 0xcf8u	/* 4 bytes; 0xcf9 alone is the reset register */
#define PORT_WINDOW 8u
#define ADDRESS_ENABLE (1u << 31)
#define RESET_CPU (1u << 2)	/* of 0xcf9 */

#define HOST_BRIDGE_VENDOR 0x8086u
#define HOST_BRIDGE_DEVICE 0x0d57u
#define CLASS_HOST_BRIDGE 0x060000u
#define BAR_MEMORY_64 0x4u

uint16_t
pci_get16(const struct pci_function *fn, uint32_t offset)
{
	return (uint16_t)bus_get(fn->config + offset, 2);
}

uint32_t
pci_get32(const struct pci_function *fn, uint32_t offset)
{
	return (uint32_t)bus_get(fn->config + offset, 4);
}

void
pci_set16(struct pci_function *fn, uint32_t offset, uint16_t value)
{
	bus_put(fn->config + offset, 2, value);
}

void
pci_set32(struct pci_function *fn, uint32_t offset, uint32_t value)
{
	bus_put(fn->config + offset, 4, value);
}

/* ---- Building ---- */

static struct pci_function *
function_of_bdf(const struct pci_host *host, uint32_t bdf)
{
	uint32_t low = 0, high = host->nfunctions;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (host->function[mid]->bdf < bdf)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == host->nfunctions || host->function[low]->bdf != bdf)
		return NULL;
	return host->function[low];
}

void
pci_function_init(struct pci_function *fn, uint16_t bdf, uint16_t vendor,
    uint16_t device, uint32_t class_code, uint8_t revision)
{
	memset(fn, 0, sizeof(*fn));
	pthread_mutex_init(&fn->lock, NULL);
	fn->bdf = bdf;
	fn->bar_base = PCI_UNMAPPED;
	pci_set16(fn, PCI_CFG_VENDOR, vendor);
	pci_set16(fn, PCI_CFG_DEVICE, device);
	fn->config[PCI_CFG_REVISION] = revision;
	bus_put(fn->config + PCI_CFG_CLASS, 3, class_code);
	/* Memory, bus master, INTx disable. */
	bus_put(fn->writable + PCI_CFG_COMMAND, 2, 0x0406);
	fn->writable[0x3c] = 0xff;	/* interrupt line: the guest's note */
}

void
pci_add_capability(struct pci_function *fn, uint8_t at, uint8_t id,
    const void *body, uint8_t len)
{
	uint8_t *link = &fn->config[PCI_CFG_CAPABILITIES];

	while (*link != 0)
		link = &fn->config[*link + 1];
	*link = at;
	fn->config[at] = id;
	fn->config[at + 1] = 0;
	memcpy(fn->config + at + 2, body, len - 2u);
	fn->config[PCI_CFG_STATUS] |= PCI_STATUS_CAPABILITIES;
}

int
pci_add_bar(struct pci_host *host, struct pci_function *fn, uint64_t size)
{
	struct pci_window *w = &host->free[fn->bdf >> 8];
	uint64_t base = (w->base + size - 1) & ~(size - 1);

	if (host->live) {
		base = 0;
	} else {
		if (base < w->base || base - w->base > w->size ||
		    size > w->size - (base - w->base))
			return -ENOSPC;
		w->size -= base + size - w->base;
		w->base = base + size;
	}
	fn->bar_size = size;
	pci_set32(fn, PCI_CFG_BAR0, (uint32_t)base | BAR_MEMORY_64);
	pci_set32(fn, PCI_CFG_BAR1, (uint32_t)(base >> 32));
	/* What is not writable reads as 0: that is how BARs tell their size. */
	bus_put(fn->writable + PCI_CFG_BAR0, 4, ~(size - 1) & 0xfffffff0u);
	bus_put(fn->writable + PCI_CFG_BAR1, 4, ~(size - 1) >> 32);
	return 0;
}

/* With the presence, for writing. */
static int
insert(struct pci_host *host, struct pci_function *fn)
{
	uint32_t at = host->nfunctions;

	if (host->nfunctions >= PCI_MAX_FUNCTIONS)
		return -ENOSPC;
	if (function_of_bdf(host, fn->bdf) != NULL)
		return -EEXIST;
	for (; at > 0 && host->function[at - 1]->bdf > fn->bdf; at--)
		host->function[at] = host->function[at - 1];
	host->function[at] = fn;
	host->nfunctions++;
	fn->host = host;
	return 0;
}

int
pci_add_function(struct pci_host *host, struct pci_function *fn)
{
	int rc;

	if (fn->bdf >> 8 >= host->nsegments)
		return -EINVAL;
	pthread_rwlock_wrlock(&host->presence);
	rc = insert(host, fn);
	pthread_rwlock_unlock(&host->presence);
	return rc;
}

void
pci_host_init(struct pci_host *host, const struct pci_window *low,
    const struct pci_window *high, void (*reset)(void *owner),
    void *reset_owner)
{
	memset(host, 0, sizeof(*host));
	pthread_rwlock_init(&host->presence, NULL);
	pthread_rwlock_init(&host->lock, NULL);
	host->window[0] = *low;
	host->window[1] = *high;
	host->reset = reset;
	host->reset_owner = reset_owner;
}

void
pci_host_finish(struct pci_host *host)
{
	host->live = true;
}

/* ---- The BAR map ---- */

static bool
in_window(const struct pci_window *w, uint64_t base, uint64_t size)
{
	return base >= w->base && base - w->base < w->size &&
	    size <= w->size - (base - w->base);
}

/* Is all of a BAR at @base inside a window of ours? */
static bool
in_windows(const struct pci_host *host, uint64_t base, uint64_t size)
{
	return in_window(&host->window[0], base, size) ||
	    in_window(&host->window[1], base, size);
}

bool
pci_add_segment(struct pci_host *host, const struct pci_window *part)
{
	if (host->nsegments == PCI_MAX_SEGMENTS ||
	    !in_window(&host->window[0], part->base, part->size))
		return false;
	host->free[host->nsegments++] = *part;
	if (host->nsegments > 1)
		return true;
	pci_function_init(&host->bridge, 0, HOST_BRIDGE_VENDOR,
	    HOST_BRIDGE_DEVICE, CLASS_HOST_BRIDGE, 0);
	return pci_add_function(host, &host->bridge) == 0;
}

static void
map_remove(struct pci_host *host, const struct pci_function *fn)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < host->nmapped; i++)
		if (host->mapped[i].fn != fn)
			host->mapped[kept++] = host->mapped[i];
	host->nmapped = kept;
}

static void
map_insert(struct pci_host *host, uint64_t base, struct pci_function *fn)
{
	uint32_t at = host->nmapped;

	while (at > 0 && host->mapped[at - 1].base > base) {
		host->mapped[at] = host->mapped[at - 1];
		at--;
	}
	host->mapped[at] = (struct pci_mapping){ .base = base, .fn = fn };
	host->nmapped++;
}

/*
 * The guest wrote the command register or the BAR: decode it where it says now.
 * With the function's lock.
 */
static void
remap(struct pci_function *fn)
{
	struct pci_host *host = fn->host;
	uint64_t old = fn->bar_base, base = PCI_UNMAPPED;

	if (fn->bar_size == 0 || host == NULL)
		return;
	if ((fn->config[PCI_CFG_COMMAND] & PCI_CMD_MEMORY) != 0) {
		base = (pci_get32(fn, PCI_CFG_BAR0) & ~0xfu) |
		    (uint64_t)pci_get32(fn, PCI_CFG_BAR1) << 32;
		if (!in_windows(host, base, fn->bar_size))
			base = PCI_UNMAPPED;
	}
	if (base == old)
		return;
	pthread_rwlock_wrlock(&host->lock);
	map_remove(host, fn);
	if (base != PCI_UNMAPPED)
		map_insert(host, base, fn);
	pthread_rwlock_unlock(&host->lock);
	fn->bar_base = base;
	if (fn->ops != NULL && fn->ops->bar_moved != NULL)
		fn->ops->bar_moved(fn->owner, old, base);
}

/* With the presence, for writing: nobody is at @fn. */
static void
take_out(struct pci_host *host, struct pci_function *fn)
{
	uint32_t kept = 0;

	pthread_mutex_lock(&fn->lock);
	fn->config[PCI_CFG_COMMAND] = 0;
	remap(fn);
	fn->host = NULL;
	pthread_mutex_unlock(&fn->lock);
	for (uint32_t i = 0; i < host->nfunctions; i++)
		if (host->function[i] != fn)
			host->function[kept++] = host->function[i];
	host->nfunctions = kept;
}

void
pci_remove_function(struct pci_host *host, struct pci_function *fn)
{
	pthread_rwlock_wrlock(&host->presence);
	if (fn->host == host)
		take_out(host, fn);
	pthread_rwlock_unlock(&host->presence);
}

bool
pci_eject(struct pci_host *host, uint32_t bus, uint32_t slot)
{
	bool any = false;

	pthread_rwlock_wrlock(&host->presence);
	for (uint32_t f = 0; f < 8; f++) {
		struct pci_function *fn = function_of_bdf(host,
		    bus << 8 | slot << 3 | f);

		if (fn == NULL || !fn->removable)
			continue;
		take_out(host, fn);
		atomic_store(&fn->ejected, true);
		any = true;
	}
	pthread_rwlock_unlock(&host->presence);
	return any;
}

/* The function whose BAR begins last at or below @addr, or NULL. */
static struct pci_function *
function_at(struct pci_host *host, uint64_t addr)
{
	struct pci_function *fn = NULL;
	uint32_t low = 0, high;

	pthread_rwlock_rdlock(&host->lock);
	high = host->nmapped;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (host->mapped[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low > 0)
		fn = host->mapped[low - 1].fn;
	pthread_rwlock_unlock(&host->lock);
	return fn;
}

/*
 * An access in a window. The BAR may have moved between the map and the lock:
 * the offset is taken from where it is then.
 */
static void
window_access(struct pci_host *host, uint64_t addr, uint8_t *read,
    const uint8_t *write, uint32_t len)
{
	struct pci_function *fn;
	uint64_t offset;

	if (read != NULL)
		memset(read, 0xff, len);
	pthread_rwlock_rdlock(&host->presence);
	fn = function_at(host, addr);
	if (fn == NULL) {
		pthread_rwlock_unlock(&host->presence);
		return;
	}
	pthread_mutex_lock(&fn->lock);
	offset = addr - fn->bar_base;
	if (fn->bar_base != PCI_UNMAPPED && offset < fn->bar_size &&
	    len <= fn->bar_size - offset && fn->ops != NULL) {
		if (read != NULL)
			fn->ops->bar_read(fn->owner, offset, read, len);
		else
			fn->ops->bar_write(fn->owner, offset, write, len);
	}
	pthread_mutex_unlock(&fn->lock);
	pthread_rwlock_unlock(&host->presence);
}

#define WINDOW_OPS(name, number)					\
static void								\
name##_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)	\
{									\
	struct pci_host *host = owner;					\
									\
	window_access(host, host->window[number].base + offset, data,	\
	    NULL, len);							\
}									\
static void								\
name##_write(void *owner, uint64_t offset, const uint8_t *data,	\
    uint32_t len)							\
{									\
	struct pci_host *host = owner;					\
									\
	window_access(host, host->window[number].base + offset, NULL,	\
	    data, len);							\
}									\
static const struct bus_ops name##_ops = {				\
	.read = name##_read, .write = name##_write,			\
}

WINDOW_OPS(low_window, 0);
WINDOW_OPS(high_window, 1);

/* ---- Configuration space ---- */

void
pci_config_read(struct pci_function *fn, uint32_t offset, uint8_t *data,
    uint32_t len)
{
	pthread_mutex_lock(&fn->lock);
	if (fn->ops != NULL && fn->ops->config_read != NULL)
		fn->ops->config_read(fn->owner, offset, len);
	for (uint32_t i = 0; i < len; i++)
		data[i] = offset + i < PCI_CONFIG_SIZE ?
		    fn->config[offset + i] : 0;
	pthread_mutex_unlock(&fn->lock);
}

static bool
overlaps(uint32_t offset, uint32_t len, uint32_t at, uint32_t size)
{
	return offset < at + size && at < offset + len;
}

void
pci_config_write(struct pci_function *fn, uint32_t offset,
    const uint8_t *data, uint32_t len)
{
	pthread_mutex_lock(&fn->lock);
	for (uint32_t i = 0; i < len && offset + i < PCI_CONFIG_SIZE; i++) {
		uint8_t *at = &fn->config[offset + i];
		uint8_t mask = fn->writable[offset + i];

		*at = (uint8_t)((*at & ~mask) | (data[i] & mask));
	}
	if (overlaps(offset, len, PCI_CFG_COMMAND, 2) ||
	    overlaps(offset, len, PCI_CFG_BAR0, 8))
		remap(fn);
	if (fn->ops != NULL && fn->ops->config_written != NULL)
		fn->ops->config_written(fn->owner, offset, len);
	pthread_mutex_unlock(&fn->lock);
}

void
pci_save(struct pci_function *fn, Bh__PciState *m)
{
	bh__pci_state__init(m);
	m->bdf = fn->bdf;
	m->config.len = PCI_CONFIG_SIZE;
	m->config.data = fn->config;
}

const char *
pci_fits(const struct pci_function *fn, const Bh__PciState *m)
{
	for (uint32_t i = 0; i < PCI_CONFIG_SIZE; i++)
		if (((fn->config[i] ^ m->config.data[i]) & ~fn->writable[i]) != 0)
			return "its PCI registers are another device's";
	return m->bdf == fn->bdf ? NULL : "it is in another place";
}

void
pci_load(struct pci_function *fn, const Bh__PciState *m)
{
	for (uint32_t i = 0; i < PCI_CONFIG_SIZE; i++)
		fn->config[i] = (uint8_t)((fn->config[i] & ~fn->writable[i]) |
		    (m->config.data[i] & fn->writable[i]));
	remap(fn);
}

/* An access to register @reg of the function at @bdf, if there is one. */
static void
config_access(struct pci_host *host, uint32_t bdf, uint32_t reg, uint8_t *read,
    const uint8_t *write, uint32_t len)
{
	struct pci_function *fn;

	if (read != NULL)
		memset(read, 0xff, len);
	pthread_rwlock_rdlock(&host->presence);
	fn = function_of_bdf(host, bdf);
	if (fn != NULL && read != NULL)
		pci_config_read(fn, reg, read, len);
	else if (fn != NULL)
		pci_config_write(fn, reg, write, len);
	pthread_rwlock_unlock(&host->presence);
}

/* Offset in ECAM: segment 27:20, device 19:15, function 14:12, register 11:0. */
static void
ecam_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	config_access(owner, (uint32_t)(offset >> 12), (uint32_t)offset & 0xfff,
	    data, NULL, len);
}

static void
ecam_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	config_access(owner, (uint32_t)(offset >> 12), (uint32_t)offset & 0xfff,
	    NULL, data, len);
}

static const struct bus_ops ecam_ops = {
	.read = ecam_read, .write = ecam_write,
};

/* Which function and register the ports point at; false: none. */
static bool
port_target(const struct pci_host *host, uint64_t offset, uint32_t *bdf,
    uint32_t *reg)
{
	uint32_t address = __atomic_load_n(&host->address, __ATOMIC_RELAXED);

	if (offset < 4 || (address & ADDRESS_ENABLE) == 0)
		return false;
	*reg = (address & 0xfc) + ((uint32_t)offset & 3);
	*bdf = address >> 8 & 0xffff;
	/* A bus above 0 would be another segment. */
	return *bdf <= 0xff;
}

static void
port_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct pci_host *host = owner;
	uint32_t bdf, reg;

	memset(data, 0xff, len);
	if (offset == 0 && len == 4) {
		bus_put(data, len, __atomic_load_n(&host->address,
		    __ATOMIC_RELAXED));
		return;
	}
	if (port_target(host, offset, &bdf, &reg))
		config_access(host, bdf, reg, data, NULL, len);
}

static void
port_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct pci_host *host = owner;
	uint32_t bdf, reg;

	if (offset == 0 && len == 4) {
		/* One register for all CPUs, as in hardware: a guest takes a
		 * lock around both accesses. */
		__atomic_store_n(&host->address, (uint32_t)bus_get(data, 4),
		    __ATOMIC_RELAXED);
		return;
	}
	if (offset == 1 && len == 1) {
		if ((data[0] & RESET_CPU) != 0)
			host->reset(host->reset_owner);
		return;
	}
	if (port_target(host, offset, &bdf, &reg))
		config_access(host, bdf, reg, NULL, data, len);
}

static const struct bus_ops port_ops = {
	.read = port_read, .write = port_write,
};

int
pci_host_attach(struct pci_host *host, struct bus *ports, struct bus *mmio,
    uint64_t ecam, uint64_t ecam_size)
{
	int rc = bus_add(ports, PORT_ADDRESS, PORT_WINDOW, &port_ops, host);

	if (rc == 0)
		rc = bus_add(mmio, ecam, ecam_size, &ecam_ops, host);
	if (rc == 0)
		rc = bus_add(mmio, host->window[0].base, host->window[0].size,
		    &low_window_ops, host);
	if (rc == 0 && host->window[1].size > 0)
		rc = bus_add(mmio, host->window[1].base, host->window[1].size,
		    &high_window_ops, host);
	return rc;
}
