/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory, see gmem.h. Few regions, looked up linearly: a VM has two or
 * three, and hot-added ones come behind them.
 */
#include "ipc/gmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/limits.h"

_Static_assert(GMEM_MAX_REGIONS == GMEM_LIMIT_REGIONS, "proto/limits.h");

/*
 * Where the reserve starts: so that RAM at guest address 0 and at 4 GiB, one
 * behind the other, can be made of huge pages, which KVM maps as such only where
 * guest and host addresses agree in their low bits.
 */
#define RESERVE_ALIGN (1ull << 30)

static uint64_t
page_up(uint64_t n)
{
	return (n + GMEM_PAGE_SIZE - 1) & ~(uint64_t)(GMEM_PAGE_SIZE - 1);
}

int
gmem_init(struct gmem *mem, uint64_t size)
{
	/* A bit a page, for guest addresses of up to twice the size (holes). */
	uint64_t log_size = page_up(size / GMEM_PAGE_SIZE / 8 * 2 + 65536);
	uint64_t all, slack;
	uint8_t *at;

	if (size % GMEM_PAGE_SIZE != 0 || size > INT64_MAX)
		return -EINVAL;
	all = size + log_size + RESERVE_ALIGN;
	at = mmap(NULL, all, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	/* Cut it to the alignment; what is left over goes back. */
	slack = -(uintptr_t)at & (RESERVE_ALIGN - 1);
	if (slack != 0)
		munmap(at, slack);
	at += slack;
	if (slack != RESERVE_ALIGN)
		munmap(at + size + log_size, RESERVE_ALIGN - slack);
	memset(mem, 0, sizeof(*mem));
	mem->reserve = at;
	mem->reserve_size = size;
	mem->log_reserve = at + size;
	mem->log_reserve_size = log_size;
	return 0;
}

void
gmem_fini(struct gmem *mem)
{
	if (mem->reserve != NULL)
		munmap(mem->reserve, mem->reserve_size + mem->log_reserve_size);
	memset(mem, 0, sizeof(*mem));
}

/* First fit of @size bytes in the reserve, or NULL. */
static uint8_t *
find_room(const struct gmem *mem, uint64_t size)
{
	uint8_t *at = mem->reserve;
	bool moved = true;

	/* Step over what is in the way until nothing is. */
	while (moved) {
		moved = false;
		for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
			const struct gmem_region *r = &mem->region[i];

			if (r->size != 0 && at < r->host + r->size &&
			    r->host < at + size) {
				at = r->host + r->size;
				moved = true;
			}
		}
	}
	if (size > mem->reserve_size - (uint64_t)(at - mem->reserve))
		return NULL;
	return at;
}

static int
check_new_region(const struct gmem *mem, uint32_t slot, uint64_t gpa,
    uint64_t size, uint64_t offset)
{
	uint64_t end;

	if (slot >= GMEM_MAX_REGIONS || size == 0 ||
	    (gpa | size | offset) % GMEM_PAGE_SIZE != 0 ||
	    offset > INT64_MAX || __builtin_add_overflow(gpa, size, &end))
		return -EINVAL;
	if (mem->region[slot].size != 0)
		return -EEXIST;
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &mem->region[i];

		if (r->size != 0 && gpa < r->gpa + r->size && r->gpa < end)
			return -EEXIST;
	}
	return 0;
}

static int
add(struct gmem *mem, uint32_t slot, uint64_t gpa, uint64_t size, int fd,
    uint64_t offset, int protection, int flags)
{
	int rc = check_new_region(mem, slot, gpa, size, offset);
	uint8_t *at;

	if (rc < 0)
		return rc;
	at = size <= mem->reserve_size ? find_room(mem, size) : NULL;
	if (at == NULL)
		return -ENOSPC;
	if (mmap(at, size, protection, flags | MAP_FIXED, fd, (off_t)offset) ==
	    MAP_FAILED)
		return -errno;
	mem->region[slot] = (struct gmem_region){
		.gpa = gpa, .size = size, .host = at,
		.readonly = (protection & PROT_WRITE) == 0,
	};
	return 0;
}

int
gmem_add(struct gmem *mem, uint32_t slot, uint64_t gpa, uint64_t size, int fd,
    uint64_t offset, bool readonly)
{
	return add(mem, slot, gpa, size, fd, offset, readonly ? PROT_READ :
	    PROT_READ | PROT_WRITE, MAP_SHARED);
}

int
gmem_add_discarding(struct gmem *mem, uint32_t slot, uint64_t gpa, uint64_t size,
    int fd, uint64_t offset)
{
	return add(mem, slot, gpa, size, fd, offset, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_NORESERVE);
}

/* Make a piece of a reserve inaccessible again. */
static int
unmap_fixed(uint8_t *at, uint64_t size)
{
	if (mmap(at, size, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
	    MAP_FAILED)
		return -errno;
	return 0;
}

int
gmem_remove(struct gmem *mem, uint32_t slot)
{
	struct gmem_region *r;
	int rc;

	if (slot >= GMEM_MAX_REGIONS)
		return -EINVAL;
	r = &mem->region[slot];
	if (r->size == 0)
		return -ENOENT;
	rc = unmap_fixed(r->host, r->size);
	if (rc == 0)
		memset(r, 0, sizeof(*r));
	return rc;
}

int
gmem_set_dirty_log(struct gmem *mem, int fd, uint64_t size)
{
	int rc;

	if (mem->dirty != NULL) {
		rc = unmap_fixed(mem->dirty, page_up(mem->dirty_size));
		if (rc < 0)
			return rc;
		mem->dirty = NULL;
		mem->dirty_size = 0;
	}
	if (fd < 0)
		return 0;
	if (size == 0)
		return -EINVAL;
	if (size > mem->log_reserve_size)
		return -ENOSPC;
	if (mmap(mem->log_reserve, page_up(size), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return -errno;
	mem->dirty = mem->log_reserve;
	mem->dirty_size = size;
	return 0;
}

/* The region that holds @addr, and how many bytes it has from there; or NULL. */
static const struct gmem_region *
region_of(const struct gmem *mem, uint64_t addr, uint64_t *left)
{
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &mem->region[i];

		/* Unsigned: an address below gpa wraps to a large number. */
		if (addr - r->gpa < r->size) {
			*left = r->size - (addr - r->gpa);
			return r;
		}
	}
	return NULL;
}

const void *
gmem_span_read(const struct gmem *mem, gpa_t addr, uint64_t len)
{
	uint64_t left;
	const struct gmem_region *r = region_of(mem, addr.raw, &left);

	return r != NULL && len <= left ? r->host + (addr.raw - r->gpa) : NULL;
}

void *
gmem_span_write(const struct gmem *mem, gpa_t addr, uint64_t len)
{
	uint64_t left;
	const struct gmem_region *r = region_of(mem, addr.raw, &left);

	if (r == NULL || len > left || r->readonly)
		return NULL;
	return r->host + (addr.raw - r->gpa);
}

void *
gmem_span_part(const struct gmem *mem, gpa_t addr, uint64_t *len, bool write)
{
	uint64_t left;
	const struct gmem_region *r = region_of(mem, addr.raw, &left);

	if (r == NULL || (write && r->readonly))
		return NULL;
	if (*len > left)
		*len = left;
	return r->host + (addr.raw - r->gpa);
}

/* Is all of the range mapped (and writable, where asked)? */
static bool
range_ok(const struct gmem *mem, uint64_t addr, uint64_t len, bool write)
{
	uint64_t end, left;

	if (__builtin_add_overflow(addr, len, &end))
		return false;
	while (addr < end) {
		const struct gmem_region *r = region_of(mem, addr, &left);

		if (r == NULL || (write && r->readonly))
			return false;
		addr += left < end - addr ? left : end - addr;
	}
	return true;
}

int
gmem_read(const struct gmem *mem, gpa_t addr, void *dst, uint64_t len)
{
	uint8_t *to = dst;
	uint64_t at = addr.raw, left;

	if (!range_ok(mem, at, len, false))
		return -EFAULT;
	while (len > 0) {
		const struct gmem_region *r = region_of(mem, at, &left);
		uint64_t n = left < len ? left : len;

		memcpy(to, r->host + (at - r->gpa), n);
		to += n;
		at += n;
		len -= n;
	}
	return 0;
}

int
gmem_write(struct gmem *mem, gpa_t addr, const void *src, uint64_t len)
{
	const uint8_t *from = src;
	uint64_t at = addr.raw, left, todo = len;

	if (!range_ok(mem, at, len, true))
		return -EFAULT;
	while (todo > 0) {
		const struct gmem_region *r = region_of(mem, at, &left);
		uint64_t n = left < todo ? left : todo;

		memcpy(r->host + (at - r->gpa), from, n);
		from += n;
		at += n;
		todo -= n;
	}
	gmem_mark_dirty(mem, addr, len);
	return 0;
}

void
gmem_mark_dirty(struct gmem *mem, gpa_t addr, uint64_t len)
{
	uint64_t last, page;

	if (mem->dirty == NULL || len == 0 ||
	    __builtin_add_overflow(addr.raw, len - 1, &last))
		return;
	last /= GMEM_PAGE_SIZE;
	for (page = addr.raw / GMEM_PAGE_SIZE; page <= last; page++) {
		if (page / 8 >= mem->dirty_size)
			return;
		/*
		 * Atomic: whoever collects the bitmap fetches and clears bytes
		 * at the same time. Release: the data is there before the bit.
		 */
		__atomic_fetch_or(&mem->dirty[page / 8],
		    (uint8_t)(1u << (page % 8)), __ATOMIC_RELEASE);
	}
}
