// SPDX-License-Identifier: Apache-2.0
//
// Faults and symbols, see symbol.h. The file of a program is read with care: sizes and
// offsets are checked, as it may be another than the one that ran.
#include "controller/ctl/symbol.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST (16ull << 20)	/* of our programs */

/* ---- the kernel's log ------------------------------------------------------------- */

/*
 * "name[PID]: segfault at 8 ip 00007f... sp ..." and "traps: name[PID] trap invalid
 * opcode ip:7f... sp:...", by arch/x86's show_signal_msg() and do_trap().
 */
static uint64_t
ip_of(const char *line, uint32_t pid)
{
	char process[24];
	const char *at;

	(void)snprintf(process, sizeof(process), "[%u]", pid);
	at = strstr(line, process);
	if (at == NULL)
		return 0;
	at = strstr(at, " ip");
	return at != NULL && (at[3] == ' ' || at[3] == ':') ?
	    strtoull(at + 4, NULL, 16) : 0;
}

uint64_t
symbol_fault(uint32_t pid, uint64_t base)
{
	const int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	uint64_t found = 0;
	char line[8192];
	ssize_t n;

	if (fd < 0)
		return 0;
	/* A record a read; EPIPE: some were overwritten meanwhile. */
	while ((n = read(fd, line, sizeof(line) - 1)) > 0 ||
	    (n < 0 && errno == EPIPE)) {
		uint64_t ip;

		if (n < 0)
			continue;
		line[n] = '\0';
		ip = ip_of(line, pid);
		/* Another had the number before, and lay somewhere else. */
		if (ip >= base && ip - base < LARGEST)
			found = ip;
	}
	close(fd);
	return found;
}

/* ---- the program -------------------------------------------------------------------- */

static int
open_program(const char *name)
{
	static const char *const places[] = { "", "../libexec/bulkhead/" };
	const char *given = secure_getenv("BULKHEAD_LIBEXEC");
	char dir[4096], path[4400];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	int fd = -1;

	if (given != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", given, name);
		return open(path, O_RDONLY | O_CLOEXEC);
	}
	if (n <= 0)
		return -1;
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && fd < 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s%s", dir, places[i], name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

struct image {
	unsigned char *data;	/* read only */
	size_t size;
};

/* @size bytes at @offset, or NULL. */
static const void *
at(const struct image *im, uint64_t offset, uint64_t size)
{
	if (offset > im->size || size > im->size - offset)
		return NULL;
	return im->data + offset;
}

/* The function of table @table that has @offset in it. */
static void
look_up(const struct image *im, const Elf64_Shdr *table, const Elf64_Shdr *names,
    uint64_t offset, char *buf, size_t size)
{
	for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
		const void *p = at(im, table->sh_offset + i * sizeof(Elf64_Sym),
		    sizeof(Elf64_Sym));
		const char *name;
		Elf64_Sym s;

		if (p == NULL)
			return;
		memcpy(&s, p, sizeof(s));
		if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || offset < s.st_value ||
		    offset - s.st_value >= s.st_size ||
		    s.st_name >= names->sh_size)
			continue;
		name = at(im, names->sh_offset, names->sh_size);
		if (name == NULL || memchr(name + s.st_name, '\0',
		    names->sh_size - s.st_name) == NULL)
			return;
		(void)snprintf(buf, size, "%s+0x%llx", name + s.st_name,
		    (unsigned long long)(offset - s.st_value));
		return;
	}
}

/* Section header @i. */
static int
section(const struct image *im, const Elf64_Ehdr *e, uint32_t i, Elf64_Shdr *s)
{
	const void *p = i >= e->e_shnum ? NULL : at(im,
	    e->e_shoff + (uint64_t)i * sizeof(*s), sizeof(*s));

	if (p == NULL || e->e_shentsize != sizeof(*s))
		return -1;
	memcpy(s, p, sizeof(*s));
	return 0;
}

void
symbol_name(const char *name, uint64_t offset, char *buf, size_t size)
{
	const int fd = open_program(name);
	struct image im = { NULL, 0 };
	Elf64_Shdr table, names;
	struct stat st;
	Elf64_Ehdr e;

	buf[0] = '\0';
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof(e)) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
		    fd, 0);

		if (p != MAP_FAILED)
			im = (struct image){ p, (size_t)st.st_size };
	}
	if (fd >= 0)
		close(fd);
	if (im.data == NULL)
		return;
	memcpy(&e, im.data, sizeof(e));
	for (uint32_t i = 0; memcmp(e.e_ident, ELFMAG, SELFMAG) == 0 &&
	    section(&im, &e, i, &table) == 0; i++)
		if (table.sh_type == SHT_SYMTAB &&
		    section(&im, &e, table.sh_link, &names) == 0)
			look_up(&im, &table, &names, offset, buf, size);
	(void)munmap(im.data, im.size);
}
