// SPDX-License-Identifier: Apache-2.0
//
// The spec's defaults, its memory, and the checks that need more than one value.
// Every refusal names the option, the value and what to do.
#include "controller/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/options.h"
#include "controller/plan.h"
#include "controller/spec_int.h"
#include "controller/usage.h"
#include "proto/limits.h"

#define PAGE 4096u

void
spec_init(struct vm_spec *spec)
{
	*spec = (struct vm_spec){
		.cpus = { .boot = 1, .max_phys_bits = 46, .nested = true },
		.memory = { .size = 512ull << 20, .thp = true },
		.platform = { .segments = 1 },
		.worker_failure = { .deaths = 5, .seconds = 60, .hang = 10 },
		.console = { .mode = PORT_TTY },
		.serial = { .mode = PORT_NULL },
		.debug_console = { .mode = PORT_OFF, .iobase = 0xe9 },
		.rng = { .src = "/dev/urandom" },
	};
}

void
spec_use_arena(struct vm_spec *spec, void *arena, size_t size)
{
	spec->arena = arena;
	spec->arena_size = size;
	spec->arena_used = 0;
}

void
spec_init_vm(struct vm_spec *spec)
{
	static struct vm_spec fresh;

	spec_init(&fresh);
	fresh.seccomp = spec->seccomp;
	fresh.log = spec->log;
	fresh.api = spec->api;
	fresh.events = spec->events;
	fresh.cgroup = spec->cgroup;
	fresh.kvm = spec->kvm;
	fresh.libexec = spec->libexec;
	fresh.no_shutdown = spec->no_shutdown;
	/* The VMM's own texts are in the list: it stays. */
	fresh.texts = spec->texts;
	fresh.arena = spec->arena;
	fresh.arena_size = spec->arena_size;
	*spec = fresh;
}

bool
spec_has_vm(const struct vm_spec *spec)
{
	if (spec->payload.kernel != NULL || spec->payload.firmware != NULL)
		return true;
	for (unsigned int i = 0; i < option_nrows; i++)
		if ((spec->given & 1ull << i) != 0 && !option_rows[i].vmm)
			return true;
	return spec->api.path == NULL && spec->api.fd == 0 &&
	    spec->restore.source_url == NULL;
}

void
spec_free(struct vm_spec *spec)
{
	spec->arena_used = 0;
	while (spec->texts != NULL) {
		struct spec_text *next = spec->texts->next;

		free(spec->texts);
		spec->texts = next;
	}
}

void *
spec_array(struct vm_spec *spec, size_t n, size_t size)
{
	struct spec_text *t;
	size_t bytes, all;

	if (__builtin_mul_overflow(n, size, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*t), &all))
		return NULL;
	if (spec->arena != NULL) {
		size_t at = (spec->arena_used + 15) & ~(size_t)15;

		if (at > spec->arena_size || bytes > spec->arena_size - at)
			return NULL;
		spec->arena_used = at + bytes;
		memset(spec->arena + at, 0, bytes);
		return spec->arena + at;
	}
	t = calloc(1, all);
	if (t == NULL)
		return NULL;
	t->next = spec->texts;
	spec->texts = t;
	return t->text;
}

char *
spec_text(struct vm_spec *spec, const char *text, size_t len)
{
	char *copy = spec_array(spec, len + 1, 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

/* ---- one function an option -------------------------------------------------- */

static int
check_payload(const struct vm_spec *spec, struct spec_error *err)
{
	const struct payload_spec *p = &spec->payload;
	struct span kernel = span_of(p->kernel != NULL ? p->kernel : "");

	if (p->kernel == NULL && p->firmware == NULL)
		return usage(err, "--kernel: missing; give --kernel <path> or "
		    "--firmware <path>, see bulkhead --help");
	if (p->kernel != NULL && p->firmware != NULL)
		return usage(err, "--kernel %S: not together with --firmware; "
		    "leave one out", &kernel);
	return 0;
}

static int
check_cpus(struct vm_spec *spec, struct spec_error *err)
{
	struct cpus_spec *c = &spec->cpus;
	const struct topology_spec *t = &c->topology;
	uint64_t product = (uint64_t)t->threads * t->cores;

	if (c->max == 0)
		c->max = c->boot;
	if (c->max < c->boot)
		return usage(err, "--cpus max=%u: less than boot=%u; raise it",
		    c->max, c->boot);
	if (t->threads != 0) {
		/* 1024^4 fits into 64 bits */
		product *= (uint64_t)t->dies * t->packages;
		if (product != c->max)
			return usage(err, "--cpus topology=%u:%u:%u:%u: makes "
			    "%l vCPUs and not %u; make the product max",
			    t->threads, t->cores, t->dies, t->packages,
			    product, c->max);
		if (t->threads > 2)
			return usage(err, "--cpus topology=%u:%u:%u:%u: at most "
			    "2 threads a core", t->threads, t->cores, t->dies,
			    t->packages);
	}
	for (uint32_t i = 0; i < c->affinity.n; i++)
		if (c->affinity.of[i].which >= c->max)
			return usage(err, "--cpus affinity: there is no vCPU "
			    "%u; the last is %u", c->affinity.of[i].which,
			    c->max - 1);
	return 0;
}

static int
check_bucket(const char *option, const char *kind, const struct bucket_spec *b,
    struct spec_error *err)
{
	if (b->size != 0 && b->refill_ms == 0)
		return usage(err, "--%s %s_size=%l: in what time? add "
		    "%s_refill_time=<ms>", option, kind, b->size, kind);
	if (b->size == 0 && b->refill_ms != 0)
		return usage(err, "--%s %s_refill_time=%u: limits nothing "
		    "without %s_size; add it", option, kind, b->refill_ms, kind);
	if (b->size == 0 && b->burst != 0)
		return usage(err, "--%s %s_one_time_burst=%l: limits nothing "
		    "without %s_size; add it", option, kind, b->burst, kind);
	return 0;
}

int
spec_check_limit(const char *option, const struct limit_spec *l,
    struct spec_error *err)
{
	int bad = check_bucket(option, "bw", &l->bw, err);

	return bad != 0 ? bad : check_bucket(option, "ops", &l->ops, err);
}

static int
check_limit_groups(const struct vm_spec *spec, struct spec_error *err)
{
	for (uint32_t i = 0; i < spec->nlimit_groups; i++) {
		const struct limit_group_spec *g = &spec->limit_groups[i];
		struct span id = span_of(g->id != NULL ? g->id : "");
		int bad = spec_check_limit("rate-limit-group", &g->limit, err);

		if (bad != 0)
			return bad;
		if (g->id == NULL)
			return usage(err, "--rate-limit-group: no name; add "
			    "id=<name>");
		if (g->limit.bw.size == 0 && g->limit.ops.size == 0)
			return usage(err, "--rate-limit-group id=%S: limits "
			    "nothing; add bw_size or ops_size", &id);
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(g->id, spec->limit_groups[k].id) == 0)
				return usage(err, "--rate-limit-group id=%S: a "
				    "second group of this name; take another",
				    &id);
	}
	return 0;
}

int
spec_limit_group(const struct vm_spec *spec, const struct disk_spec *disk)
{
	for (uint32_t i = 0; disk->limit_group != NULL &&
	    i < spec->nlimit_groups; i++)
		if (strcmp(disk->limit_group, spec->limit_groups[i].id) == 0)
			return (int)i;
	return -1;
}

static int
check_disk_limit(const struct vm_spec *spec, const struct disk_spec *d,
    struct spec_error *err)
{
	struct span group = span_of(d->limit_group != NULL ? d->limit_group :
	    "");

	if (d->limit_group != NULL && spec_limit_group(spec, d) < 0)
		return usage(err, "--disk rate_limit_group=%S: there is no such "
		    "group; add --rate-limit-group id=%S,..", &group, &group);
	if (d->limit_group != NULL &&
	    (d->limit.bw.size != 0 || d->limit.ops.size != 0))
		return usage(err, "--disk rate_limit_group=%S: not together "
		    "with limits of its own; leave out bw_size and ops_size",
		    &group);
	return spec_check_limit("disk", &d->limit, err);
}

/* vhost_user= and socket= of one device. */
int
spec_check_vhost(const char *option, const struct vhost_spec *v,
    struct spec_error *err)
{
	struct span socket = span_of(v->socket != NULL ? v->socket : "");

	if (v->on && v->socket == NULL)
		return usage(err, "--%s: no socket of its back end; add "
		    "socket=<path>", option);
	if (!v->on && v->socket != NULL)
		return usage(err, "--%s socket=%S: a back end without "
		    "vhost_user; add vhost_user=true", option, &socket);
	return 0;
}

/* Everything of the image is the back end's business. */
static int
check_vhost_disk(const struct vm_spec *spec, const struct disk_spec *d,
    struct spec_error *err)
{
	struct span socket = span_of(d->vhost.socket);
	const char *what = d->path != NULL ? "path" : d->readonly ? "readonly" :
	    d->direct ? "direct" : d->serial != NULL ? "serial" :
	    d->image_type != IMAGE_DETECT ? "image_type" :
	    d->backing_files ? "backing_files" :
	    d->limit_group != NULL ? "rate_limit_group" :
	    d->limit.bw.size != 0 ? "bw_size" :
	    d->limit.ops.size != 0 ? "ops_size" : NULL;

	if (what != NULL)
		return usage(err, "--disk vhost_user=true,socket=%S: %s is for "
		    "the back end to know; leave it out here", &socket, what);
	if (!spec_power_of_two(d->queue_size))
		return usage(err, "--disk socket=%S,queue_size=%u: not a power of "
		    "two; write 128 or 256", &socket, d->queue_size);
	if (d->num_queues > spec->cpus.boot)
		return usage(err, "--disk socket=%S,num_queues=%u: more than boot "
		    "vCPUs (%u); lower it", &socket, d->num_queues,
		    spec->cpus.boot);
	return 0;
}

static int
check_fs(const struct fs_spec *f, struct spec_error *err)
{
	struct span tag = span_of(f->tag != NULL ? f->tag : "");

	if (f->tag == NULL)
		return usage(err, "--fs: no name; add tag=<name>");
	if (!spec_power_of_two(f->queue_size))
		return usage(err, "--fs tag=%S,queue_size=%u: not a power of two; "
		    "write 1024", &tag, f->queue_size);
	if (f->path != NULL && f->vhost.socket != NULL)
		return usage(err, "--fs tag=%S,path,socket: a directory or a back "
		    "end; leave one out", &tag);
	if (f->path == NULL && f->vhost.socket == NULL)
		return usage(err, "--fs tag=%S: nothing to share; add path=<directory>, "
		    "or socket=<path> of a back end", &tag);
	if (f->path == NULL && (f->readonly || f->writeback || f->posix_acl ||
	    f->cache != 0 || f->uid_map.n != 0 || f->gid_map.n != 0))
		return usage(err, "--fs tag=%S: readonly, cache, writeback, posix_acl "
		    "and maps of ids are for the back end to know; leave them out",
		    &tag);
	if (f->path != NULL)
		return 0;
	return spec_check_vhost("fs", &f->vhost, err);
}

static int
check_generic(const struct generic_spec *g, struct spec_error *err)
{
	if (g->device_type == 0)
		return usage(err, "--generic-vhost-user: no device; add "
		    "device_type=<number|name>");
	if (g->nqueues == 0)
		return usage(err, "--generic-vhost-user: no queues; add "
		    "queue_sizes=[256]");
	return spec_check_vhost("generic-vhost-user", &g->vhost, err);
}

static int
check_fronts(const struct vm_spec *spec, struct spec_error *err)
{
	int bad = 0;

	for (uint32_t i = 0; i < spec->nfs && bad == 0; i++)
		bad = check_fs(&spec->fs[i], err);
	for (uint32_t i = 0; i < spec->ngenerics && bad == 0; i++)
		bad = check_generic(&spec->generics[i], err);
	return bad;
}

static int
check_balloon(const struct vm_spec *spec, struct spec_error *err)
{
	for (uint32_t i = 0; i < spec->nballoons; i++) {
		uint64_t size = spec->balloons[i].size;

		if (size >= spec_ram(spec))
			return usage(err, "--balloon size=%z: not less than the "
			    "guest's memory of %z; lower it", size,
			    spec_ram(spec));
		if (size % 4096 != 0 || size > BALLOON_LIMIT_SIZE)
			return usage(err, "--balloon size=%z: not a multiple of "
			    "4096, or too large", size);
	}
	return 0;
}

static int
check_pmem(const struct vm_spec *spec, struct spec_error *err)
{
	for (uint32_t i = 0; i < spec->npmems; i++) {
		const struct pmem_spec *p = &spec->pmems[i];
		struct span file = span_of(p->file != NULL ? p->file : "");

		if (p->file == NULL)
			return usage(err, "--pmem: no file; add file=<path>");
		if (p->size % (2ull << 20) != 0)
			return usage(err, "--pmem file=%S,size=%z: not a multiple "
			    "of 2M", &file, p->size);
	}
	return 0;
}

static int
check_landlock(const struct vm_spec *spec, struct spec_error *err)
{
	for (uint32_t i = 0; i < spec->nlandlock_rules; i++) {
		const struct landlock_spec *r = &spec->landlock_rules[i];
		struct span path = span_of(r->path != NULL ? r->path : "");

		if (r->path == NULL)
			return usage(err, "--landlock-rules: no path; add "
			    "path=<path>");
		if (r->access == LANDLOCK_NOT_GIVEN)
			return usage(err, "--landlock-rules path=%S: allows "
			    "nothing; add access=r, w or rw", &path);
		if (!spec->landlock)
			return usage(err, "--landlock-rules path=%S: without "
			    "--landlock, which restricts; add it", &path);
	}
	return 0;
}

static int
check_vsock(const struct vsock_spec *v, struct spec_error *err)
{
	if (v->cid == 0)
		return usage(err, "--vsock: the guest has no context id; add cid=3");
	if (v->socket == NULL)
		return usage(err, "--vsock cid=%u: no socket; add socket=<path>",
		    v->cid);
	if (v->buffer > VSOCK_LIMIT_BUFFER)
		return usage(err, "--vsock buffer=%z: more than 1M; lower it", v->buffer);
	return 0;
}

static int
check_disk(const struct vm_spec *spec, const struct disk_spec *d,
    struct spec_error *err)
{
	struct span path = span_of(d->path != NULL ? d->path : "");
	int bad = spec_check_vhost("disk", &d->vhost, err);

	if (bad != 0 || d->vhost.on)
		return bad != 0 ? bad : check_vhost_disk(spec, d, err);
	if (d->path == NULL)
		return usage(err, "--disk: no path; add path=<path>");
	if (!spec_power_of_two(d->queue_size))
		return usage(err, "--disk path=%S,queue_size=%u: not a power of "
		    "two; write 128 or 256", &path, d->queue_size);
	if (d->num_queues > spec->cpus.boot)
		return usage(err, "--disk path=%S,num_queues=%u: more than boot "
		    "vCPUs (%u); lower it", &path, d->num_queues,
		    spec->cpus.boot);
	for (uint32_t i = 0; i < d->queue_affinity.n; i++)
		if (d->queue_affinity.of[i].which >= d->num_queues)
			return usage(err, "--disk path=%S,queue_affinity: there is "
			    "no queue %u; the last is %u", &path,
			    d->queue_affinity.of[i].which, d->num_queues - 1);
	return check_disk_limit(spec, d, err);
}

static int
check_ports(const struct vm_spec *spec, struct spec_error *err)
{
	static const unsigned int taken[] = { 0x60, 0x61, 0x64, 0x70, 0x71,
					      0x80, 0xcf8, 0xcfc };
	unsigned int ttys = (spec->console.mode == PORT_TTY ? 1u : 0u) +
	    (spec->serial.mode == PORT_TTY ? 1u : 0u) +
	    (spec->debug_console.mode == PORT_TTY ? 1u : 0u);
	uint32_t port = spec->debug_console.iobase;

	if (ttys > 1)
		return usage(err, "--serial tty: there is one terminal, and the "
		    "%s has it; add --console off or another place",
		    spec->console.mode == PORT_TTY ? "console (--console tty "
		    "is the default)" : "serial port");
	if (spec->debug_console.mode == PORT_OFF)
		return 0;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (port == taken[i] || (port >= 0x3f8 && port <= 0x3ff) ||
		    (port >= 0x600 && port <= 0x60f))
			return usage(err, "--debug-console iobase=%u: another "
			    "device is at this port; the usual one is 0xe9",
			    port);
	return 0;
}

static int
check_platform(const struct vm_spec *spec, struct spec_error *err)
{
	const char *uuid = spec->platform.uuid;
	struct span s = span_of(uuid != NULL ? uuid : "");
	bool good = s.len == 36;

	for (size_t i = 0; good && i < s.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		good = dash ? s.at[i] == '-' :
		    strchr("0123456789abcdefABCDEF", s.at[i]) != NULL;
	}
	if (uuid != NULL && !good)
		return usage(err, "--platform system_uuid=%S: not a UUID; write "
		    "8-4-4-4-12 hex digits", &s);
	return 0;
}

/* ---- ids and PCI slots --------------------------------------------------------- */

int
spec_check(struct vm_spec *spec, struct spec_error *err)
{
	int bad;

	if ((bad = check_payload(spec, err)) != 0 ||
	    (bad = check_cpus(spec, err)) != 0 ||
	    (bad = spec_check_memory(spec, err)) != 0 ||
	    (bad = check_ports(spec, err)) != 0 ||
	    (bad = check_platform(spec, err)) != 0 ||
	    (bad = check_landlock(spec, err)) != 0 ||
	    (bad = check_limit_groups(spec, err)) != 0)
		return bad;
	for (uint32_t i = 0; i < spec->ndisks; i++)
		if ((bad = check_disk(spec, &spec->disks[i], err)) != 0)
			return bad;
	for (uint32_t i = 0; i < spec->nnets; i++)
		if ((bad = spec_check_net(&spec->nets[i], err)) != 0)
			return bad;
	if ((bad = check_fronts(spec, err)) != 0 ||
	    (bad = check_pmem(spec, err)) != 0 ||
	    (bad = check_balloon(spec, err)) != 0 ||
	    (bad = spec_check_small(spec, err)) != 0 ||
	    (bad = spec_check_files(spec, err)) != 0)
		return bad;
	for (uint32_t i = 0; i < spec->nvsocks; i++)
		if ((bad = check_vsock(&spec->vsocks[i], err)) != 0)
			return bad;
	return spec_check_pci(spec, err);
}
