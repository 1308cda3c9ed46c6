// SPDX-License-Identifier: Apache-2.0
/*
 * Between guest and far ends (far.h): virtio-console with one port (virtio 1.2,
 * 5.3; no MULTIPORT), and the byte rings of serial port and debug console, whose
 * registers are in the vcpu-worker. Called by the worker library.
 *
 * A far end that takes no more stops its own stream alone: bytes stay in the
 * queue or the ring. Between two calls no request is held: of one that went out
 * in part the place is remembered and it goes back into the queue.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "device-workers/console/console.h"
#include "device-workers/console/far.h"
#include "device-workers/console/slots.h"
#include "ipc/bytering.h"
#include "ipc/log.h"

#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_CONSOLE_F_SIZE 0
#define BATCH_BYTES (64u * 1024u)	/* a stream moves at once */
#define BATCH_REQUESTS 64u
#define PROBE_MS 500			/* is a pty open again? */
#define LAST_WORDS_MS 300		/* far ends get at the end */
#define PTY_LINGER_MS 50		/* the reader of a pty, after that */

struct config_space {
	uint16_t cols;
	uint16_t rows;
	uint32_t max_nr_ports;
	uint32_t emerg_wr;
};

_Static_assert(sizeof(struct config_space) == 12, "as in 5.3.4");

struct console {
	struct far console, serial, debug;
	struct bytering serial_out, serial_in, debug_out;
	bool has_rings;
	bool timer_on;
	bool leaving, late;	/* draining; and it has taken too long */
	uint64_t sent;		/* bytes of the next transmit request that went out */
	struct virtq_chain chain;
	uint8_t buf[4096];
};

/* ---- start --------------------------------------------------------------- */

static void
signal_event(int fd)
{
	uint64_t one = 1;

	/* EAGAIN: it is signalled up to the brim. Nothing else can happen. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static int
start_rings(struct device *dev, const char **why)
{
	struct console *c = dev->priv;
	struct bytering_page *page;
	struct stat st;

	/* Shorter than its struct it would end this process by SIGBUS. */
	if (fstat(FD_RINGS, &st) != 0 || st.st_size < (off_t)sizeof(*page)) {
		*why = "no byte rings at their slot";
		return -EBADF;
	}
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
	    FD_RINGS, 0);
	if (page == MAP_FAILED) {
		*why = "cannot map the byte rings";
		return -errno;
	}
	bytering_resume(&c->serial_out, &page->serial_out, 0);
	bytering_resume(&c->serial_in, &page->serial_in, 1);
	bytering_resume(&c->debug_out, &page->debug_out, 0);
	c->has_rings = true;
	if (device_watch(dev, FD_RINGS_TO_FAR, EPOLLIN) != 0) {
		*why = "no eventfd for the byte rings at its slot";
		return -EBADF;
	}
	/*
	 * A predecessor may have died between a signal and what it called for: each
	 * side looks once more, since a ring that is not empty is not signalled.
	 */
	signal_event(FD_RINGS_TO_FAR);
	signal_event(FD_RINGS_TO_GUEST);
	return 0;
}

static int
start_timer(struct device *dev, const char **why)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd >= 0 && fd != FD_TIMER) {
		int to = dup3(fd, FD_TIMER, O_CLOEXEC);

		close(fd);
		fd = to;
	}
	if (fd < 0 || device_watch(dev, FD_TIMER, EPOLLIN) != 0) {
		*why = "no timer";
		return -EMFILE;
	}
	return 0;
}

static void
start_virtio(struct device *dev, const Bh__ConsoleConfig *cfg)
{
	struct config_space space = {
		.cols = htole16((uint16_t)cfg->columns),
		.rows = htole16((uint16_t)cfg->rows),
		.max_nr_ports = htole32(1),
	};

	dev->virtio_id = VIRTIO_ID_CONSOLE;
	if (cfg->columns != 0 && cfg->rows != 0)
		dev->features = 1ull << VIRTIO_CONSOLE_F_SIZE;
	dev->nqueues = 2;
	dev->queue_max[CONSOLE_RX] = CONSOLE_QUEUE_SIZE;
	dev->queue_max[CONSOLE_TX] = CONSOLE_QUEUE_SIZE;
	memcpy(dev->config, &space, sizeof(space));
	dev->config_size = sizeof(space);
}

static void
set_timer(struct console *c, unsigned int first_ms, unsigned int then_ms)
{
	struct itimerspec spec = {
		.it_value.tv_nsec = (long)first_ms * 1000000,
		.it_interval.tv_nsec = (long)then_ms * 1000000,
	};

	if (timerfd_settime(FD_TIMER, 0, &spec, NULL) != 0)
		log_guest("console: timer: %s", log_errname(errno));
	c->timer_on = first_ms != 0;
}

static void
update_probe(struct console *c)
{
	bool want = far_wants_probe(&c->console) ||
	    far_wants_probe(&c->serial) || far_wants_probe(&c->debug);

	if (!c->leaving && want != c->timer_on)
		set_timer(c, want ? PROBE_MS : 0, want ? PROBE_MS : 0);
}

static int
console_start(struct device *dev, const Bh__DeviceConfig *config,
    const char **why)
{
	const Bh__ConsoleConfig *cfg = config->console;
	struct console *c;
	int err;

	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		*why = "no memory";
		return -ENOMEM;
	}
	dev->priv = c;
	/* A client or a reader that leaves is an error of a write, no signal. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
		*why = "cannot ignore SIGPIPE";
		return -errno;
	}
	err = start_timer(dev, why);
	if (err == 0)
		err = far_start(&c->console, dev, "console", cfg->console,
		    FD_CONSOLE_IN, FD_CONSOLE_OUT, cfg->escape, why);
	if (err == 0)
		err = far_start(&c->serial, dev, "serial", cfg->serial,
		    FD_SERIAL_IN, FD_SERIAL_OUT, cfg->escape, why);
	if (err == 0)
		err = far_start(&c->debug, dev, "debug console",
		    cfg->debug_console, -1, FD_DEBUG_OUT, false, why);
	if (err == 0 && (cfg->serial != BH__PORT_KIND__PORT_KIND_OFF ||
	    cfg->debug_console != BH__PORT_KIND__PORT_KIND_OFF))
		err = start_rings(dev, why);
	if (err != 0)
		return err;
	if (cfg->console != BH__PORT_KIND__PORT_KIND_OFF)
		start_virtio(dev, cfg);
	update_probe(c);
	return 0;
}

/* ---- virtio -------------------------------------------------------------- */

static bool
running(const struct device *dev, unsigned int q)
{
	return dev->active && dev->vq[q].enabled && !dev->vq[q].held;
}

/* Move what fits of c->chain to the far end. True: all of it has gone. */
static bool
send_chain(struct console *c, uint32_t *budget)
{
	uint64_t len = c->chain.read_len;

	/* The driver may have put a shorter one in its place meanwhile. */
	while (c->sent < len) {
		uint32_t part = far_room(&c->console);

		if (part > sizeof(c->buf))
			part = sizeof(c->buf);
		if (part > *budget)
			part = *budget;
		if (part == 0)
			return false;
		part = (uint32_t)virtq_copy_out_of(&c->chain, c->sent, c->buf,
		    part);
		if (part == 0)
			break;
		far_put(&c->console, c->buf, part);
		c->sent += part;
		*budget -= part;
	}
	c->sent = 0;
	return true;
}

static void
pump_tx(struct device *dev)
{
	struct console *c = dev->priv;
	struct virtq *vq = &dev->vq[CONSOLE_TX];
	uint32_t budget = BATCH_BYTES;

	if (!running(dev, CONSOLE_TX))
		return;
	virtq_no_kicks(vq);
	for (unsigned int taken = 0; far_room(&c->console) > 0;) {
		int got;

		if (taken == BATCH_REQUESTS || budget == 0) {
			device_again(dev, CONSOLE_TX);
			break;
		}
		got = virtq_pop(vq, &c->chain);
		if (got < 0 || (got == 0 && !virtq_want_kicks(vq)))
			break;
		if (got == 0) {
			virtq_no_kicks(vq);
			continue;
		}
		if (!send_chain(c, &budget)) {
			virtq_unpop(vq, &c->chain);
			continue;
		}
		virtq_push(vq, &c->chain, 0);
		taken++;
	}
	virtq_flush(vq);
}

static void
pump_rx(struct device *dev)
{
	struct console *c = dev->priv;
	struct virtq *vq = &dev->vq[CONSOLE_RX];
	const uint8_t *buf;
	uint32_t len;

	if (!running(dev, CONSOLE_RX))
		return;
	virtq_no_kicks(vq);
	for (unsigned int taken = 0; (len = far_input(&c->console, &buf)) > 0;) {
		int got;

		if (taken++ == BATCH_REQUESTS) {
			device_again(dev, CONSOLE_RX);
			break;
		}
		got = virtq_pop(vq, &c->chain);
		if (got < 0 || (got == 0 && !virtq_want_kicks(vq)))
			break;
		if (got == 0)
			continue;
		len = (uint32_t)virtq_copy_into(&c->chain, 0, buf, len);
		virtq_push(vq, &c->chain, len);
		far_taken(&c->console, len);
	}
	virtq_flush(vq);
}

/* ---- byte rings ---------------------------------------------------------- */

static void
pump_out(struct console *c, struct far *f, struct bytering *ring)
{
	uint32_t budget = BATCH_BYTES;
	uint32_t room;
	size_t n;

	while (budget > 0 && (room = far_room(f)) > 0) {
		n = bytering_peek(ring, c->buf,
		    room < sizeof(c->buf) ? room : sizeof(c->buf));
		if (n == 0)
			return;
		/* Rather twice than never, if this process dies in between. */
		far_put(f, c->buf, (uint32_t)n);
		bytering_take(ring, n);
		if (bytering_was_full(ring, n))
			signal_event(FD_RINGS_TO_GUEST);
		budget -= n < budget ? (uint32_t)n : budget;
	}
	/* Others first; the producer does not signal a ring that is not empty. */
	if (budget == 0)
		signal_event(FD_RINGS_TO_FAR);
}

static void
pump_in(struct console *c)
{
	const uint8_t *buf;
	uint32_t len = far_input(&c->serial, &buf);
	size_t n;

	if (len == 0)
		return;
	n = bytering_put(&c->serial_in, buf, len);
	if (bytering_was_empty(&c->serial_in, n))
		signal_event(FD_RINGS_TO_GUEST);
	far_taken(&c->serial, (uint32_t)n);
}

static void
pump_all(struct device *dev)
{
	struct console *c = dev->priv;
	const uint8_t *buf;

	pump_tx(dev);
	pump_rx(dev);
	if (c->has_rings) {
		pump_out(c, &c->serial, &c->serial_out);
		pump_in(c);
		pump_out(c, &c->debug, &c->debug_out);
	}
	/* The debug port has no input. */
	far_taken(&c->debug, far_input(&c->debug, &buf));
	update_probe(c);
}

/* ---- ops ----------------------------------------------------------------- */

static void
console_activate(struct device *dev)
{
	/* Linux looks at the size only when it is told of a change. */
	if ((dev->driver_features >> VIRTIO_CONSOLE_F_SIZE & 1) != 0)
		device_config_changed(dev);
	pump_all(dev);
}

static void
console_queue_ready(struct device *dev, unsigned int q)
{
	if (q == CONSOLE_TX)
		pump_tx(dev);
	else
		pump_rx(dev);
	update_probe(dev->priv);
}

static void
probe_ptys(struct console *c)
{
	far_probe(&c->console);
	far_probe(&c->serial);
	far_probe(&c->debug);
}

static void
console_backend_ready(struct device *dev, int fd, uint32_t events)
{
	struct console *c = dev->priv;
	uint64_t count;

	if (fd == FD_RINGS_TO_FAR || fd == FD_TIMER) {
		if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			log_guest("console: event: %s", log_errname(errno));
	}
	if (fd == FD_TIMER && c->leaving)
		c->late = true;
	if (fd == FD_TIMER && !c->leaving)
		probe_ptys(c);
	if (far_owns(&c->console, fd))
		far_ready(&c->console, fd, events);
	else if (far_owns(&c->serial, fd))
		far_ready(&c->serial, fd, events);
	else if (far_owns(&c->debug, fd))
		far_ready(&c->debug, fd, events);
	pump_all(dev);
}

static void
console_reset(struct device *dev)
{
	struct console *c = dev->priv;

	c->sent = 0;
}

/*
 * What the guest has said is said: its last lines may still be in the rings. Far
 * ends that take nothing get LAST_WORDS_MS, then they are left behind.
 */
static unsigned int
console_drain(struct device *dev)
{
	struct console *c = dev->priv;
	uint32_t left;

	/* A request that went out in part is repeated by who comes after us. */
	c->sent = 0;
	if (!c->leaving) {
		c->leaving = true;
		c->late = false;
		set_timer(c, LAST_WORDS_MS, 0);
		probe_ptys(c);	/* somebody may just have come */
	}
	pump_all(dev);
	left = far_pending(&c->console) + far_pending(&c->serial) +
	    far_pending(&c->debug);
	if (left > 0 && !c->late)
		return 1;
	c->leaving = false;
	set_timer(c, 0, 0);
	update_probe(c);
	return 0;
}

static void
console_flush(struct device *dev)
{
	const struct timespec linger = { .tv_nsec = PTY_LINGER_MS * 1000000L };
	struct console *c = dev->priv;

	pump_all(dev);
	far_flush(&c->console);
	far_flush(&c->serial);
	far_flush(&c->debug);
	/*
	 * The master's end throws away what its reader has not taken yet, and
	 * there is no asking how much that is.
	 */
	if (far_has_pty_reader(&c->console) || far_has_pty_reader(&c->serial) ||
	    far_has_pty_reader(&c->debug))
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &linger, NULL);
}

static void
console_size(struct device *dev, uint32_t columns, uint32_t rows)
{
	struct config_space space;

	if ((dev->features >> VIRTIO_CONSOLE_F_SIZE & 1) == 0 ||
	    columns > UINT16_MAX || rows > UINT16_MAX)
		return;
	memcpy(&space, dev->config, sizeof(space));
	space.cols = htole16((uint16_t)columns);
	space.rows = htole16((uint16_t)rows);
	memcpy(dev->config, &space, sizeof(space));
	device_config_changed(dev);
}

/* Output is lost; there is no input to wait for. */
static int64_t
console_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	(void)dev;
	(void)chain;
	return q == CONSOLE_RX ? -1 : 0;
}

/* ---- isolated ------------------------------------------------------------ */

static void
throw_away(struct console *c, struct bytering *ring)
{
	/* A full ring at most: the vcpu-worker is not trusted to stop. */
	for (uint32_t all = 0; all < BYTERING_SIZE;) {
		size_t n = bytering_get(ring, c->buf, sizeof(c->buf));

		if (n == 0)
			return;
		if (bytering_was_full(ring, n))
			signal_event(FD_RINGS_TO_GUEST);
		all += (uint32_t)n;
	}
	signal_event(FD_RINGS_TO_FAR);
}

/* The guest waits for its serial port to take a byte, as for no request. */
static void
console_isolated_ready(struct device *dev, int fd, uint32_t events)
{
	struct console *c = dev->priv;
	uint64_t count;

	(void)events;
	if (fd != FD_RINGS_TO_FAR || read(fd, &count, sizeof(count)) < 0)
		return;
	throw_away(c, &c->serial_out);
	throw_away(c, &c->debug_out);
}

static int
console_isolate(struct device *dev, const char **why)
{
	static struct console isolated;

	dev->priv = &isolated;
	/* Neither a serial port nor a debug console. */
	if (fcntl(FD_RINGS, F_GETFD) < 0)
		return 0;
	return start_rings(dev, why);
}

const struct device_ops console_ops = {
	.name = "console",
	.config_case = BH__DEVICE_CONFIG__DEVICE_CONSOLE,
	.start = console_start,
	.activate = console_activate,
	.queue_ready = console_queue_ready,
	.backend_ready = console_backend_ready,
	.reset = console_reset,
	.drain = console_drain,
	.flush = console_flush,
	.console_size = console_size,
	.refuse = console_refuse,
	.isolate = console_isolate,
	.isolated_ready = console_isolated_ready,
	.redo = true,
};
