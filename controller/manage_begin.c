// SPDX-License-Identifier: Apache-2.0
//
// Requests that begin something of a file of its own, and are answered when that is over;
// see manage_inside.h.
#include "controller/manage_inside.h"

#include "controller/snapshot.h"
#include "controller/supervise.h"
#include "controller/upgrade.h"

static void
upgraded(struct vm *vm, const char *why)
{
	if (vm->pending.verb == BH__API_VERB__API_VERB_UPGRADE_WORKER)
		manage_settle(vm, why == NULL ? 204 : 500, why);
}

static uint32_t
upgrade(struct vm *vm, const Bh__ApiRequest *req, struct chan_msg *msg,
    const char **why)
{
	const Bh__ApiValue *id = manage_value(req, "id",
	    BH__API_VALUE__VALUE_TEXT);

	*why = "one program, or none";
	if (id == NULL || msg->nfds > 1)
		return 400;
	return upgrade_begin(vm, id->text, msg->nfds == 0 ? -1 :
	    chan_take_fd(msg, 0), upgraded, why);
}

static void
snapshot_over(struct vm *vm, const char *why)
{
	if (vm->pending.verb == BH__API_VERB__API_VERB_SNAPSHOT ||
	    vm->pending.verb == BH__API_VERB__API_VERB_RESTORE)
		manage_settle(vm, why == NULL ? 204 : 500, why);
}

static uint32_t
snapshot(struct vm *vm, const Bh__ApiRequest *req, const char **why)
{
	const Bh__ApiValue *url = manage_value(req, "destination_url",
	    BH__API_VALUE__VALUE_TEXT);

	*why = "destination_url: missing";
	return url == NULL ? 400 : snapshot_save(vm, url->text, snapshot_over, why);
}

static uint32_t
restore(struct vm *vm, const Bh__ApiRequest *req, const char **why)
{
	const Bh__ApiValue *url = manage_value(req, "source_url",
	    BH__API_VALUE__VALUE_TEXT);
	const Bh__ApiValue *resume = manage_value(req, "resume",
	    BH__API_VALUE__VALUE_NUMBER);

	*why = "source_url: missing";
	return url == NULL ? 400 : snapshot_restore(vm, url->text,
	    resume != NULL, snapshot_over, why);
}

void
manage_begin(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg)
{
	const char *why = "";
	uint32_t status;

	vm->pending.any = true;
	vm->pending.seq = seq;
	vm->pending.verb = req->verb;
	if (req->verb == BH__API_VERB__API_VERB_UPGRADE_WORKER)
		status = upgrade(vm, req, msg, &why);
	else if (req->verb == BH__API_VERB__API_VERB_SNAPSHOT)
		status = snapshot(vm, req, &why);
	else
		status = restore(vm, req, &why);
	if (status != 0)
		manage_settle(vm, status, why);
}
