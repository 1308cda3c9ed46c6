/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox/notify.c: denied calls of a child under a real filter are read without
 * waiting, named and described.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/notify.h"

/* Load a filter that asks about SYS_sync only, then call it. */
static _Noreturn void
child(int sock)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sync, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = f };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
	    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	int fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (fd < 0 || sendmsg(sock, &msg, 0) != 1)
		_exit(2);
	close(fd);
	syscall(SYS_sync, 0x1111222233334444, 5, 6, 7, 8, 9);
	_exit(0);
}

static int
start_child(pid_t *pid)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	int pair[2], fd;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	*pid = fork();
	if (*pid == 0)
		child(pair[1]);
	close(pair[1]);
	assert_int_equal(recvmsg(pair[0], &msg, 0), 1);
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	close(pair[0]);
	return fd;
}

static void
test_receive(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct denied_call call;
	char text[200];
	pid_t pid;

	(void)state;
	p.fd = start_child(&pid);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(notify_receive(p.fd, &call), 1);
	assert_int_equal(call.nr, SYS_sync);
	assert_string_equal(call.name, "sync");
	assert_int_equal(call.pid, pid);
	assert_int_equal(call.args[0], 0x1111222233334444);
	assert_int_equal(call.args[5], 9);
	assert_int_not_equal(call.ip, 0);
	notify_describe(&call, text, sizeof(text));
	assert_non_null(strstr(text,
	    "sync(0x1111222233334444, 0x5, 0x6, 0x7, 0x8, 0x9) at 0x"));
	notify_describe(&call, text, 8);
	assert_string_equal(text, "sync(0x");
	/* Taken: the next one finds nothing, and does not wait for it. */
	assert_int_equal(notify_receive(p.fd, &call), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(p.revents & POLLHUP);
	assert_int_equal(notify_receive(p.fd, &call), 0);
	close(p.fd);
}

/* A process that dies after poll() saw its call must not make us wait. */
static void
test_dead_caller(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct denied_call call;
	pid_t pid;

	(void)state;
	p.fd = start_child(&pid);
	assert_int_equal(poll(&p, 1, 5000), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	alarm(5);
	assert_int_equal(notify_receive(p.fd, &call), 0);
	alarm(0);
	close(p.fd);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(notify_call_name(SYS_read), "read");
	assert_string_equal(notify_call_name(SYS_openat), "openat");
	assert_string_equal(notify_call_name(SYS_landlock_create_ruleset),
	    "landlock_create_ruleset");
	assert_string_equal(notify_call_name(-1), "?");
	assert_string_equal(notify_call_name(400), "?");	/* a gap */
	assert_string_equal(notify_call_name(1 << 30), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_dead_caller),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
