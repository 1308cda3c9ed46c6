/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends: of a controller and of a spawner that are killed. No process outlives
 * either, and the spawner leaves the terminal and the directories in order.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/jail/driver.h"

static bool
gone(uint32_t pid, int ms)
{
	struct timespec nap = { .tv_nsec = 5000000 };
	char state[64];

	for (int waited = 0; waited < ms; waited += 5) {
		if (!proc_line(pid, "status", "State:", state, sizeof(state)) ||
		    state[0] == 'Z')
			return true;
		nanosleep(&nap, NULL);
	}
	return false;
}

struct victim {
	uint32_t twin[4];
	uint32_t spawner;
};

static uint32_t
pid_of_pidfd(int pidfd)
{
	char file[64], text[32];

	snprintf(file, sizeof(file), "fdinfo/%d", pidfd);
	if (!proc_line((uint32_t)getpid(), file, "Pid:", text, sizeof(text)))
		return 0;
	return (uint32_t)strtoul(text, NULL, 10);
}

/* In a process of its own: a VM with four jailed twins, then wait for the end. */
static _Noreturn void
doomed_controller(int report, int tty, const struct termios *saved, int dir)
{
	struct spawner_config config = { .libexec = twins,
	    .rootless = geteuid() != 0, .uid_base = 200000, .tty = tty,
	    .saved = saved };
	static const enum process_kind doomed[] = { PROC_BLK, PROC_NET, PROC_RNG,
	    PROC_OPENER };
	struct twin_order order = order_of(DENIED, JAIL_ENFORCE);
	struct victim v = { { 0 }, 0 };
	struct termios raw = *saved;
	struct stat st;
	struct vm vm;
	char why[256];

	if (vm_start_with(&vm, &config, why, sizeof(why)) != 0)
		_exit(1);
	v.spawner = pid_of_pidfd(vm.pidfd);
	cfmakeraw(&raw);
	tcsetattr(tty, TCSANOW, &raw);
	if (fstatat(dir, "mine", &st, 0) == 0)
		vm_remember(&vm, dir, "mine", st.st_dev, st.st_ino);
	if (fstatat(dir, "other", &st, 0) == 0)
		vm_remember(&vm, dir, "other", st.st_dev, st.st_ino + 1);
	for (int i = 0; i < 4; i++) {
		struct twin t;

		vm_spawn(&vm, &t, doomed[i], &order, NULL, NULL, 0);
		vm_wait(&vm, &t, twin_denied_or_exited);
		v.twin[i] = t.exits > 0 ? 0 : t.host_pid;
	}
	if (write(report, &v, sizeof(v)) != (ssize_t)sizeof(v))
		_exit(1);
	for (;;)
		pause();
}

void
test_death(bool kill_spawner)
{
	char name[64] = "", path[512];
	int master, slave, report[2], dir;
	struct termios saved, after;
	struct victim v;
	bool all = true;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/mine", scratch);
	make_with_mode(path, 0644);
	snprintf(path, sizeof(path), "%s/other", scratch);
	make_with_mode(path, 0644);
	dir = open(scratch, O_RDONLY | O_DIRECTORY);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0 || pipe(report) != 0 ||
	    dir < 0) {
		ok(false, "pty");
		return;
	}
	slave = open(name, O_RDWR | O_NOCTTY);
	tcgetattr(slave, &saved);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		doomed_controller(report[1], slave, &saved, dir);
	close(report[1]);
	if (read(report[0], &v, sizeof(v)) != (ssize_t)sizeof(v)) {
		ok(false, "a controller to kill");
		return;
	}
	tcgetattr(slave, &after);
	ok((after.c_lflag & ICANON) == 0, "before: the terminal is raw");
	kill(kill_spawner ? (pid_t)v.spawner : pid, SIGKILL);
	for (int i = 0; i < 4; i++)
		all = all && v.twin[i] != 0 && gone(v.twin[i], 3000);
	ok(all && gone(v.spawner, 3000), "no process outlives a killed %s",
	    kill_spawner ? "spawner" : "controller");
	if (!kill_spawner) {
		tcgetattr(slave, &after);
		ok(after.c_lflag == saved.c_lflag && after.c_iflag == saved.c_iflag,
		    "the spawner gives the terminal back");
		ok(faccessat(dir, "mine", F_OK, 0) != 0,
		    "it removes what it was told to remember");
		ok(faccessat(dir, "other", F_OK, 0) == 0,
		    "but not another file of that name");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(report[0]);
	close(slave);
	close(master);
	close(dir);
}
