// SPDX-License-Identifier: Apache-2.0
/*
 * bulkhead-test-loader LOADER KERNEL INITRAMFS|- MIB: the controller's side of one
 * load, with the shipped loader in its jail. Prints one line: "loaded PROTOCOL
 * ENTRY PARAM" (hexadecimal), "failed: TEXT" or "hung up"; then " exit N", and
 * " denied" if the loader made a call that its filter does not allow.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/x86_64/layout.h"
#include "ipc/chan.h"
#include "ipc/slots.h"

static struct chan_buffers buffers;
static int listener = -1;

static void
die(const char *what)
{
	fprintf(stderr, "bulkhead-test-loader: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The child: its fds at their slots, then exec. */
static void
exec_loader(const char *path, int ctl, int kernel, int initramfs)
{
	char name[] = "bulkhead-loader";
	char *argv[] = { name, NULL };
	char *envp[] = { NULL };

	/* Out of the way of the slots first. */
	ctl = fcntl(ctl, F_DUPFD, 100);
	kernel = fcntl(kernel, F_DUPFD, 100);
	initramfs = initramfs < 0 ? -1 : fcntl(initramfs, F_DUPFD, 100);
	dup2(ctl, FD_CTL);
	dup2(kernel, FD_KERNEL);
	close(FD_INITRAMFS);
	if (initramfs >= 0)
		dup2(initramfs, FD_INITRAMFS);
	if (close_range(FD_INITRAMFS + 1, ~0u, 0) != 0)
		die("close_range");
	execve(path, argv, envp);
	die(path);
}

static void
send_memory(struct chan *ch, uint32_t slot, uint64_t at, uint64_t size,
    uint64_t offset, int fd)
{
	Bh__MemoryRegion region = BH__MEMORY_REGION__INIT;
	Bh__AddMemory add = BH__ADD_MEMORY__INIT;
	CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);

	region.slot = slot;
	region.gpa = at;
	region.size = size;
	region.offset = offset;
	add.region = &region;
	p.seq = chan_next_seq(ch);
	if (chan_send(ch, &p, &fd, 1) < 0)
		die("AddMemory");
}

static void
send_config(struct chan *ch, uint64_t kernel_size, bool has_initramfs,
    uint64_t initramfs_size)
{
	static char cmdline[] = "console=hvc0";
	Bh__LoadConfig config = BH__LOAD_CONFIG__INIT;
	Bh__PciSegment segment = BH__PCI_SEGMENT__INIT, *segments[] = { &segment };
	CHAN_PACKET(p, LOAD_CONFIG, load_config, &config);

	config.kernel_size = kernel_size;
	config.has_initramfs = has_initramfs;
	config.initramfs_size = initramfs_size;
	config.cmdline = cmdline;
	config.boot_vcpus = 1;
	config.max_vcpus = 1;
	segment.mmio32_base = LAYOUT_MMIO32;
	segment.mmio32_size = LAYOUT_MMIO32_SIZE;
	config.n_segments = 1;
	config.segments = segments;
	p.seq = chan_next_seq(ch);
	if (chan_send(ch, &p, NULL, 0) < 0)
		die("LoadConfig");
}

/* One message, or the loader's end. True when the conversation is over. */
static bool
handle(struct chan *ch)
{
	const char *why = "";
	struct chan_msg msg;
	bool over = false;
	int rc = chan_recv(ch, &msg, &why);

	if (rc == 0)
		return false;
	if (rc < 0) {
		printf("hung up%s%s", rc == -EPROTO ? ": " : "", why);
		return true;
	}
	switch ((int)msg.packet->body_case) {
	case BH__PACKET__BODY_SECCOMP_LISTENER:
		listener = chan_take_fd(&msg, 0);
		break;
	case BH__PACKET__BODY_LOADED:
		printf("loaded %d %llx %llx",
		    (int)msg.packet->loaded->boot->protocol,
		    (unsigned long long)msg.packet->loaded->boot->entry,
		    (unsigned long long)msg.packet->loaded->boot->param);
		over = true;
		break;
	case BH__PACKET__BODY_FAILED:
		printf("failed: %s", msg.packet->failed->text);
		over = true;
		break;
	default:
		break;
	}
	chan_done(&msg);
	return over;
}

/* Talk until the answer is there; a denied call shows on the listener. */
static void
converse(struct chan *ch)
{
	for (;;) {
		struct pollfd pfd[2] = {
			{ .fd = ch->fd, .events = POLLIN },
			{ .fd = listener, .events = POLLIN },
		};

		if (poll(pfd, 2, 20000) <= 0)
			die("no answer");
		if ((pfd[1].revents & POLLIN) != 0) {
			printf("denied\n");
			exit(1);
		}
		if (pfd[0].revents != 0 && handle(ch))
			return;
	}
}

int
main(int argc, char **argv)
{
	struct stat kernel_stat, initramfs_stat = { .st_size = 0 };
	int pair[2], kernel, initramfs = -1, ram, status;
	uint64_t size, low;
	struct chan ch;
	pid_t pid;

	if (argc != 5)
		return 2;
	size = strtoull(argv[4], NULL, 10) << 20;
	kernel = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (strcmp(argv[3], "-") != 0)
		initramfs = open(argv[3], O_RDONLY | O_CLOEXEC);
	ram = memfd_create("ram", MFD_CLOEXEC);
	if (kernel < 0 || fstat(kernel, &kernel_stat) != 0 || ram < 0 ||
	    ftruncate(ram, (off_t)size) != 0 ||
	    (strcmp(argv[3], "-") != 0 && fstat(initramfs, &initramfs_stat) != 0) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) != 0)
		die("set-up");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		exec_loader(argv[1], pair[1], kernel, initramfs);
	close(pair[1]);
	chan_init(&ch, pair[0], PEER_CONTROLLER, PEER_LOADER, &buffers);
	ch.states = PROTO_NEW | PROTO_CONFIGURING;
	low = size < LAYOUT_LOW_RAM_END ? size : LAYOUT_LOW_RAM_END;
	if (size > low)
		send_memory(&ch, 1, LAYOUT_RAM64, size - low, low, ram);
	if (low > 0)
		send_memory(&ch, 0, 0, low, 0, ram);
	send_config(&ch, (uint64_t)kernel_stat.st_size, initramfs >= 0,
	    (uint64_t)initramfs_stat.st_size);
	converse(&ch);
	if (waitpid(pid, &status, 0) != pid)
		die("wait");
	if (WIFEXITED(status))
		printf(" exit %d\n", WEXITSTATUS(status));
	else
		printf(" signal %d\n", WTERMSIG(status));
	return 0;
}
