/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a VM, see save.h. Two rounds over the file: the first only looks, the second
 * changes the VM. Both take the records in their order, one at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/check_vm.h"
#include "proto/limits.h"
#include "vcpu-worker/save.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)
#define TAG_VERSION 0x08u	/* field 1, a number */
#define WIRE_MASK 7u
#define WIRE_BYTES 2u		/* a length, then so many bytes */
#define MAX_TAG 0x7au		/* field 15, bytes: one byte of tag */

static struct chan_arena arena;
static uint8_t record[VM_LIMIT_RECORD];
static char text[200];

struct reader {
	struct vm *vm;
	bool apply;
	uint64_t at;
	const Bh__VmState *state;	/* the record */
	uint32_t devices;		/* that are to come */
	const char *why;
};

static int
refuse(struct reader *r, const char *why)
{
	r->why = why;
	return -EPROTO;
}

/* ---- Records ---- */

size_t
vm_record_size(const uint8_t *bytes, size_t len)
{
	size_t size = 0;

	if (len < 2)
		return 0;
	if (bytes[0] == TAG_VERSION)
		return bytes[1] < 0x80 ? 2 : 0;
	if ((bytes[0] & WIRE_MASK) != WIRE_BYTES || bytes[0] > MAX_TAG)
		return 0;
	/* A length of protobuf: 7 bits a byte, the last without bit 7. */
	for (size_t i = 1; i < len && i < 4; i++) {
		size |= (size_t)(bytes[i] & 0x7f) << (7 * (i - 1));
		if (bytes[i] < 0x80)
			return size + i + 1;
	}
	return 0;
}

const Bh__VmState *
vm_record_decode(const uint8_t *bytes, size_t len, const char **why)
{
	ProtobufCAllocator alloc = chan_arena_allocator(&arena);
	const Bh__VmState *state;

	arena.used = 0;
	state = bh__vm_state__unpack(&alloc, len, bytes);
	*why = "not decodable";
	if (state == NULL)
		return NULL;
	*why = proto_check_vm_state(state);
	return *why == NULL ? state : NULL;
}

/* The next record into r->state; 0 at the end. */
static int
next(struct reader *r)
{
	ssize_t n = pread(FD_VM_STATE, record, VM_RECORD_HEAD, (off_t)r->at);
	size_t size;

	if (n < 0)
		return refuse(r, "it cannot be read");
	if (n == 0)
		return 0;
	size = vm_record_size(record, (size_t)n);
	if (size == 0 || size > sizeof(record))
		return refuse(r, "no record where one should be");
	n = pread(FD_VM_STATE, record, size, (off_t)r->at);
	if (n < 0 || (size_t)n != size)
		return refuse(r, "it ends in the middle of a record");
	r->state = vm_record_decode(record, size, &r->why);
	if (r->state == NULL)
		return -EPROTO;
	r->at += size;
	return 1;
}

static int
expect(struct reader *r, const char *missing)
{
	int rc = next(r);

	return rc == 0 ? refuse(r, missing) : rc;
}

/* ---- The parts, each of one record ---- */

static int
version(struct reader *r)
{
	int rc = expect(r, "it is empty");

	if (rc < 0)
		return rc;
	if (record[0] != TAG_VERSION)
		return refuse(r, "it begins with no version");
	if (r->state->version >= VM_STATE_OLDEST &&
	    r->state->version <= VM_STATE_VERSION)
		return 0;
	(void)snprintf(text, sizeof(text), "state version %u; this program reads %u to %u",
	    r->state->version, VM_STATE_OLDEST, VM_STATE_VERSION);
	return refuse(r, text);
}

static int
pci_place(struct reader *r, const char *what, const struct pci_function *fn,
    const Bh__PciState *m)
{
	const char *wrong;

	if ((fn->host != NULL) != (m != NULL))
		wrong = "it is in one, and not in the other";
	else
		wrong = m != NULL ? pci_fits(fn, m) : NULL;
	if (wrong == NULL)
		return 0;
	(void)snprintf(text, sizeof(text), "%s: %s", what, wrong);
	r->why = text;
	return -EINVAL;
}

static int
machine_fits(struct reader *r, const Bh__MachineState *m)
{
	const struct vm *vm = r->vm;
	uint32_t devices = 0;
	int rc;

	for (uint32_t i = 0; i < FD_DEVICE_COUNT; i++)
		devices += vm->device[i] != NULL;
	if (m->max_vcpus != vm->cpus.max_vcpus || m->devices != devices) {
		(void)snprintf(text, sizeof(text), "it has up to %u vCPUs and %u virtio "
		    "devices, this VM %u and %u", m->max_vcpus, m->devices,
		    vm->cpus.max_vcpus, devices);
		r->why = text;
		return -EINVAL;
	}
	rc = pci_place(r, "host bridge", &vm->pci.bridge, m->bridge);
	if (rc == 0)
		rc = pci_place(r, "pvpanic", &vm->pvpanic.fn,
		    m->pvpanic != NULL ? m->pvpanic->pci : NULL);
	if (rc == 0)
		rc = pci_place(r, "6300ESB watchdog", &vm->watchdog.fn,
		    m->i6300esb != NULL ? m->i6300esb->pci : NULL);
	return rc;
}

static void
load_machine(struct vm *vm, const Bh__MachineState *m)
{
	hv_clock_load(vm->hv, m->clock_ns);
	vm->pci.address = m->pci_address;
	pci_load(&vm->pci.bridge, m->bridge);
	if (m->pvpanic != NULL)
		pvpanic_load(&vm->pvpanic, m->pvpanic);
	if (m->i6300esb != NULL)
		i6300esb_load(&vm->watchdog, m->i6300esb);
}

static int
machine(struct reader *r)
{
	int rc = expect(r, "no machine");

	if (rc < 0)
		return rc;
	if (r->state->machine == NULL)
		return refuse(r, "no machine");
	r->devices = r->state->machine->devices;
	rc = machine_fits(r, r->state->machine);
	if (rc == 0 && r->apply)
		load_machine(r->vm, r->state->machine);
	return rc;
}

static int
vcpu(struct reader *r, struct vcpu *v)
{
	const char *why = "";
	const Bh__VcpuState *m;
	int rc = expect(r, "too few vCPUs");

	if (rc < 0)
		return rc;
	if (r->state->n_vcpus != 1 || r->state->vcpus[0]->index != v->index)
		return refuse(r, "vCPUs out of order");
	m = r->state->vcpus[0];
	if (v->index == 0 && m->place != BH__VCPU_PLACE_STATE__VCPU_PLACE_STATE_IN)
		return refuse(r, "the first vCPU is not there");
	rc = r->apply ? arch_vcpu_load(v->hv, m, &why) : arch_vcpu_fits(m, &why);
	if (rc < 0) {
		(void)snprintf(text, sizeof(text), "vCPU %u: %s", v->index, why);
		r->why = text;
		return rc;
	}
	if (r->apply) {
		atomic_store(&v->place, (enum vcpu_place)m->place);
		hv_vcpu_was_away(v->hv);
	}
	return 0;
}

static int
device(struct reader *r, uint32_t *index)
{
	struct device *d;
	const Bh__VirtioState *m;
	const char *wrong;
	int rc = expect(r, "too few devices");

	if (rc < 0)
		return rc;
	if (r->state->n_virtio != 1 || r->state->virtio[0]->index < *index)
		return refuse(r, "devices out of order");
	m = r->state->virtio[0];
	*index = m->index + 1;
	d = r->vm->device[m->index];
	wrong = d == NULL ? "it is not in this VM" : virtio_pci_fits(&d->vp, m);
	if (wrong != NULL) {
		(void)snprintf(text, sizeof(text), "device %u, PCI " PCI_NAME ": %s", m->index,
		    PCI_NAME_OF(m->pci->bdf), wrong);
		r->why = text;
		return -EINVAL;
	}
	if (r->apply)
		virtio_pci_load(&d->vp, m);
	return 0;
}

static int
platform(struct reader *r)
{
	int rc = expect(r, "no platform");

	if (rc < 0)
		return rc;
	if (!arch_platform_is_last(r->state))
		return refuse(r, "no platform of this architecture");
	rc = arch_platform_fits(r->state, &r->why);
	if (rc == 0 && r->apply)
		arch_platform_load(r->state);
	if (rc < 0)
		return rc;
	rc = next(r);
	return rc == 1 ? refuse(r, "more follows its end") : rc;
}

static int
round_over(struct reader *r)
{
	uint32_t index = 0;
	int rc;

	r->at = 0;
	rc = version(r);
	if (rc == 0)
		rc = machine(r);
	for (uint32_t i = 0; rc == 0 && i < r->vm->cpus.max_vcpus; i++)
		rc = vcpu(r, &r->vm->vcpu[i]);
	for (uint32_t i = 0; rc == 0 && i < r->devices; i++)
		rc = device(r, &index);
	return rc == 0 ? platform(r) : rc;
}

int
vm_load(struct vm *vm, bool *touched, const char **why)
{
	struct reader r = { .vm = vm };
	int rc, seals = fcntl(FD_VM_STATE, F_GET_SEALS);

	*why = "the memfd of the state is not sealed";
	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EINVAL;
	rc = round_over(&r);
	if (rc == 0) {
		r.apply = true;
		*touched = true;
		rc = round_over(&r);
	}
	*why = r.why;
	return rc;
}
