// SPDX-License-Identifier: Apache-2.0
//
// Specs as messages, see describe.h. Reading goes through options_value(), the
// same function that the command line's sub-options end in.
#include "controller/describe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "controller/numa.h"
#include "controller/options.h"
#include "controller/publish.h"
#include "controller/usage.h"
#include "controller/values.h"

#define PART_OPTIONS 64u
#define PART_VALUES 1024u
#define PART_BYTES 30000u	/* of texts; the rest is small */
#define TEXT_BYTES 16384u

/* ---- reading ------------------------------------------------------------------- */

static const struct sub_option *
find_sub(const struct option_row *row, const char *name)
{
	for (uint32_t i = 0; i < row->nsubs; i++)
		if (strcmp(row->subs[i].name, name) == 0)
			return &row->subs[i];
	return NULL;
}

static bool
is_flag(enum sub_type type)
{
	return type == SUB_TOGGLE || type == SUB_MODE;
}

static bool
is_number(enum sub_type type)
{
	return type == SUB_U32 || type == SUB_HEX || type == SUB_SIZE ||
	    type == SUB_FD;
}

/* A value is of the type that its row wants. */
static int
apply_value(struct vm_spec *spec, const struct option_row *row, void *object,
    const Bh__ApiValue *v, uint32_t *modes, struct spec_error *err)
{
	const struct sub_option *sub = find_sub(row, v->name);
	struct span name = span_of(v->name);
	char number[24];
	const char *text = NULL;

	if (sub == NULL)
		return usage(err, "--%s %S: unknown", row->name, &name);
	if (sub->type == SUB_LATER)
		return usage(err, "not supported yet: --%s %s", row->name,
		    sub->name);
	switch (v->value_case) {
	case BH__API_VALUE__VALUE_FLAG:
		if (is_flag(sub->type))
			text = v->flag ? "on" : "off";
		break;
	case BH__API_VALUE__VALUE_NUMBER:
		(void)snprintf(number, sizeof(number), "%llu",
		    (unsigned long long)v->number);
		if (is_number(sub->type) && sub->type != SUB_FD)
			text = number;
		break;
	case BH__API_VALUE__VALUE_TEXT:
		if (!is_flag(sub->type) && !is_number(sub->type) &&
		    sub->type != SUB_PATH_FD)
			text = v->text;
		break;
	case BH__API_VALUE__VALUE_CMDLINE:
	case BH__API_VALUE__VALUE__NOT_SET:
	case _BH__API_VALUE__VALUE__CASE_IS_INT_SIZE:
		break;
	}
	if (text == NULL)
		return usage(err, "--%s %s: of the wrong type", row->name,
		    sub->name);
	return options_value(spec, row, sub, object, span_of(text), modes, err);
}

static int
apply_values(struct vm_spec *spec, const struct option_row *row, void *object,
    const Bh__ApiOption *option, struct spec_error *err)
{
	uint32_t modes = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < option->n_values; i++)
		rc = apply_value(spec, row, object, option->values[i], &modes,
		    err);
	return rc;
}

static int
apply_string(struct vm_spec *spec, const struct option_row *row,
    const Bh__ApiOption *option, struct spec_error *err)
{
	const Bh__ApiValue *v = option->n_values == 1 ? option->values[0] : NULL;

	if (v != NULL && v->value_case == BH__API_VALUE__VALUE_TEXT)
		return options_string(spec, row, v->text, err);
	if (v != NULL && v->value_case == BH__API_VALUE__VALUE_CMDLINE)
		return options_string(spec, row, v->cmdline, err);
	return usage(err, "--%s: of the wrong type", row->name);
}

static int
apply_element(struct vm_spec *spec, const struct option_row *row,
    const Bh__ApiOption *option, struct spec_error *err)
{
	void *element = options_element(spec, row, err);
	int rc;

	if (element == NULL)
		return -EINVAL;
	rc = apply_values(spec, row, element, option, err);
	return rc;
}

int
describe_apply(struct vm_spec *spec, const Bh__ApiOption *option,
    struct spec_error *err)
{
	const struct option_row *row = options_find(option->option,
	    strlen(option->option));
	struct span name = span_of(option->option);

	if (row == NULL || row->vmm)
		return usage(err, "%S: unknown", &name);
	switch (row->kind) {
	case OPTION_LATER:
	case OPTION_LATER_FLAG:
		return usage(err, "not supported yet: --%s", row->name);
	case OPTION_STRING:
		return apply_string(spec, row, option, err);
	case OPTION_SUBS:
		return apply_values(spec, row, (uint8_t *)spec + row->offset,
		    option, err);
	case OPTION_SUBS_LIST:
		return apply_element(spec, row, option, err);
	case OPTION_FLAG:	/* that it is there says most */
		if (row->vmm)
			break;
		*(bool *)((uint8_t *)spec + row->offset) = true;
		return apply_values(spec, row, (uint8_t *)spec + row->offset,
		    option, err);
	case OPTION_WORD:
	case OPTION_PLACE:
	case OPTION_COUNT:
	case OPTION_HELP:
	case OPTION_VERSION:
		break;
	}
	return usage(err, "--%s: not of a VM", row->name);
}

/* ---- writing -------------------------------------------------------------------- */

struct part {
	describe_fn *emit;
	void *arg;
	size_t noptions, nvalues, ntext, bytes;
	Bh__ApiOption options[PART_OPTIONS], *option_list[PART_OPTIONS];
	Bh__ApiValue values[PART_VALUES], *value_list[PART_VALUES];
	char text[TEXT_BYTES];
};

/* protobuf-c has no const in its structs, and does not write to them. */
static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

static void
flush(struct part *p)
{
	if (p->noptions > 0)
		p->emit(p->arg, p->noptions, p->option_list);
	p->noptions = p->nvalues = p->ntext = p->bytes = 0;
}

static void
begin(struct part *p, const char *name)
{
	Bh__ApiOption *o;

	if (p->noptions == PART_OPTIONS || p->nvalues + 64 > PART_VALUES ||
	    p->bytes > PART_BYTES || p->ntext + 8192 > TEXT_BYTES)
		flush(p);
	o = &p->options[p->noptions];
	p->option_list[p->noptions++] = o;
	bh__api_option__init(o);
	o->option = constless(name);
	o->values = &p->value_list[p->nvalues];
}

static Bh__ApiValue *
value(struct part *p, const char *name)
{
	Bh__ApiValue *v = &p->values[p->nvalues];

	p->value_list[p->nvalues++] = v;
	p->options[p->noptions - 1].n_values++;
	bh__api_value__init(v);
	v->name = constless(name);
	p->bytes += strlen(name) + 16;
	return v;
}

static void
text(struct part *p, const char *name, const char *s)
{
	Bh__ApiValue *v = value(p, name);

	v->value_case = BH__API_VALUE__VALUE_TEXT;
	v->text = constless(s);
	p->bytes += strlen(s);
}

static void
number(struct part *p, const char *name, uint64_t n)
{
	Bh__ApiValue *v = value(p, name);

	v->value_case = BH__API_VALUE__VALUE_NUMBER;
	v->number = n;
}

static void
flag(struct part *p, const char *name, bool on)
{
	Bh__ApiValue *v = value(p, name);

	v->value_case = BH__API_VALUE__VALUE_FLAG;
	v->flag = on;
}

/* A text that is made here. What is too long is left out. */
static void made(struct part *p, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
made(struct part *p, const char *name, const char *fmt, ...)
{
	size_t room = TEXT_BYTES - p->ntext;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p->text + p->ntext, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		return;
	text(p, name, p->text + p->ntext);
	p->ntext += (size_t)n + 1;
}

static void
write_mac(struct part *p, const char *name, const uint8_t m[6])
{
	made(p, name, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
	    m[4], m[5]);
}

static void
write_address(struct part *p, const char *name, const struct address_spec *a)
{
	char s[64];

	if (a->len == 4)
		made(p, name, "%u.%u.%u.%u", a->bytes[0], a->bytes[1],
		    a->bytes[2], a->bytes[3]);
	else if (a->len == 16) {
		size_t at = 0;

		for (size_t i = 0; i < 16; i += 2)
			at += (size_t)snprintf(s + at, sizeof(s) - at, "%s%x",
			    i == 0 ? "" : ":", a->bytes[i] << 8 |
			    a->bytes[i + 1]);
		made(p, name, "%s", s);
	}
}

/* "[tcp:127.0.0.1:2222:22,udp:53:53]". */
static void
write_ports(struct part *p, const char *name, const struct net_spec *net)
{
	static char s[USER_NET_LIMIT_PORTS * PUBLISH_TEXT];
	size_t at = 0;

	for (uint32_t i = 0; i < net->user_net.nports; i++) {
		const struct published_port *port = &net->user_net.ports[i];
		const bool six = port->address.len == 16;
		char address[PUBLISH_TEXT];

		publish_address(port->address.bytes, port->address.len, address);
		at += (size_t)snprintf(s + at, sizeof(s) - at, "%s%s:%s%s%s%s%u:%u",
		    i == 0 ? "[" : ",", port->udp ? "udp" : "tcp", six ? "[" : "",
		    address, six ? "]" : "", address[0] != '\0' ? ":" : "",
		    port->host, port->guest);
	}
	if (at > 0)
		made(p, name, "%s]", s);
}

static void
write_guard_ips(struct part *p, const char *name, const struct net_spec *net)
{
	static char s[2 * SPEC_MAX_GUARD_IPS * PUBLISH_TEXT];
	size_t at = 0;

	for (uint32_t i = 0; i < net->nguard_ips; i++) {
		char address[PUBLISH_TEXT];

		publish_address(net->guard_ips[i].bytes, net->guard_ips[i].len,
		    address);
		at += (size_t)snprintf(s + at, sizeof(s) - at, "%s%s",
		    i == 0 ? "[" : ",", address);
	}
	if (at > 0)
		made(p, name, "%s]", s);
}

/* "[0@[0,2],1@[1]]"; left out where it does not fit. */
static void
write_affinity(struct part *p, const char *name, const struct affinity_list *list)
{
	static char s[4096];
	size_t at = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		const struct affinity_spec *a = &list->of[i];

		for (uint32_t k = 0; k < a->ncpus; k++) {
			if (at + 32 > sizeof(s))
				return;
			if (k == 0)
				at += (size_t)snprintf(s + at, sizeof(s) - at,
				    "%s%u@[", i == 0 ? "[" : "],", a->which);
			at += (size_t)snprintf(s + at, sizeof(s) - at, "%s%u",
			    k == 0 ? "" : ",", a->cpus[k]);
		}
	}
	if (at > 0)
		made(p, name, "%s]]", s);
}

static void
write_oem_strings(struct part *p, const char *name,
    const struct platform_spec *platform)
{
	for (uint32_t i = 0; i < platform->noem_strings; i++)
		text(p, name, platform->oem_strings[i]);
}

/* "[256,64]". */
static void
write_queue_sizes(struct part *p, const char *name,
    const struct generic_spec *generic)
{
	char s[8 * SPEC_MAX_QUEUES];
	size_t at = 0;

	for (uint32_t i = 0; i < generic->nqueues; i++)
		at += (size_t)snprintf(s + at, sizeof(s) - at, "%s%u",
		    i == 0 ? "[" : ",", generic->queue_sizes[i]);
	if (at > 0)
		made(p, name, "%s]", s);
}

static void
write_numa(struct part *p, const struct sub_option *sub, const struct numa_spec *numa)
{
	static char s[NUMA_TEXT];

	if (sub->type == SUB_ZONES)
		for (uint32_t i = 0; i < numa->nzones; i++)
			text(p, sub->name, numa->zones[i]);
	else if (sub->type == SUB_DISTANCES)
		numa_distances_text(numa, s);
	else
		numa_bits_text((const uint64_t *)(const void *)
		    ((const uint8_t *)numa + sub->offset), sub->max, s);
	if (sub->type != SUB_ZONES && s[0] != '\0')
		made(p, sub->name, "%s", s);
}

static void
write_topology(struct part *p, const char *name, const struct topology_spec *t)
{
	if (t->threads != 0)
		made(p, name, "%u:%u:%u:%u", t->threads, t->cores, t->dies,
		    t->packages);
}

/* Where a port goes: "pty", or "file" with its path. */
static void
write_mode(struct part *p, const struct sub_option *sub,
    const struct port_spec *port)
{
	if (port->mode != sub->max)
		return;
	if (sub->type == SUB_MODE_PATH ||
	    (port->mode == PORT_PTY && port->path != NULL))
		text(p, sub->name, port->path);
	else
		flag(p, sub->name, true);
}

/* One value, where it is not as in @plain. */
static void
write_value(struct part *p, const struct sub_option *sub, const void *object,
    const void *plain)
{
	const uint8_t *at = (const uint8_t *)object + sub->offset;
	const uint8_t *was = (const uint8_t *)plain + sub->offset;
	const char *s;

	switch (sub->type) {
	case SUB_TEXT:
	case SUB_PATH:
		s = *(const char *const *)(const void *)at;
		if (s != NULL)
			text(p, sub->name, s);
		return;
	case SUB_U32:
	case SUB_HEX:
	case SUB_FD:
		if (memcmp(at, was, sizeof(uint32_t)) != 0)
			number(p, sub->name,
			    *(const uint32_t *)(const void *)at);
		return;
	case SUB_SIZE:
		if (memcmp(at, was, sizeof(uint64_t)) != 0)
			number(p, sub->name,
			    *(const uint64_t *)(const void *)at);
		return;
	case SUB_TOGGLE:
		if (*at != *was)
			flag(p, sub->name, *at != 0);
		return;
	case SUB_ENUM:
		if (memcmp(at, was, sizeof(uint32_t)) != 0)
			text(p, sub->name, sub->words[
			    *(const uint32_t *)(const void *)at]);
		return;
	case SUB_MODE:
	case SUB_MODE_PATH:
		write_mode(p, sub, object);
		return;
	case SUB_MAC:
		if (((const struct mac_spec *)(const void *)at)->given)
			write_mac(p, sub->name,
			    ((const struct mac_spec *)(const void *)at)->bytes);
		return;
	case SUB_ADDRESS:
		write_address(p, sub->name, (const void *)at);
		return;
	case SUB_TOPOLOGY:
		write_topology(p, sub->name, (const void *)at);
		return;
	case SUB_AFFINITY:
		write_affinity(p, sub->name, (const void *)at);
		return;
	case SUB_OEM_STRINGS:
		write_oem_strings(p, sub->name, object);
		return;
	case SUB_DEVICE_TYPE:
		made(p, sub->name, "%u", *(const uint32_t *)(const void *)at);
		return;
	case SUB_QUEUE_SIZES:
		write_queue_sizes(p, sub->name, object);
		return;
	case SUB_BITS:
	case SUB_DISTANCES:
	case SUB_ZONES:
		write_numa(p, sub, object);
		return;
	case SUB_PUBLISH:
		write_ports(p, sub->name, object);
		return;
	case SUB_GUARD_IPS:
		write_guard_ips(p, sub->name, object);
		return;
	case SUB_PATH_FD:	/* is in the path */
	case SUB_ID_MAP:	/* not Cloud Hypervisor's: vm.info has no word */
	case SUB_TAP_FDS:	/* a number says nothing outside of here */
	case SUB_LATER:
		return;
	}
}

/* The device of the plan that came of this element. */
static const struct plan_device *
planned(const struct vm_plan *plan, const struct option_row *row, uint32_t n)
{
	static const struct { const char *option; enum process_kind kind; }
	kinds[] = {
		{ "disk", PROC_BLK }, { "net", PROC_NET }, { "rng", PROC_RNG },
		{ "fs", PROC_FS }, { "balloon", PROC_BALLOON },
		{ "pmem", PROC_PMEM },
		{ "vsock", PROC_VSOCK }, { "rtc", PROC_RTC },
		{ "console", PROC_CONSOLE },
	};

	static const struct { const char *option; enum plan_front front; }
	fronts[] = {
		{ "disk", FRONT_DISK }, { "net", FRONT_NET }, { "fs", FRONT_FS },
		{ "generic-vhost-user", FRONT_GENERIC },
	};

	for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++)
		for (uint32_t k = 0; strcmp(fronts[i].option, row->name) == 0 &&
		    k < plan->ndevices; k++)
			if (plan->devices[k].kind == PROC_FRONT &&
			    plan->devices[k].front == fronts[i].front &&
			    plan->devices[k].index == n)
				return &plan->devices[k];
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (uint32_t k = 0; strcmp(kinds[i].option, row->name) == 0 &&
		    k < plan->ndevices; k++)
			if (plan->devices[k].kind == kinds[i].kind &&
			    plan->devices[k].index == n)
				return &plan->devices[k];
	return NULL;
}

static bool
has(const struct part *p, const char *name)
{
	const Bh__ApiOption *o = &p->options[p->noptions - 1];

	for (size_t i = 0; i < o->n_values; i++)
		if (strcmp(o->values[i]->name, name) == 0)
			return true;
	return false;
}

static void
write_object(struct part *p, const struct option_row *row, const void *object,
    const void *plain, const struct plan_device *dev)
{
	begin(p, row->name);
	for (uint32_t i = 0; i < row->nsubs; i++)
		write_value(p, &row->subs[i], object, plain);
	if (dev == NULL || !dev->on_pci)
		return;
	/* Those of which there is one have names of their own, not to be given. */
	if (!has(p, "id") && dev->id[1] != '_')
		text(p, "id", dev->id);
	if (dev->kind == PROC_NET && !has(p, "mac"))
		write_mac(p, "mac", dev->mac);
}

void
describe_spec(const struct vm_spec *spec, const struct vm_plan *plan,
    describe_fn *emit, void *arg)
{
	static struct vm_spec plain;
	static struct part p;

	p = (struct part){ .emit = emit, .arg = arg };
	spec_init(&plain);
	for (unsigned int i = 0; i < option_nrows; i++) {
		const struct option_row *row = &option_rows[i];
		const uint8_t *at = (const uint8_t *)spec + row->offset;
		const char *s;

		if (row->vmm)
			continue;
		if (row->kind == OPTION_STRING) {
			s = *(const char *const *)(const void *)at;
			if (s == NULL)
				continue;
			begin(&p, row->name);
			if (strlen(s) > PART_BYTES - p.bytes) {
				p.noptions--;
				flush(&p);
				begin(&p, row->name);
			}
			text(&p, row->name, s);
			if (strlen(s) > 4000) {
				p.values[p.nvalues - 1].value_case =
				    BH__API_VALUE__VALUE_CMDLINE;
				p.values[p.nvalues - 1].cmdline = constless(s);
			}
		} else if (row->kind == OPTION_FLAG) {
			if (*(const bool *)at)
				write_object(&p, row, at,
				    (const uint8_t *)&plain + row->offset, NULL);
		} else if (row->kind == OPTION_SUBS) {
			write_object(&p, row, at,
			    (const uint8_t *)&plain + row->offset,
			    planned(plan, row, 0));
		} else if (row->kind == OPTION_SUBS_LIST) {
			uint32_t n = *(const uint32_t *)(const void *)
			    ((const uint8_t *)spec + row->count_offset);

			for (uint32_t k = 0; k < n; k++)
				write_object(&p, row,
				    at + (size_t)k * row->element_size,
				    row->element_default,
				    planned(plan, row, k));
		}
	}
	flush(&p);
}
