// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes in pieces of 64 KiB by the shipped bulkhead-vsock in its jail, or by a plain
 * unix socket between two processes. For vsock.sh.
 *	bulkhead-test-vsock-client plain|to-host|to-guest MIB
 * prints MiB a second of CPU time of all who take part (the driver, the worker and the
 * far end; of the plain socket both ends), all on the first CPU. Neither the driver nor
 * the far end looks at the bytes; the far end copies them, as an ordinary program does.
 */
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/native/vsock_drive.h"

#define PIECE (64u << 10)
#define POSTED 8u		/* pieces of the guest's under way */

static struct guest g;

static double
seconds_of(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
seconds_of_children(void)
{
	struct rusage u = { 0 };

	(void)getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The far end, or an end of the plain socket: @total bytes and no more. */
static bool
move(int fd, uint64_t total, bool out)
{
	static char piece[PIECE];

	memset(piece, 1, sizeof(piece));
	while (total > 0) {
		ssize_t n = out ? send(fd, piece, PIECE, MSG_NOSIGNAL) :
		    recv(fd, piece, PIECE, 0);

		if (n <= 0)
			return false;
		total -= (uint64_t)n;
	}
	return true;
}

static pid_t
far_end(int fd, uint64_t total, bool out)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(!move(fd, total, out));
	return pid;
}

static bool
far_end_done(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
plain(uint64_t total)
{
	int pair[2];
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	pid = far_end(pair[1], total, false);
	return move(pair[0], total, true) && far_end_done(pid);
}

/* Until it has interrupted the guest. */
static bool
wait_for_worker(void)
{
	struct pollfd p[2] = { { .fd = vm.call[0], .events = POLLIN },
		{ .fd = vm.call[1], .events = POLLIN } };
	uint64_t count;

	if (drvq_want_calls(&vm.q[0], true) || drvq_want_calls(&vm.q[1], true))
		return true;
	MUST(poll(p, 2, FAKEVM_WAIT_MS) > 0);
	for (unsigned int i = 0; i < 2; i++)
		if (p[i].revents != 0)
			MUST(read(p[i].fd, &count, sizeof(count)) > 0);
	return true;
}

/* What the worker says of credit. */
static bool
take_credit(uint32_t *alloc, uint32_t *fwd)
{
	uint64_t slot;
	uint32_t len;

	while (drvq_get(&vm.q[0], &slot, &len)) {
		memcpy(&got, vm.ram + RX_AT + slot * SLOT, sizeof(got));
		MUST(got.op == VSOCK_OP_CREDIT_UPDATE);
		*alloc = got.buf_alloc;
		*fwd = got.fwd_cnt;
		post_rx(slot);
		fakevm_publish(&vm, 0);
	}
	return true;
}

static bool
to_host(uint64_t total, uint32_t alloc)
{
	struct vsock_hdr h = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID, .src_port = g.port,
		.dst_port = g.host, .len = PIECE, .type = VSOCK_STREAM,
		.op = VSOCK_OP_RW, .buf_alloc = g.alloc,
	};
	uint32_t put = 0, fwd = 0, len;
	unsigned int posted = 0;
	uint64_t cookie;

	while (total > 0 || posted > 0) {
		bool waits = posted == POSTED || total == 0;

		MUST(take_credit(&alloc, &fwd));
		if (!waits && put + PIECE - fwd <= alloc) {
			MUST(post(&h, HDR + PIECE, 0));
			put += PIECE;
			total -= PIECE;
			posted++;
			continue;
		}
		if (posted > 0 && drvq_get(&vm.q[1], &cookie, &len)) {
			do
				posted--;
			while (posted > 0 && drvq_get(&vm.q[1], &cookie, &len));
			continue;
		}
		MUST(wait_for_worker());
	}
	return true;
}

static bool
to_guest(uint64_t total)
{
	uint64_t slot;
	uint32_t len, told = 0;

	while (total > 0) {
		unsigned int n = 0;

		while (drvq_get(&vm.q[0], &slot, &len)) {
			MUST(len > HDR && len - HDR <= total);
			total -= len - HDR;
			g.fwd += len - HDR;
			post_rx(slot);
			n++;
		}
		if (n == 0) {
			MUST(wait_for_worker());
			continue;
		}
		fakevm_publish(&vm, 0);
		if (g.fwd - told >= g.alloc / 2) {
			told = g.fwd;
			MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, 0));
		}
	}
	return true;
}

static bool
by_vsock(const char *way, uint64_t total, double *seconds)
{
	const bool in = strcmp(way, "to-guest") == 0;
	clockid_t worker;
	uint32_t alloc;
	double before;
	int fd;
	pid_t pid;

	nrx = MAX_RX;
	MUST(vsock_start(256u << 10) && activate(&vm, 1, 3) == 0);
	post_all();
	fd = client(&g, 1234, VSOCK_STREAM);
	alloc = got.buf_alloc;
	MUST(fd >= 0 && clock_getcpuclockid(vm.pid, &worker) == 0);
	done();
	before = seconds_of(CLOCK_PROCESS_CPUTIME_ID) + seconds_of(worker);
	pid = far_end(fd, total, in);
	MUST(in ? to_guest(total) : to_host(total, alloc));
	MUST(far_end_done(pid));
	*seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) + seconds_of(worker) - before +
	    seconds_of_children();
	close(fd);
	return vsock_end();
}

int
main(int argc, char **argv)
{
	const uint64_t mib = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	double seconds = 0;
	cpu_set_t set;
	bool good;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	snprintf(dir, sizeof(dir), "/tmp/vsock-XXXXXX");
	if (mib == 0 || mkdtemp(dir) == NULL)
		return 2;
	snprintf(path, sizeof(path), "%s/s", dir);
	if (strcmp(argv[1], "plain") == 0) {
		good = plain(mib << 20);
		seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) +
		    seconds_of_children();
	} else {
		good = by_vsock(argv[1], mib << 20, &seconds);
	}
	unlink(path);
	snprintf(path, sizeof(path), "%s/s.seqpacket", dir);
	unlink(path);
	rmdir(dir);
	if (!good) {
		result(good, &vm, argv[1]);
		return finish();
	}
	printf("%.0f\n", (double)mib / seconds);
	return 0;
}
