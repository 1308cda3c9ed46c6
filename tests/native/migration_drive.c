// SPDX-License-Identifier: Apache-2.0
/*
 * bulkhead-test-migration WORKER save|config|load DIR [what]: the controller's side of
 * one job, with the shipped migration-worker in its jail and the files of DIR. The VM
 * is made up: two regions of memory with a pattern and holes, a state, two disks, a
 * console. After "load" all of it is compared. Prints "done", "failed: TEXT" or "hung
 * up", and before that a line for each option of a configuration; then " exit N", and
 * " denied" if the worker made a call that its filter does not allow. `what` makes the
 * VM another: "small" has less memory, "disk" one disk more, "none" no disk.
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

#include "controller/migration/files.h"
#include "ipc/chan.h"
#include "ipc/slots.h"

#define PAGE 4096u
#define LOW 512u	/* pages */
#define HIGH 64u
#define HIGH_GPA 0x100000000ull
#define STATE 100000u	/* bytes */
#define RECORD 131072u

static struct chan_buffers buffers;
static int listener = -1;
static const char *what = "";

static void
die(const char *text)
{
	fprintf(stderr, "bulkhead-test-migration: %s: %s\n", text, strerror(errno));
	exit(2);
}

static int
memfd(uint64_t size)
{
	int fd = memfd_create("part", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
		die("memfd");
	return fd;
}

/* Byte @i of part @n; of memory each third page is a hole, each seventh a single byte. */
static uint8_t
byte(unsigned int n, uint64_t i)
{
	uint64_t page = i / PAGE;

	if (n == 0 && (page % 3 == 0 || (page % 7 == 0 && i % PAGE != 1)))
		return 0;
	return (uint8_t)(i * 31 + i / 251 + n * 77 + 1);
}

static void
fill(int fd, unsigned int n, uint64_t size)
{
	uint8_t page[PAGE];

	for (uint64_t at = 0; at < size; at += PAGE) {
		size_t len = size - at < PAGE ? (size_t)(size - at) : PAGE;
		int any = 0;

		for (size_t i = 0; i < len; i++)
			any |= page[i] = byte(n, at + i);
		if (any != 0 && pwrite(fd, page, len, (off_t)at) != (ssize_t)len)
			die("fill");
	}
}

static void
compare(int fd, unsigned int n, uint64_t size)
{
	struct stat st;
	uint8_t page[PAGE];

	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != size) {
		printf("part %u has another size\n", n);
		exit(1);
	}
	for (uint64_t at = 0; at < size; at += PAGE) {
		size_t len = size - at < PAGE ? (size_t)(size - at) : PAGE;

		if (pread(fd, page, len, (off_t)at) != (ssize_t)len)
			die("compare");
		for (size_t i = 0; i < len; i++)
			if (page[i] != byte(n, at + i)) {
				printf("part %u differs at %llu\n", n,
				    (unsigned long long)(at + i));
				exit(1);
			}
	}
}

/* The child: its channel at its slot, then exec. */
static void
exec_worker(const char *path, int ctl)
{
	char name[] = "bulkhead-migration";
	char *argv[] = { name, NULL };
	char *envp[] = { NULL };

	ctl = fcntl(ctl, F_DUPFD, 100);
	if (dup2(ctl, FD_CTL) < 0 || close_range(FD_CTL + 1, ~0u, 0) != 0)
		die("fds");
	execve(path, argv, envp);
	die(path);
}

static void
send_files(struct chan *ch, const char *dir, bool write)
{
	Bh__SnapshotFiles files = BH__SNAPSHOT_FILES__INIT;
	Bh__SnapshotFile list[SNAPSHOT_LIMIT_FILES];
	CHAN_PACKET(p, SNAPSHOT_FILES, snapshot_files, &files);
	int fds[SNAPSHOT_LIMIT_FILES];
	char path[4096];

	files.files = list;
	for (unsigned int i = 0; i < SNAPSHOT_LIMIT_FILES; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, snapshot_names[i]);
		fds[files.n_files] = open(path, write ? O_RDWR | O_CREAT | O_TRUNC |
		    O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
		if (fds[files.n_files] >= 0)
			list[files.n_files++] = (Bh__SnapshotFile)i;
		else if (write)
			die(path);
	}
	if (files.n_files == 0)
		die("no files");
	if (chan_send(ch, &p, fds, (unsigned int)files.n_files) < 0)
		die("SnapshotFiles");
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
send_part(struct chan *ch, Bh__SnapshotFile file, uint32_t index, uint64_t size,
    int fd)
{
	Bh__SnapshotPart part = BH__SNAPSHOT_PART__INIT;
	CHAN_PACKET(p, SNAPSHOT_PART, snapshot_part, &part);

	part.file = file;
	part.index = index;
	part.size = size;
	if (chan_send(ch, &p, &fd, 1) < 0)
		die("SnapshotPart");
}

/* "kernel" with one text. */
static int
config_part(uint64_t *size)
{
	static char option[] = "kernel", text[] = "/boot/x";
	Bh__ApiValue value = BH__API_VALUE__INIT, *values[] = { &value };
	Bh__ApiOption o = BH__API_OPTION__INIT, *options[] = { &o };
	Bh__SnapshotConfig config = BH__SNAPSHOT_CONFIG__INIT;
	uint8_t bytes[256];
	int fd;

	value.name = option;
	value.value_case = BH__API_VALUE__VALUE_TEXT;
	value.text = text;
	o.option = option;
	o.n_values = 1;
	o.values = values;
	config.n_options = 1;
	config.options = options;
	*size = bh__snapshot_config__pack(&config, bytes);
	fd = memfd(*size);
	if (pwrite(fd, bytes, *size, 0) != (ssize_t)*size)
		die("config");
	return fd;
}

static void
send_job(struct chan *ch, Bh__SnapshotVerb verb)
{
	Bh__SnapshotJob job = BH__SNAPSHOT_JOB__INIT;
	CHAN_PACKET(p, SNAPSHOT_JOB, snapshot_job, &job);

	job.verb = verb;
	p.seq = chan_next_seq(ch);
	if (chan_send(ch, &p, NULL, 0) < 0)
		die("SnapshotJob");
}

/* One message, or the worker's end. True when the conversation is over. */
static bool
handle(struct chan *ch, unsigned int acks, bool *done)
{
	static unsigned int acked;
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
	case BH__PACKET__BODY_SNAPSHOT_CONFIG:
		for (size_t i = 0; i < msg.packet->snapshot_config->n_options; i++)
			printf("option %s\n",
			    msg.packet->snapshot_config->options[i]->option);
		break;
	case BH__PACKET__BODY_ACK:
		over = *done = ++acked == acks;
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
static bool
converse(struct chan *ch, unsigned int acks)
{
	bool done = false;

	for (;;) {
		struct pollfd pfd[2] = {
			{ .fd = ch->fd, .events = POLLIN },
			{ .fd = listener, .events = POLLIN },
		};

		if (poll(pfd, 2, 60000) <= 0)
			die("no answer");
		if ((pfd[1].revents & POLLIN) != 0) {
			printf("denied\n");
			exit(1);
		}
		if (pfd[0].revents != 0 && handle(ch, acks, &done))
			return done;
	}
}

int
main(int argc, char **argv)
{
	static const uint64_t sizes[] = { (LOW + HIGH) * PAGE, STATE, RECORD, RECORD,
	    RECORD };
	uint64_t size = 0;
	int pair[2], fds[5], status;
	uint32_t low = LOW;
	bool save, config;
	struct chan ch;
	pid_t pid;

	if (argc < 4)
		return 2;
	save = strcmp(argv[2], "save") == 0;
	config = strcmp(argv[2], "config") == 0;
	what = argc > 4 ? argv[4] : "";
	if (strcmp(what, "small") == 0)
		low = LOW - 1;
	for (unsigned int i = 0; i < 5; i++) {
		fds[i] = memfd(i == 1 && !save ? 0 : sizes[i]);
		if (save)
			fill(fds[i], i, sizes[i]);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) != 0)
		die("set-up");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		exec_worker(argv[1], pair[1]);
	close(pair[1]);
	chan_init(&ch, pair[0], PEER_CONTROLLER, PEER_MIGRATION, &buffers);
	ch.states = PROTO_NEW | PROTO_CONFIGURING;
	send_files(&ch, argv[3], save);
	if (save) {
		int fd = config_part(&size);

		send_part(&ch, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONFIG, 0, size, fd);
	}
	if (!config) {
		send_part(&ch, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_VCPU, 0,
		    save ? STATE : 0, fds[1]);
		if (strcmp(what, "none") != 0) {
			send_part(&ch, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_BLK, 1, RECORD,
			    fds[2]);
			send_part(&ch, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_BLK, 3, RECORD,
			    fds[3]);
		}
		if (strcmp(what, "disk") == 0)
			send_part(&ch, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_BLK, 4, RECORD,
			    fds[3]);
		send_part(&ch, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONSOLE, 0, RECORD,
		    fds[4]);
		/* The higher one first: the worker sorts them. */
		send_memory(&ch, 1, HIGH_GPA, (uint64_t)HIGH * PAGE,
		    (uint64_t)LOW * PAGE, fds[0]);
		send_memory(&ch, 0, 0, (uint64_t)low * PAGE, 0, fds[0]);
	}
	send_job(&ch, save ? BH__SNAPSHOT_VERB__SNAPSHOT_VERB_SAVE : config ?
	    BH__SNAPSHOT_VERB__SNAPSHOT_VERB_CONFIG :
	    BH__SNAPSHOT_VERB__SNAPSHOT_VERB_LOAD);
	if (converse(&ch, config ? 1 : 3)) {
		for (unsigned int i = 0; !config && i < 5; i++)
			compare(fds[i], i, sizes[i]);
		printf("done");
	}
	if (waitpid(pid, &status, 0) != pid)
		die("wait");
	if (WIFEXITED(status))
		printf(" exit %d\n", WEXITSTATUS(status));
	else
		printf(" signal %d\n", WTERMSIG(status));
	return 0;
}
