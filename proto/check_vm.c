/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validator of VmState, see check_vm.h.
 */
#include "proto/check_vm.h"

#include <stddef.h>

#include "ipc/slots.h"
#include "proto/check_inside.h"
#include "proto/limits.h"

#define PCI_CONFIG 256u
#define CPUID_WORDS 7u
#define IOAPIC_PINS 24u
#define PCI_BUSES 256u
#define SERIAL_REGISTERS 7u
#define SERIAL_FIFO 16u

static const char *
check_pci(const Bh__PciState *m)
{
	REQUIRE(m != NULL, "no configuration space");
	REQUIRE(m->bdf <= 0xffff, "PCI address");
	REQUIRE(m->config.len == PCI_CONFIG, "size of a configuration space");
	return NULL;
}

static const char *
check_machine(const Bh__MachineState *m)
{
	const char *why = check_pci(m->bridge);

	REQUIRE(why == NULL, why);
	REQUIRE(m->max_vcpus >= 1 && m->max_vcpus <= FD_VCPU_COUNT, "number of vCPUs");
	REQUIRE(m->devices <= FD_DEVICE_COUNT, "number of devices");
	if (m->pvpanic != NULL) {
		why = check_pci(m->pvpanic->pci);
		REQUIRE(why == NULL, why);
		REQUIRE(m->pvpanic->seen < 4 && m->pvpanic->taken < 4,
		    "events of pvpanic");
	}
	if (m->i6300esb == NULL)
		return NULL;
	why = check_pci(m->i6300esb->pci);
	REQUIRE(why == NULL, why);
	REQUIRE(m->i6300esb->preload1 <= 0xfffff && m->i6300esb->preload2 <= 0xfffff &&
	    m->i6300esb->unlock <= 2 && m->i6300esb->stage <= 2 &&
	    m->i6300esb->left_ns <= 1ull << 50, "watchdog");
	return NULL;
}

/* ---- Devices ---- */

static bool
vector_of(uint32_t vector, size_t nvectors)
{
	return vector < nvectors || vector == 0xffff;
}

static const char *
check_queue(const Bh__VirtioQueueState *q, size_t nvectors)
{
	REQUIRE(q->max >= 1 && q->max <= 32768, "maximum of a queue");
	REQUIRE(q->size >= 1 && q->size <= q->max, "size of a queue");
	REQUIRE(vector_of(q->vector, nvectors), "vector of a queue");
	return NULL;
}

static const char *
check_post(const Bh__VirtioPostState *p, size_t config_len)
{
	REQUIRE(p->data.len <= 8 && power_of_two((uint32_t)p->data.len),
	    "width of a configuration write");
	REQUIRE(p->offset < config_len && p->data.len <= config_len - p->offset,
	    "place of a configuration write");
	return NULL;
}

static const char *
check_virtio(const Bh__VirtioState *m)
{
	const size_t nvectors = m->n_queues + 1;
	const char *why = check_pci(m->pci);

	REQUIRE(why == NULL, why);
	REQUIRE(m->index < FD_DEVICE_COUNT, "device index");
	REQUIRE(m->virtio_id >= 1 && m->virtio_id <= 0x3f, "virtio id");
	REQUIRE(m->n_queues <= DEVICE_LIMIT_QUEUES, "number of queues");
	REQUIRE(m->config.len <= DEVICE_LIMIT_CONFIG, "device configuration");
	REQUIRE(m->queue_select <= 0xffff && m->generation <= 0xff && m->isr <= 3,
	    "device registers");
	/* Bits of virtio 1.2, 2.1; a driver that runs has said that it does. */
	REQUIRE((m->status & ~0xcfu) == 0 && (!m->active || (m->status & 4) != 0),
	    "device status");
	REQUIRE(!m->active || !m->resetting, "a device that is active and in reset");
	REQUIRE(m->n_msix_table == 4 * nvectors && m->n_msix_pending == nvectors,
	    "MSI-X vectors");
	REQUIRE(vector_of(m->config_vector, nvectors), "vector of the configuration");
	for (size_t i = 0; i < nvectors; i++)
		REQUIRE(m->msix_table[4 * i + 3] <= 1, "MSI-X control");
	for (size_t i = 0; i < m->n_queues && why == NULL; i++)
		why = check_queue(m->queues[i], nvectors);
	REQUIRE(why == NULL, why);
	REQUIRE(m->n_posts <= VM_LIMIT_POSTS, "number of configuration writes");
	for (size_t i = 0; i < m->n_posts && why == NULL; i++)
		why = check_post(m->posts[i], m->config.len);
	return why;
}

/* ---- vCPUs ---- */

static const char *
check_events(const Bh__X86Events *e)
{
	REQUIRE(e != NULL, "no events");
	REQUIRE(e->exception_flags < 16 && e->interrupt_flags < 4 && e->nmi_flags < 8 &&
	    e->smi_flags < 16 && e->shadow < 4, "flags of events");
	REQUIRE(e->exception < 32 && e->interrupt < 256 && e->sipi_vector < 256,
	    "number of an event");
	return NULL;
}

static const char *
check_segment(const Bh__X86Segment *s)
{
	REQUIRE(s->selector <= 0xffff && s->type < 16 && s->dpl < 4 && s->flags < 64,
	    "segment");
	return NULL;
}

static const char *
check_x86_vcpu(const Bh__X86Vcpu *m)
{
	const char *why = NULL;

	REQUIRE(m != NULL, "no x86 state");
	REQUIRE(m->n_cpuid % CPUID_WORDS == 0 && m->n_cpuid > 0 &&
	    m->n_cpuid <= (size_t)CPUID_WORDS * VM_LIMIT_CPUID, "CPUID");
	for (size_t i = 2; i < m->n_cpuid; i += CPUID_WORDS)
		REQUIRE(m->cpuid[i] <= 1, "CPUID");
	REQUIRE(m->n_gpr == 16, "number of general registers");
	REQUIRE(m->n_segments == 8, "number of segments");
	for (size_t i = 0; i < m->n_segments && why == NULL; i++)
		why = check_segment(m->segments[i]);
	REQUIRE(why == NULL, why);
	REQUIRE(m->n_tables == 4 && m->tables[1] <= 0xffff && m->tables[3] <= 0xffff,
	    "descriptor tables");
	REQUIRE(m->n_control == 7, "number of control registers");
	REQUIRE(m->n_pdptr == 0 || m->n_pdptr == 4, "page directory pointers");
	REQUIRE(m->xsave.len >= PAGE && m->xsave.len <= VM_LIMIT_XSAVE &&
	    m->xsave.len % 4 == 0, "vector registers");
	REQUIRE(m->n_xcr % 2 == 0 && m->n_xcr <= 32, "extended control registers");
	for (size_t i = 0; i < m->n_xcr; i += 2)
		REQUIRE(m->xcr[i] <= UINT32_MAX, "extended control registers");
	REQUIRE(m->n_debug == 6, "number of debug registers");
	REQUIRE(m->n_msr_index == m->n_msr_value && m->n_msr_index <= VM_LIMIT_MSRS,
	    "number of MSRs");
	REQUIRE(m->lapic.len == 1024, "local APIC");
	REQUIRE(m->mp_state <= 4, "how a vCPU is");
	REQUIRE(m->tsc_khz >= 1, "frequency of the TSC");
	return check_events(m->events);
}

static const char *
check_vcpu(const Bh__VcpuState *m)
{
	REQUIRE(m->index < FD_VCPU_COUNT, "vCPU index");
	REQUIRE(protobuf_c_enum_descriptor_get_value(
	    &bh__vcpu_place_state__descriptor, (int)m->place) != NULL,
	    "where a vCPU is");
	return check_x86_vcpu(m->x86);
}

/* ---- Platform ---- */

static const char *
check_serial(const Bh__SerialState *s)
{
	REQUIRE(s->registers.len == SERIAL_REGISTERS, "registers of the serial port");
	REQUIRE(s->transmit.len <= SERIAL_FIFO && s->receive.len <= SERIAL_FIFO,
	    "FIFOs of the serial port");
	return NULL;
}

static const char *
check_x86_platform(const Bh__X86Platform *m)
{
	const Bh__X86I8042 *k = m->i8042;

	REQUIRE(m->n_ioapic_entry == IOAPIC_PINS && m->ioapic_select <= 0xff &&
	    m->ioapic_id <= 15 && m->ioapic_lines >> IOAPIC_PINS == 0, "IOAPIC");
	REQUIRE(m->acpi_events <= 0xff, "ACPI events");
	REQUIRE(m->cpus_flags.len >= 1 && m->cpus_flags.len <= FD_VCPU_COUNT,
	    "registers of vCPUs");
	REQUIRE(m->n_dimms == (size_t)3 * DIMM_LIMIT, "DIMMs");
	for (size_t i = 2; i < m->n_dimms; i += 3)
		REQUIRE(m->dimms[i] <= 0xff, "DIMMs");
	REQUIRE(m->n_slots_came == m->n_slots_leaves && m->n_slots_came <= PCI_BUSES,
	    "PCI slots");
	REQUIRE(m->cmos_index <= 0xff && m->cmos_ram.len == 128, "CMOS");
	REQUIRE(k != NULL && k->command <= 0xff && k->mode <= 0xff &&
	    k->output <= 0xff && k->port_b <= 0xff, "keyboard controller");
	return m->serial != NULL ? check_serial(m->serial) : NULL;
}

const char *
proto_check_vm_state(const Bh__VmState *state)
{
	const char *why = proto_check_fields(&state->base);

	if (why == NULL && state->machine != NULL)
		why = check_machine(state->machine);
	for (size_t i = 0; i < state->n_vcpus && why == NULL; i++)
		why = check_vcpu(state->vcpus[i]);
	for (size_t i = 0; i < state->n_virtio && why == NULL; i++)
		why = check_virtio(state->virtio[i]);
	if (why == NULL && state->x86 != NULL)
		why = check_x86_platform(state->x86);
	return why;
}
