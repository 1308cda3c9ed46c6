// SPDX-License-Identifier: Apache-2.0
//
// The part of spec_check() that is about the small devices, see spec_int.h.
#include <errno.h>

#include "controller/spec_int.h"
#include "controller/usage.h"

int
spec_check_small(const struct vm_spec *spec, struct spec_error *err)
{
	const struct watchdog_spec *w = &spec->watchdog;

	if (w->model == WATCHDOG_I6300ESB && w->seconds != 0)
		return usage(err, "--watchdog timeout=%u: the guest chooses it "
		    "for model=i6300esb; leave it out", w->seconds);
	if (w->model == WATCHDOG_I6300ESB && w->pci.packed)
		return usage(err, "--watchdog packed=on: model=i6300esb has no "
		    "rings; leave it out");
	if (w->model == WATCHDOG_I6300ESB && w->pci.id != NULL)
		return usage(err, "--watchdog id=: model=i6300esb is called "
		    "__watchdog; leave it out");
	return spec_check_limit("rng", &spec->rng.limit, err);
}

int
spec_check_restore(const struct vm_spec *spec, struct spec_error *err)
{
	const struct restore_spec *r = &spec->restore;

	if (r->source_url == NULL)
		return !r->resume ? 0 : usage(err, "--restore resume=on: of what? "
		    "add source_url=file:///<directory>");
	return !spec_has_vm(spec) ? 0 : usage(err, "--restore: the snapshot says "
	    "what the VM is made of; leave out --kernel and the other options of a "
	    "VM");
}
