/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions that the kernel answers to a thread about itself alone, see
 * audit_trace.h. The held thread is made to execute the one `syscall` instruction
 * of the vdso, with its filters set aside (which root may) and all signals blocked:
 *
 *	open("/")		EACCES: a Landlock domain
 *	PR_GET_MDWE		1: no memory becomes executable
 *	PR_GET_DUMPABLE		0
 *	PR_GET_PDEATHSIG	SIGKILL
 *
 * None of them changes anything; a root that can be opened is closed again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "controller/ctl/audit_trace.h"
#include "sandbox/kernel_compat.h"

#define RED_ZONE 128u
#define SCRATCH 64u		/* bytes below it that are put back */
#define SYSCALL_STOP (SIGTRAP | 0x80)

/* What the kernel restarts by itself when nobody meddles with the registers. */
#define RESTARTSYS 512
#define RESTARTNOINTR 513
#define RESTARTNOHAND 514
#define RESTART_BLOCK 516

struct probe {
	struct held *held;
	uint64_t insn;		/* address of a syscall instruction */
	uint64_t scratch;	/* address of SCRATCH bytes */
	unsigned char saved[SCRATCH];
	uint64_t mask;		/* signals that it blocks itself */
};

static bool
move(const struct probe *pr, void *local, bool write)
{
	struct iovec here = { local, SCRATCH };
	struct iovec there = { held_word(pr->scratch), SCRATCH };

	return (write ? process_vm_writev(pr->held->tid, &here, 1, &there, 1, 0) :
	    process_vm_readv(pr->held->tid, &here, 1, &there, 1, 0)) == SCRATCH;
}

/* The address of a syscall instruction in the vdso, or 0. */
static uint64_t
find_instruction(pid_t tid)
{
	static unsigned char code[65536];
	static char maps[262144];
	unsigned long long from = 0, to = 0;
	char *end;
	struct iovec here, there;
	const char *at;
	ssize_t n;

	if (audit_slurp(tid, "maps", maps, sizeof(maps)) <= 0)
		return 0;
	at = strstr(maps, "[vdso]");
	while (at != NULL && at > maps && at[-1] != '\n')
		at--;
	if (at == NULL)
		return 0;
	from = strtoull(at, &end, 16);
	if (*end == '-')
		to = strtoull(end + 1, NULL, 16);
	if (to <= from)
		return 0;
	here = (struct iovec){ code, to - from < sizeof(code) ? to - from :
	    sizeof(code) };
	there = (struct iovec){ held_word(from), here.iov_len };
	n = process_vm_readv(tid, &here, 1, &there, 1, 0);
	for (ssize_t i = 0; i + 1 < n; i++)
		if (code[i] == 0x0f && code[i + 1] == 0x05)
			return from + (uint64_t)i;
	return 0;
}

/* Go on to the next stop of a system call. False: the thread is lost. */
static bool
step(const struct probe *pr)
{
	int status;

	if (ptrace(PTRACE_SYSCALL, pr->held->tid, NULL, NULL) != 0)
		return false;
	status = held_wait(pr->held);
	return status >= 0 && WSTOPSIG(status) == SYSCALL_STOP;
}

/* Have the thread make a call. Its result as the kernel gives it, or -EIO. */
static long
call(const struct probe *pr, long nr, uint64_t a, uint64_t b, uint64_t c)
{
	struct user_regs_struct r = pr->held->regs;

	r.rip = pr->insn;
	r.rax = (unsigned long long)nr;
	r.orig_rax = (unsigned long long)-1;	/* nothing to restart */
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	r.r10 = r.r8 = r.r9 = 0;
	if (ptrace(PTRACE_SETREGS, pr->held->tid, NULL, &r) != 0 || !step(pr) ||
	    !step(pr) || ptrace(PTRACE_GETREGS, pr->held->tid, NULL, &r) != 0)
		return -EIO;
	return (long)r.rax;
}

static enum answer
answer_of(long rc, long want)
{
	return rc == -EIO ? ANSWER_UNKNOWN : rc == want ? ANSWER_YES : ANSWER_NO;
}

static void
ask(const struct probe *pr, struct audit_task *t)
{
	unsigned char text[SCRATCH] = "/";
	uint32_t sig;
	long rc;

	if (!move(pr, text, true))
		return;
	rc = call(pr, SYS_openat, (uint64_t)AT_FDCWD, pr->scratch,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t->landlock = answer_of(rc, -EACCES);
	if (rc >= 0)
		(void)call(pr, SYS_close, (uint64_t)rc, 0, 0);
	rc = call(pr, SYS_prctl, PR_GET_MDWE, 0, 0);
	t->mdwe = rc == -EINVAL ? ANSWER_UNKNOWN :	/* before 6.3 */
	    rc > 0 ? ANSWER_YES : ANSWER_NO;
	t->dumpable = answer_of(call(pr, SYS_prctl, PR_GET_DUMPABLE, 0, 0), 0);
	t->dumpable = t->dumpable == ANSWER_YES ? ANSWER_NO :
	    t->dumpable == ANSWER_NO ? ANSWER_YES : ANSWER_UNKNOWN;
	rc = call(pr, SYS_prctl, PR_GET_PDEATHSIG, pr->scratch, 0);
	if (rc == 0 && move(pr, text, false)) {
		memcpy(&sig, text, sizeof(sig));
		t->parent_death = sig == SIGKILL ? ANSWER_YES : ANSWER_NO;
	}
}

/*
 * What the kernel would have done with the interrupted call on the way out, which
 * it does not do once registers were set: go back to the instruction.
 */
static void
rewind_call(struct user_regs_struct *r)
{
	if ((long)r->orig_rax < 0)
		return;
	switch (-(long)r->rax) {
	case RESTARTSYS:
	case RESTARTNOINTR:
	case RESTARTNOHAND:
		r->rax = r->orig_rax;
		r->rip -= 2;
		break;
	case RESTART_BLOCK:
		r->rax = (unsigned long long)-EINTR;
		break;
	default:
		break;
	}
}

void
audit_probe(struct held *h, struct audit_task *t)
{
	struct probe pr = { .held = h };
	uint64_t all = ~UINT64_C(0);

	t->probe_error = EPERM;
	if (!h->unfiltered)
		return;
	pr.insn = find_instruction(h->tid);
	pr.scratch = (h->regs.rsp - RED_ZONE - SCRATCH) & ~UINT64_C(15);
	t->probe_error = EIO;
	if (pr.insn == 0 || !move(&pr, pr.saved, false) ||
	    ptrace(PTRACE_GETSIGMASK, h->tid, held_word(sizeof(pr.mask)), &pr.mask) != 0 ||
	    ptrace(PTRACE_SETSIGMASK, h->tid, held_word(sizeof(all)), &all) != 0)
		return;
	t->probe_error = 0;
	ask(&pr, t);
	(void)move(&pr, pr.saved, true);
	rewind_call(&h->regs);
	if (ptrace(PTRACE_SETREGS, h->tid, NULL, &h->regs) != 0 ||
	    ptrace(PTRACE_SETSIGMASK, h->tid, held_word(sizeof(pr.mask)), &pr.mask) != 0)
		t->probe_error = errno;
}
