// SPDX-License-Identifier: Apache-2.0
//
// The one reader of sub-options: takes "k=v,k=v" apart and stores each value by
// its row in the option's const table. What a table cannot say is checked later,
// by spec_check().
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/options.h"
#include "controller/id_map.h"
#include "controller/numa.h"
#include "controller/publish.h"
#include "controller/usage.h"
#include "controller/values.h"

#define MAX_TEXT 4096u

/* Where we are, for the user's line. */
struct place {
	struct vm_spec *spec;
	const struct option_row *row;
	const struct sub_option *sub;
	void *object;
	struct span value;
	bool plain;		/* no quotes */
	struct spec_error *err;
};

static void *
field(const struct place *p)
{
	return (uint8_t *)p->object + p->sub->offset;
}

static int
bad(const struct place *p, const char *remedy)
{
	return usage(p->err, "--%s %s=%S: %s", p->row->name, p->sub->name,
	    &p->value, remedy);
}

static int
bad_range(const struct place *p)
{
	if (p->sub->type == SUB_TEXT || p->sub->type == SUB_PATH)
		return usage(p->err,
		    "--%s %s=%S: too long; at most %l bytes", p->row->name,
		    p->sub->name, &p->value, p->sub->max);
	return usage(p->err, "--%s %s=%S: out of range; %l to %l are possible",
	    p->row->name, p->sub->name, &p->value, p->sub->min, p->sub->max);
}

/* ---- a function a type ------------------------------------------------------ */

static int
store_text(struct place *p)
{
	char text[MAX_TEXT];
	int err;

	if (!value_printable(p->value))
		return bad(p, "not printable UTF-8; use other characters");
	if (p->plain && p->value.len < sizeof(text)) {
		memcpy(text, p->value.at, p->value.len);
		text[p->value.len] = '\0';
		err = 0;
	} else {
		err = p->plain ? -E2BIG :
		    value_unquote(p->value, text, sizeof(text));
	}
	if (err != 0 || strlen(text) > p->sub->max)
		return bad_range(p);
	if (text[0] == '\0')
		return bad(p, "empty; give a value or leave it out");
	*(const char **)field(p) = spec_text(p->spec, text, strlen(text));
	return *(const char **)field(p) == NULL ? -ENOMEM : 0;
}

static int
store_number(struct place *p)
{
	uint64_t n;
	int err;

	err = p->sub->type == SUB_SIZE ? value_size(p->value, &n) :
	    value_u64(p->value, &n);
	if (err == -EINVAL)
		return bad(p, p->sub->type == SUB_SIZE ?
		    "not a size; write a number with K, M, G or T behind it" :
		    "not a number; write digits");
	if (err != 0 || n < p->sub->min || n > p->sub->max)
		return bad_range(p);
	if (p->sub->type == SUB_SIZE)
		*(uint64_t *)field(p) = n;
	else
		*(uint32_t *)field(p) = (uint32_t)n;
	return 0;
}

/* "fd=5": a path that paths.c does not open. */
static int
store_path_fd(struct place *p)
{
	char text[16] = "fd=";
	uint64_t n;

	if (value_u64(p->value, &n) != 0 || n < p->sub->min || n > p->sub->max)
		return bad(p, "not an inherited fd; numbers from 3 on");
	memcpy(text + 3, p->value.at, p->value.len < 12 ? p->value.len : 12);
	*(const char **)field(p) = spec_text(p->spec, text, strlen(text));
	return *(const char **)field(p) == NULL ? -ENOMEM : 0;
}

static int
store_toggle(struct place *p)
{
	if (value_toggle(p->value, field(p)) != 0)
		return bad(p, "neither on nor off");
	return 0;
}

static int
store_enum(struct place *p)
{
	for (uint32_t i = 0; p->sub->words[i] != NULL; i++)
		if (span_is(p->value, p->sub->words[i])) {
			*(uint32_t *)field(p) = i;
			return 0;
		}
	return usage(p->err, "--%s %s=%S: not known; %s are possible",
	    p->row->name, p->sub->name, &p->value, p->sub->meta);
}

static int
store_mac(struct place *p)
{
	struct mac_spec *mac = field(p);

	if (value_mac(p->value, mac->bytes) != 0)
		return bad(p, "not a MAC address; write 52:54:00:12:34:56");
	if ((mac->bytes[0] & 1) != 0)
		return bad(p, "a multicast address; clear the lowest bit of "
		    "the first byte");
	mac->given = true;
	return 0;
}

static int
store_address(struct place *p)
{
	struct address_spec *a = field(p);

	if (value_address(p->value, a->bytes, &a->len) != 0)
		return bad(p, "not an address; write 192.168.249.1 or fd00::1");
	return 0;
}

static int
store_tap_fds(struct place *p)
{
	struct net_spec *net = p->object;
	struct span rest = p->value, item;
	uint64_t n;

	(void)value_list(p->value, &rest);
	while (value_next(&rest, ',', &item) == 1) {
		/* Of a request: change.c knows what it is here. */
		bool sent = p->plain && item.len > 1 && item.at[0] == '#';

		if (sent)
			item = (struct span){ item.at + 1, item.len - 1 };
		if (value_u64(item, &n) != 0 || n > INT32_MAX ||
		    (sent ? false : p->plain || n < 3))
			return bad(p, "not an inherited fd; numbers from 3 on");
		if (net->nfds == SPEC_MAX_QUEUE_PAIRS)
			return bad(p, "too many; at most 8 fds");
		net->fds[net->nfds++] = sent ? -1 - (int)n : (int)n;
	}
	return 0;
}

static int
store_publish(struct place *p)
{
	struct user_net_spec *user = &((struct net_spec *)p->object)->user_net;
	const char *why = publish_add(user, p->value);

	return why != NULL ? bad(p, why) : 0;
}

static int
store_id_map(struct place *p)
{
	const char *why = id_map_parse(p->value, field(p));

	return why != NULL ? bad(p, why) : 0;
}

static int
store_guard_ips(struct place *p)
{
	struct net_spec *net = p->object;
	struct span rest = p->value, item;
	uint32_t of_len[17] = { 0 };

	net->nguard_ips = 0;
	(void)value_list(p->value, &rest);
	while (value_next(&rest, ',', &item) == 1) {
		struct address_spec a;

		if (value_address(item, a.bytes, &a.len) != 0)
			return bad(p, "not addresses; write "
			    "[192.168.249.2,fd00::2]");
		if (of_len[a.len]++ == SPEC_MAX_GUARD_IPS)
			return bad(p, "too many; at most 8 of IPv4 and 8 of IPv6");
		net->guard_ips[net->nguard_ips++] = a;
	}
	return net->nguard_ips == 0 ? bad(p, "no address") : 0;
}

static int
store_topology(struct place *p)
{
	struct topology_spec *t = field(p);
	uint32_t *part[] = { &t->threads, &t->cores, &t->dies, &t->packages };
	struct span rest = p->value, item;
	uint64_t n;

	for (size_t i = 0; i < 4; i++) {
		if (value_next(&rest, ':', &item) != 1 ||
		    value_u64(item, &n) != 0 || n < 1 || n > SPEC_MAX_VCPUS)
			return bad(p, "not threads:cores:dies:packages, four "
			    "numbers from 1 on");
		*part[i] = (uint32_t)n;
	}
	if (rest.at != NULL)
		return bad(p, "more than four numbers; write "
		    "threads:cores:dies:packages");
	return 0;
}

/* "[cpus]" of one vCPU into @a; counts only while a->cpus is NULL. */
static int
affinity_cpus(struct place *p, struct span cpus, struct affinity_spec *a)
{
	struct span item;
	uint64_t first, last;

	a->ncpus = 0;
	(void)value_list(cpus, &cpus);
	while (value_next(&cpus, ',', &item) == 1) {
		if (value_range(item, &first, &last) != 0 || last > 8191)
			return bad(p, "not a list of CPUs; write "
			    "[0@[0,2-3],1@[1]]");
		for (uint64_t c = first; c <= last; c++) {
			if (a->ncpus == SPEC_MAX_AFFINITY_CPUS)
				return bad(p, "too many CPUs");
			if (a->cpus != NULL)
				a->cpus[a->ncpus] = (uint32_t)c;
			a->ncpus++;
		}
	}
	return a->ncpus == 0 ? bad(p, "no CPUs") : 0;
}

static int
affinity_item(struct place *p, struct affinity_list *list, struct span item)
{
	struct affinity_spec *a = &list->of[list->n];
	struct span which;
	uint64_t n;
	int err;

	if (value_next(&item, '@', &which) != 1 || item.at == NULL ||
	    value_u64(which, &n) != 0 || n > p->sub->max)
		return bad(p, "not number@[CPUs]; write [0@[0,2-3],1@[1]]");
	for (uint32_t i = 0; i < list->n; i++)
		if (list->of[i].which == n)
			return bad(p, "a number twice; list its CPUs once");
	a->which = (uint32_t)n;
	err = affinity_cpus(p, item, a);
	if (err != 0)
		return err;
	a->cpus = spec_array(p->spec, a->ncpus, sizeof(a->cpus[0]));
	if (a->cpus == NULL)
		return -ENOMEM;
	list->n++;
	return affinity_cpus(p, item, a);
}

static int
store_affinity(struct place *p)
{
	struct affinity_list *list = field(p);
	struct span rest, item;
	int err = 0;

	if (!value_list(p->value, &rest))
		return bad(p, "not a list; write [0@[0,2-3],1@[1]]");
	list->n = 0;
	list->of = spec_array(p->spec, p->sub->max + 1, sizeof(list->of[0]));
	if (list->of == NULL)
		return -ENOMEM;
	while (err == 0 && value_next(&rest, ',', &item) == 1)
		err = affinity_item(p, list, item);
	return err;
}

static int
add_oem_string(struct place *p, const char *text)
{
	struct platform_spec *platform = p->object;
	const char **slot = &platform->oem_strings[platform->noem_strings];

	if (platform->noem_strings == SPEC_MAX_OEM_STRINGS)
		return bad(p, "too many; at most 32 strings");
	if (text[0] == '\0')
		return bad(p, "an empty string; leave it out");
	*slot = spec_text(p->spec, text, strlen(text));
	if (*slot == NULL)
		return -ENOMEM;
	platform->noem_strings++;
	return 0;
}

static int
store_oem_strings(struct place *p)
{
	struct span rest, item;
	char text[256];
	int rc = 0;

	if (!value_printable(p->value))
		return bad(p, "not printable UTF-8; use other characters");
	if (p->plain) {		/* one of them */
		if (p->value.len >= sizeof(text))
			return bad(p, "too long; at most 255 bytes each");
		memcpy(text, p->value.at, p->value.len);
		text[p->value.len] = '\0';
		return add_oem_string(p, text);
	}
	if (!value_list(p->value, &rest))
		return bad(p, "not a list; write [one,two]");
	while (rc == 0 && value_next(&rest, ',', &item) == 1) {
		if (value_unquote(item, text, sizeof(text)) != 0)
			return bad(p, "too long; at most 255 bytes each");
		rc = add_oem_string(p, text);
	}
	return rc;
}

/* virtio 1.2, 5: devices by number, and the names that they have here. */
static const char *const device_types[] = {
	[1] = "net", [2] = "block", [3] = "console", [4] = "rng",
	[5] = "balloon", [6] = "io-memory", [7] = "rpmsg", [8] = "scsi",
	[9] = "9p", [10] = "mac80211-wlan", [11] = "rproc-serial",
	[12] = "caif", [13] = "memory-balloon", [16] = "gpu", [17] = "clock",
	[18] = "input", [19] = "vsock", [20] = "crypto",
	[21] = "signal-dist", [22] = "pstore", [23] = "iommu", [24] = "mem",
	[25] = "sound", [26] = "fs", [27] = "pmem", [28] = "rpmb",
	[29] = "mac80211-hwsim", [30] = "video-encoder",
	[31] = "video-decoder", [32] = "scmi", [33] = "nitro-sec-mod",
	[34] = "i2c", [35] = "watchdog", [36] = "can", [38] = "param-server",
	[39] = "audio-policy", [40] = "bluetooth", [41] = "gpio", [42] = "rdma",
	[43] = "camera", [44] = "ism", [45] = "spi",
};

#define NDEVICE_TYPES (sizeof(device_types) / sizeof(device_types[0]))

static int
store_device_type(struct place *p)
{
	uint32_t *type = field(p);
	uint64_t n;

	*type = 0;
	if (value_u64(p->value, &n) == 0 && n >= 1 && n <= 0x3f)
		*type = (uint32_t)n;
	for (uint32_t i = 1; i < NDEVICE_TYPES; i++)
		if (device_types[i] != NULL && span_is(p->value, device_types[i]))
			*type = i;
	if (*type == 0)
		return bad(p, "no virtio device; write its number, 1 to 63, or "
		    "its name");
	/* They would act on more than themselves. */
	if (*type == 23 || *type == 35)
		return bad(p, "cannot be behind a socket; take another device");
	return 0;
}

static int
store_queue_sizes(struct place *p)
{
	struct generic_spec *generic = p->object;
	struct span rest, item;
	uint64_t n;

	if (!value_list(p->value, &rest))
		return bad(p, "not a list; write [256,256]");
	while (value_next(&rest, ',', &item) == 1) {
		if (value_u64(item, &n) != 0 || n < 2 || n > VIRTQ_LIMIT_SIZE ||
		    (n & (n - 1)) != 0)
			return bad(p, "not powers of two from 2 to 1024");
		if (generic->nqueues == SPEC_MAX_QUEUES)
			return bad(p, "too many; at most 64 queues");
		generic->queue_sizes[generic->nqueues++] = (uint32_t)n;
	}
	return 0;
}

static int
store_numa(struct place *p)
{
	const char *why;

	if (p->sub->type == SUB_BITS)
		why = numa_bits(p->value, field(p), p->sub->max);
	else if (p->sub->type == SUB_DISTANCES)
		why = numa_distances(p->value, p->object);
	else
		why = numa_zones(p->spec, p->value, p->plain, p->object);
	return why != NULL ? bad(p, why) : 0;
}

/* Bare words and file=, socket=: only one of them says where a port goes. */
static int
store_mode(struct place *p, uint32_t *mode_given)
{
	struct port_spec *port = p->object;

	if ((*mode_given)++ != 0)
		return usage(p->err, "--%s %s: a second place to go to; give "
		    "one", p->row->name, p->sub->name);
	port->mode = (uint32_t)p->sub->max;
	if (p->sub->type == SUB_MODE)
		return 0;
	{
		static const struct sub_option path = {
			.name = "path", .type = SUB_PATH, .max = MAX_TEXT - 1,
			.offset = (uint32_t)offsetof(struct port_spec, path),
		};
		struct place at = *p;
		struct sub_option named = path;

		named.name = p->sub->name;
		at.sub = &named;
		return store_text(&at);
	}
}

static int
store(struct place *p, uint32_t *mode_given)
{
	switch (p->sub->type) {
	case SUB_LATER:
		return usage(p->err, "--%s %s: not supported yet; leave it out",
		    p->row->name, p->sub->name);
	case SUB_TEXT:
	case SUB_PATH:
		return store_text(p);
	case SUB_PATH_FD:
		return store_path_fd(p);
	case SUB_FD:
	case SUB_U32:
	case SUB_HEX:
	case SUB_SIZE:
		return store_number(p);
	case SUB_TOGGLE:
		return store_toggle(p);
	case SUB_ENUM:
		return store_enum(p);
	case SUB_MODE:
	case SUB_MODE_PATH:
		return store_mode(p, mode_given);
	case SUB_MAC:
		return store_mac(p);
	case SUB_ADDRESS:
		return store_address(p);
	case SUB_GUARD_IPS:
		return store_guard_ips(p);
	case SUB_ID_MAP:
		return store_id_map(p);
	case SUB_TAP_FDS:
		return store_tap_fds(p);
	case SUB_PUBLISH:
		return store_publish(p);
	case SUB_TOPOLOGY:
		return store_topology(p);
	case SUB_AFFINITY:
		return store_affinity(p);
	case SUB_OEM_STRINGS:
		return store_oem_strings(p);
	case SUB_DEVICE_TYPE:
		return store_device_type(p);
	case SUB_QUEUE_SIZES:
		return store_queue_sizes(p);
	case SUB_BITS:
	case SUB_DISTANCES:
	case SUB_ZONES:
		return store_numa(p);
	}
	return -EINVAL;
}

int
options_value(struct vm_spec *spec, const struct option_row *row,
    const struct sub_option *sub, void *object, struct span value,
    uint32_t *modes, struct spec_error *err)
{
	struct place p = { .spec = spec, .row = row, .sub = sub,
	    .object = object, .value = value, .plain = true, .err = err };

	return store(&p, modes);
}

/* ---- the walk ---------------------------------------------------------------- */

/*
 * Name and value of one item. Bare tap= (an empty value) means what leaving it
 * out means, as in Cloud Hypervisor's README: *given is false then.
 */
static int
split(struct place *p, struct span item, bool *given)
{
	const char *equals = memchr(item.at, '=', item.len);
	struct span name = item;
	bool word;

	if (equals != NULL)
		name.len = (size_t)(equals - item.at);
	p->sub = NULL;
	for (uint32_t i = 0; i < p->row->nsubs; i++)
		if (span_is(name, p->row->subs[i].name))
			p->sub = &p->row->subs[i];
	if (p->sub == NULL)
		return usage(p->err, "--%s %S: unknown sub-option; see "
		    "bulkhead --help", p->row->name, &name);
	word = p->sub->type == SUB_MODE;
	if (word && equals != NULL)
		return usage(p->err, "--%s %S: takes no value; write %s alone",
		    p->row->name, &item, p->sub->name);
	if (!word && equals == NULL && p->sub->type != SUB_LATER)
		return usage(p->err, "--%s %s: value missing; write %s=%s",
		    p->row->name, p->sub->name, p->sub->name,
		    p->sub->meta != NULL ? p->sub->meta : "<value>");
	p->value = (struct span){ .at = item.at + item.len, .len = 0 };
	if (equals != NULL)
		p->value = (struct span){ .at = equals + 1,
		    .len = (size_t)(item.at + item.len - equals - 1) };
	*given = word || p->value.len != 0 || p->sub->type == SUB_LATER;
	return 0;
}

/* A path and an fd in its place. */
static bool
names_two(const struct place *p, uint64_t seen)
{
	for (uint32_t i = 0; p->sub->type == SUB_PATH_FD ||
	    p->sub->type == SUB_PATH ? i < p->row->nsubs : false; i++)
		if ((seen & 1ull << i) != 0 && p->row->subs[i].type != p->sub->type &&
		    p->row->subs[i].offset == p->sub->offset)
			return true;
	return false;
}

int
options_subs(struct vm_spec *spec, const struct option_row *row, void *object,
    const char *value, struct spec_error *err)
{
	struct span rest = span_of(value), item, whole = rest;
	struct place p = { .spec = spec, .row = row, .object = object,
			   .err = err };
	uint32_t mode_given = 0;
	uint64_t seen = 0;
	int got;

	if (rest.len == 0)
		return usage(err, "--%s: value missing; see bulkhead --help",
		    row->name);
	while ((got = value_next(&rest, ',', &item)) == 1) {
		bool given = false;
		uint64_t bit;
		int result;

		if (item.len == 0)
			return usage(err, "--%s %S: an empty item; take out a "
			    "comma", row->name, &whole);
		result = split(&p, item, &given);
		if (result != 0)
			return result;
		/* split() has found its row, or failed. */
		if (p.sub == NULL)
			return -EINVAL;
		bit = 1ull << (unsigned int)(p.sub - row->subs);
		if ((seen & bit) != 0)
			return usage(err, "--%s %S: %s given twice; give it "
			    "once", row->name, &item, p.sub->name);
		if (names_two(&p, seen))
			return bad(&p, "path and fd; leave one out");
		seen |= bit;
		if (!given && p.sub->type != SUB_TEXT)
			if (p.sub->type != SUB_ADDRESS &&
			    p.sub->type != SUB_MAC)
				return usage(err, "--%s %s=: value missing; "
				    "write %s=%s", row->name, p.sub->name,
				    p.sub->name, p.sub->meta);
		result = given ? store(&p, &mode_given) : 0;
		if (result != 0)
			return result;
	}
	if (got != 0)
		return usage(err, "--%s %S: quotes or brackets do not pair; "
		    "close them", row->name, &whole);
	return 0;
}
