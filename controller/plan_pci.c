// SPDX-License-Identifier: Apache-2.0
//
// PCI segments and who is where on them, see plan.h. A slot has one function: what is
// in a slot leaves it together.
#include "controller/plan_inside.h"

#include <errno.h>

#include "arch/x86_64/layout.h"
#include "controller/usage.h"

#define MIB (1ull << 20)
#define ALIGN32 0x10000ull
#define LEAST32 MIB		/* the BARs of all slots of a segment */

_Static_assert(SPEC_MAX_SEGMENTS == LAYOUT_PCI_SEGMENTS, "layout.h");
_Static_assert((uint64_t)PLAN_SLOTS * LAYOUT_VIRTIO_BAR_SIZE <= LEAST32, "layout.h");

/* ---- windows ----------------------------------------------------------------------- */

static const struct segment_spec *
said_of(const struct vm_spec *spec, uint32_t number)
{
	static const struct segment_spec plain = { .weight32 = 1, .weight64 = 1 };

	for (uint32_t i = 0; i < spec->nsegments; i++)
		if (spec->segments[i].number == number)
			return &spec->segments[i];
	return &plain;
}

static int
divide_window32(struct vm_plan *plan, const struct vm_spec *spec,
    struct spec_error *err)
{
	uint64_t sum = 0, at = LAYOUT_MMIO32;

	for (uint32_t i = 0; i < plan->nsegments; i++)
		sum += said_of(spec, i)->weight32;
	for (uint32_t i = 0; i < plan->nsegments; i++) {
		uint32_t weight = said_of(spec, i)->weight32;
		struct plan_segment *s = &plan->segments[i];

		/* 30 bits times 32. */
		s->mmio32_base = at;
		s->mmio32_size = LAYOUT_MMIO32_SIZE * weight / sum & ~(ALIGN32 - 1);
		if (s->mmio32_size < LEAST32)
			return usage(err, "--pci-segment mmio32_aperture_weight=%u: "
			    "too small for the devices of segment %u beside the "
			    "others", weight, i);
		at += s->mmio32_size;
	}
	return 0;
}

void
plan_window64(struct vm_plan *plan, const struct vm_spec *spec, uint64_t base,
    uint64_t size)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < plan->nsegments; i++)
		sum += said_of(spec, i)->weight64;
	for (uint32_t i = 0; i < plan->nsegments; i++) {
		struct plan_segment *s = &plan->segments[i];

		/* 32 bits times 32. */
		s->mmio64_base = base;
		s->mmio64_size = size / MIB * said_of(spec, i)->weight64 / sum * MIB;
		base += s->mmio64_size;
	}
}

/* ---- slots -------------------------------------------------------------------------- */

/* By segment, a bit a slot. */
struct places {
	uint32_t taken[SPEC_MAX_SEGMENTS];
};

static bool
is_taken(const struct places *p, uint32_t segment, uint32_t slot)
{
	return (p->taken[segment] >> slot & 1) != 0;
}

static void
take(struct places *p, uint32_t bdf)
{
	p->taken[bdf >> 8] |= 1u << (bdf >> 3 & 31);
}

/* The first free slot of @segment, or (0) of any below @end. */
static bool
find(struct places *p, uint32_t segment, uint32_t end, uint32_t *bdf)
{
	uint32_t first = segment, last = segment != 0 ? segment + 1 : end;

	for (uint32_t s = first; s < last && s < end; s++)
		for (uint32_t slot = 1; slot <= PLAN_SLOTS; slot++)
			if (!is_taken(p, s, slot)) {
				*bdf = s << 8 | slot << 3;
				take(p, *bdf);
				return true;
			}
	return false;
}

bool
plan_has_i6300esb(const struct vm_spec *spec)
{
	return spec->watchdog.on && spec->watchdog.model == WATCHDOG_I6300ESB;
}

/* One that may be anywhere in its segment, or (0) in one segment more. */
static int
place(struct vm_plan *plan, struct places *p, const struct pci_spec *pci,
    const char *option, uint32_t *bdf, struct spec_error *err)
{
	if (find(p, pci->segment, plan->nsegments, bdf))
		return 0;
	if (pci->segment != 0)
		return usage(err, "--%s pci_segment=%u: all of its %u slots are "
		    "taken; take another segment", option, pci->segment, PLAN_SLOTS);
	/* Every device fits: PLAN_MAX_DEVICES are fewer than there are slots. */
	plan->nsegments++;
	(void)find(p, 0, plan->nsegments, bdf);
	return 0;
}

int
plan_places(struct vm_plan *plan, const struct vm_spec *spec, struct spec_error *err)
{
	static const struct pci_spec anywhere;
	struct places p = { { 0 } };
	int bad = 0;

	plan->nsegments = spec->platform.segments;
	if (plan_has_i6300esb(spec) && spec->watchdog.pci.slot != 0) {
		plan->i6300esb_bdf = spec->watchdog.pci.segment << 8 |
		    spec->watchdog.pci.slot << 3;
		take(&p, plan->i6300esb_bdf);
	}
	for (uint32_t i = 0; i < plan->ndevices; i++) {
		struct plan_device *dev = &plan->devices[i];
		const struct pci_spec *pci = plan_pci_of(spec, dev);

		if (!dev->on_pci || pci->slot == 0)
			continue;
		dev->bdf = pci->segment << 8 | pci->slot << 3;
		take(&p, dev->bdf);
	}
	for (uint32_t i = 0; bad == 0 && i < plan->ndevices; i++) {
		struct plan_device *dev = &plan->devices[i];

		if (dev->on_pci && dev->bdf == 0)
			bad = place(plan, &p, plan_pci_of(spec, dev), "disk",
			    &dev->bdf, err);
	}
	if (bad == 0 && spec->pvpanic)
		bad = place(plan, &p, &anywhere, "pvpanic", &plan->pvpanic_bdf, err);
	if (bad == 0 && plan_has_i6300esb(spec) && plan->i6300esb_bdf == 0)
		bad = place(plan, &p, &spec->watchdog.pci, "watchdog",
		    &plan->i6300esb_bdf, err);
	if (bad == 0)
		bad = divide_window32(plan, spec, err);
	if (bad == 0)
		plan_window64(plan, spec, plan->mmio64_base, plan->mmio64_size);
	return bad;
}

int
plan_place(const struct vm_plan *plan, const struct pci_spec *pci, uint32_t *bdf,
    struct spec_error *err)
{
	struct places p = { { 0 } };

	if (pci->segment >= plan->nsegments)
		return usage(err, "pci_segment=%u: this VM has segments 0 to %u; give it "
		    "more by --platform num_pci_segments", pci->segment,
		    plan->nsegments - 1);
	for (uint32_t i = 0; i < plan->nsegments; i++)
		p.taken[i] = plan->dead_slots[i];
	for (uint32_t i = 0; i < plan->ndevices; i++)
		if (plan->devices[i].on_pci)
			take(&p, plan->devices[i].bdf);
	take(&p, plan->pvpanic_bdf);
	take(&p, plan->i6300esb_bdf);
	if (pci->slot != 0) {
		*bdf = pci->segment << 8 | pci->slot << 3;
		return !is_taken(&p, pci->segment, pci->slot) ? 0 : usage(err,
		    "pci_device_id=%u: another device has this slot", pci->slot);
	}
	return find(&p, pci->segment, plan->nsegments, bdf) ? 0 : usage(err,
	    "no PCI slot is left; start the VM with a larger --platform "
	    "num_pci_segments, which gives %u each", PLAN_SLOTS);
}
