// SPDX-License-Identifier: Apache-2.0
//
// New and amended specs, see change.h. A copy of the spec shares the texts below
// its arena's mark, so that throwing it away takes back what was added.
#include "controller/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/describe.h"
#include "controller/holes.h"
#include "controller/host.h"
#include "controller/life.h"
#include "controller/usage.h"
#include "controller/values.h"

/* The one that is being built. Parts of one request come one after the other. */
static struct {
	struct vm_spec spec;
	struct vm_plan plan;
	uint32_t seq;		/* of the request that it comes of; 0: none */
	uint32_t status;	/* of the first error */
	struct spec_error err;
} draft;

static void
fail(uint32_t status, const char *line)
{
	if (draft.status >= 300)
		return;
	draft.status = status;
	(void)snprintf(draft.err.line, sizeof(draft.err.line), "%s", line);
}

static void
begin(struct vm *vm, bool fresh)
{
	draft.status = 204;
	draft.spec = vm->spec;
	if (fresh)
		spec_init_vm(&draft.spec);
	if (fresh && vm->state != VM_NONE)
		fail(500, "VM is already created");
}

static void
apply(const Bh__ApiRequest *req)
{
	struct spec_error err = { .line = "" };

	for (size_t i = 0; draft.status < 300 && i < req->n_options; i++) {
		int rc = describe_apply(&draft.spec, req->options[i], &err);
		bool later = strncmp(err.line, "not supported yet", 17) == 0;

		if (rc == -ENOMEM)
			fail(500, "the configuration is too large");
		else if (rc != 0)
			fail(later ? 500 : 400, err.line);
	}
}

/* ---- what came with it as fds ------------------------------------------------------ */

struct sent {
	const struct chan_msg *msg;
	uint32_t used;		/* a bit each */
	uint32_t kept;		/* ... of those that are files of the spec */
};

/* The fd with this number in the request; -1: refused, with the line. */
static int
take_sent(struct sent *sent, const char *option, uint64_t n)
{
	struct spec_error err;

	if (n >= sent->msg->nfds)
		(void)usage(&err, "--%s fd=#%l: no such fd came with the request, "
		    "but %u in all", option, n, sent->msg->nfds);
	else if ((sent->used & 1u << n) != 0)
		(void)usage(&err, "--%s fd=#%l: has another user; send one for "
		    "each", option, n);
	else if ((unsigned int)sent->msg->fds[n] >= VM_SENT)
		(void)usage(&err, "--%s fd=#%l: too many open files", option, n);
	else {
		sent->used |= 1u << n;
		return sent->msg->fds[n];
	}
	fail(400, err.line);
	return -1;
}

/* "fd=#0" becomes the fd of the request, by the number that it has here. */
static int
resolve(void *arg, const char *option, const char *name, const char **text)
{
	struct sent *sent = arg;
	struct spec_error err;
	char number[16];
	uint64_t n;
	int fd, len;

	if (strncmp(*text, "fd=#", 4) != 0)
		return 0;
	if (value_u64(span_of(*text + 4), &n) != 0) {
		(void)usage(&err, "--%s %s%S: not the number of an fd of the "
		    "request; they begin with fd=#0", option, name,
		    &(struct span){ *text, strlen(*text) });
		fail(400, err.line);
		return -EINVAL;
	}
	fd = take_sent(sent, option, n);
	if (fd < 0)
		return -EINVAL;
	sent->kept |= 1u << n;
	len = snprintf(number, sizeof(number), "fd=%d", fd);
	*text = spec_text(&draft.spec, number, (size_t)len);
	if (*text == NULL)
		fail(500, "the configuration is too large");
	return *text == NULL ? -ENOMEM : 0;
}

/* Of a --net: those that it names, or, as Cloud Hypervisor's vm.add-net, all. */
static void
resolve_net(struct sent *sent, struct net_spec *net, bool all)
{
	for (uint32_t i = 0; i < net->nfds && draft.status < 300; i++)
		if (net->fds[i] < 0)
			net->fds[i] = take_sent(sent, "net",
			    (uint64_t)-(net->fds[i] + 1));
	if (!all || net->nfds > 0)
		return;
	if (sent->msg->nfds > SPEC_MAX_QUEUE_PAIRS) {
		fail(400, "too many file descriptors; at most 8 taps a device");
		return;
	}
	for (uint32_t i = 0; i < sent->msg->nfds && draft.status < 300; i++)
		net->fds[net->nfds++] = take_sent(sent, "net", i);
}

/* They are taken when all is well; until then the numbers do. */
static void
resolve_all(const Bh__ApiRequest *req, struct sent *sent)
{
	const uint32_t all = (uint32_t)((1ull << sent->msg->nfds) - 1);
	bool net = req->verb == BH__API_VERB__API_VERB_ADD &&
	    req->n_options == 1 && strcmp(req->options[0]->option, "net") == 0;

	if (draft.status < 300)
		(void)spec_each_file(&draft.spec, resolve, sent);
	for (uint32_t i = 0; i < draft.spec.nnets && draft.status < 300; i++)
		resolve_net(sent, &draft.spec.nets[i],
		    net && i == draft.spec.nnets - 1);
	if (draft.status < 300 && sent->used != all)
		fail(400, "file descriptors came with it that nothing in it names; "
		    "write fd=#0 for the first");
}

static void
keep_sent(struct vm *vm, struct sent *sent, struct chan_msg *msg)
{
	for (unsigned int i = 0; i < msg->nfds; i++) {
		const unsigned int fd = (unsigned int)chan_take_fd(msg, i);

		if ((sent->kept & 1u << i) != 0)
			vm->sent[fd / 8] |= (uint8_t)(1u << fd % 8);
	}
}

static int
mark(void *arg, const char *option, const char *name, const char **text)
{
	uint8_t *used = arg;
	const int fd = spec_fd(*text);

	(void)option;
	(void)name;
	if (fd >= 0 && (unsigned int)fd < VM_SENT)
		used[fd / 8] |= (uint8_t)(1u << fd % 8);
	return 0;
}

void
change_sweep(struct vm *vm)
{
	static uint8_t used[VM_SENT / 8];

	memset(used, 0, sizeof(used));
	(void)spec_each_file(&vm->spec, mark, used);
	for (int fd = 0; fd < (int)VM_SENT; fd++)
		if ((vm->sent[fd / 8] & ~used[fd / 8] & 1u << fd % 8) != 0) {
			vm->sent[fd / 8] &= (uint8_t)~(1u << fd % 8);
			close(fd);
		}
}

/* ---- building one ------------------------------------------------------------------- */

static void
fail_check(const struct spec_error *err)
{
	bool twice = strstr(err->line, "has this name") != NULL ||
	    strstr(err->line, "has this slot") != NULL;

	fail(twice ? 409 : 400, err->line);
}

static void
check(struct vm *vm)
{
	struct spec_error err = { .line = "" };

	if (draft.status >= 300)
		return;
	if (spec_check(&draft.spec, &err) != 0 ||
	    host_check_kept(&draft.spec, &vm->host, &err) != 0 ||
	    plan_make(&draft.plan, &draft.spec, &vm->host, &err) != 0)
		fail_check(&err);
}

/* One device more for a VM that runs: the others keep their numbers and places. */
static struct plan_device *
check_running(struct vm *vm)
{
	static struct vm_spec whole;
	static struct vm_plan plan;
	struct plan_device what = { .kind = PROC_KIND_COUNT }, *added = NULL;
	struct spec_error err = { .line = "" };

	if (draft.status >= 300)
		return NULL;
	if (!holes_find_new(&draft.spec, &vm->spec, &what)) {
		fail(500, "not supported yet: adding this to a running VM");
		return NULL;
	}
	whole = draft.spec;
	plan = draft.plan = vm->plan;
	holes_squeeze(&whole, &plan);
	if (spec_check(&whole, &err) != 0 ||
	    host_check_kept(&whole, &vm->host, &err) != 0 ||
	    plan_add(&draft.plan, &draft.spec, &vm->host, &what, &added, &err) != 0)
		fail_check(&err);
	return added;
}

/* What a part of a request brings; true: it was the last. */
static bool
take_part(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req, struct sent *sent)
{
	/* What an api-worker that died left of another is thrown away. */
	if (draft.seq != seq || seq == 0)
		begin(vm, req->verb == BH__API_VERB__API_VERB_CREATE);
	draft.seq = seq;
	apply(req);
	if (req->more)
		return false;
	draft.seq = 0;
	resolve_all(req, sent);
	return true;
}

uint32_t
change_take(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req, struct chan_msg *msg,
    struct spec_error *err)
{
	bool create = req->verb == BH__API_VERB__API_VERB_CREATE;
	struct sent sent = { .msg = msg };

	if (!take_part(vm, seq, req, &sent))
		return 0;
	check(vm);
	*err = draft.err;
	if (draft.status >= 300)
		return draft.status;
	keep_sent(vm, &sent, msg);
	if (create)
		plan_next_random(&vm->host);
	vm->spec = draft.spec;
	vm->plan = draft.plan;
	if (create)
		(void)life_enter(vm, VM_CREATED);
	return draft.status;
}

uint32_t
change_take_running(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg, struct spec_error *err, struct plan_device **added)
{
	struct sent sent = { .msg = msg };
	struct plan_device *dev;

	*added = NULL;
	if (!take_part(vm, seq, req, &sent))
		return 0;
	dev = check_running(vm);
	*err = draft.err;
	if (draft.status >= 300)
		return draft.status;
	keep_sent(vm, &sent, msg);
	vm->spec = draft.spec;
	vm->plan = draft.plan;
	*added = &vm->plan.devices[dev - draft.plan.devices];
	return draft.status;
}

/* ---- taking out ------------------------------------------------------------------- */

/* Names that the plan gave are kept: those of the rest shall not move up. */
static bool
keep_names(void)
{
	for (uint32_t i = 0; i < draft.plan.ndevices; i++) {
		const struct plan_device *dev = &draft.plan.devices[i];
		struct pci_spec *pci = plan_removable(&draft.spec, dev);

		if (pci == NULL || pci->id != NULL)
			continue;
		pci->id = spec_text(&draft.spec, dev->id, strlen(dev->id));
		if (pci->id == NULL)
			return false;
	}
	return true;
}

#define TAKE_OUT(array, n, i)						\
	memmove(&(array)[i], &(array)[(i) + 1],				\
	    (--(n) - (i)) * sizeof((array)[0]))

static void
take_out(const struct plan_device *dev)
{
	struct vm_spec *spec = &draft.spec;

	if (dev->kind == PROC_PMEM)
		TAKE_OUT(spec->pmems, spec->npmems, dev->index);
	else if (dev->kind == PROC_BLK ||
	    (dev->kind == PROC_FRONT && dev->front == FRONT_DISK))
		TAKE_OUT(spec->disks, spec->ndisks, dev->index);
	else if (dev->kind == PROC_VSOCK)
		TAKE_OUT(spec->vsocks, spec->nvsocks, dev->index);
	else if (dev->kind == PROC_NET || dev->front == FRONT_NET)
		TAKE_OUT(spec->nets, spec->nnets, dev->index);
	else if (dev->kind == PROC_FS || dev->front == FRONT_FS)
		TAKE_OUT(spec->fs, spec->nfs, dev->index);
	else
		TAKE_OUT(spec->generics, spec->ngenerics, dev->index);
}

uint32_t
change_remove(struct vm *vm, const char *id, struct spec_error *err)
{
	const struct plan_device *dev = NULL;
	const struct net_spec *net = NULL;
	struct span name = span_of(id);

	begin(vm, false);
	draft.seq = 0;
	draft.plan = vm->plan;
	for (uint32_t i = 0; i < vm->plan.ndevices; i++)
		if (strcmp(vm->plan.devices[i].id, id) == 0 &&
		    plan_removable(&draft.spec, &vm->plan.devices[i]) != NULL)
			dev = &vm->plan.devices[i];
	if (dev == NULL) {
		(void)usage(err, "No device with id %S to remove", &name);
		return 404;
	}
	if (dev->kind == PROC_NET)
		net = &vm->spec.nets[dev->index];
	if (!keep_names()) {
		(void)usage(err, "the configuration is too large");
		return 500;
	}
	take_out(dev);
	check(vm);
	*err = draft.err;
	if (draft.status >= 300)
		return draft.status;
	for (uint32_t i = 0; net != NULL && i < net->nfds; i++)
		close(net->fds[i]);
	vm->spec = draft.spec;
	vm->plan = draft.plan;
	change_sweep(vm);
	return draft.status;
}

void
change_settle(struct vm *vm)
{
	struct spec_error err;

	begin(vm, false);
	draft.seq = 0;
	draft.plan = vm->plan;
	memset(draft.plan.dead_slots, 0, sizeof(draft.plan.dead_slots));
	holes_squeeze(&draft.spec, &draft.plan);
	if (keep_names())
		(void)plan_make(&draft.plan, &draft.spec, &vm->host, &err);
	vm->spec = draft.spec;
	vm->plan = draft.plan;
}

/* ---- of a snapshot ------------------------------------------------------------------ */

void
change_restore_begin(struct vm *vm)
{
	begin(vm, true);
	draft.seq = 0;
}

void
change_restore_part(size_t n, Bh__ApiOption **options)
{
	Bh__ApiRequest req = BH__API_REQUEST__INIT;

	req.n_options = n;
	req.options = options;
	apply(&req);
}

/* A number that meant something to another process. */
static int
refuse_fd(void *arg, const char *option, const char *name, const char **text)
{
	struct spec_error err;

	(void)arg;
	if (spec_fd(*text) < 0)
		return 0;
	(void)usage(&err, "--%s %sfd=: not supported yet in a VM that is restored",
	    option, name);
	fail(500, err.line);
	return -EINVAL;
}

uint32_t
change_restore_end(struct vm *vm, struct spec_error *err)
{
	if (draft.status < 300)
		(void)spec_each_file(&draft.spec, refuse_fd, NULL);
	for (uint32_t i = 0; i < draft.spec.nnets; i++)
		if (draft.spec.nets[i].nfds > 0)
			fail(500, "--net fd=: not supported yet in a VM that is "
			    "restored");
	check(vm);
	*err = draft.err;
	if (draft.status >= 300)
		return draft.status;
	plan_next_random(&vm->host);
	vm->spec = draft.spec;
	vm->plan = draft.plan;
	(void)life_enter(vm, VM_CREATED);
	return draft.status;
}
