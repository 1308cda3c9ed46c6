/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that stays what it is: two stages of every process' jail, see jail.h. The
 * spawner has them from the controller.
 */
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/jail.h"
#include "sandbox/kernel_compat.h"

#define PAGE ((uintptr_t)4096)

/* The linker's: the first byte of the program, where its ELF header is. */
extern const char __executable_start[];

int
jail_mdwe(void)
{
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0 ||
	    errno == EINVAL)
		return 0;
	return -errno;
}

/* What of a segment never changes: all of it, or what the linker says of RELRO. */
static int
seal_segment(const Elf64_Phdr *ph, uintptr_t base)
{
	uintptr_t start = (base + ph->p_vaddr) & ~(PAGE - 1);
	uintptr_t end = base + ph->p_vaddr + ph->p_memsz;

	if (ph->p_type == PT_LOAD && (ph->p_flags & PF_W) == 0)
		end = (end + PAGE - 1) & ~(PAGE - 1);
	else if (ph->p_type == PT_GNU_RELRO)
		end &= ~(PAGE - 1);
	else
		return 0;
	if (end <= start || syscall(SYS_mseal, start, end - start, 0) == 0 ||
	    errno == ENOSYS)
		return 0;
	return -errno;
}

int
jail_mseal(void)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int rc = 0;

	memcpy(&eh, __executable_start, sizeof(eh));
	for (size_t i = 0; rc == 0 && i < eh.e_phnum; i++) {
		memcpy(&ph, __executable_start + eh.e_phoff + i * sizeof(ph),
		    sizeof(ph));
		rc = seal_segment(&ph, (uintptr_t)__executable_start);
	}
	return rc;
}
