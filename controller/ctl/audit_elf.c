/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the program of a process was hardened when it was built, by the file that the
 * kernel executed. Its bytes are read with care: sizes and offsets are checked.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/ctl/audit.h"

#define MAX_HEADERS 128u
#define CET_BOTH 3u		/* GNU_PROPERTY_X86_FEATURE_1_IBT | _SHSTK */

struct image {
	const unsigned char *data;
	size_t size;
};

static const void *
at(const struct image *im, uint64_t offset, uint64_t size)
{
	if (offset > im->size || size > im->size - offset)
		return NULL;
	return im->data + offset;
}

static void
take_dynamic(struct audit_elf *e, const struct image *im, const Elf64_Phdr *ph)
{
	for (uint64_t i = 0; i + sizeof(Elf64_Dyn) <= ph->p_filesz;
	    i += sizeof(Elf64_Dyn)) {
		const void *p = at(im, ph->p_offset + i, sizeof(Elf64_Dyn));
		Elf64_Dyn d;

		if (p == NULL)
			return;
		memcpy(&d, p, sizeof(d));
		if (d.d_tag == DT_NULL)
			return;
		if ((d.d_tag == DT_FLAGS && d.d_un.d_val & DF_BIND_NOW) ||
		    (d.d_tag == DT_FLAGS_1 && d.d_un.d_val & DF_1_NOW) ||
		    d.d_tag == DT_BIND_NOW)
			e->bind_now = true;
	}
}

/* Note of type 5 ("GNU"): properties, of which 0xc0000002 is what x86 marks. */
static void
take_property(struct audit_elf *e, const struct image *im, const Elf64_Phdr *ph)
{
	uint64_t off = ph->p_offset, end = off + ph->p_filesz;
	uint32_t word[2];
	const void *p;

	off += 16;		/* the note's own header and name */
	while (end >= off && end - off >= 8) {
		p = at(im, off, 12);
		if (p == NULL)
			return;
		memcpy(word, p, sizeof(word));
		if (word[0] == GNU_PROPERTY_X86_FEATURE_1_AND && word[1] == 4) {
			memcpy(word, (const char *)p + 8, 4);
			e->cet = (word[0] & CET_BOTH) == CET_BOTH;
			return;
		}
		off += 8 + (((uint64_t)word[1] + 7) & ~UINT64_C(7));
	}
}

static void
take_header(struct audit_elf *e, const struct image *im, const Elf64_Phdr *ph)
{
	switch (ph->p_type) {
	case PT_INTERP:
		e->static_linked = false;
		break;
	case PT_GNU_RELRO:
		e->relro = true;
		break;
	case PT_GNU_STACK:
		e->stack_exec = (ph->p_flags & PF_X) != 0;
		break;
	case PT_DYNAMIC:
		take_dynamic(e, im, ph);
		break;
	case PT_GNU_PROPERTY:
		take_property(e, im, ph);
		break;
	default:
		break;
	}
}

/*
 * Code made with a stack protector compares with %fs:0x28 before it returns: sub or
 * xor or cmp of fs:[0x28], in several encodings that have these bytes in common.
 */
static bool
has_protector(const struct image *im)
{
	static const unsigned char canary[] = { 0x25, 0x28, 0x00, 0x00, 0x00 };
	unsigned int seen = 0;

	for (size_t i = 4; i + sizeof(canary) <= im->size; i++)
		if (im->data[i] == canary[0] &&
		    memcmp(im->data + i, canary, sizeof(canary)) == 0 &&
		    (im->data[i - 4] == 0x64 || im->data[i - 3] == 0x64) &&
		    ++seen >= 16)
			return true;
	return false;
}

static void
take_image(struct audit_elf *e, const struct image *im)
{
	const void *p = at(im, 0, sizeof(Elf64_Ehdr));
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (p == NULL || memcmp(p, ELFMAG, SELFMAG) != 0)
		return;
	memcpy(&eh, p, sizeof(eh));
	e->pie = eh.e_type == ET_DYN;
	e->static_linked = true;
	e->stack_exec = true;	/* what no header denies */
	for (unsigned int i = 0; i < eh.e_phnum && i < MAX_HEADERS; i++) {
		p = at(im, eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (p == NULL)
			return;
		memcpy(&ph, p, sizeof(ph));
		take_header(e, im, &ph);
	}
	e->stack_protector = has_protector(im);
	e->read = true;
}

void
audit_read_elf(struct audit_process *p)
{
	int fd = audit_open(p->pid, "exe", O_RDONLY);
	struct image im;
	struct stat st;
	void *map;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		im.size = (size_t)st.st_size;
		map = mmap(NULL, im.size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			im.data = map;
			take_image(&p->elf, &im);
			munmap(map, im.size);
		}
	}
	close(fd);
}
