/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device whose rings are served by an external vhost-user back end. The worker
 * speaks with it; kicks and interrupts go between the back end and KVM directly.
 * It holds the fds of guest memory to pass them on, and maps them only to relay
 * the rings of a back end that keeps no record of what it has in flight (relay.c),
 * and for net's control queue (control.c).
 *
 * Should it die, its successor finds in the library's record what was agreed on
 * (struct front_saved) and what was relayed, and in FD_FRONT_INFLIGHT the back end's record.
 *
 * The back end is trusted with this device and, as every vhost-user back end, with
 * the guest's memory; its bytes are parsed here and nowhere else.
 */
#include "device-workers/vhost-user-front/vhost_user_front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/vhost-user-front/front.h"
#include "ipc/log.h"
#include "proto/limits.h"

#define BIT(n) (1ull << (n))

/*
 * What a back end may offer and a guest does not get: what concerns the transport
 * or needs more of the front end than there is (an IOMMU, notification data, ring
 * reset, admin queues), and what legacy drivers had.
 */
#define NOT_OFFERED (BIT(24) | BIT(VHU_F_LOG_ALL) | BIT(27) |		\
	BIT(VHU_F_PROTOCOL_FEATURES) | BIT(31) | BIT(33) | BIT(35) |	\
	BIT(36) | BIT(37) | BIT(38) | BIT(39) | BIT(40) | BIT(41))
/* Those of net that go with the control queue, or with a configuration space that
 * is not the back end's. */
#define NET_NOT_OFFERED (BIT(2) | BIT(3) | BIT(5) | BIT(16) | BIT(17) |	\
	BIT(18) | BIT(19) | BIT(20) | BIT(21) | BIT(22) | BIT(23) |	\
	BIT(53) | BIT(57) | BIT(60) | BIT(63))
#define FS_NOT_OFFERED BIT(0)		/* a notification queue */
/* CONFIG_WCE: a write to it would have to reach the back end before the requests
 * that follow it, which go another way. */
#define BLK_NOT_OFFERED BIT(11)

#define BLK_F_MQ BIT(12)
#define BLK_NUM_QUEUES 34u		/* in its configuration space */

static struct front the_front;

static struct front *
front_of(struct device *dev)
{
	return dev->priv;
}

/* Of the specification; others are asked for as much as there can be. */
static uint32_t
config_length(uint32_t virtio_id)
{
	static const uint16_t lengths[] = {
		[BLK] = 60, [3] = 12, [RNG] = 0, [8] = 36, [16] = 16, [18] = 136,
		[19] = 8, [20] = 56, [22] = 0, [25] = 12, [34] = 0, [41] = 8,
	};
	size_t n = sizeof(lengths) / sizeof(lengths[0]);

	if (virtio_id == RNG || virtio_id == 22 || virtio_id == 34)
		return 0;
	return virtio_id < n && lengths[virtio_id] != 0 ? lengths[virtio_id] :
	    VHU_MAX_CONFIG;
}

static void
loop_ready(struct device *dev, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	(void)loop_once(&front_of(dev)->loop, 0);
}

/*
 * Memory for the record of requests in flight: what the controller keeps for all
 * workers of this device, or our own, where nobody follows.
 */
static int
map_record(struct front *f)
{
	void *at;
	int rc = 0;

	if (fcntl(FD_FRONT_INFLIGHT, F_GET_SEALS) < 0)
		rc = front_memfd("inflight", FRONT_LIMIT_INFLIGHT,
		    FD_FRONT_INFLIGHT);
	if (rc < 0)
		return rc;
	at = mmap(NULL, FRONT_LIMIT_INFLIGHT, PROT_READ | PROT_WRITE, MAP_SHARED,
	    FD_FRONT_INFLIGHT, 0);
	if (at == MAP_FAILED)
		return -errno;
	f->record = at;
	return 0;
}

static int
front_start(struct device *dev, const Bh__DeviceConfig *config,
    const char **why)
{
	const Bh__FrontConfig *c = config->front;
	struct front *f = &the_front;
	int rc;

	f->dev = dev;
	dev->priv = f;
	dev->virtio_id = c->virtio_id;
	dev->nqueues = (unsigned int)c->n_queue_sizes;
	for (unsigned int q = 0; q < dev->nqueues; q++)
		dev->queue_max[q] = (uint16_t)c->queue_sizes[q];
	f->own_features = c->features;
	f->not_offered = c->not_offered;
	f->own_config = c->config.len > 0;
	f->config_len = config_length(c->virtio_id);
	if (f->own_config) {
		memcpy(dev->config, c->config.data, c->config.len);
		dev->config_size = (uint32_t)c->config.len;
	}
	f->listens = c->listens;
	f->packed = config->packed;
	f->successor = c->successor;
	f->control = c->virtio_id == NET && dev->nqueues > 2;
	f->pairs = 1;
	f->patience = c->reply_ms * FRONT_NS_MS;
	f->job = JOB_NONE;
	*why = "cannot make rings to relay";
	rc = relay_init(f);
	if (rc == 0)
		rc = map_record(f);
	if (rc < 0)
		return rc;
	*why = "cannot wait for the back end";
	rc = front_conn_init(f);
	return rc < 0 ? rc : device_watch(dev, FD_FRONT_LOOP, EPOLLIN);
}

static int
front_jailed(struct device *dev, const char **why)
{
	struct front *f = front_of(dev);

	if (f->known)
		return 0;
	/* The guest of a successor waits, as for any back end that is lost. */
	if (f->why != NULL && !f->successor) {
		(void)snprintf(f->text, sizeof(f->text), "the back end cannot be "
		    "used: %s", f->why);
		*why = f->text;
		return -EPROTO;
	}
	if (f->conn == CONN_AWAY && f->retry_at == 0)
		front_conn_want(f);
	return 1;
}

/* ---- what the back end is ------------------------------------------------------- */

/* Requests of these are done in order: the ring says what is in flight. */
static bool
in_order(const struct front *f)
{
	return f->dev->virtio_id == NET || f->dev->virtio_id == RNG;
}

static bool
keeps_record(const struct front *f)
{
	return (f->protocol_features >> VHU_PF_INFLIGHT_SHMFD & 1) != 0;
}

static uint64_t
features_for_guest(const struct front *f)
{
	uint64_t features = f->far_features & ~(NOT_OFFERED | f->not_offered);

	if (f->dev->virtio_id == NET)
		features &= ~NET_NOT_OFFERED;
	if (f->dev->virtio_id == BLK)
		features &= ~BLK_NOT_OFFERED;
	if (f->dev->virtio_id == FS)
		features &= ~FS_NOT_OFFERED;
	/* A packed ring does not say how far it was, the record does. */
	if (!f->packed || !keeps_record(f))
		features &= ~BIT(VIRTIO_F_RING_PACKED);
	if (f->relay)
		features &= ~BIT(VIRTIO_F_EVENT_IDX);
	return features | f->own_features;
}

/* From now on guest memory is not passed on alone. */
static int
map_memory(struct front *f)
{
	int rc = 0;

	if (f->mapped)
		return 0;
	f->mapped = true;
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS && rc == 0; i++) {
		const struct front_region *r = &f->region[i];

		if (r->at.size != 0)
			rc = gmem_add(&f->dev->mem, i, r->at.gpa, r->at.size,
			    r->fd, r->offset, r->at.readonly);
	}
	return rc;
}

static unsigned int
count_regions(const struct front *f)
{
	unsigned int n = f->relay ? 1 : 0;

	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++)
		n += f->region[i].at.size != 0;
	return n;
}

/* What is wrong with a back end that was not there before, or NULL. */
static const char *
first_look(struct front *f)
{
	struct device *dev = f->dev;

	f->relay = !keeps_record(f) && !in_order(f);
	dev->features = features_for_guest(f);
	if (dev->virtio_id == BLK && dev->config_size == 0)
		return "it has no configuration space (protocol feature CONFIG)";
	if (dev->virtio_id == BLK && dev->nqueues > 1 &&
	    (dev->features & BLK_F_MQ) == 0)
		return "it lacks VIRTIO_BLK_F_MQ; write num_queues=1";
	if ((f->relay || f->control) && map_memory(f) < 0)
		return "guest memory cannot be mapped to serve a ring";
	return NULL;
}

/* The same of one that came back. */
static const char *
next_look(const struct front *f)
{
	uint64_t needed = f->dev->features & ~f->own_features;

	if ((needed & ~f->far_features) != 0)
		return "another one came back: it lacks features that the guest was "
		    "offered";
	if (!f->relay && !in_order(f) && !keeps_record(f))
		return "another one came back: it keeps no record of requests in "
		    "flight";
	return NULL;
}

bool
front_greeted(struct front *f)
{
	const char *why = f->known ? next_look(f) : first_look(f);

	if (why == NULL && count_regions(f) > f->mem_slots)
		why = "it has room for fewer regions of memory than the VM has";
	if (why != NULL) {
		front_conn_lose(f, why);
		return false;
	}
	f->known = true;
	return true;
}

void
front_config_came(struct front *f)
{
	struct device *dev = f->dev;
	uint8_t *data = f->in.config.data;

	if (dev->virtio_id == BLK && f->config_len >= BLK_NUM_QUEUES + 2) {
		data[BLK_NUM_QUEUES] = (uint8_t)dev->nqueues;
		data[BLK_NUM_QUEUES + 1] = 0;
	}
	if (dev->config_size == f->config_len &&
	    memcmp(dev->config, data, f->config_len) == 0)
		return;
	dev->config_size = f->config_len;
	memcpy(dev->config, data, f->config_len);
	if (f->known)
		device_config_changed(dev);
}

/* ---- the driver ----------------------------------------------------------------- */

const struct front_region *
front_region_of(const struct front *f, uint64_t addr, uint64_t len)
{
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &f->region[i].at;

		if (addr >= r->gpa && len <= r->size &&
		    addr - r->gpa <= r->size - len)
			return &f->region[i];
	}
	return NULL;
}

int
front_used_index(struct front *f, unsigned int q, uint16_t *index)
{
	uint64_t addr = f->queue[q].used + 2;
	const struct front_region *r = front_region_of(f, addr, 2);

	if (r == NULL)
		return -EFAULT;
	return pread(r->fd, index, 2, (off_t)(r->offset + addr - r->at.gpa)) == 2 ?
	    0 : -EIO;
}

static bool
ring_possible(const struct front *f, const struct virtq_layout *l, bool packed)
{
	uint64_t n = l->size;

	if (packed)
		return front_region_of(f, l->desc, 16 * n) != NULL &&
		    front_region_of(f, l->avail, 4) != NULL &&
		    front_region_of(f, l->used, 4) != NULL &&
		    l->desc % 16 == 0 && l->avail % 4 == 0 && l->used % 4 == 0;
	return (n & (n - 1)) == 0 &&
	    front_region_of(f, l->desc, 16 * n) != NULL &&
	    front_region_of(f, l->avail, 6 + 2 * n) != NULL &&
	    front_region_of(f, l->used, 6 + 8 * n) != NULL &&
	    l->desc % 16 == 0 && l->avail % 2 == 0 && l->used % 4 == 0;
}

static void
front_activate(struct device *dev, const struct virtq_layout *layout, bool resume)
{
	struct front *f = front_of(dev);
	bool packed = (dev->driver_features & BIT(VIRTIO_F_RING_PACKED)) != 0;
	unsigned int far = control_far_queues(f), control = control_queue(f);
	bool good = true;

	/* One that died before it had begun leaves nothing to go on with. */
	resume = resume && f->loaded;
	for (unsigned int q = 0; q < far; q++)
		if (layout[q].size != 0)
			good &= ring_possible(f, &layout[q], packed);
	if (good) {
		memcpy(f->queue, layout, far * sizeof(f->queue[0]));
		good = !f->relay || relay_attach(f, resume) == 0;
	}
	if (good && control < dev->nqueues && layout[control].size != 0)
		good = device_serve_queue(dev, control, &layout[control],
		    resume) == 0;
	if (!good) {
		memset(f->queue, 0, sizeof(f->queue));
		device_needs_reset(dev, "the driver gave impossible rings");
		return;
	}
	f->started = true;
	f->served = resume;
	device_state_changed(dev);
	front_ask(f, JOB_START);
}

static void
front_queue_ready(struct device *dev, unsigned int q)
{
	struct front *f = front_of(dev);

	if (f->started && q == control_queue(f))
		control_ready(f, q);
}

static size_t
front_save(struct device *dev, uint8_t *buf, size_t size)
{
	const struct front *f = front_of(dev);
	const struct front_saved s = {
		.inflight = f->inflight, .inflight_open = f->inflight_open,
		.relay = f->relay, .pairs = (uint16_t)f->pairs,
	};

	if (size < sizeof(s))
		return 0;
	memcpy(buf, &s, sizeof(s));
	return sizeof(s);
}

/* What a predecessor wrote down, before activate(). The device may map memory now
 * that did not have to before. */
static int
front_load(struct device *dev, uint32_t version, const uint8_t *buf, size_t len)
{
	struct front *f = front_of(dev);
	struct front_saved s;

	(void)version;
	if (len != sizeof(s))
		return -EINVAL;
	memcpy(&s, buf, sizeof(s));
	if (s.pairs < 1 || s.pairs > DEVICE_MAX_QUEUES / 2 || s.inflight.offset != 0 ||
	    s.inflight.size > FRONT_LIMIT_INFLIGHT)
		return -EINVAL;
	/* What it has in flight nobody can tell, if it keeps no record now. */
	if (s.relay == 0 && f->relay)
		return -EPROTO;
	if (s.relay != 0 && !f->relay) {
		f->relay = true;
		f->protocol_features &= ~BIT(VHU_PF_INFLIGHT_SHMFD);
		if (count_regions(f) > f->mem_slots || map_memory(f) < 0)
			return -ENOSPC;
	}
	f->pairs = s.pairs;
	f->inflight = s.inflight;
	f->inflight_open = s.inflight_open != 0;
	f->loaded = true;
	return 0;
}

static void
front_stop(struct device *dev)
{
	struct front *f = front_of(dev);

	if (!f->started)
		return;
	f->started = false;
	f->jobs &= ~(1u << JOB_START | 1u << JOB_WRITE | 1u << JOB_ENABLE);
	if (f->memory_told)
		front_ask(f, JOB_STOP);
}

static unsigned int
front_drain(struct device *dev)
{
	return front_busy(front_of(dev)) ? 1 : 0;
}

static void
front_reset(struct device *dev)
{
	struct front *f = front_of(dev);

	f->started = f->served = f->broken = f->loaded = false;
	f->write_len = 0;
	f->inflight_open = f->command_waits = false;
	f->pairs = 1;
	if (f->relay)
		relay_forget(f);
	memset(f->queue, 0, sizeof(f->queue));
}

static void
front_config_write(struct device *dev, uint32_t offset, const uint8_t *data,
    uint32_t len)
{
	struct front *f = front_of(dev);

	if (f->own_config || len > sizeof(f->written))
		return;
	memcpy(f->written, data, len);
	f->write_offset = offset;
	f->write_len = len;
	front_ask(f, JOB_WRITE);
}

/* ---- memory --------------------------------------------------------------------- */

static void
front_add_memory(struct device *dev, uint32_t slot,
    const struct gmem_region *region, int fd, uint64_t offset)
{
	struct front *f = front_of(dev);
	struct front_region *r = &f->region[slot];

	f->result = r->at.size != 0 ? -EEXIST : 0;
	if (f->result == 0 && f->known && count_regions(f) >= f->mem_slots)
		f->result = -ENOSPC;
	if (f->result == 0 && f->mapped)
		f->result = gmem_add(&dev->mem, slot, region->gpa, region->size,
		    fd, offset, region->readonly);
	if (f->result != 0) {
		close(fd);
		return;
	}
	*r = (struct front_region){ .at = *region, .offset = offset, .fd = fd };
	if (f->memory_told)
		front_ask(f, JOB_MEMORY);
}

static void
front_remove_memory(struct device *dev, uint32_t slot)
{
	struct front *f = front_of(dev);
	struct front_region *r = &f->region[slot];

	f->result = r->at.size == 0 ? -ENOENT : 0;
	if (f->result != 0)
		return;
	if (f->mapped) {
		(void)gmem_remove(&dev->mem, slot);
		for (unsigned int q = 0; q < dev->nqueues; q++)
			virtq_memory_changed(&dev->vq[q]);
	}
	if (r->told)
		f->removed[slot] = *r;
	close(r->fd);
	*r = (struct front_region){ .fd = -1 };
	if (f->memory_told)
		front_ask(f, JOB_MEMORY);
}

static void
front_dirty_log(struct device *dev, int fd, uint64_t size)
{
	struct front *f = front_of(dev);

	f->result = f->mapped ? gmem_set_dirty_log(&dev->mem, fd, size) : 0;
	if (f->log_open)
		close(FD_FRONT_LOG);
	f->log_open = false;
	if (fd >= 0) {
		if (f->result == 0 && dup3(fd, FD_FRONT_LOG, O_CLOEXEC) < 0)
			f->result = -errno;
		f->log_open = f->result == 0;
		close(fd);
	}
	f->log_size = size;
	if (f->started && f->result == 0)
		front_ask(f, JOB_LOG);
}

static int
front_result(struct device *dev)
{
	return front_of(dev)->result;
}

static void
front_connection(struct device *dev, int error, const int *fds,
    unsigned int nfds)
{
	front_conn_given(front_of(dev), error, fds, nfds);
}

static const struct device_remote remote = {
	.add_memory = front_add_memory,
	.remove_memory = front_remove_memory,
	.dirty_log = front_dirty_log,
	.activate = front_activate,
	.stop = front_stop,
	.result = front_result,
	.connection = front_connection,
	.stand_in = stand_in_init,
	.left = stand_in_left,
};

const struct device_ops front_ops = {
	.name = "vhost-user",
	.config_case = BH__DEVICE_CONFIG__DEVICE_FRONT,
	.start = front_start,
	.jailed = front_jailed,
	.remote = &remote,
	.backend_ready = loop_ready,
	.queue_ready = front_queue_ready,
	.reset = front_reset,
	.drain = front_drain,
	.config_write = front_config_write,
	.refuse = stand_in_refuse,
	.redo = true,
	.save = front_save,
	.load = front_load,
};
