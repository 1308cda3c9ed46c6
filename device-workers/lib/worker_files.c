/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device asks of the controller. Files that a disk image names, one after the
 * other once the jail is closed, and before DeviceReady: the name is passed on as it is,
 * what it means is decided where paths are opened. Connections of a back end and of a
 * socket device, which are answered later; a stop, or a reset, of the VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "device-workers/lib/worker.h"
#include "proto/check.h"

void
worker_give_file(struct worker *w, struct chan_msg *msg)
{
	const Bh__GiveFile *m = msg->packet->give_file;
	size_t len = strlen(m->text);
	int fd;

	/* proto/check.c: an error and no file, or a file; its fd is counted here. */
	if (!w->want.waiting || (m->error == 0) != (msg->nfds == 1))
		_exit(1);
	w->want.waiting = false;
	w->want.error = -m->error;
	memcpy(w->want.text, m->text, len + 1);
	if (m->error != 0)
		return;
	w->want.file = (struct device_file){
		.size = m->file->size, .device = m->file->device,
		.inode = m->file->inode, .block = m->file->block,
		.readonly = m->file->readonly,
	};
	fd = chan_take_fd(msg, 0);
	if (dup3(fd, w->want.slot, O_CLOEXEC) < 0) {
		w->want.error = -errno;
		w->want.text[0] = '\0';
	}
	close(fd);
}

int
device_want_file(struct device *dev, const char *name, bool extent, int slot,
    struct device_file *file, const char **why)
{
	struct worker *w = worker_of(dev);
	Bh__WantFile want = BH__WANT_FILE__INIT;
	/* protobuf-c wants a char *, and does not write to it. */
	union { const char *in; char *out; } constless = { .in = name };
	CHAN_PACKET(p, WANT_FILE, want_file, &want);
	int rc;

	want.name = constless.out;
	want.use = extent ? BH__FILE_USE__FILE_USE_EXTENT :
	    BH__FILE_USE__FILE_USE_BACKING;
	/* Bytes of a file may be anything; a message is not sent with them. */
	if (proto_check(&p) != NULL) {
		*why = "the image names a file that is not printable UTF-8; "
		    "rename it, and in the image";
		return -EILSEQ;
	}
	w->want.waiting = true;
	w->want.slot = slot;
	worker_send_ctl(w, &p, NULL, 0);
	while (w->want.waiting) {
		rc = loop_once(&w->loop, -1);
		if (rc < 0)
			return rc;
	}
	*file = w->want.file;
	*why = w->want.text[0] != '\0' ? w->want.text :
	    "another file of the image cannot be had";
	return w->want.error;
}

void
device_want_connection(struct device *dev)
{
	Bh__WantConnection want = BH__WANT_CONNECTION__INIT;
	CHAN_PACKET(p, WANT_CONNECTION, want_connection, &want);

	worker_send_ctl(worker_of(dev), &p, NULL, 0);
}

int
device_want_port(struct device *dev, uint32_t port, bool seqpacket)
{
	Bh__WantPort want = BH__WANT_PORT__INIT;
	CHAN_PACKET(p, WANT_PORT, want_port, &want);

	want.port = port;
	want.seqpacket = seqpacket;
	worker_send_ctl(worker_of(dev), &p, NULL, 0);
	return 0;
}

int
device_keep_file(struct device *dev, uint32_t id, int fd)
{
	Bh__KeepFile keep = BH__KEEP_FILE__INIT;
	CHAN_PACKET(p, KEEP_FILE, keep_file, &keep);

	keep.id = id;
	return chan_send(&worker_of(dev)->ctl, &p, &fd, fd >= 0 ? 1 : 0);
}

void
device_request_stop(struct device *dev)
{
	struct worker *w = worker_of(dev);
	Bh__StopRequested stop = BH__STOP_REQUESTED__INIT;
	CHAN_PACKET(p, STOP_REQUESTED, stop_requested, &stop);

	worker_send_ctl(w, &p, NULL, 0);
}

void
device_watchdog_expired(struct device *dev)
{
	Bh__WatchdogExpired expired = BH__WATCHDOG_EXPIRED__INIT;
	CHAN_PACKET(p, WATCHDOG_EXPIRED, watchdog_expired, &expired);

	worker_send_ctl(worker_of(dev), &p, NULL, 0);
}
