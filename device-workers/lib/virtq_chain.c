/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a descriptor chain consists of, see virtq_chain.h: each buffer of the
 * driver's goes through the door of guest memory, in order, bounded in number
 * and length; and copies between a chain and a buffer of the device.
 */
#include "device-workers/lib/virtq_chain.h"

#include <errno.h>

/* 2.7.5, 2.8.5: no chain holds more bytes than this. */
#define MAX_CHAIN_BYTES (1ull << 32)

int
virtq_break(struct virtq *vq, const char *why)
{
	if (!vq->broken)
		vq->why = why;
	vq->broken = true;
	return -EPROTO;
}

void
chain_start(struct virtq_chain *chain)
{
	chain->descs = 1;
	chain->nread = 0;
	chain->nwrite = 0;
	chain->read_len = 0;
	chain->write_len = 0;
}

/* One segment more, of @len bytes in one region; there is room for it. */
static inline void
put_segment(struct virtq_chain *chain, void *at, uint64_t addr, uint64_t len,
    bool write)
{
	unsigned int n = chain->nread + (unsigned int)chain->nwrite;

	chain->iov[n].iov_base = at;
	chain->iov[n].iov_len = len;
	chain->addr[n] = addr;
	if (write) {
		chain->nwrite++;
		chain->write_len += len;
	} else {
		chain->nread++;
		chain->read_len += len;
	}
}

bool
chain_fast(struct virtq *vq, struct virtq_chain *chain,
    const struct split_desc *ring, uint32_t size, uint32_t i)
{
	const struct gmem_region *r = &vq->mem->region[vq->mem->near];
	const uint64_t base = r->gpa, all = r->size;
	uint8_t *const host = r->host;
	uint64_t len[2] = { 0, 0 };	/* readable, writable */
	uint32_t n, nread = 0;

	if (r->readonly)
		return false;
	for (n = 0; n < VIRTQ_MAX_SEGS; n++) {
		/* Each once, into registers. */
		uint64_t addr = __atomic_load_n(&ring[i].addr, __ATOMIC_RELAXED);
		uint64_t rest = __atomic_load_n((const uint64_t *)&ring[i].len,
		    __ATOMIC_RELAXED);
		uint64_t part = (uint32_t)rest;
		uint32_t flags = (uint32_t)(rest >> 32);
		/* Unsigned: an address below wraps to a large number. */
		uint64_t at = addr - base;

		/* A length of 0 wraps, too. */
		if (at >= all || part - 1 >= all - at ||
		    (flags & DESC_F_INDIRECT) != 0)
			return false;
		chain->iov[n].iov_base = host + at;
		chain->iov[n].iov_len = part;
		chain->addr[n] = addr;
		if ((flags & DESC_F_WRITE) != 0) {
			len[1] += part;
		} else {
			if (n != nread)
				return false;
			nread++;
			len[0] += part;
		}
		if ((flags & DESC_F_NEXT) == 0)
			break;
		i = flags >> 16;
		if (i >= size)
			return false;
	}
	if (n == VIRTQ_MAX_SEGS || len[0] + len[1] > MAX_CHAIN_BYTES)
		return false;
	chain->nread = (uint16_t)nread;
	chain->nwrite = (uint16_t)(n + 1 - nread);
	chain->read_len = len[0];
	chain->write_len = len[1];
	return true;
}

/* Chains that are made the long way are to be rare: look there next time. */
static void
note_region(struct gmem *mem, uint64_t addr)
{
	for (uint32_t i = 0; i < GMEM_MAX_REGIONS; i++)
		if (addr - mem->region[i].gpa < mem->region[i].size)
			mem->near = i;
}

/* A buffer that crosses regions, or is none. */
static int __attribute__((noinline))
add_parts(struct virtq *vq, struct virtq_chain *chain, uint64_t addr,
    uint64_t left, bool write)
{
	while (left > 0) {
		uint64_t part = left;
		void *at = gmem_span_part(vq->mem, gpa(addr), &part, write);

		if (at == NULL)
			return virtq_break(vq, "buffer outside guest memory");
		if (chain->nread + chain->nwrite == (int)VIRTQ_MAX_SEGS)
			return virtq_break(vq, "chain of too many buffers");
		put_segment(chain, at, addr, part, write);
		/* No region ends past 2^64 - 1: this does not wrap. */
		addr += part;
		left -= part;
	}
	return 0;
}

int
chain_add(struct virtq *vq, struct virtq_chain *chain, uint64_t addr,
    uint32_t len, bool write)
{
	uint64_t part = len;
	void *at;

	/* 2.7.4.2, 2.8.9.1: what the device reads comes first. */
	if (!write && chain->nwrite != 0)
		return virtq_break(vq, "readable buffer after a writable one");
	if (chain->read_len + chain->write_len + len > MAX_CHAIN_BYTES)
		return virtq_break(vq, "chain of more than 4 GiB");
	at = gmem_span_part(vq->mem, gpa(addr), &part, write);
	if (at == NULL || part != len || len == 0 ||
	    chain->nread + chain->nwrite == (int)VIRTQ_MAX_SEGS)
		return add_parts(vq, chain, addr, len, write);
	if (write)
		note_region(vq->mem, addr);
	put_segment(chain, at, addr, len, write);
	return 0;
}

/* Descriptor @i of an indirect table, which needs no alignment (2.7.5.3). */
static inline int
table_read(struct virtq *vq, const uint8_t *host, uint64_t table, uint32_t i,
    void *desc)
{
	if (host != NULL) {
		copy_once(desc, host + (size_t)i * 16);
		return 0;
	}
	/* A table across the edge of two regions, or outside of all. */
	if (table > UINT64_MAX - 16 * (uint64_t)(i + 1) ||
	    gmem_read(vq->mem, gpa(table + (uint64_t)i * 16), desc, 16) < 0)
		return virtq_break(vq, "indirect table outside guest memory");
	return 0;
}

/*
 * 2.7.5.3: a chain within the table, linked by next, beginning with entry 0. It
 * may be longer than the queue: Linux makes such ones.
 */
static int
split_table(struct virtq *vq, struct virtq_chain *chain, const uint8_t *host,
    uint64_t table, uint32_t entries)
{
	struct split_desc d;
	uint32_t i = 0;

	/* Behind what the ring itself has of the chain, it is not a whole one. */
	if (host != NULL && (uintptr_t)host % 8 == 0 &&
	    chain->nread + chain->nwrite == 0 &&
	    chain_fast(vq, chain, (const void *)host, entries, 0))
		return 0;
	for (uint32_t n = 0; n < entries && n < VIRTQ_MAX_SIZE; n++) {
		int rc = table_read(vq, host, table, i, &d);

		if (rc < 0)
			return rc;
		if ((d.flags & DESC_F_INDIRECT) != 0)
			return virtq_break(vq, "indirect table in another");
		rc = chain_add(vq, chain, d.addr, d.len,
		    (d.flags & DESC_F_WRITE) != 0);
		if (rc < 0 || (d.flags & DESC_F_NEXT) == 0)
			return rc;
		if (d.next >= entries)
			return virtq_break(vq, "next beyond an indirect table");
		i = d.next;
	}
	return virtq_break(vq, "endless chain in an indirect table");
}

/*
 * 2.8.7: all entries in order. Flags but WRITE and INDIRECT are ignored: there
 * are drivers that set NEXT as well.
 */
static int
packed_table(struct virtq *vq, struct virtq_chain *chain, const uint8_t *host,
    uint64_t table, uint32_t entries)
{
	struct packed_desc d;

	if (entries > VIRTQ_MAX_SIZE)
		return virtq_break(vq, "indirect table too long");
	for (uint32_t i = 0; i < entries; i++) {
		int rc = table_read(vq, host, table, i, &d);

		if (rc < 0)
			return rc;
		if ((d.flags & DESC_F_INDIRECT) != 0)
			return virtq_break(vq, "indirect table in another");
		rc = chain_add(vq, chain, d.addr, d.len,
		    (d.flags & DESC_F_WRITE) != 0);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
chain_add_table(struct virtq *vq, struct virtq_chain *chain, uint64_t table,
    uint32_t len)
{
	const uint8_t *host;

	if (!vq->indirect)
		return virtq_break(vq, "indirect table without the feature");
	if (len == 0 || len % 16 != 0)
		return virtq_break(vq, "length of an indirect table");
	host = gmem_span_read(vq->mem, gpa(table), len);
	return vq->packed ? packed_table(vq, chain, host, table, len / 16) :
	    split_table(vq, chain, host, table, len / 16);
}

void
chain_mark_dirty(struct virtq *vq, const struct virtq_chain *chain,
    uint64_t written)
{
	unsigned int end = chain->nread + (unsigned int)chain->nwrite;

	if (vq->mem->dirty == NULL)
		return;
	for (unsigned int i = chain->nread; i < end && written > 0; i++) {
		uint64_t part = chain->iov[i].iov_len;

		if (part > written)
			part = written;
		gmem_mark_dirty(vq->mem, gpa(chain->addr[i]), part);
		written -= part;
	}
}

/*
 * Copy @len bytes between @buf and segments @first to @end, from byte @offset of
 * these, into the chain or out of it. Returns how many it could.
 */
static uint64_t
chain_copy(const struct virtq_chain *chain, unsigned int first,
    unsigned int end, uint64_t offset, void *out, const void *in, uint64_t len)
{
	uint64_t done = 0;

	for (unsigned int i = first; i < end && done < len; i++) {
		uint8_t *at = chain->iov[i].iov_base;
		uint64_t n = chain->iov[i].iov_len;

		if (offset >= n) {
			offset -= n;
			continue;
		}
		n -= offset;
		if (n > len - done)
			n = len - done;
		if (in != NULL)
			memcpy(at + offset, (const uint8_t *)in + done, n);
		else if (out != NULL)
			memcpy((uint8_t *)out + done, at + offset, n);
		offset = 0;
		done += n;
	}
	return done;
}

uint64_t
virtq_copy_out_of(const struct virtq_chain *chain, uint64_t offset, void *dst,
    uint64_t len)
{
	return chain_copy(chain, 0, chain->nread, offset, dst, NULL, len);
}

uint64_t
virtq_copy_into(const struct virtq_chain *chain, uint64_t offset,
    const void *src, uint64_t len)
{
	return chain_copy(chain, chain->nread,
	    chain->nread + (unsigned int)chain->nwrite, offset, NULL, src, len);
}
