/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validators, see check.h. First a walk over the descriptors that protobuf-c
 * generates, the same for every message: no unknown field, enums in range,
 * strings printable UTF-8 of bounded length. Then one function a message for
 * what a descriptor cannot say.
 */
#include "proto/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ipc/slots.h"
#include "proto/check_inside.h"
#include "proto/limits.h"

#define MAX_STRING 4096u	/* paths; the command line has its own limit */
#define MAX_CMDLINE 65536u
#define MAX_VCPUS FD_VCPU_COUNT
#define MAX_DEPTH 4u		/* Packet or VmState, body, its parts, their parts */

/* ---- the generic walk ------------------------------------------------------- */

/*
 * Length of the UTF-8 sequence at @s of at most @n bytes, 0 if it is not one, or
 * stands for a control character (RFC 3629).
 */
static size_t
utf8_char(const uint8_t *s, size_t n)
{
	static const struct { uint8_t mask, lead; uint32_t min; } form[] = {
		{ 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (size_t f = 0; f < 3; f++) {
		uint32_t c = s[0] & (uint8_t)~form[f].mask;

		if ((s[0] & form[f].mask) != form[f].lead || n < f + 2)
			continue;
		for (size_t i = 1; i < f + 2; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3f);
		}
		if (c < form[f].min || c > 0x10ffff || c < 0xa0 ||
		    (c >= 0xd800 && c <= 0xdfff))
			return 0;
		return f + 2;
	}
	return 0;
}

static const char *
check_string(const char *string, size_t max)
{
	const uint8_t *s = (const uint8_t *)string;
	size_t n = strnlen(string, max + 1);

	REQUIRE(n <= max, "string too long");
	while (n > 0) {
		size_t len = utf8_char(s, n);

		REQUIRE(len != 0, "string is not printable UTF-8");
		s += len;
		n -= len;
	}
	return NULL;
}

static bool
enum_known(const ProtobufCEnumDescriptor *e, int value)
{
	return protobuf_c_enum_descriptor_get_value(e, value) != NULL;
}

static const char *check_message(const ProtobufCMessage *m, unsigned int depth);

/* The texts that may be longer than others, by their numbers: names are left out. */
static size_t
longest(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
	bool cmdline = f->id == 5 && (d == &bh__load_config__descriptor ||
	    d == &bh__api_value__descriptor);

	return cmdline ? MAX_CMDLINE : MAX_STRING;
}

/* One value of field @f of @d: @at points to it in the message's struct. */
static const char *
check_value(const ProtobufCMessageDescriptor *d,
    const ProtobufCFieldDescriptor *f, const void *at, unsigned int depth)
{
	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *s = *(char *const *)at;

		return s ? check_string(s, longest(d, f)) : NULL;
	}
	case PROTOBUF_C_TYPE_ENUM:
		REQUIRE(enum_known(f->descriptor, *(const int *)at),
		    "unknown enum value");
		return NULL;
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *sub =
		    *(ProtobufCMessage *const *)at;

		return sub ? check_message(sub, depth + 1) : NULL;
	}
	default:
		return NULL;
	}
}

/* Recursion follows the schema, which is not recursive, and is bounded. */
static const char *
check_message(const ProtobufCMessage *m, unsigned int depth)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	const uint8_t *base = (const uint8_t *)m;
	const char *why = NULL;

	REQUIRE(depth <= MAX_DEPTH, "nested too deep");
	REQUIRE(m->n_unknown_fields == 0, "unknown field");
	for (unsigned int i = 0; i < d->n_fields && why == NULL; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
			const uint32_t *which = (const void *)
			    (base + f->quantifier_offset);

			if (*which == f->id)
				why = check_value(d, f, base + f->offset, depth);
		} else if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)(const void *)
			    (base + f->quantifier_offset);
			const uint8_t *array = *(uint8_t *const *)
			    (const void *)(base + f->offset);
			size_t step = f->type == PROTOBUF_C_TYPE_ENUM ?
			    sizeof(int) : sizeof(void *);

			if (f->type != PROTOBUF_C_TYPE_STRING &&
			    f->type != PROTOBUF_C_TYPE_MESSAGE &&
			    f->type != PROTOBUF_C_TYPE_ENUM)
				continue;
			for (size_t k = 0; k < n && why == NULL; k++)
				why = check_value(d, f, array + k * step, depth);
		} else {
			why = check_value(d, f, base + f->offset, depth);
		}
	}
	return why;
}

const char *
proto_check_fields(const ProtobufCMessage *m)
{
	return check_message(m, 0);
}

/* ---- what a descriptor cannot say ------------------------------------------- */

static const char *
check_region(const Bh__MemoryRegion *r)
{
	uint64_t end;

	REQUIRE(r != NULL, "no region");
	REQUIRE(r->slot < GMEM_LIMIT_REGIONS, "memory slot out of range");
	REQUIRE(r->size != 0 && (r->gpa | r->size | r->offset) % PAGE == 0,
	    "memory region not page aligned");
	REQUIRE(!__builtin_add_overflow(r->gpa, r->size, &end) &&
	    !__builtin_add_overflow(r->offset, r->size, &end),
	    "memory region wraps");
	REQUIRE(!r->readonly || !r->discard, "read only and discarded");
	return NULL;
}

static const char *
check_boot(const Bh__BootState *b)
{
	REQUIRE(b != NULL, "no boot state");
	return NULL;
}

/* 64-bit PCI window; the machine has to make sense before KVM sees it. */
static const char *
check_machine(uint32_t boot, uint32_t max, const Bh__Topology *t,
    uint64_t mmio_base, uint64_t mmio_size)
{
	uint64_t n;

	REQUIRE(boot >= 1 && boot <= max && max <= MAX_VCPUS,
	    "vCPU counts out of range");
	if (t != NULL) {
		REQUIRE(t->threads && t->cores && t->dies && t->packages,
		    "topology with a zero");
		REQUIRE(!__builtin_mul_overflow((uint64_t)t->threads * t->cores,
		    (uint64_t)t->dies * t->packages, &n) && n == max,
		    "topology does not multiply to the vCPUs");
	}
	REQUIRE((mmio_base | mmio_size) % PAGE == 0 &&
	    !__builtin_add_overflow(mmio_base, mmio_size, &n),
	    "PCI window not aligned");
	return NULL;
}

static bool
address_length(size_t len)
{
	return len == 0 || len == 4 || len == 16;
}

static const char *
check_user_net(const Bh__UserNet *m)
{
	REQUIRE(m->n_ports <= USER_NET_LIMIT_PORTS, "too many published ports");
	for (size_t i = 0; i < m->n_ports; i++) {
		const Bh__PublishedPort *port = m->ports[i];

		REQUIRE(port->host >= 1 && port->host <= 65535 &&
		    port->guest >= 1 && port->guest <= 65535, "port");
		REQUIRE(address_length(port->address.len), "address of a port");
	}
	REQUIRE(m->mtu <= 65520, "mtu");
	REQUIRE(m->host_mac.len == 0 || m->host_mac.len == 6, "host_mac");
	REQUIRE(address_length(m->address.len) && address_length(m->mask.len) &&
	    address_length(m->gateway.len) && address_length(m->dns.len),
	    "address");
	return NULL;
}

static const char *
check_spawn(const Bh__Spawn *m)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		REQUIRE(m->slots[i] >= FD_CTL && m->slots[i] < FD_INCOMING,
		    "fd slot out of range");
		for (size_t k = 0; k < i; k++)
			REQUIRE(m->slots[k] != m->slots[i], "fd slot twice");
	}
	REQUIRE(m->n_slots >= 1 && m->slots[0] == FD_CTL,
	    "the control channel is not first");
	REQUIRE(m->n_uid_map <= FS_LIMIT_ID_RANGES &&
	    m->n_gid_map <= FS_LIMIT_ID_RANGES, "ranges of ids");
	if (m->user_net != NULL)
		return check_user_net(m->user_net);
	return NULL;
}

static const char *
check_tap(const Bh__TapConfig *t)
{
	REQUIRE(t != NULL, "no tap");
	REQUIRE(t->queue_pairs >= 1 && t->queue_pairs <= 32, "queue pairs");
	REQUIRE(t->ip.len == 0 || t->ip.len == 4 || t->ip.len == 16, "ip");
	REQUIRE(t->mask.len == t->ip.len, "mask");
	REQUIRE(t->host_mac.len == 0 || t->host_mac.len == 6, "host_mac");
	REQUIRE(t->guest_mac.len == 6, "guest_mac");
	REQUIRE(t->guard_ip4.len % 4 == 0 &&
	    t->guard_ip4.len <= (size_t)NET_LIMIT_GUARD_IPS * 4, "guard_ip4");
	REQUIRE(t->guard_ip6.len % 16 == 0 &&
	    t->guard_ip6.len <= (size_t)NET_LIMIT_GUARD_IPS * 16, "guard_ip6");
	REQUIRE(t->mtu <= 65535, "mtu");
	return NULL;
}

static const char *
check_segments(size_t n, Bh__PciSegment *const *segments)
{
	uint64_t end;

	REQUIRE(n >= 1 && n <= PCI_LIMIT_SEGMENTS, "number of PCI segments");
	for (size_t i = 0; i < n; i++) {
		const Bh__PciSegment *s = segments[i];

		REQUIRE(s->mmio32_size != 0 && s->mmio32_base <= UINT32_MAX &&
		    s->mmio32_size <= (1ull << 32) - s->mmio32_base,
		    "32-bit window of a PCI segment");
		REQUIRE(!__builtin_add_overflow(s->mmio64_base, s->mmio64_size,
		    &end), "64-bit window of a PCI segment");
	}
	return NULL;
}

static const char *
check_numa(const Bh__LoadConfig *m)
{
	const Bh__Numa *numa = m->numa;
	uint64_t end;

	for (size_t i = 0; i < m->n_segments; i++)
		REQUIRE(m->segments[i]->node < (numa != NULL ? numa->nodes : 1),
		    "node of a PCI segment");
	if (numa == NULL)
		return NULL;
	REQUIRE(numa->nodes >= 1 && numa->nodes <= NUMA_LIMIT_NODES,
	    "number of nodes");
	REQUIRE(numa->n_memory <= GMEM_LIMIT_REGIONS, "memory of nodes");
	for (size_t i = 0; i < numa->n_memory; i++)
		REQUIRE(numa->memory[i]->node < numa->nodes &&
		    !__builtin_add_overflow(numa->memory[i]->gpa,
		    numa->memory[i]->size, &end), "memory of a node");
	REQUIRE(numa->vcpus.len == m->max_vcpus, "nodes of the vCPUs");
	for (size_t i = 0; i < numa->vcpus.len; i++)
		REQUIRE(numa->vcpus.data[i] < numa->nodes, "node of a vCPU");
	REQUIRE(numa->distances.len == (size_t)numa->nodes * numa->nodes,
	    "distances");
	return NULL;
}

static const char *
check_vm_config(const Bh__VmConfig *m)
{
	const char *why;

	REQUIRE(m->memory_reserve % PAGE == 0, "reserve not page aligned");
	REQUIRE(m->max_phys_bits <= 64, "max_phys_bits");
	REQUIRE(m->debug_console_port <= UINT16_MAX, "debug console port");
	REQUIRE(m->pvpanic_bdf <= UINT16_MAX, "bdf of pvpanic");
	REQUIRE(m->i6300esb_bdf <= UINT16_MAX, "bdf of i6300esb");
	REQUIRE(m->n_affinity <= MAX_VCPUS, "affinity");
	for (size_t i = 0; i < m->n_affinity; i++)
		REQUIRE(m->affinity[i]->vcpu < MAX_VCPUS, "affinity");
	why = check_segments(m->n_segments, m->segments);
	return why != NULL ? why : check_machine(m->boot_vcpus, m->max_vcpus, m->topology,
	    m->mmio64_base, m->mmio64_size);
}

static const char *
check_pci_device(const Bh__PciDevice *m)
{
	REQUIRE(m->index < FD_DEVICE_COUNT, "device index");
	REQUIRE(m->bdf <= UINT16_MAX, "bdf");
	REQUIRE(m->device != NULL, "no device");
	return check_device_ready(m->device);
}

static const char *
check_replace_device(const Bh__ReplaceDevice *m)
{
	REQUIRE(m->index < FD_DEVICE_COUNT, "device index");
	REQUIRE(m->device != NULL, "no device");
	return check_device_ready(m->device);
}

static const char *
check_open(const Bh__Open *m)
{
	if (m->kind == BH__OPEN_KIND__OPEN_KIND_TAP)
		return check_tap(m->tap);
	if (m->kind == BH__OPEN_KIND__OPEN_KIND_GUARD) {
		REQUIRE(m->tap != NULL && m->tap->index != 0 &&
		    m->tap->index <= INT32_MAX, "interface");
		return check_tap(m->tap);
	}
	REQUIRE(m->tap == NULL, "tap settings without a tap");
	REQUIRE((!m->folder && !m->below) ||
	    m->kind == BH__OPEN_KIND__OPEN_KIND_DISK ||
	    m->kind == BH__OPEN_KIND__OPEN_KIND_DISK_READONLY,
	    "a folder for what is no disk");
	REQUIRE(!m->folder || !m->below, "a folder below a folder");
	return NULL;
}

static const char *
check_allow_paths(const Bh__AllowPaths *m)
{
	for (size_t i = 0; i < m->n_access; i++)
		REQUIRE(m->access[i] >= 1 && m->access[i] <= 3, "access");
	return NULL;
}

static const char *
check_opened(const Bh__Opened *m)
{
	REQUIRE(m->block_size == 0 || (power_of_two(m->block_size) &&
	    m->block_size >= 512 && m->block_size <= 65536), "block size");
	REQUIRE(m->tap_mac.len == 0 || m->tap_mac.len == 6, "tap_mac");
	return NULL;
}

static const char *
check_want_file(const Bh__WantFile *m)
{
	REQUIRE(m->name[0] != '\0', "no file name");
	return check_string(m->name, FILE_NAME_LIMIT);
}

static const char *
check_give_file(const Bh__GiveFile *m)
{
	REQUIRE(m->error >= 0 && m->error <= 4095, "errno");
	REQUIRE((m->error == 0) == (m->file != NULL), "a file and an error");
	return check_string(m->text, 480);
}

static const char *
check_failed(const Bh__Failed *m)
{
	REQUIRE(m->error >= 1 && m->error <= 4095, "errno");
	return check_string(m->text, 480);
}

static const char *
check_api_options(size_t n, Bh__ApiOption *const *m)
{
	for (size_t i = 0; i < n; i++) {
		REQUIRE(m[i]->option[0] != '\0', "option without a name");
		for (size_t k = 0; k < m[i]->n_values; k++)
			REQUIRE(m[i]->values[k]->name[0] != '\0' &&
			    m[i]->values[k]->value_case !=
			    BH__API_VALUE__VALUE__NOT_SET, "empty value");
	}
	return NULL;
}

static const char *
check_api_answer(const Bh__ApiAnswer *m)
{
	REQUIRE(m->status >= 200 && m->status <= 599, "status");
	REQUIRE(m->status >= 300 || m->n_errors == 0, "success with errors");
	return check_api_options(m->n_options, m->options);
}

static const char *
check_api_event(const Bh__ApiEvent *m)
{
	REQUIRE(m->nanoseconds < 1000000000u, "nanoseconds");
	REQUIRE(m->source[0] != '\0' && m->event[0] != '\0', "event");
	for (size_t i = 0; i < m->n_properties; i++)
		REQUIRE(m->properties[i]->value_case !=
		    BH__API_VALUE__VALUE__NOT_SET, "empty value");
	return NULL;
}

const char *
proto_check(const Bh__Packet *p)
{
	const char *why = check_message(&p->base, 0);

	if (why != NULL)
		return why;
	switch ((unsigned int)p->body_case) {
	case BH__PACKET__BODY_HELLO:
		return check_string(p->hello->build_id, 64);
	case BH__PACKET__BODY_LOG:
		return check_string(p->log->text, 480);
	case BH__PACKET__BODY_FAILED:
		return check_failed(p->failed);
	case BH__PACKET__BODY_SPAWN:
		return check_spawn(p->spawn);
	case BH__PACKET__BODY_REMEMBER:
		REQUIRE(p->remember->name[0] != '\0' &&
		    strchr(p->remember->name, '/') == NULL, "file name");
		return NULL;
	case BH__PACKET__BODY_REMEMBER_FILTER:
		REQUIRE(p->remember_filter->ifindex >= 1 &&
		    p->remember_filter->ifindex <= INT32_MAX, "interface");
		return NULL;
	case BH__PACKET__BODY_OPEN:
		return check_open(p->open);
	case BH__PACKET__BODY_ALLOW_PATHS:
		return check_allow_paths(p->allow_paths);
	case BH__PACKET__BODY_OPENED:
		return check_opened(p->opened);
	case BH__PACKET__BODY_ADD_MEMORY:
		return check_region(p->add_memory->region);
	case BH__PACKET__BODY_REMOVE_MEMORY:
		REQUIRE(p->remove_memory->slot < GMEM_LIMIT_REGIONS, "slot");
		return NULL;
	case BH__PACKET__BODY_LOAD_CONFIG:
		why = check_segments(p->load_config->n_segments,
		    p->load_config->segments);
		if (why == NULL)
			why = check_numa(p->load_config);
		return why != NULL ? why : check_machine(p->load_config->boot_vcpus,
		    p->load_config->max_vcpus, p->load_config->topology,
		    p->load_config->mmio64_base, p->load_config->mmio64_size);
	case BH__PACKET__BODY_LOADED:
		return check_boot(p->loaded->boot);
	case BH__PACKET__BODY_SNAPSHOT_FILES:
		return check_snapshot_files(p->snapshot_files);
	case BH__PACKET__BODY_SNAPSHOT_PART:
		return check_snapshot_part(p->snapshot_part);
	case BH__PACKET__BODY_SNAPSHOT_CONFIG:
		return check_api_options(p->snapshot_config->n_options,
		    p->snapshot_config->options);
	case BH__PACKET__BODY_VM_CONFIG:
		return check_vm_config(p->vm_config);
	case BH__PACKET__BODY_PCI_DEVICE:
		return check_pci_device(p->pci_device);
	case BH__PACKET__BODY_REPLACE_DEVICE:
		return check_replace_device(p->replace_device);
	case BH__PACKET__BODY_LOSE_DEVICE:
		REQUIRE(p->lose_device->index < FD_DEVICE_COUNT, "device index");
		return NULL;
	case BH__PACKET__BODY_START_VM:
		if (p->start_vm->load)
			return p->start_vm->boot == NULL ? NULL : "boot state";
		return check_boot(p->start_vm->boot);
	case BH__PACKET__BODY_GUEST_STOPPED:
		return check_string(p->guest_stopped->text, 480);
	case BH__PACKET__BODY_RESIZE_VCPUS:
		REQUIRE(p->resize_vcpus->count >= 1 &&
		    p->resize_vcpus->count <= MAX_VCPUS, "number of vCPUs");
		return NULL;
	case BH__PACKET__BODY_KEPT_FILE:
		REQUIRE(p->kept_file->n_ids <= KEPT_LIMIT, "number of files");
		return 0;
	case BH__PACKET__BODY_KEEP_FILE:
		return 0;
	case BH__PACKET__BODY_UNPLUG_DEVICE:
		REQUIRE(p->unplug_device->index < FD_DEVICE_COUNT, "device index");
		return 0;
	case BH__PACKET__BODY_DRIVER_RUNS:
		REQUIRE(p->driver_runs->index < FD_DEVICE_COUNT, "device index");
		return NULL;
	case BH__PACKET__BODY_DEVICE_EJECTED:
		REQUIRE(p->device_ejected->bdf <= UINT16_MAX, "PCI address");
		return 0;
	case BH__PACKET__BODY_VCPUS_CHANGED:
		REQUIRE(p->vcpus_changed->count >= 1 &&
		    p->vcpus_changed->count <= MAX_VCPUS, "number of vCPUs");
		return NULL;
	case BH__PACKET__BODY_PLUG_DIMM:
		REQUIRE(p->plug_dimm->index < DIMM_LIMIT, "DIMM");
		REQUIRE(p->plug_dimm->size != 0 &&
		    (p->plug_dimm->start | p->plug_dimm->size) %
		    MEM_LIMIT_ALIGN == 0, "place of a DIMM");
		return NULL;
	case BH__PACKET__BODY_UNPLUG_DIMM:
		REQUIRE(p->unplug_dimm->index < DIMM_LIMIT, "DIMM");
		return NULL;
	case BH__PACKET__BODY_DIMM_CHANGED:
		REQUIRE(p->dimm_changed->index < DIMM_LIMIT, "DIMM");
		return NULL;
	case BH__PACKET__BODY_GUEST_PANICKED:
		REQUIRE(p->guest_panicked->events >= 1 &&
		    p->guest_panicked->events <= 3, "events of pvpanic");
		return NULL;
	case BH__PACKET__BODY_DEVICE_CONFIG:
		return check_device_config(p->device_config);
	case BH__PACKET__BODY_DEVICE_READY:
		return check_device_ready(p->device_ready);
	case BH__PACKET__BODY_DEVICE_STATE:
		return check_device_state(p->device_state);
	case BH__PACKET__BODY_CONSOLE_SIZE:
		REQUIRE(p->console_size->columns <= UINT16_MAX &&
		    p->console_size->rows <= UINT16_MAX, "terminal size");
		return NULL;
	case BH__PACKET__BODY_RESIZE_DISK:
		REQUIRE(p->resize_disk->size >= 1 &&
		    p->resize_disk->size <= INT64_MAX, "size of a disk");
		return NULL;
	case BH__PACKET__BODY_SET_BALLOON:
		REQUIRE(p->set_balloon->size % PAGE == 0 &&
		    p->set_balloon->size <= BALLOON_LIMIT_SIZE,
		    "size of a balloon");
		return NULL;
	case BH__PACKET__BODY_SET_PLUGGED:
		REQUIRE(p->set_plugged->size % PAGE == 0, "size of virtio-mem");
		return NULL;
	case BH__PACKET__BODY_ACTIVATE:
		return check_activate(p->activate);
	case BH__PACKET__BODY_WRITE_CONFIG:
		return check_write_config(p->write_config);
	case BH__PACKET__BODY_CONFIG_CHANGED:
		REQUIRE(p->config_changed->config.len <= DEVICE_LIMIT_CONFIG,
		    "configuration space");
		return NULL;
	case BH__PACKET__BODY_WANT_FILE:
		return check_want_file(p->want_file);
	case BH__PACKET__BODY_GIVE_FILE:
		return check_give_file(p->give_file);
	case BH__PACKET__BODY_GIVE_CONNECTION:
		REQUIRE(p->give_connection->error >= 0 &&
		    p->give_connection->error <= 4095, "errno");
		return NULL;
	case BH__PACKET__BODY_GIVE_PORT:
		REQUIRE(p->give_port->error >= 0 && p->give_port->error <= 4095,
		    "errno");
		return NULL;
	case BH__PACKET__BODY_API_REQUEST:
		return check_api_options(p->api_request->n_options,
		    p->api_request->options);
	case BH__PACKET__BODY_API_ANSWER:
		return check_api_answer(p->api_answer);
	case BH__PACKET__BODY_API_EVENT:
		return check_api_event(p->api_event);
	case BH__PACKET__BODY_API_START:
	case BH__PACKET__BODY_OPENER_CONFIG:
	case BH__PACKET__BODY_SPAWNED:
	case BH__PACKET__BODY_KILL_CHILD:
	case BH__PACKET__BODY_CHILD_EXITED:
	case BH__PACKET__BODY_SET_DIRTY_LOG:
	case BH__PACKET__BODY_SECCOMP_LISTENER:
	case BH__PACKET__BODY_ACK:
	case BH__PACKET__BODY_QUIT:
	case BH__PACKET__BODY_POWER_BUTTON:
	case BH__PACKET__BODY_INJECT_NMI:
	case BH__PACKET__BODY_SET_PAUSED:
	case BH__PACKET__BODY_SNAPSHOT_JOB:
	case BH__PACKET__BODY_SAVE_VM:
	case BH__PACKET__BODY_LOAD_VM:
	case BH__PACKET__BODY_ATTACH_BUS:
	case BH__PACKET__BODY_ATTACH_BACKEND:
	case BH__PACKET__BODY_DRAIN:
	case BH__PACKET__BODY_HAND_OVER:
	case BH__PACKET__BODY_TAKE_BACK:
	case BH__PACKET__BODY_SAVE_STATE:
	case BH__PACKET__BODY_STOP_REQUESTED:
	case BH__PACKET__BODY_WATCHDOG_EXPIRED:
	case BH__PACKET__BODY_REFRESH_STATISTICS:
	case BH__PACKET__BODY_WANT_CONNECTION:
	case BH__PACKET__BODY_WANT_PORT:
	case BH__PACKET__BODY_RESET_DEVICE:
	case BH__PACKET__BODY_NEEDS_RESET:
	case BH__PACKET__BODY_PING:
	case BH__PACKET__BODY_PONG:
	case BH__PACKET__BODY_LOOK_AT:
		return NULL;
	case BH__PACKET__BODY_CHILD_STATE:
		REQUIRE(p->child_state->state < 128, "state of a process");
		return NULL;
	case BH__PACKET__BODY__NOT_SET:
	default:
		return "no body";
	}
}
