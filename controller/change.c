// SPDX-License-Identifier: Apache-2.0
//
// New and amended specs, see change.h. A copy of the spec shares the texts below
// its arena's mark, so that throwing it away takes back what was added.
#include "controller/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
