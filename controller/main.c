// SPDX-License-Identifier: Apache-2.0
//
// bulkhead, the controller: reads what the user asked for, plans the VM, starts
// the spawner, gives its own rights away, and then supervises until the VM is
// over. It never maps guest memory and never waits for a child.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "build_id.h"
#include "controller/confine.h"
#include "controller/deaths.h"
#include "controller/guard.h"
#include "controller/host.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/options.h"
#include "controller/output.h"
#include "controller/paths.h"
#include "controller/pulse.h"
#include "controller/recover.h"
#include "controller/service.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "controller/timeline.h"

#define EXIT_USAGE 2
#define SPEAKS_VERSION "54.0.0"	/* of Cloud Hypervisor's options and API */

static struct vm the_vm;

/* Texts of VMs that the API made. */
static uint8_t arena[2u << 20];

static unsigned int
terminal_width(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

/* Who looks for Cloud Hypervisor asks it for the version of its interfaces. */
static void
show_version(const struct vm_spec *spec, const char *called)
{
	const char *name = called != NULL ? strrchr(called, '/') : NULL;

	name = name != NULL ? name + 1 : called;
	if (name != NULL && strcmp(name, "cloud-hypervisor") == 0)
		printf("cloud-hypervisor v" SPEAKS_VERSION "\n");
	printf("bulkhead %s\n", BULKHEAD_VERSION[0] != '\0' ?
	    BULKHEAD_VERSION : "0.0.0");
	if (spec->log.verbosity > 0)
		printf("build %s, protocol %u, kvm, x86_64\n",
		    BULKHEAD_BUILD_ID, PROTO_VERSION);
}

/* The command line. Whether to go on; else *status is the exit status. */
static bool
read_options(struct vm_spec *spec, int argc, char **argv, int *status)
{
	struct spec_error err = { .line = "" };
	const char *wrong = NULL;
	int result;

	*status = 0;
	spec_init(spec);
	result = options_parse(spec, argc, argv, &err);
	if (result == OPTIONS_SHOW_HELP)
		options_help(terminal_width());
	else if (result == OPTIONS_SHOW_VERSION)
		show_version(spec, argv[0]);
	else if (result == OPTIONS_RUN)
		result = spec_check_restore(spec, &err);
	if (result == 0 && spec_has_vm(spec))
		result = spec_check(spec, &err);
	if (result > 0)
		return false;
	if (result == 0 && spec->log.format != NULL)
		wrong = output_check_format(spec->log.format);
	if (result == 0 && wrong == NULL)
		return true;
	*status = EXIT_USAGE;
	if (wrong != NULL)
		output_user("--log-format %.100s: %s", spec->log.format, wrong);
	else
		output_user("%s", result == -ENOMEM ? "out of memory" :
		    err.line);
	return false;
}

/* What is to be made, and whether this host can. */
static bool
make_plan(struct vm *vm)
{
	struct spec_error err = { .line = "" };

	host_probe(&vm->host);
	if (!spec_has_vm(&vm->spec))
		return true;
	vm->state = VM_CREATED;
	if (plan_make(&vm->plan, &vm->spec, &vm->host, &err) == 0 &&
	    host_check(&vm->spec, &vm->host, &err) == 0)
		return true;
	output_user("%s", err.line);
	return false;
}

static void
timer_ready(struct loop_source *src, uint32_t events)
{
	uint64_t ticks;

	(void)events;
	if (read(src->fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		life_tick(src->owner);
}

static void
signal_ready(struct loop_source *src, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(src->fd, &info, sizeof(info)) == sizeof(info))
		life_signal(src->owner, (int)info.ssi_signo);
}

/*
 * Signals come as events; the spawner's children have them as usual again. First
 * of all, so that none is lost that comes early.
 */
static void
block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGWINCH);
	sigaddset(set, SIGPWR);
	sigprocmask(SIG_BLOCK, set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int
catch_signals(struct vm *vm, const sigset_t *set)
{
	int fd;

	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	vm->signals = (struct loop_source){ .fd = fd, .ready = signal_ready,
	    .owner = vm };
	return loop_add(&vm->loop, &vm->signals, EPOLLIN);
}

static void
pulse_ready(struct loop_source *src, uint32_t events)
{
	uint64_t ticks;

	(void)events;
	if (read(src->fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		pulse_tick(src->owner);
}

static void
io_timer_ready(struct loop_source *src, uint32_t events)
{
	uint64_t ticks;

	(void)events;
	if (read(src->fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		recover_tick(src->owner);
}

static int
make_timer(struct vm *vm, struct loop_source *timer, loop_fn *ready)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	*timer = (struct loop_source){ .fd = fd, .ready = ready, .owner = vm };
	return loop_add(&vm->loop, timer, EPOLLIN);
}

static bool
uses_terminal(const struct vm *vm)
{
	return vm->terminal.tty >= 0 && vm->state != VM_NONE && (vm->spec.console.mode == PORT_TTY ||
	    vm->spec.serial.mode == PORT_TTY);
}

/* What the host does not give is no failure, unless it was asked for. */
static bool
make_cgroup(struct vm *vm)
{
	const struct place_spec *place = &vm->spec.cgroup;
	char fd[24];

	(void)snprintf(fd, sizeof(fd), "fd=%u", place->fd);
	if (cgroup_make(place, &vm->cgroup) != 0) {
		life_fail(vm, "--cgroup %s: %s; give one that is empty and "
		    "delegated to you", place->path != NULL ? place->path : fd,
		    vm->cgroup.lacks);
		return false;
	}
	if (vm->cgroup.lacks[0] != '\0' && place->path == NULL && place->fd == 0)
		log_info("no limits by a cgroup: %s", vm->cgroup.lacks);
	else if (vm->cgroup.lacks[0] != '\0')
		log_warn("--cgroup %s: %s", place->path != NULL ? place->path :
		    fd, vm->cgroup.lacks);
	return true;
}

/* Everything that the loop stands on. */
static bool
make_ready(struct vm *vm, const sigset_t *signals)
{
	int rc;

	vm->by_root = host_is_root();
	vm->user = getuid();
	vm->upgrade.own = -1;
	vm->started_ns = now_ns();
	vm->api_listen = vm->api_lock = vm->api_events = -1;
	vm->pid = (uint32_t)getpid();
	vm->spawner_pidfd = vm->kvm = vm->kernel = vm->initramfs = -1;
	for (uint32_t i = 0; i < SPEC_MAX_LIMIT_GROUPS; i++)
		vm->limits[i] = -1;
	for (uint32_t i = 0; i < SPEC_MAX_LANDLOCK_RULES; i++)
		vm->rules[i] = -1;
	vm->vsock_locks[0] = vm->vsock_locks[1] = -1;
	for (uint32_t i = 0; i < SPEC_MAX_ZONES; i++)
		vm->zones[i] = (struct zone_memory){ -1, -1, -1 };
	vm->rings = vm->rings_to_far = vm->rings_to_guest = -1;
	for (uint32_t i = 0; i < VM_PORTS; i++)
		vm->port_in[i] = vm->port_out[i] = -1;
	host_raise_limits();
	rc = terminal_open(&vm->terminal);
	if (rc == 0 && uses_terminal(vm))
		terminal_claim(&vm->terminal, signals);
	if (rc == 0)
		rc = loop_init(&vm->loop, -1);
	if (rc == 0)
		rc = catch_signals(vm, signals);
	if (rc == 0)
		rc = make_timer(vm, &vm->timer, timer_ready);
	if (rc == 0)
		rc = make_timer(vm, &vm->pulse, pulse_ready);
	if (rc == 0)
		rc = make_timer(vm, &vm->io_timer, io_timer_ready);
	if (rc == 0 && paths_adopt_own(vm) != 0)
		return false;
	if (rc != 0)
		life_fail(vm, "cannot start: %s%s", log_errtext(rc),
		    rc == -EMFILE ? "; raise the limit of open files "
		    "(ulimit -n)" : "");
	return rc == 0;
}

/* 0, 1 and 2 are taken, so that no fd of ours comes to lie there. */
static bool
have_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return false;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return true;
}

int
main(int argc, char **argv)
{
	struct vm *vm = &the_vm;
	sigset_t signals;
	int status;

	timeline_exec(vm);
	host_open_fds(vm->inherited, HOST_INHERITED);
	block_signals(&signals);
	if (!have_standard_fds())
		return 1;
	if (!read_options(&vm->spec, argc, argv, &status))
		return status;
	output_open(&vm->spec.log);
	if (!make_plan(vm))
		return 1;
	if (!make_ready(vm, &signals) || !make_cgroup(vm) ||
	    supervise_start(vm) != 0)
		return 1;
	cgroup_leave(&vm->cgroup);
	if (!uses_terminal(vm))
		vm->terminal.tty = -1;
	else
		output_user("Ctrl-] x stops the VM");
	/* Root's rights end here: processes are the spawner's, paths the
	 * opener's. */
	service_open(&vm->loop);
	deaths_open(vm);
	if (confine(vm) == 0) {
		timeline_own(vm, BOOT_JAILED);
		pulse_start(vm);
		spec_use_arena(&vm->spec, arena, sizeof(arena));
		manage_event(vm, "vmm", "starting");
		if (vm->state == VM_CREATED)
			life_boot(vm);
		else
			start_begin(vm);
	}
	if (!vm->loop.stop)
		(void)loop_run(&vm->loop);
	terminal_restore(&vm->terminal);
	guard_release(vm);
	supervise_end(vm);
	output_end();
	spec_free(&vm->spec);
	return vm->exit_status;
}
