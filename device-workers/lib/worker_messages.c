/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to a device worker: one function each, and a table a channel. What
 * arrives here has passed proto/table.c and proto/check.c, and is checked here
 * against this device: features, queues, rings within its own memory. Must not
 * keep a pointer into a message.
 */
#include "device-workers/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ipc/log.h"

/* ---- messages of the bus ------------------------------------------------------ */

/* The rings as the driver laid them out, and where a predecessor was in them. */
static int
enable_queues(struct worker *w, const Bh__Activate *a, int *suspects,
    const char **why)
{
	int rc = 0;

	for (size_t i = 0; i < a->n_queues && rc == 0; i++) {
		const Bh__Queue *q = a->queues[i];
		struct virtq_layout layout = {
			.size = q->size, .desc = q->desc, .avail = q->avail,
			.used = q->used,
		};

		rc = worker_enable_queue(w, q->index, &layout, a->features, why);
		if (rc == 0 && a->resume)
			rc = worker_take_over_queue(w, q->index, a->features,
			    why);
		if (rc == 0)
			rc = worker_track_queue(w, q->index, a->resume,
			    &suspects[q->index], why);
	}
	return rc;
}

/* An interrupt may have been lost with the one who was to send it. */
static void
signal_queues(struct worker *w)
{
	for (unsigned int q = 0; q < w->dev.nqueues; q++)
		virtq_signal(&w->dev.vq[q]);
}

static void
on_activate(struct worker *w, struct chan_msg *msg)
{
	const Bh__Activate *a = msg->packet->activate;
	uint32_t seq = msg->packet->seq;
	int suspects[DEVICE_MAX_QUEUES];
	const char *why = NULL;
	int rc = worker_check_features(w, a->features, &why);

	if (rc == -EBUSY) {
		worker_answer_bus(w, seq, rc, why);
		return;
	}
	if (rc == 0 && w->dev.ops->remote != NULL) {
		rc = worker_activate_remote(w, a, &why);
		if (rc == 0) {
			worker_answer_bus(w, seq, 0, NULL);
			return;
		}
	}
	if (!a->resume)
		record_clear(&w->record, true);
	else if (rc == 0)
		rc = worker_check_record(w, &why);
	if (rc == 0)
		rc = enable_queues(w, a, suspects, &why);
	if (rc == 0 && a->resume)
		rc = worker_load_record(w, &why);
	if (rc < 0) {
		worker_disable_queues(w);
		log_guest("%s: the driver asked for %s", w->dev.ops->name, why);
		worker_answer_bus(w, seq, rc, why);
		return;
	}
	record_sign(&w->record, worker_version.state);
	worker_go_on_with(w, a->features);
	worker_answer_bus(w, seq, 0, NULL);
	for (size_t i = 0; a->resume && i < a->n_queues; i++)
		if (suspects[a->queues[i]->index] >= 0)
			worker_refuse(w, a->queues[i]->index, (unsigned int)
			    suspects[a->queues[i]->index]);
	if (a->resume)
		signal_queues(w);
	/* Once: a driver that did as it is told would do so for ever. */
	if (a->resume && w->stands_for != NULL)
		worker_say_needs_reset(w);
	worker_run_queues(w);
}

static void
on_reset_device(struct worker *w, struct chan_msg *msg)
{
	worker_ask_quiet(w, QUIET_RESET, msg->packet->seq, 0);
}

static void
on_write_config(struct worker *w, struct chan_msg *msg)
{
	const Bh__WriteConfig *m = msg->packet->write_config;
	struct device *dev = &w->dev;

	if (dev->ops->config_write == NULL ||
	    m->offset > dev->config_size ||
	    m->data.len > dev->config_size - m->offset)
		return;
	dev->ops->config_write(dev, m->offset, m->data.data,
	    (uint32_t)m->data.len);
	worker_look_after_queues(w);
}

static void
on_ack(struct worker *w, struct chan_msg *msg)
{
	worker_config_taken(w, msg->packet->seq);
}

/* ---- messages of the controller ----------------------------------------------- */

/*
 * Take the message's fd @i to where the filter lets memory be mapped from. Only
 * there: what else is open cannot be mapped.
 */
static int
take_incoming(struct chan_msg *msg, unsigned int i)
{
	int fd = chan_take_fd(msg, i);
	int moved;

	/* The kernel gives the lowest that is free, which may be one of these. */
	if (fd >= FD_INCOMING && fd < FD_INCOMING + FD_INCOMING_COUNT)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_INCOMING);
	/* Who may have more fds, and has taken these numbers so that its own lie
	 * above them, gives the first back. */
	if (moved >= FD_INCOMING + FD_INCOMING_COUNT) {
		close(moved);
		moved = dup3(fd, FD_INCOMING, O_CLOEXEC);
	}
	if (moved < 0)
		moved = -errno;
	close(fd);
	return moved;
}

static void
on_device_config(struct worker *w, struct chan_msg *msg)
{
	worker_configure(w, msg->packet->seq, msg->packet->device_config);
}

/* Before the jail is closed nobody is to be told of it. */
static void
add_remote_memory(struct worker *w, uint32_t seq, const Bh__MemoryRegion *r,
    int fd)
{
	struct gmem_region region = {
		.gpa = r->gpa, .size = r->size, .readonly = r->readonly,
	};

	w->dev.ops->remote->add_memory(&w->dev, r->slot, &region, fd, r->offset);
	if (w->regions_left == 0) {
		worker_ask_quiet(w, QUIET_REMOTE, seq, 0);
		return;
	}
	w->regions_left--;
	worker_answer_ctl(w, seq, 0, NULL);
}

static void
on_add_memory(struct worker *w, struct chan_msg *msg)
{
	const Bh__MemoryRegion *r = msg->packet->add_memory->region;
	int fd = take_incoming(msg, 0);
	int rc;

	if (fd >= 0 && w->dev.ops->remote != NULL) {
		add_remote_memory(w, msg->packet->seq, r, fd);
		return;
	}
	rc = fd < 0 ? fd : gmem_add(&w->dev.mem, r->slot, r->gpa, r->size,
	    fd, r->offset, r->readonly);
	if (fd >= 0)
		close(fd);
	worker_answer_ctl(w, msg->packet->seq, rc, "cannot map guest memory");
	if (w->regions_left > 0) {
		if (rc < 0)
			_exit(1);
		w->regions_left--;
	}
}

static void
on_remove_memory(struct worker *w, struct chan_msg *msg)
{
	uint32_t slot = msg->packet->remove_memory->slot;

	if (w->dev.ops->remote != NULL) {
		w->dev.ops->remote->remove_memory(&w->dev, slot);
		worker_ask_quiet(w, QUIET_REMOTE, msg->packet->seq, 0);
		return;
	}
	worker_ask_quiet(w, QUIET_REMOVE_MEMORY, msg->packet->seq, slot);
}

static void
on_set_dirty_log(struct worker *w, struct chan_msg *msg)
{
	int fd = msg->nfds > 0 ? take_incoming(msg, 0) : -1;
	int rc = msg->nfds > 0 && fd < 0 ? fd : 0;

	if (rc == 0 && w->dev.ops->remote != NULL) {
		w->dev.ops->remote->dirty_log(&w->dev, fd,
		    msg->packet->set_dirty_log->size);
		worker_ask_quiet(w, QUIET_REMOTE, msg->packet->seq, 0);
		return;
	}
	if (rc == 0)
		rc = gmem_set_dirty_log(&w->dev.mem, fd,
		    msg->packet->set_dirty_log->size);
	if (fd >= 0)
		close(fd);
	worker_answer_ctl(w, msg->packet->seq, rc, "cannot log dirty memory");
}

static void
on_attach_bus(struct worker *w, struct chan_msg *msg)
{
	int fd = chan_take_fd(msg, 0);
	int rc = 0;

	loop_remove(&w->loop, &w->bus_src);
	w->bus_open = false;
	if (dup3(fd, FD_BUS, O_CLOEXEC) < 0)
		rc = -errno;
	close(fd);
	if (rc == 0)
		rc = loop_add(&w->loop, &w->bus_src, EPOLLIN);
	w->bus_open = rc == 0;
	worker_answer_ctl(w, msg->packet->seq, rc, "cannot attach the bus");
	if (rc == 0 && w->dev.ops->new_machine != NULL)
		w->dev.ops->new_machine(&w->dev);
	/* It knows the device as it was when it was started. */
	if (rc == 0 && w->dev.config_size > 0)
		device_config_changed(&w->dev);
}

static void
on_attach_backend(struct worker *w, struct chan_msg *msg)
{
	struct device *dev = &w->dev;
	int fd = chan_take_fd(msg, 0);
	int rc = -ENOTSUP;

	if (dev->ops->backend_attached != NULL) {
		device_unwatch(dev, FD_BACKEND);
		rc = dup3(fd, FD_BACKEND, O_CLOEXEC) < 0 ? -errno :
		    dev->ops->backend_attached(dev);
	}
	close(fd);
	worker_answer_ctl(w, msg->packet->seq, rc, "cannot attach a back end");
	worker_look_after_queues(w);
}

static void
on_drain(struct worker *w, struct chan_msg *msg)
{
	worker_ask_quiet(w, QUIET_DRAIN, msg->packet->seq, 0);
}

static void
on_set_paused(struct worker *w, struct chan_msg *msg)
{
	/* The rings are another's, who has nothing new to do without vCPUs. */
	if (w->dev.ops->remote != NULL)
		worker_answer_ctl(w, msg->packet->seq, 0, NULL);
	else
		worker_ask_quiet(w, msg->packet->set_paused->paused ?
		    QUIET_PAUSE : QUIET_RESUME, msg->packet->seq, 0);
}

static void
on_hand_over(struct worker *w, struct chan_msg *msg)
{
	worker_ask_quiet(w, QUIET_HAND_OVER, msg->packet->seq, 0);
}

static void
on_take_back(struct worker *w, struct chan_msg *msg)
{
	(void)msg;
	worker_take_back(w, QUIET_HAND_OVER);
}

static void
on_save_state(struct worker *w, struct chan_msg *msg)
{
	if (w->dev.ops->remote != NULL) {
		worker_answer_ctl(w, msg->packet->seq, -EOPNOTSUPP,
		    "the state is the back end's");
		return;
	}
	worker_ask_quiet(w, QUIET_SAVE, msg->packet->seq, 0);
}

static void
on_ping(struct worker *w, struct chan_msg *msg)
{
	Bh__Pong pong = BH__PONG__INIT;
	CHAN_PACKET(p, PONG, pong, &pong);

	pong.number = msg->packet->ping->number;
	worker_send_ctl(w, &p, NULL, 0);
}

static void
on_quit(struct worker *w, struct chan_msg *msg)
{
	/* Before the jail is closed there is nothing to finish. */
	if (w->ctl.states != PROTO_RUNNING)
		_exit(0);
	w->ctl.states = PROTO_CLOSING;
	worker_ask_quiet(w, QUIET_QUIT, msg->packet->seq, 0);
}

static int
load_queues(struct worker *w, const Bh__DeviceState *s, const char **why)
{
	int suspect, rc = 0;

	for (size_t i = 0; i < s->n_queues && rc == 0; i++) {
		const Bh__QueueState *q = s->queues[i];
		struct virtq_layout layout = {
			.size = q->size, .desc = q->desc, .avail = q->avail,
			.used = q->used,
		};

		rc = worker_enable_queue(w, q->index, &layout, s->features, why);
		if (rc == 0) {
			*why = "impossible ring positions";
			rc = virtq_load(&w->dev.vq[q->index], q->next_avail,
			    q->next_used);
		}
		if (rc == 0)
			rc = worker_track_queue(w, q->index, false, &suspect, why);
	}
	return rc;
}

static int
load_state(struct worker *w, const Bh__DeviceState *s, const char **why)
{
	struct device *dev = &w->dev;
	int rc;

	if (s->version < worker_version.oldest ||
	    s->version > worker_version.state) {
		*why = "state of another version";
		return -EINVAL;
	}
	rc = s->active ? worker_check_features(w, s->features, why) : 0;
	if (rc < 0)
		return rc;
	if (!s->active && (s->n_queues > 0 || dev->active)) {
		*why = "queues without a driver";
		return -EINVAL;
	}
	rc = load_queues(w, s, why);
	if (rc == 0 && dev->ops->load != NULL) {
		*why = "the device's own state";
		rc = dev->ops->load(dev, s->version, s->device.data,
		    s->device.len);
	}
	if (rc < 0)
		worker_disable_queues(w);
	return rc;
}

static void
on_device_state(struct worker *w, struct chan_msg *msg)
{
	const Bh__DeviceState *s = msg->packet->device_state;
	const char *why = NULL;
	int rc = -EOPNOTSUPP;

	if (w->dev.ops->remote == NULL)
		rc = load_state(w, s, &why);
	if (rc == 0 && s->active)
		worker_go_on_with(w, s->features);
	worker_answer_ctl(w, msg->packet->seq, rc, why);
	if (rc < 0 || !s->active)
		return;
	signal_queues(w);
	worker_run_queues(w);
}

static void
on_give_file(struct worker *w, struct chan_msg *msg)
{
	worker_give_file(w, msg);
}

static void
on_give_connection(struct worker *w, struct chan_msg *msg)
{
	const struct device_remote *remote = w->dev.ops->remote;
	int fds[8], error = msg->packet->give_connection->error;
	unsigned int n = msg->nfds;

	if (remote == NULL || n > sizeof(fds) / sizeof(fds[0]))
		return;
	for (unsigned int i = 0; i < n; i++)
		fds[i] = take_incoming(msg, i);
	remote->connection(&w->dev, error, fds, n);
}

static void
on_give_port(struct worker *w, struct chan_msg *msg)
{
	int error = msg->packet->give_port->error, fd = -1;

	/* proto/check.c leaves the number of fds to us. */
	if (w->dev.ops->port == NULL || (error == 0) != (msg->nfds == 1))
		return;
	if (error == 0) {
		fd = take_incoming(msg, 0);
		error = fd < 0 ? -fd : 0;
	}
	w->dev.ops->port(&w->dev, error, fd);
	worker_look_after_queues(w);
}

static void
on_kept_file(struct worker *w, struct chan_msg *msg)
{
	const Bh__KeptFile *kept = msg->packet->kept_file;

	/* proto/check.c leaves the number of fds to us. */
	for (unsigned int i = 0; w->dev.ops->kept_file != NULL &&
	    i < kept->n_ids && i < msg->nfds; i++)
		w->dev.ops->kept_file(&w->dev, kept->ids[i], chan_take_fd(msg, i));
}

static void
on_resize_disk(struct worker *w, struct chan_msg *msg)
{
	const Bh__ResizeDisk *m = msg->packet->resize_disk;

	worker_ask_resize(w, msg->packet->seq, m->size, m->image);
}

static void
on_console_size(struct worker *w, struct chan_msg *msg)
{
	const Bh__ConsoleSize *m = msg->packet->console_size;
	struct device *dev = &w->dev;

	if (dev->ops->console_size != NULL)
		dev->ops->console_size(dev, m->columns, m->rows);
	worker_look_after_queues(w);
}

static void
on_set_balloon(struct worker *w, struct chan_msg *msg)
{
	if (w->dev.ops->set_target != NULL)
		w->dev.ops->set_target(&w->dev, msg->packet->set_balloon->size);
}

static void
on_set_plugged(struct worker *w, struct chan_msg *msg)
{
	if (w->dev.ops->set_target != NULL)
		w->dev.ops->set_target(&w->dev, msg->packet->set_plugged->size);
}

static void
on_refresh_statistics(struct worker *w, struct chan_msg *msg)
{
	(void)msg;
	if (w->dev.ops->refresh != NULL && !w->dev.draining)
		w->dev.ops->refresh(&w->dev);
	worker_look_after_queues(w);
}

/* ---- dispatch ----------------------------------------------------------------- */

struct message {
	Bh__Packet__BodyCase type;
	void (*handle)(struct worker *w, struct chan_msg *msg);
};

/* All that proto/table.c lets the controller send to a device. */
static const struct message ctl_messages[] = {
	{ BH__PACKET__BODY_QUIT, on_quit },
	{ BH__PACKET__BODY_PING, on_ping },
	{ BH__PACKET__BODY_DEVICE_CONFIG, on_device_config },
	{ BH__PACKET__BODY_ADD_MEMORY, on_add_memory },
	{ BH__PACKET__BODY_REMOVE_MEMORY, on_remove_memory },
	{ BH__PACKET__BODY_SET_DIRTY_LOG, on_set_dirty_log },
	{ BH__PACKET__BODY_ATTACH_BUS, on_attach_bus },
	{ BH__PACKET__BODY_ATTACH_BACKEND, on_attach_backend },
	{ BH__PACKET__BODY_DRAIN, on_drain },
	{ BH__PACKET__BODY_SET_PAUSED, on_set_paused },
	{ BH__PACKET__BODY_HAND_OVER, on_hand_over },
	{ BH__PACKET__BODY_TAKE_BACK, on_take_back },
	{ BH__PACKET__BODY_SAVE_STATE, on_save_state },
	{ BH__PACKET__BODY_DEVICE_STATE, on_device_state },
	{ BH__PACKET__BODY_CONSOLE_SIZE, on_console_size },
	{ BH__PACKET__BODY_RESIZE_DISK, on_resize_disk },
	{ BH__PACKET__BODY_SET_BALLOON, on_set_balloon },
	{ BH__PACKET__BODY_SET_PLUGGED, on_set_plugged },
	{ BH__PACKET__BODY_REFRESH_STATISTICS, on_refresh_statistics },
	{ BH__PACKET__BODY_GIVE_FILE, on_give_file },
	{ BH__PACKET__BODY_GIVE_CONNECTION, on_give_connection },
	{ BH__PACKET__BODY_GIVE_PORT, on_give_port },
	{ BH__PACKET__BODY_KEPT_FILE, on_kept_file },
	{ BH__PACKET__BODY__NOT_SET, NULL },
};

static const struct message bus_messages[] = {
	{ BH__PACKET__BODY_ACTIVATE, on_activate },
	{ BH__PACKET__BODY_RESET_DEVICE, on_reset_device },
	{ BH__PACKET__BODY_WRITE_CONFIG, on_write_config },
	{ BH__PACKET__BODY_ACK, on_ack },
	{ BH__PACKET__BODY__NOT_SET, NULL },
};

/* Receive one message, and hand it to its function. As chan_recv. */
static int
receive(struct worker *w, struct chan *ch, const struct message *table)
{
	struct chan_msg msg;
	const char *why = "";
	int rc = chan_recv(ch, &msg, &why);

	if (rc == -EPROTO)
		log_error("%s: refused a message: %s", w->dev.ops->name, why);
	if (rc <= 0)
		return rc;
	while (table->handle != NULL && table->type != msg.packet->body_case)
		table++;
	if (table->handle != NULL)
		table->handle(w, &msg);
	chan_done(&msg);
	return 1;
}

void
worker_ctl_ready(struct loop_source *src, uint32_t events)
{
	struct worker *w = src->owner;

	(void)events;
	/* A worker without its controller, or with a mad one, is no use. */
	if (receive(w, &w->ctl, ctl_messages) < 0)
		_exit(1);
}

void
worker_bus_ready(struct loop_source *src, uint32_t events)
{
	struct worker *w = src->owner;
	int rc = receive(w, &w->bus, bus_messages);

	(void)events;
	/* docs/protocol.md: a refused packet ends the child that got it. */
	if (rc == -EPROTO)
		_exit(1);
	if (rc < 0)
		worker_lose_bus(w);
}
