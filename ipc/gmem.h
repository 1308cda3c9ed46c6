/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: the regions of guest-physical memory that this process maps,
 * and the one checked door from a guest address to host memory.
 *
 * Owns the mappings and the dirty bitmap. Called by the worker library, the
 * loader and the vcpu-worker; the controller must not link it, since it maps no
 * guest memory. Nothing else turns a guest address into a pointer.
 *
 * What lies behind a pointer from here changes while it is read: copy once,
 * check the copy, use the copy.
 */
#ifndef BULKHEAD_IPC_GMEM_H
#define BULKHEAD_IPC_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_PAGE_SIZE 4096u
#define GMEM_MAX_REGIONS 64u

/* A guest-physical address. Not a number: gpa() makes one, gmem_*() use it. */
typedef struct gpa {
	uint64_t raw;
} gpa_t;

static inline gpa_t
gpa(uint64_t raw)
{
	return (gpa_t){ .raw = raw };
}

struct gmem_region {
	uint64_t gpa;		/* first byte */
	uint64_t size;		/* bytes; 0: the slot is free */
	uint8_t *host;		/* where it is mapped */
	bool readonly;
};

struct gmem {
	struct gmem_region region[GMEM_MAX_REGIONS];
	uint32_t near;		/* of these, the one that was of use last: a hint */
	uint8_t *reserve;	/* PROT_NONE range that regions are mapped into */
	uint64_t reserve_size;
	uint8_t *log_reserve;	/* PROT_NONE range behind it for the bitmap */
	uint64_t log_reserve_size;
	uint8_t *dirty;		/* bitmap in vhost-user log format, or NULL */
	uint64_t dirty_size;	/* bytes */
};

/*
 * Reserve @size bytes (a multiple of the page size, may be 0) of address space
 * for regions. Before the jail. -errno: ENOMEM, EINVAL.
 */
int gmem_init(struct gmem *mem, uint64_t size);

/* Unmap everything. The struct may be initialised again. */
void gmem_fini(struct gmem *mem);

/*
 * Map @size bytes of @fd from @offset at guest address @gpa as region @slot.
 * The caller keeps @fd, and may close it. Works under the filter: one mmap with
 * MAP_SHARED|MAP_FIXED inside the reserve.
 * -errno: EINVAL (alignment, size, slot out of range), EEXIST (slot taken or
 * overlap with a region), ENOSPC (reserve too small), and those of mmap.
 */
int gmem_add(struct gmem *mem, uint32_t slot, uint64_t gpa, uint64_t size,
    int fd, uint64_t offset, bool readonly);

/*
 * As gmem_add(), writable, but what is written is this process' alone and never in the
 * file (MAP_PRIVATE): no other process may have the region.
 */
int gmem_add_discarding(struct gmem *mem, uint32_t slot, uint64_t gpa,
    uint64_t size, int fd, uint64_t offset);

/* Forget region @slot and make its addresses PROT_NONE again. ENOENT, EINVAL. */
int gmem_remove(struct gmem *mem, uint32_t slot);

/*
 * Start (bitmap of @size bytes in @fd) or stop (@fd -1) dirty logging. The
 * caller keeps @fd. Maps like gmem_add. -errno of mmap, EINVAL, ENOSPC (room for
 * a bit a page of twice the reserve, and 64 KiB, is kept).
 */
int gmem_set_dirty_log(struct gmem *mem, int fd, uint64_t size);

/*
 * The door. A pointer to @len bytes at @addr, all in one region, for reading
 * (gmem_span_read) or writing (gmem_span_write: NULL in a read-only region), or
 * NULL. @len may be 0 if @addr is inside a region. The pointer is good until
 * the region is removed.
 */
const void *gmem_span_read(const struct gmem *mem, gpa_t addr, uint64_t len);
void *gmem_span_write(const struct gmem *mem, gpa_t addr, uint64_t len);

/*
 * As the two above, for a buffer that may cross from one region into the next: a
 * pointer to the first bytes, and *len lowered to those before the region's edge.
 */
void *gmem_span_part(const struct gmem *mem, gpa_t addr, uint64_t *len,
    bool write);

/*
 * Copy from or to guest memory; regions that touch are crossed. Nothing is
 * copied on failure. gmem_write marks what it wrote. 0 or -EFAULT.
 */
int gmem_read(const struct gmem *mem, gpa_t addr, void *dst, uint64_t len);
int gmem_write(struct gmem *mem, gpa_t addr, const void *src, uint64_t len);

/*
 * Note in the dirty bitmap that @len bytes at @addr have been written. Called
 * when the write has completed and before the guest is told of it (the used
 * index), never at translation. Ignores addresses outside the bitmap.
 */
void gmem_mark_dirty(struct gmem *mem, gpa_t addr, uint64_t len);

#endif
