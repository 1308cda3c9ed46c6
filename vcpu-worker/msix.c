/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X, see msix.h.
 */
#include "vcpu-worker/msix.h"

#include <string.h>
#include <unistd.h>

#include "ipc/log.h"
#include "vcpu-worker/bus.h"

enum entry_word { WORD_ADDR, WORD_ADDR_HIGH, WORD_DATA, WORD_CONTROL };

#define ENTRY_MASKED 1u

void
msix_init(struct msix *m, struct hv_vm *vm, uint32_t nvectors)
{
	memset(m, 0, sizeof(*m));
	m->vm = vm;
	m->nvectors = nvectors;
	for (uint32_t v = 0; v < nvectors; v++)
		m->table[v][WORD_CONTROL] = ENTRY_MASKED;
}

void
msix_add_source(struct msix *m, int fd, uint32_t gsi)
{
	m->source[m->nsources++] = (struct msix_source){
		.fd = fd, .gsi = gsi, .vector = MSIX_NO_VECTOR,
	};
}

bool
msix_poll(struct msix *m, uint32_t s)
{
	uint64_t count;

	return read(m->source[s].fd, &count, sizeof(count)) ==
	    (ssize_t)sizeof(count);
}

static bool
live(const struct msix *m, const struct msix_source *src)
{
	return m->enabled && !m->masked && src->vector != MSIX_NO_VECTOR &&
	    (m->table[src->vector][WORD_CONTROL] & ENTRY_MASKED) == 0;
}

static struct hv_msi
message(const struct msix *m, uint16_t vector)
{
	const uint32_t *entry = m->table[vector];

	return (struct hv_msi){
		.addr = entry[WORD_ADDR] |
		    (uint64_t)entry[WORD_ADDR_HIGH] << 32,
		.data = entry[WORD_DATA],
	};
}

static void
fire(struct msix *m, uint16_t vector)
{
	struct hv_msi msi = message(m, vector);

	m->pending[vector] = false;
	if (hv_signal_msi(m->vm, &msi) < 0)
		log_guest("MSI-X vector %u sends a message that is none",
		    vector);
}

static void
attach(struct msix *m, uint32_t s)
{
	struct msix_source *src = &m->source[s];
	int rc;

	if (src->attached)
		return;
	/* What came while it was masked. A signal from here on is seen by the
	 * hypervisor when the irqfd is made. */
	if (msix_poll(m, s) || m->pending[src->vector])
		fire(m, src->vector);
	rc = hv_irqfd(m->vm, src->fd, src->gsi, true);
	src->attached = rc == 0;
	if (rc < 0)
		log_guest("MSI-X vector %u: irqfd: %s", src->vector,
		    log_errname(rc));
}

static void
detach(struct msix *m, struct msix_source *src)
{
	if (!src->attached)
		return;
	(void)hv_irqfd(m->vm, src->fd, src->gsi, false);
	src->attached = false;
}

/* Bring routes and irqfds in line with the registers, of @vector or (-1) all. */
static void
update(struct msix *m, int vector)
{
	bool any = false;
	int rc = 0;

	for (uint32_t s = 0; s < m->nsources; s++) {
		struct msix_source *src = &m->source[s];
		struct hv_msi msi;

		if (vector >= 0 && src->vector != vector)
			continue;
		if (!live(m, src)) {
			detach(m, src);
			continue;
		}
		msi = message(m, src->vector);
		if (rc == 0)
			rc = hv_set_route(m->vm, src->gsi, &msi);
		any = true;
	}
	if (!any)
		return;
	/* Routes first: an irqfd without one would lose its signals. */
	if (rc == 0)
		rc = hv_commit_routes(m->vm);
	if (rc < 0)
		log_guest("MSI-X routes: %s", log_errname(rc));
	for (uint32_t s = 0; s < m->nsources; s++)
		if ((vector < 0 || m->source[s].vector == vector) &&
		    live(m, &m->source[s]))
			attach(m, s);
}

void
msix_control(struct msix *m, uint16_t control)
{
	bool enabled = (control & MSIX_CONTROL_ENABLE) != 0;
	bool masked = (control & MSIX_CONTROL_MASK) != 0;

	if (enabled == m->enabled && masked == m->masked)
		return;
	m->enabled = enabled;
	m->masked = masked;
	update(m, -1);
}

uint16_t
msix_bind(struct msix *m, uint32_t s, uint16_t vector)
{
	struct msix_source *src = &m->source[s];

	if (vector >= m->nvectors)
		vector = MSIX_NO_VECTOR;
	if (vector == src->vector)
		return vector;
	detach(m, src);
	src->vector = vector;
	if (vector != MSIX_NO_VECTOR)
		update(m, vector);
	return vector;
}

void
msix_table_read(const struct msix *m, uint64_t offset, uint8_t *data,
    uint32_t len)
{
	uint64_t at = offset / 4, end = m->nvectors * 4ull;
	const uint32_t *words = &m->table[0][0];
	uint64_t value = 0;

	/* 32 or 64 bits, aligned (6.8.2): the rest is undefined, and 0 here. */
	if ((len == 4 || len == 8) && offset % len == 0 && at < end) {
		value = words[at];
		if (len == 8)
			value |= (uint64_t)words[at + 1] << 32;
	}
	bus_put(data, len, value);
}

static void
write_word(struct msix *m, uint64_t at, uint32_t value)
{
	uint16_t vector = (uint16_t)(at / 4);
	uint32_t *word = &m->table[vector][at % 4];
	bool was_masked = (m->table[vector][WORD_CONTROL] & ENTRY_MASKED) != 0;

	if (at % 4 == WORD_CONTROL)
		value &= ENTRY_MASKED;
	if (*word == value)
		return;
	*word = value;
	/* Of a masked entry only the unmasking matters. */
	if (!was_masked || at % 4 == WORD_CONTROL)
		update(m, vector);
}

void
msix_table_write(struct msix *m, uint64_t offset, const uint8_t *data,
    uint32_t len)
{
	uint64_t at = offset / 4, end = m->nvectors * 4ull;

	if ((len != 4 && len != 8) || offset % len != 0 || at >= end)
		return;
	write_word(m, at, (uint32_t)bus_get(data, 4));
	if (len == 8)
		write_word(m, at + 1, (uint32_t)bus_get(data + 4, 4));
}

void
msix_pba_read(struct msix *m, uint64_t offset, uint8_t *data, uint32_t len)
{
	uint8_t bits[(MSIX_MAX_VECTORS + 63) / 64 * 8] = { 0 };

	/* Signals of sources that cannot fire are pending interrupts. */
	for (uint32_t s = 0; m->enabled && s < m->nsources; s++) {
		const struct msix_source *src = &m->source[s];

		if (!src->attached && src->vector != MSIX_NO_VECTOR &&
		    msix_poll(m, s))
			m->pending[src->vector] = true;
	}
	for (uint32_t v = 0; v < m->nvectors; v++)
		if (m->pending[v])
			bits[v / 8] |= (uint8_t)(1u << (v % 8));
	memset(data, 0, len);
	for (uint32_t i = 0; i < len; i++)
		if (offset + i < sizeof(bits))
			data[i] = bits[offset + i];
}

void
msix_reset(struct msix *m)
{
	for (uint32_t s = 0; s < m->nsources; s++) {
		detach(m, &m->source[s]);
		m->source[s].vector = MSIX_NO_VECTOR;
		(void)msix_poll(m, s);
	}
	memset(m->pending, 0, sizeof(m->pending));
}
