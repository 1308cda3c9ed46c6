// SPDX-License-Identifier: Apache-2.0
//
// Names, PCI slots and segments of all devices together: a part of spec_check().
#include <errno.h>
#include <string.h>

#include "controller/plan.h"
#include "controller/spec_int.h"
#include "controller/usage.h"

static int
check_segments(const struct vm_spec *spec, struct spec_error *err)
{
	for (uint32_t i = 0; i < spec->nsegments; i++) {
		uint32_t number = spec->segments[i].number;

		if (number >= spec->platform.segments)
			return usage(err, "--pci-segment pci_segment=%u: there are "
			    "segments 0 to %u; raise --platform num_pci_segments",
			    number, spec->platform.segments - 1);
		for (uint32_t k = 0; k < i; k++)
			if (spec->segments[k].number == number)
				return usage(err, "--pci-segment pci_segment=%u: is "
				    "given twice", number);
	}
	return 0;
}

/* The n-th device's name and option, in the order of the command line's kinds. */
static const struct pci_spec *
nth_pci(const struct vm_spec *spec, uint32_t n, const char **option)
{
	if (n < spec->ndisks) {
		*option = "disk";
		return &spec->disks[n].pci;
	}
	n -= spec->ndisks;
	if (n < spec->nnets) {
		*option = "net";
		return &spec->nets[n].pci;
	}
	n -= spec->nnets;
	if (n < spec->nfs) {
		*option = "fs";
		return &spec->fs[n].pci;
	}
	n -= spec->nfs;
	if (n < spec->ngenerics) {
		*option = "generic-vhost-user";
		return &spec->generics[n].pci;
	}
	n -= spec->ngenerics;
	if (n < spec->npmems) {
		*option = "pmem";
		return &spec->pmems[n].pci;
	}
	n -= spec->npmems;
	if (n < spec->nballoons) {
		*option = "balloon";
		return &spec->balloons[n].pci;
	}
	n -= spec->nballoons;
	if (n < spec->nvsocks) {
		*option = "vsock";
		return &spec->vsocks[n].pci;
	}
	n -= spec->nvsocks;
	if (n < spec->nrtcs) {
		*option = "rtc";
		return &spec->rtcs[n].pci;
	}
	n -= spec->nrtcs;
	if (n == 0 && spec->watchdog.on) {
		*option = "watchdog";
		return &spec->watchdog.pci;
	}
	n -= spec->watchdog.on;
	*option = n == 0 ? "rng" : "console";
	return n == 0 ? &spec->rng.pci : &spec->console.pci;
}

int
spec_check_pci(const struct vm_spec *spec, struct spec_error *err)
{
	int bad;
	uint32_t n = spec->ndisks + spec->nnets + spec->nfs + spec->ngenerics +
	    spec->npmems + spec->nballoons + spec->nvsocks + spec->nrtcs +
	    spec->watchdog.on + 2;
	const char *option, *other;

	if ((bad = check_segments(spec, err)) != 0)
		return bad;
	if (n - 1 + (spec->console.mode != PORT_OFF) > PLAN_MAX_DEVICES)
		return usage(err, "--disk: %u devices are too many; at most %u "
		    "fit", n,
		    PLAN_MAX_DEVICES);
	for (uint32_t i = 0; i < n; i++) {
		const struct pci_spec *a = nth_pci(spec, i, &option);
		struct span id = span_of(a->id != NULL ? a->id : "");

		if (id.len > 1 && id.at[0] == '_' && id.at[1] == '_')
			return usage(err, "--%s id=%S: names that begin with __ "
			    "are reserved; take another", option, &id);
		if (a->segment >= spec->platform.segments)
			return usage(err, "--%s pci_segment=%u: there are segments "
			    "0 to %u; raise --platform num_pci_segments", option,
			    a->segment, spec->platform.segments - 1);
		for (uint32_t k = 0; k < i; k++) {
			const struct pci_spec *b = nth_pci(spec, k, &other);

			if (a->id != NULL && b->id != NULL &&
			    strcmp(a->id, b->id) == 0)
				return usage(err, "--%s id=%S: a --%s has this "
				    "name; take another", option, &id, other);
			if (a->slot != 0 && a->slot == b->slot &&
			    a->segment == b->segment)
				return usage(err, "--%s pci_device_id=%u: a --%s "
				    "has this slot; take another", option,
				    a->slot, other);
		}
	}
	return 0;
}
