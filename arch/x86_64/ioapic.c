/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IOAPIC, see ioapic.h. A pin sends its message by hv_signal_msi from the
 * thread that raised the line. A level-triggered pin also has a route with the
 * hypervisor: from the routes below the pin count KVM learns of which vectors it
 * has to report the end.
 */
#include "arch/x86_64/ioapic.h"

#include <string.h>

#include "ipc/log.h"

enum ioapic_mmio { IOREGSEL = 0x00, IOWIN = 0x10 };
enum ioapic_reg { IOAPICID, IOAPICVER, IOAPICARB, IOREDTBL = 0x10 };

#define IOAPIC_VERSION 0x11u

#define RTE_VECTOR 0xffull
#define RTE_DELIVERY_STATUS (1ull << 12)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LEVEL (1ull << 15)
#define RTE_MASKED (1ull << 16)
/* Bits 17 to 48 are reserved; 49 to 55 are target bits 8 to 14. */
#define RTE_WRITABLE (0xfffe00000001ffffull & \
    ~(RTE_DELIVERY_STATUS | RTE_REMOTE_IRR))

void
ioapic_init(struct ioapic *io, struct hv_vm *vm)
{
	memset(io, 0, sizeof(*io));
	pthread_mutex_init(&io->lock, NULL);
	io->vm = vm;
	io->id = LAYOUT_IOAPIC_ID;
	for (unsigned int pin = 0; pin < LAYOUT_IOAPIC_PINS; pin++)
		io->entry[pin] = RTE_MASKED;
}

/* Intel SDM vol. 3A, 11.11: address and data of the message of an entry. */
static struct hv_msi
message_of(uint64_t entry)
{
	uint64_t dest = entry >> 56, dest_high = (entry >> 49) & 0x7f;
	uint64_t logical = (entry >> 11) & 1;

	return (struct hv_msi){
		.addr = LAYOUT_LAPIC | dest << 12 | dest_high << 5 |
		    logical << 2,
		/* vector and delivery mode; trigger, assert */
		.data = (uint32_t)(entry & 0x7ff) |
		    ((entry & RTE_LEVEL) != 0 ? 1u << 15 | 1u << 14 : 0),
	};
}

/* Send the interrupt of @pin if it may be sent now. */
static void
deliver(struct ioapic *io, uint32_t pin)
{
	uint64_t entry = io->entry[pin];
	struct hv_msi msi = message_of(entry);

	if ((entry & RTE_MASKED) != 0)
		return;
	if ((entry & RTE_LEVEL) != 0) {
		if ((entry & RTE_REMOTE_IRR) != 0)
			return;
		io->entry[pin] |= RTE_REMOTE_IRR;
	}
	if (hv_signal_msi(io->vm, &msi) < 0)
		log_guest("IOAPIC: pin %u sends a message that is none", pin);
}

void
ioapic_line(struct ioapic *io, uint32_t pin, bool high)
{
	uint32_t bit;

	if (pin >= LAYOUT_IOAPIC_PINS)
		return;
	bit = 1u << pin;
	pthread_mutex_lock(&io->lock);
	if (high && (io->lines & bit) == 0) {
		io->lines |= bit;
		deliver(io, pin);
	} else if (!high) {
		io->lines &= ~bit;
	}
	pthread_mutex_unlock(&io->lock);
}

void
ioapic_eoi(struct ioapic *io, uint32_t vector)
{
	pthread_mutex_lock(&io->lock);
	for (uint32_t pin = 0; pin < LAYOUT_IOAPIC_PINS; pin++) {
		uint64_t *e = &io->entry[pin];

		if ((*e & RTE_VECTOR) != vector || (*e & RTE_LEVEL) == 0 ||
		    (*e & RTE_REMOTE_IRR) == 0)
			continue;
		*e &= ~RTE_REMOTE_IRR;
		if ((io->lines >> pin & 1) != 0)
			deliver(io, pin);
	}
	pthread_mutex_unlock(&io->lock);
}

/* Level pins are told to the hypervisor, see above. */
static void
update_route(struct ioapic *io, uint32_t pin)
{
	uint64_t entry = io->entry[pin];
	struct hv_msi msi = message_of(entry);
	bool wanted = (entry & (RTE_LEVEL | RTE_MASKED)) == RTE_LEVEL;
	int rc = hv_set_route(io->vm, pin, wanted ? &msi : NULL);

	if (rc == 0)
		rc = hv_commit_routes(io->vm);
	if (rc < 0)
		log_guest("IOAPIC: pin %u: %s", pin, log_errname(rc));
}

static void
write_entry(struct ioapic *io, uint32_t reg, uint32_t value)
{
	uint32_t pin = (reg - IOREDTBL) / 2;
	uint64_t old = io->entry[pin], new;

	if (((reg - IOREDTBL) & 1) != 0)
		new = (old & 0xffffffffull) | (uint64_t)value << 32;
	else
		new = (old & ~0xffffffffull) | value;
	new = (new & RTE_WRITABLE) |
	    (old & (RTE_DELIVERY_STATUS | RTE_REMOTE_IRR));
	/* An edge-triggered pin has no remote IRR; going through edge is how
	 * a guest gets rid of a stuck one. */
	if ((new & RTE_LEVEL) == 0)
		new &= ~RTE_REMOTE_IRR;
	io->entry[pin] = new;
	if (((old | new) & RTE_LEVEL) != 0)
		update_route(io, pin);
	/* An edge that came while the pin was masked is lost, as in hardware. */
	if ((new & RTE_LEVEL) != 0 && (io->lines >> pin & 1) != 0)
		deliver(io, pin);
}

static uint32_t
read_register(const struct ioapic *io)
{
	uint32_t reg = io->select;

	switch (reg) {
	case IOAPICID:
	case IOAPICARB:
		return (uint32_t)io->id << 24;
	case IOAPICVER:
		return IOAPIC_VERSION | (LAYOUT_IOAPIC_PINS - 1) << 16;
	default:
		break;
	}
	if (reg < IOREDTBL || reg >= IOREDTBL + 2 * LAYOUT_IOAPIC_PINS)
		return 0xffffffff;
	return (uint32_t)(io->entry[(reg - IOREDTBL) / 2] >>
	    (((reg - IOREDTBL) & 1) * 32));
}

static void
ioapic_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct ioapic *io = owner;
	uint32_t value = 0;

	pthread_mutex_lock(&io->lock);
	if (offset == IOREGSEL)
		value = io->select;
	else if (offset == IOWIN)
		value = read_register(io);
	pthread_mutex_unlock(&io->lock);
	bus_put(data, len, value);
}

static void
ioapic_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct ioapic *io = owner;
	uint32_t value = (uint32_t)bus_get(data, len), reg;

	pthread_mutex_lock(&io->lock);
	reg = io->select;
	if (offset == IOREGSEL)
		io->select = (uint8_t)value;
	else if (offset != IOWIN)
		;
	else if (reg == IOAPICID)
		io->id = (value >> 24) & 0xf;
	else if (reg >= IOREDTBL && reg < IOREDTBL + 2 * LAYOUT_IOAPIC_PINS)
		write_entry(io, reg, value);
	pthread_mutex_unlock(&io->lock);
}

void
ioapic_save(struct ioapic *io, Bh__X86Platform *m)
{
	pthread_mutex_lock(&io->lock);
	m->ioapic_select = io->select;
	m->ioapic_id = io->id;
	m->ioapic_lines = io->lines;
	m->n_ioapic_entry = LAYOUT_IOAPIC_PINS;
	m->ioapic_entry = io->entry;
	pthread_mutex_unlock(&io->lock);
}

/* What was sent before it was saved is in the local APICs. */
void
ioapic_load(struct ioapic *io, const Bh__X86Platform *m)
{
	pthread_mutex_lock(&io->lock);
	io->select = (uint8_t)m->ioapic_select;
	io->id = (uint8_t)m->ioapic_id;
	io->lines = m->ioapic_lines;
	for (uint32_t pin = 0; pin < LAYOUT_IOAPIC_PINS; pin++) {
		uint64_t entry = m->ioapic_entry[pin] &
		    (RTE_WRITABLE | RTE_DELIVERY_STATUS | RTE_REMOTE_IRR);

		if ((entry & RTE_LEVEL) == 0)
			entry &= ~RTE_REMOTE_IRR;
		io->entry[pin] = entry;
		if ((entry & RTE_LEVEL) != 0)
			update_route(io, pin);
	}
	pthread_mutex_unlock(&io->lock);
}

const struct bus_ops ioapic_ops = {
	.read = ioapic_read, .write = ioapic_write,
};
