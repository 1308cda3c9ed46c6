/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The platform of the x86-64 machine: which devices are on the port and memory
 * buses besides PCI, and how they are wired. A machine has one.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/cmos.h"
#include "arch/x86_64/cpus.h"
#include "arch/x86_64/dimms.h"
#include "arch/x86_64/i8042.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/slots.h"
#include "ipc/gmem.h"
#include "vcpu-worker/serial.h"

const struct arch_layout arch_layout = {
	.ecam = LAYOUT_ECAM, .ecam_size = LAYOUT_ECAM_SIZE,
	.mmio32 = LAYOUT_MMIO32, .mmio32_size = LAYOUT_MMIO32_SIZE,
	.virtio_bar_size = LAYOUT_VIRTIO_BAR_SIZE,
	.first_msi_gsi = LAYOUT_IOAPIC_PINS,
};

static struct platform {
	struct ioapic ioapic;
	struct acpi acpi;
	struct cpus cpus;
	struct dimms dimms;	/* may be filled in before the rest */
	struct slots slots;
	struct cmos cmos;
	struct i8042 i8042;
	struct serial serial;
	bool has_serial;

	pthread_mutex_t debug_lock;
	struct bytering debug_out;
	int to_far;
	bool has_debug;

	Bh__X86Platform saved;
	Bh__SerialState saved_serial;
} platform;

/*
 * Ports where a PC has something that this machine has not, and where every
 * kernel looks: they answer all ones without a line in the log.
 */
static const struct { uint16_t base, size; } absent[] = {
	{ 0x00, 0x10 },		/* DMA controller */
	{ 0x20, 2 },		/* PIC */
	{ 0x40, 4 },		/* PIT */
	{ 0x81, 0x0f },		/* DMA pages; 0x92: fast A20 */
	{ 0xa0, 2 },		/* PIC */
	{ 0xc0, 0x20 },		/* DMA controller */
	{ 0xed, 1 },		/* a delay */
	{ 0x1f0, 8 }, { 0x170, 8 },	/* IDE */
	{ 0x278, 8 }, { 0x378, 8 },	/* parallel ports */
	{ 0x2e8, 8 }, { 0x2f8, 8 }, { 0x3e8, 8 },	/* COM4, COM2, COM3 */
	{ 0x3b0, 0x30 },	/* VGA */
	{ 0x3f0, 8 },		/* floppy */
	{ 0x4d0, 2 },		/* PIC trigger modes */
};

static void
absent_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	(void)owner;
	(void)offset;
	memset(data, 0xff, len);
}

static void
absent_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	(void)owner;
	(void)offset;
	(void)data;
	(void)len;
}

static const struct bus_ops absent_ops = {
	.read = absent_read, .write = absent_write,
};

/* POST codes: taken, and read back as nothing. */
static const struct bus_ops post_ops = {
	.read = absent_read, .write = absent_write,
};

static void
debug_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	(void)owner;
	(void)offset;
	/* How a guest finds that the port is there. */
	memset(data, LAYOUT_PORT_DEBUGCON, len);
}

/* Bytes that find the ring full are lost: nothing tells the guest to wait. */
static void
debug_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct platform *p = owner;
	const uint64_t one = 1;
	size_t n;

	(void)offset;
	pthread_mutex_lock(&p->debug_lock);
	n = bytering_put(&p->debug_out, data, len);
	/* EAGAIN: signalled already. */
	if (bytering_was_empty(&p->debug_out, n))
		(void)!write(p->to_far, &one, sizeof(one));
	pthread_mutex_unlock(&p->debug_lock);
}

static const struct bus_ops debug_ops = {
	.read = debug_read, .write = debug_write,
};

static void
serial_line(void *owner, bool high)
{
	struct platform *p = owner;

	ioapic_line(&p->ioapic, LAYOUT_GSI_COM1, high);
}

int
arch_irqchip_init(struct hv_vm *vm)
{
	return hv_create_irqchip(vm, LAYOUT_IOAPIC_PINS);
}

static void
memory_sizes(const struct gmem *mem, uint64_t end, uint64_t *low, uint64_t *high)
{
	*low = *high = 0;
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &mem->region[i];

		if (r->size == 0 || r->gpa >= end)
			continue;
		if (r->gpa >= LAYOUT_RAM64)
			*high += r->size;
		else if (r->gpa + r->size > *low)
			*low = r->gpa + r->size;
	}
}

static int
add_ports(const struct arch_platform_config *config)
{
	struct platform *p = &platform;
	struct bus *io = config->ports;
	int rc = bus_add(io, LAYOUT_PORT_CMOS, CMOS_WINDOW, &cmos_ops,
	    &p->cmos);

	if (rc == 0)
		rc = bus_add(io, LAYOUT_PORT_I8042, I8042_WINDOW, &i8042_ops,
		    &p->i8042);
	if (rc == 0)
		rc = bus_add(io, LAYOUT_PORT_ACPI_SLEEP, ACPI_WINDOW,
		    &acpi_ops, &p->acpi);
	if (rc == 0)
		rc = bus_add(io, LAYOUT_PORT_CPUS, CPUS_WINDOW, &cpus_ops,
		    &p->cpus);
	if (rc == 0)
		rc = bus_add(io, LAYOUT_PORT_DIMMS, DIMMS_WINDOW, &dimms_ops,
		    &p->dimms);
	if (rc == 0)
		rc = bus_add(io, LAYOUT_PORT_SLOTS, SLOTS_WINDOW, &slots_ops,
		    &p->slots);
	if (rc == 0)
		rc = bus_add(io, LAYOUT_PORT_POST, 1, &post_ops, p);
	if (rc == 0 && p->has_serial)
		rc = bus_add(io, LAYOUT_PORT_COM1, SERIAL_WINDOW, &serial_ops,
		    &p->serial);
	if (rc == 0 && p->has_debug)
		rc = bus_add(io, config->debug_console_port, 1, &debug_ops, p);
	/* Where something else was put there, that stays. */
	for (size_t i = 0; rc == 0 && i < sizeof(absent) / sizeof(absent[0]);
	    i++) {
		rc = bus_add(io, absent[i].base, absent[i].size, &absent_ops,
		    NULL);
		if (rc == -EEXIST)
			rc = 0;
	}
	return rc;
}

int
arch_platform_init(const struct arch_platform_config *config,
    const char **why)
{
	struct platform *p = &platform;
	uint64_t low, high;
	int rc;

	memory_sizes(config->mem, config->ram_end, &low, &high);
	ioapic_init(&p->ioapic, config->vm);
	acpi_init(&p->acpi, &p->ioapic, &config->host);
	cpus_init(&p->cpus, config->boot_vcpus, config->max_vcpus,
	    &config->host);
	dimms_init(&p->dimms, &config->host);
	slots_init(&p->slots, &config->host);
	cmos_init(&p->cmos, low, high, &config->host);
	i8042_init(&p->i8042, &config->host);
	p->to_far = config->to_far;
	p->has_serial = config->serial && config->rings != NULL;
	p->has_debug = config->debug_console && config->rings != NULL;
	if (p->has_serial)
		serial_init(&p->serial, &config->rings->serial_out,
		    &config->rings->serial_in, config->to_far, serial_line, p);
	pthread_mutex_init(&p->debug_lock, NULL);
	if (p->has_debug)
		bytering_resume(&p->debug_out, &config->rings->debug_out, 1);
	*why = "the debug console's port belongs to another device";
	rc = add_ports(config);
	if (rc < 0)
		return rc;
	*why = "no room on the memory bus";
	return bus_add(config->mmio, LAYOUT_IOAPIC, IOAPIC_WINDOW, &ioapic_ops,
	    &p->ioapic);
}

void
arch_eoi(uint32_t vector)
{
	ioapic_eoi(&platform.ioapic, vector);
}

int
arch_vcpus_resize(uint32_t want, arch_plug_fn *plug, void *arg)
{
	if (cpus_leaving(&platform.cpus))
		return -EBUSY;
	if (cpus_resize(&platform.cpus, want, plug, arg))
		acpi_notify(&platform.acpi, LAYOUT_GED_CPUS);
	return 0;
}

uint32_t
arch_vcpus_count(void)
{
	return cpus_count(&platform.cpus);
}

_Static_assert(ARCH_DIMMS == LAYOUT_DIMMS, "layout.h");

int
arch_dimm_add(uint32_t i, uint64_t base, uint64_t size, bool fresh)
{
	int rc = dimms_add(&platform.dimms, i, base, size, fresh);

	if (rc == 0 && fresh)
		acpi_notify(&platform.acpi, LAYOUT_GED_MEMORY);
	return rc;
}

int
arch_dimm_ask(uint32_t i)
{
	int rc = dimms_ask(&platform.dimms, i);

	if (rc == 0)
		acpi_notify(&platform.acpi, LAYOUT_GED_MEMORY);
	return rc;
}

void
arch_slot_changed(uint32_t bus, uint32_t slot, bool came)
{
	if (slots_changed(&platform.slots, bus, slot, came))
		acpi_notify(&platform.acpi, LAYOUT_GED_PCI);
}

void
arch_power_button(void)
{
	acpi_notify(&platform.acpi, LAYOUT_GED_POWER_BUTTON);
}

/* Intel SDM vol. 3A, 11.11.2: delivery mode NMI; the vector is not looked at. */
void
arch_nmi(struct hv_vm *vm, const struct arch_cpu_config *config)
{
	for (uint32_t i = 0; i < config->max_vcpus; i++) {
		uint32_t id = arch_vcpu_id(config, i);
		const struct hv_msi nmi = {
			.addr = LAYOUT_LAPIC | (id & 0xff) << 12 |
			    (id >> 8 & 0x7f) << 5,
			.data = 4u << 8,
		};

		if (cpus_present(&platform.cpus, i))
			(void)hv_signal_msi(vm, &nmi);
	}
}

void
arch_rings_ready(void)
{
	if (platform.has_serial)
		serial_ready(&platform.serial);
}

/* ---- Saving and loading ---- */

void
arch_platform_save(Bh__VmState *state)
{
	struct platform *p = &platform;
	Bh__X86Platform *m = &p->saved;

	bh__x86_platform__init(m);
	ioapic_save(&p->ioapic, m);
	acpi_save(&p->acpi, m);
	cpus_save(&p->cpus, m);
	dimms_save(&p->dimms, m);
	slots_save(&p->slots, m);
	cmos_save(&p->cmos, m);
	i8042_save(&p->i8042, m);
	if (p->has_serial) {
		bh__serial_state__init(&p->saved_serial);
		serial_save(&p->serial, &p->saved_serial);
		m->serial = &p->saved_serial;
	}
	state->x86 = m;
}

bool
arch_platform_is_last(const Bh__VmState *state)
{
	return state->x86 != NULL;
}

int
arch_platform_fits(const Bh__VmState *state, const char **why)
{
	struct platform *p = &platform;
	const Bh__X86Platform *m = state->x86;

	*why = "other vCPUs are there, or may come";
	if (!cpus_fit(&p->cpus, m))
		return -EINVAL;
	*why = "other DIMMs are there";
	if (!dimms_fit(&p->dimms, m))
		return -EINVAL;
	*why = "another number of PCI segments";
	if (!slots_fit(m))
		return -EINVAL;
	*why = "a serial port in one, and none in the other";
	return (m->serial != NULL) == p->has_serial ? 0 : -EINVAL;
}

/* The IOAPIC first: it knows which lines are high, and what of them was sent. */
void
arch_platform_load(const Bh__VmState *state)
{
	struct platform *p = &platform;
	const Bh__X86Platform *m = state->x86;

	ioapic_load(&p->ioapic, m);
	acpi_load(&p->acpi, m);
	cpus_load(&p->cpus, m);
	dimms_load(&p->dimms, m);
	slots_load(&p->slots, m);
	cmos_load(&p->cmos, m);
	i8042_load(&p->i8042, m);
	if (m->serial != NULL)
		serial_load(&p->serial, m->serial);
}
