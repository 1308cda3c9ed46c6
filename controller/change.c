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
#include "controller/host.h"
#include "controller/life.h"
#include "controller/usage.h"

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

/* The fds of vm.add-net: the taps of the net that was added. */
static void
take_fds(const Bh__ApiRequest *req, struct chan_msg *msg)
{
	struct net_spec *net;

	if (draft.status >= 300 || msg->nfds == 0)
		return;
	if (req->verb != BH__API_VERB__API_VERB_ADD || req->n_options != 1 ||
	    strcmp(req->options[0]->option, "net") != 0) {
		fail(400, "file descriptors came with it, of which it takes "
		    "none");
		return;
	}
	net = &draft.spec.nets[draft.spec.nnets - 1];
	if (msg->nfds > SPEC_MAX_QUEUE_PAIRS) {
		fail(400, "too many file descriptors; at most 8 taps a device");
		return;
	}
	/* They are taken when all is well; until then the numbers do. */
	for (unsigned int i = 0; i < msg->nfds; i++)
		net->fds[i] = msg->fds[i];
	net->nfds = msg->nfds;
}

static void
check(struct vm *vm)
{
	struct spec_error err = { .line = "" };
	bool twice;

	if (draft.status >= 300)
		return;
	if (spec_check(&draft.spec, &err) != 0 ||
	    host_check_kept(&draft.spec, &vm->host, &err) != 0 ||
	    plan_make(&draft.plan, &draft.spec, &vm->host, &err) != 0) {
		twice = strstr(err.line, "has this name") != NULL ||
		    strstr(err.line, "has this slot") != NULL;
		fail(twice ? 409 : 400, err.line);
	}
}

uint32_t
change_take(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req, struct chan_msg *msg,
    struct spec_error *err)
{
	bool create = req->verb == BH__API_VERB__API_VERB_CREATE;

	/* What an api-worker that died left of another is thrown away. */
	if (draft.seq != seq || seq == 0)
		begin(vm, create);
	draft.seq = seq;
	apply(req);
	if (req->more)
		return 0;
	draft.seq = 0;
	take_fds(req, msg);
	check(vm);
	*err = draft.err;
	if (draft.status >= 300)
		return draft.status;
	for (unsigned int i = 0; i < msg->nfds; i++)
		(void)chan_take_fd(msg, i);
	if (create)
		plan_next_random(&vm->host);
	vm->spec = draft.spec;
	vm->plan = draft.plan;
	if (create)
		(void)life_enter(vm, VM_CREATED);
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
	else if (dev->kind == PROC_NET || dev->front == FRONT_NET)
		TAKE_OUT(spec->nets, spec->nnets, dev->index);
	else if (dev->front == FRONT_FS)
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
	return draft.status;
}
