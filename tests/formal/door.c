// SPDX-License-Identifier: Apache-2.0
//
// The door of guest memory (ipc/gmem.c): every pair of regions from a set that
// includes both ends of the address space, every address and length next to an
// edge. The second description counts in 128 bits, byte ranges as intervals.
#include <unistd.h>

#include "ipc/gmem.h"
#include "tests/formal/formal.h"

typedef unsigned __int128 wide;

#define TOP (1ull << 63)

static const uint64_t starts[] = {
	0, PAGE, 2 * PAGE, 3 * PAGE, 1ull << 32, TOP - PAGE, TOP,
	0ull - 4 * PAGE, 0ull - 2 * PAGE, 0ull - PAGE,
};
static const uint64_t sizes[] = { 0, PAGE, 2 * PAGE };

static struct gmem mem;
static uint8_t *host[2];
static uint64_t bad;

static void
expect(bool good, const char *what, uint64_t addr, uint64_t len)
{
	cases++;
	if (good || bad++ > 5)
		return;
	printf("# %s: addr %#llx len %#llx, regions", what,
	    (unsigned long long)addr, (unsigned long long)len);
	for (int i = 0; i < 2; i++)
		printf(" %#llx+%#llx%s", (unsigned long long)mem.region[i].gpa,
		    (unsigned long long)mem.region[i].size,
		    mem.region[i].readonly ? "r" : "");
	printf("\n");
}

/* The region that holds the byte at @addr, or -1. */
static int
holder(wide addr)
{
	for (int i = 0; i < 2; i++)
		if (addr >= mem.region[i].gpa &&
		    addr < (wide)mem.region[i].gpa + mem.region[i].size)
			return i;
	return -1;
}

/* Bytes of @len from @addr that are mapped one behind the other. */
static bool
all_mapped(uint64_t addr, uint64_t len, bool write)
{
	wide at = addr, end = (wide)addr + len;

	/* A range is not to reach past the last byte of the address space. */
	if (end > UINT64_MAX)
		return false;
	while (at < end) {
		int i = holder(at);

		if (i < 0 || (write && mem.region[i].readonly))
			return false;
		at = (wide)mem.region[i].gpa + mem.region[i].size;
	}
	return true;
}

static void
try_spans(uint64_t addr, uint64_t len)
{
	int i = holder(addr);
	const struct gmem_region *r = &mem.region[i < 0 ? 0 : i];
	uint64_t left = i < 0 ? 0 : (uint64_t)((wide)r->gpa + r->size - addr);
	uint8_t *at = i < 0 ? NULL : r->host + (addr - r->gpa);
	bool fits = i >= 0 && len <= left;
	uint64_t part = len;

	expect(gmem_span_read(&mem, gpa(addr), len) == (fits ? at : NULL),
	    "span_read", addr, len);
	expect(gmem_span_write(&mem, gpa(addr), len) ==
	    (fits && !r->readonly ? at : NULL), "span_write", addr, len);
	expect(gmem_span_part(&mem, gpa(addr), &part, false) == at,
	    "span_part", addr, len);
	expect(i < 0 || part == (len < left ? len : left), "span_part's length",
	    addr, len);
	part = len;
	expect(gmem_span_part(&mem, gpa(addr), &part, true) ==
	    (i >= 0 && !r->readonly ? at : NULL), "span_part to write", addr, len);
}

/* Copies, of what a test can hold. A stray access meets an inaccessible page. */
static void
try_copies(uint64_t addr, uint64_t len)
{
	static uint8_t buf[4 * PAGE + 8], dirty[8];
	bool mapped = all_mapped(addr, len, false);
	bool writable = all_mapped(addr, len, true);
	wide first = addr / PAGE, last = ((wide)addr + len - 1) / PAGE;
	int rc;

	if (len <= 4 * PAGE || !mapped)
		expect((gmem_read(&mem, gpa(addr), buf, len) == 0) == mapped,
		    "read", addr, len);
	if (len > 4 * PAGE && writable)
		return;
	memset(dirty, 0, sizeof(dirty));
	mem.dirty = dirty;
	mem.dirty_size = sizeof(dirty) - 1;	/* the last is not to be touched */
	rc = gmem_write(&mem, gpa(addr), buf, len);
	mem.dirty = NULL;
	expect((rc == 0) == writable, "write", addr, len);
	for (unsigned int p = 0; p < 64; p++) {
		bool due = writable && len > 0 && p >= first && p <= last && p < 56;

		expect(((dirty[p / 8] >> p % 8 & 1) != 0) == due, "dirty bits",
		    addr, len);
	}
}

static void
try_addresses(void)
{
	uint64_t addr[64], len[24];
	size_t na = 0, nl;

	for (int i = 0; i < 2; i++)
		for (int d = -2; d <= 2; d++) {
			addr[na++] = mem.region[i].gpa + (uint64_t)(int64_t)d;
			addr[na++] = mem.region[i].gpa + mem.region[i].size +
			    (uint64_t)(int64_t)d;
		}
	addr[na++] = 0;
	addr[na++] = TOP - 1;
	addr[na++] = TOP;
	addr[na++] = UINT64_MAX - 1;
	addr[na++] = UINT64_MAX;
	for (size_t a = 0; a < na; a++) {
		nl = 0;
		for (uint64_t d = 0; d <= 2; d++) {
			len[nl++] = d;
			len[nl++] = PAGE - 1 + d;
			len[nl++] = 2 * PAGE - 1 + d;
			len[nl++] = UINT64_MAX - d;
			len[nl++] = 0ull - addr[a] - 1 + d;	/* to the very end */
		}
		len[nl++] = 4 * PAGE;
		len[nl++] = UINT32_MAX;
		len[nl++] = TOP;
		for (size_t i = 0; i < nl; i++) {
			try_spans(addr[a], len[i]);
			try_copies(addr[a], len[i]);
		}
	}
}

/* Does gmem_add() take what two regions may be, and nothing else? */
static void
try_adding(uint64_t gpa0, uint64_t size0, uint64_t gpa1, uint64_t size1, int fd)
{
	bool good = size0 > 0 && (wide)gpa0 + size0 <= UINT64_MAX;
	bool also = size1 > 0 && (wide)gpa1 + size1 <= UINT64_MAX;
	struct gmem m;

	if (gmem_init(&m, 4 * PAGE) != 0)
		abort();
	expect((gmem_add(&m, 0, gpa0, size0, fd, 0, false) == 0) == good, "add",
	    gpa0, size0);
	if (good && also && (wide)gpa0 + size0 > gpa1 && (wide)gpa1 + size1 > gpa0)
		also = false;
	expect((gmem_add(&m, 1, gpa1, size1, fd, 0, false) == 0) == also,
	    "add another", gpa1, size1);
	if (good && also)
		expect(m.region[0].host + size0 <= m.region[1].host ||
		    m.region[1].host + size1 <= m.region[0].host, "apart", gpa0,
		    gpa1);
	gmem_fini(&m);
}

int
main(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 2 * PAGE) != 0)
		return 2;
	host[0] = island(2);
	host[1] = island(2);
	for (size_t a = 0; a < COUNT(starts) * COUNT(sizes); a++)
		for (size_t b = 0; b < COUNT(starts) * COUNT(sizes); b++) {
			uint64_t s0 = starts[a / COUNT(sizes)],
			    n0 = sizes[a % COUNT(sizes)],
			    s1 = starts[b / COUNT(sizes)],
			    n1 = sizes[b % COUNT(sizes)];

			try_adding(s0, n0, s1, n1, fd);
			/* What gmem_add() takes: none of these wraps or overlaps. */
			if ((wide)s0 + n0 > UINT64_MAX ||
			    (wide)s1 + n1 > UINT64_MAX || (n0 > 0 && n1 > 0 &&
			    s0 < s1 + n1 && s1 < s0 + n0))
				continue;
			for (int ro = 0; ro < 4; ro++) {
				memset(&mem, 0, sizeof(mem));
				mem.region[0] = (struct gmem_region){ s0, n0,
				    host[0], (ro & 1) != 0 };
				mem.region[1] = (struct gmem_region){ s1, n1,
				    host[1] + 2 * PAGE - n1, (ro & 2) != 0 };
				mem.region[0].host += 2 * PAGE - n0;
				try_addresses();
			}
		}
	return verdict("the door of guest memory", bad == 0);
}
