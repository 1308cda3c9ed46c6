/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF loader, see elf.h. Every number of the file is checked where it is
 * used: the headers are copied once, counts are bounded, ranges go through the
 * memory map. Section headers are never looked at.
 */
#include "controller/loader/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/load.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18u

#define MAX_PHDRS 128u
#define MAX_NOTES 1024u

static int
fail(struct load *ld, const char *text)
{
	return load_fail(ld->report, ENOEXEC, ld->kernel.what, text);
}

static int
check_header(struct load *ld, const Elf64_Ehdr *h)
{
	if (h->e_ident[EI_CLASS] == ELFCLASS32)
		return fail(ld, "a 32-bit ELF file; a 64-bit one is needed");
	if (h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_ident[EI_VERSION] != EV_CURRENT)
		return fail(ld, "a damaged ELF file, or one of another machine");
	if (h->e_machine == EM_AARCH64)
		return fail(ld, "an AArch64 ELF file; this host runs x86-64 "
		    "guests");
	/* EDK2's firmware for cloud hypervisors is a 64-bit ELF of a 386. */
	if (h->e_machine != EM_X86_64 && h->e_machine != EM_386)
		return fail(ld, "an ELF file of another machine");
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return fail(ld, "an ELF file that is no program (an object or a "
		    "kernel module?)");
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 ||
	    h->e_phnum > MAX_PHDRS)
		return fail(ld, "damaged: its ELF program headers make no sense");
	return 0;
}

static int
read_phdr(struct load *ld, const Elf64_Ehdr *h, unsigned int i,
    Elf64_Phdr *phdr)
{
	uint64_t at;

	if (__builtin_add_overflow(h->e_phoff, (uint64_t)i * sizeof(*phdr), &at))
		return fail(ld, "damaged: its ELF program headers make no sense");
	return image_read(&ld->kernel, at, phdr, sizeof(*phdr), ld->report);
}

/* A segment outside of RAM: is the memory too small or the address foolish? */
static int
fail_place(struct load *ld, const Elf64_Phdr *p)
{
	uint64_t end;
	int rc;

	if (__builtin_add_overflow(p->p_paddr, p->p_memsz, &end))
		return fail(ld, "damaged: an ELF segment wraps around");
	if (p->p_paddr < LAYOUT_HIGH_RAM) {
		rc = fail(ld, "wants to be loaded at ");
		load_say_hex(ld->report, p->p_paddr);
		load_say(ld->report, ", below 1 MiB, where the boot structures "
		    "are");
		return rc;
	}
	rc = load_fail(ld->report, ENOMEM, ld->kernel.what,
	    "larger than memory: it needs RAM from ");
	load_say_hex(ld->report, p->p_paddr);
	load_say(ld->report, " to ");
	load_say_hex(ld->report, end);
	load_say(ld->report, "; give --memory more");
	return rc;
}

static int
load_segment(struct load *ld, const Elf64_Phdr *p)
{
	if (p->p_memsz == 0)
		return 0;
	if (p->p_filesz > p->p_memsz)
		return fail(ld, "damaged: an ELF segment is larger in the file "
		    "than in memory");
	if (p->p_paddr < LAYOUT_HIGH_RAM ||
	    !memmap_is_ram(&ld->map, p->p_paddr, p->p_memsz))
		return fail_place(ld, p);
	/* The initramfs goes above what is low; above 4 GiB it is not in the
	 * way. */
	if (p->p_paddr < LAYOUT_LOW_RAM_END &&
	    p->p_paddr + p->p_memsz > ld->kernel_end)
		ld->kernel_end = p->p_paddr + p->p_memsz;
	return image_read_guest(&ld->kernel, p->p_offset, ld->mem, p->p_paddr,
	    p->p_filesz, ld->report);
}

/* @n rounded up to a power of two; @n is 32 bits wide, so it cannot wrap. */
static uint64_t
align_up(uint32_t n, uint64_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/*
 * Look for the PVH note in a PT_NOTE segment. 1: found, 0: not there, or -errno.
 * Padding: 8 only where the segment says so (gABI); everybody else uses 4.
 */
static int
find_note(struct load *ld, const Elf64_Phdr *p, uint64_t *entry)
{
	uint64_t align = p->p_align == 8 ? 8 : 4;
	uint64_t at = 0, size = p->p_filesz;

	for (unsigned int n = 0; n < MAX_NOTES; n++) {
		struct { Elf64_Nhdr h; char name[4]; } note;
		uint64_t name_size, desc_at;
		int rc;

		if (size < sizeof(note) || at > size - sizeof(note))
			return 0;
		/* p_offset + at cannot wrap: image_read checks p_offset + size
		 * first. */
		rc = image_read(&ld->kernel, p->p_offset + at, &note,
		    sizeof(note), ld->report);
		if (rc < 0)
			return rc;
		name_size = align_up(note.h.n_namesz, align);
		desc_at = at + sizeof(note.h) + name_size;
		if (note.h.n_namesz == 4 && memcmp(note.name, "Xen", 4) == 0 &&
		    note.h.n_type == XEN_ELFNOTE_PHYS32_ENTRY) {
			*entry = 0;
			if (note.h.n_descsz != 4 && note.h.n_descsz != 8)
				return fail(ld, "damaged: its PVH note has a "
				    "wrong size");
			rc = image_read(&ld->kernel, p->p_offset + desc_at,
			    entry, note.h.n_descsz, ld->report);
			return rc < 0 ? rc : 1;
		}
		at = desc_at + align_up(note.h.n_descsz, align);
	}
	return 0;
}

/* The whole segment lies in the file? */
static int
note_segment(struct load *ld, const Elf64_Phdr *p, uint64_t *entry)
{
	if (p->p_offset > ld->kernel.size ||
	    p->p_filesz > ld->kernel.size - p->p_offset)
		return fail(ld, "truncated: its ELF notes are not in the file");
	return find_note(ld, p, entry);
}

/* Is the entry point in what was loaded? */
static int
check_entry(struct load *ld, const Elf64_Ehdr *h, uint64_t entry)
{
	for (unsigned int i = 0; i < h->e_phnum; i++) {
		Elf64_Phdr p = { .p_type = PT_NULL };
		int rc = read_phdr(ld, h, i, &p);

		if (rc < 0)
			return rc;
		if (p.p_type == PT_LOAD && entry <= UINT32_MAX &&
		    entry - p.p_paddr < p.p_memsz)
			return 0;
	}
	return fail(ld, "damaged: its PVH entry point is in no ELF segment");
}

int
elf_load(struct load *ld, uint64_t *entry)
{
	Elf64_Ehdr h = { .e_phnum = 0 };
	bool found = false;
	int rc = image_read(&ld->kernel, 0, &h, sizeof(h), ld->report);

	if (rc == 0)
		rc = check_header(ld, &h);
	ld->kernel_end = LAYOUT_HIGH_RAM;
	/* Notes first: what cannot be started is not loaded. */
	for (unsigned int i = 0; rc >= 0 && !found && i < h.e_phnum; i++) {
		Elf64_Phdr p = { .p_type = PT_NULL };

		rc = read_phdr(ld, &h, i, &p);
		if (rc == 0 && p.p_type == PT_NOTE)
			rc = note_segment(ld, &p, entry);
		found = rc == 1;
	}
	if (rc < 0)
		return rc;
	if (!found)
		return fail(ld, "ELF without a PVH note "
		    "(XEN_ELFNOTE_PHYS32_ENTRY); Linux has it with CONFIG_PVH");
	rc = check_entry(ld, &h, *entry);
	for (unsigned int i = 0; rc == 0 && i < h.e_phnum; i++) {
		Elf64_Phdr p = { .p_type = PT_NULL };

		rc = read_phdr(ld, &h, i, &p);
		if (rc == 0 && p.p_type == PT_LOAD)
			rc = load_segment(ld, &p);
	}
	return rc;
}
