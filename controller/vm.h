/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM as an object: its spec and plan, every fd that it is made of, its
 * children and where its life stands. Private to the controller; each part of it
 * has one file that writes it, named below.
 */
#ifndef BULKHEAD_CONTROLLER_VM_H
#define BULKHEAD_CONTROLLER_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/cgroup.h"
#include "controller/plan.h"
#include "controller/procs.h"
#include "controller/spec.h"
#include "controller/terminal.h"
#include "ipc/chan.h"
#include "ipc/loop.h"
#include "ipc/slots.h"
#include "proto/limits.h"
#include "sandbox/notify.h"

#define VM_MAX_CHILDREN (PLAN_MAX_DEVICES + SPEC_MAX_NETS + 16u)
#define VM_MAX_KEPT 4096u
#define VM_MAX_KEPT_EACH 704u
#define VM_MAX_REQUESTS 2048u
#define HOST_INHERITED 1024u	/* fds from here on are not looked at */
#define VM_SENT 65536u		/* fds from here on are not taken of a request */

enum vm_state {
	VM_NONE,		/* there is a VMM, and no VM */
	VM_CREATED,		/* there is a spec, and nothing of it is made */
	VM_STARTING,
	VM_RUNNING,
	VM_RESETTING,
	VM_STOPPING,
	VM_OVER,		/* ... and the VMM with it */
};

/* What becomes of the VM when it has stopped. */
enum vm_after {
	AFTER_EXIT,		/* nothing: the VMM ends */
	AFTER_KEEP,		/* it can be booted again */
	AFTER_DELETE,
};

/* How far the pause of a running VM has come. */
enum vm_pause {
	PAUSE_NONE,
	PAUSE_CPUS,		/* its vCPUs are to stand still */
	PAUSE_DEVICES,		/* ... and do; its device workers are to */
	PAUSE_FULL,
	PAUSE_ENDING,
};

/* How far a DIMM is. */
enum dimm_state {
	DIMM_NONE,
	DIMM_COMES,		/* not all map it yet */
	DIMM_IN,		/* the guest's */
	DIMM_ASKED,		/* ... and it is asked to let it go */
	DIMM_GOES,		/* it has; some may still map it */
};

/* An unanswered request to a child. */
struct request {
	struct child *child;	/* NULL: free */
	struct chan *chan;	/* the child's, or the spawner's for Spawn */
	uint32_t seq;
	Bh__Packet__BodyCase type;
	uint32_t subject;	/* Open: which path. PciDevice: which device */
	uint64_t deadline;	/* CLOCK_MONOTONIC, ns */
};

/* DeviceReady, kept for vcpu-workers to come. */
struct device_ready {
	uint32_t virtio_id;
	uint64_t features;
	uint32_t nqueues;
	uint32_t queue_max[DEVICE_LIMIT_QUEUES];
	uint32_t config_len, config_writable_len;
	uint8_t config[DEVICE_LIMIT_CONFIG];
	uint8_t config_writable[DEVICE_LIMIT_CONFIG];
};

enum child_phase {
	CHILD_NONE,
	CHILD_SPAWNING,		/* Spawn sent; the configuration may be, too */
	CHILD_UP,		/* Spawned */
	CHILD_GONE,		/* ChildExited */
};

/* Why it was killed, if it was; deaths.c. */
enum death_why {
	DEATH_OF_ITSELF,	/* its end says it */
	DEATH_DENIED,		/* a system call */
	DEATH_HANG,
	DEATH_PROTOCOL,
	DEATH_LATE,		/* with the answer to a request */
	DEATH_REFUSED,		/* cannot take its predecessor's place */
	DEATH_SAID,		/* not killed: it said why it ends */
};

/* How far a process is in a start, timeline.c's. */
enum boot_stage {
	BOOT_ASKED,	/* the spawner was asked for it */
	BOOT_RUNS,	/* its main() does */
	BOOT_JAILED,	/* its filter is loaded */
	BOOT_READY,	/* it has done what the start needs of it */
	BOOT_GUEST,	/* the guest runs; has a driver for its device */
	BOOT_STAGES
};

struct child {
	struct vm *vm;
	enum process_kind kind;
	enum child_phase phase;
	uint32_t instance;	/* the spawner's and our name for it */
	char name[96];		/* "blk _disk0" */
	struct chan chan;
	struct loop_source control;
	int pidfd;
	uint32_t host_pid;
	struct loop_source denied;	/* its seccomp listener */
	bool hello, ready, told_quit, drained, hung_up, configured;
	bool failed;		/* said so itself; text is with the user already */
	bool spare;		/* the VM can do without it: an opener while it runs */
	int32_t status, signal;	/* when gone */
	bool oom;		/* ... for want of memory in its cgroup */
	enum death_why why;
	char why_text[120];
	bool stopped;		/* killed since it was stopped from outside */
	uint64_t last_death;	/* in deaths.c's list; 0: none */
	struct {
		uint32_t number;	/* of the last Ping */
		bool waits;		/* ... which is not answered */
		bool excused;		/* it is known why */
		uint32_t ticks, looks;	/* since then */
	} pulse;

	/* device workers */
	const struct plan_device *dev;
	uint32_t index;		/* of the VM's devices; of a passt: in spec->nets */
	int bus[2];		/* vcpu-worker's end, worker's end; -1: passed */
	int events[2 * DEVICE_LIMIT_QUEUES + 1];
	int config_page;	/* what the driver wrote there; -1: none */
	struct device_ready device;
	struct {
		bool asked, said;	/* an answer is due; the user knows */
		uint64_t since, answered_at;	/* ns */
	} wants;		/* front.c: a connection, a port */
	int record;		/* of what is in flight, for a successor; -1: none */
	int inflight;		/* the same of a vhost-user back end; -1: none */
	int far;		/* the last connection to that one; -1: none */
	bool known_once;	/* the guest has run with it: recover.c */
	bool isolated;		/* a stand-in, which refuses every request */
	bool lost;		/* nobody will serve it again */
	bool paused;		/* told so, pause.c */
	bool suspect;		/* the last one died of what it did */
	bool awaits_io;		/* ... and its I/O may not have ended */
	uint64_t died_at;	/* ns; no successor is at work yet; 0: all well */
	uint32_t replacing;	/* ReplaceDevice that are not answered */
	uint32_t ndeaths, late_deaths;	/* in all; since deaths_from */
	uint64_t deaths_from;	/* ns */
	int binary;		/* what was executed; -1: the kind's own */
	uint32_t state, state_oldest;	/* versions, as its Hello said */
	uint32_t dimms;		/* that it maps, a bit each; dimms.c */
	uint64_t image_base;	/* and where its program lies */
	char build_id[65];
	uint64_t denied_at;	/* the address of a denied call; 0: none */
	int table;		/* of a file system, for its successor; -1: none */
	int previous;		/* binary of before, until trial_until */
	uint32_t previous_state;
	uint64_t trial_until;	/* ns; 0: no upgrade is as young */
	bool must_listen;	/* the one before had a filter with a listener */
	bool told_vcpu;		/* PciDevice sent */
	bool known_to_vcpu;	/* ... and acknowledged */
	bool hot;		/* comes while the VM runs, and is not there yet */
	bool asked_to_go, forced;	/* hotplug_remove() */
	bool removed;		/* the guest has let go of it: its end is no death */
	uint64_t boot_at[BOOT_STAGES];	/* ns; 0: not yet */
};

/* An fd of a worker's that its successor could not open; keeper.c. */
struct kept {
	uint32_t device, id;
	int fd;
};

/* A further file of a disk image, fds[1] of its backend on. */
struct image_part {
	uint64_t size, device, inode;
	bool readonly, block;
};

/* What the opener opened for one device or port. */
struct vm;
/* A resize of disk @disk is over: 0, or -errno and why. */
typedef void resize_done_fn(struct vm *vm, uint32_t disk, int rc,
    const char *text);

struct backend {
	int fds[SPEC_MAX_QUEUE_PAIRS];
	uint32_t nfds;
	bool borrowed;		/* the fds are the spec's */
	uint64_t size;
	uint32_t block_size;
	Bh__BlkShape shape;	/* disks */
	bool block;		/* a block device */
	uint64_t resizing;	/* to so many bytes; 0: no resize is under way */
	bool is_raw;		/* the worker has said so, or the user */
	resize_done_fn *resized;	/* NULL: nobody wants to know */
	uint64_t device, inode;
	uint32_t tap_offloads;
	uint32_t tap_index;	/* of the interface */
	bool tap_created;	/* it goes with its last fd */
	bool tap_egress;	/* a macvtap: the guest's frames leave by it */
	bool guarded;		/* guard.c */
	int guard_link;		/* -1: a tc filter in its place */
	int guard_counts;

	/* broker.c; disks only. What a worker that is started again is given. */
	int folder;		/* of the path: an O_PATH fd, or -1 */
	int own;		/* direct disks: for the next worker alone, or 0 */
	uint64_t sentinel;	/* the byte that it locks */
	bool reopening;		/* the next one was asked for ... */
	int next_own;		/* ... and is here, not locked yet; or 0 */
	struct image_part parts[FD_BACKEND_COUNT - 1];
	struct want_file {
		bool asked;	/* the opener was; one at a time */
		bool extent;
		char name[FILE_NAME_LIMIT + 1];
	} want;
};

_Static_assert(SPEC_MAX_QUEUE_PAIRS == FD_BACKEND_COUNT, "ipc/slots.h");

/* Of a --net user=on, passt.c's. */
struct passt {
	struct child *child;	/* once it has died: to be started again */
	int near, far;		/* ends of the socket: the worker's, passt's */
	int said;		/* what it speaks into, and output hears */
	struct loop_source output;
	bool ready;		/* it has said that it runs */
	bool again;		/* it is not the first */
	bool leaves;		/* its net is removed */
	uint64_t since, deadline, again_at, delay;	/* ns; 0: none */
	uint64_t second;	/* ... of which it said so many lines: */
	unsigned int lines;
	uint32_t len;
	char line[200], last[200];
};

/* Of a worker by another program, upgrade.c's. @why NULL: it is done. */
typedef void upgrade_done_fn(struct vm *vm, const char *why);

enum upgrade_step {
	UPGRADE_NONE,
	UPGRADE_REOPEN,		/* a disk is opened once more, for the next one */
	UPGRADE_START,		/* the next one is started */
	UPGRADE_DRAIN,		/* the old one finishes what it took */
	UPGRADE_EXIT,		/* ... and has to be gone */
	UPGRADE_CONFIGURE,	/* the next one is the device's */
};

struct upgrade {
	enum upgrade_step step;
	struct child *old, *next;
	upgrade_done_fn *done;
	uint64_t deadline, since;	/* ns; since: HandOver */
	int binary;		/* until it is the next one's */
	int own;		/* the disk's, for the locks; -1: none */
	char why[300];
};

/* Of a snapshot or a restore, snapshot.c's. @why NULL: it is done. */
typedef void snapshot_done_fn(struct vm *vm, const char *why);

enum snapshot_step {
	SNAPSHOT_NONE,
	SNAPSHOT_OPEN,		/* a directory for it is made */
	SNAPSHOT_SAVE_VM,	/* the vcpu-worker writes its state */
	SNAPSHOT_WRITE,		/* the migration-worker writes all */
	SNAPSHOT_KEEP,		/* the directory goes to its place */
	SNAPSHOT_DROP,		/* it has failed: away with the directory */
	SNAPSHOT_RESTORES,	/* no step; those of a restore are behind it: */
	SNAPSHOT_OLD,		/* the files are opened */
	SNAPSHOT_CONFIG,	/* the configuration is read */
	SNAPSHOT_LOAD,		/* the VM starts */
	SNAPSHOT_PAUSE,		/* it has all; its devices are to stand still */
	SNAPSHOT_RESUME,
};

struct snapshot {
	enum snapshot_step step;
	struct child *opener, *worker;
	snapshot_done_fn *done;
	int dir;		/* the new directory; -1: none */
	int files[SNAPSHOT_LIMIT_FILES];
	Bh__SnapshotFile names[SNAPSHOT_LIMIT_FILES];
	uint32_t nfiles;
	int state;		/* a VmState; -1: none */
	bool resume;
	char path[4097];
	char why[300];
};

/* A path of the configuration, by what it is for. */
enum path_use {
	PATH_LOG,
	PATH_API,
	PATH_EVENTS,
	PATH_KVM,
	PATH_LIBEXEC,		/* by fd alone */
	PATH_KERNEL,		/* or firmware */
	PATH_INITRAMFS,
	PATH_DISK,
	PATH_SHARE,
	PATH_PMEM,
	PATH_RNG,
	PATH_PORT,
	PATH_TAP,
	PATH_GUARD,		/* of a tap; asked of a process of its own */
	PATH_BACK_END,		/* a socket that a net back end connects to */
	PATH_VSOCK,		/* its listening sockets: stream, seqpacket */
	PATH_RULE,		/* of --landlock-rules: pointed to, not opened */
};

struct path_item {
	enum path_use use;
	uint32_t index;		/* disk, net or enum vm_port */
};

#define VM_MAX_PATHS (SPEC_MAX_DISKS + 2u * SPEC_MAX_NETS + SPEC_MAX_FS + \
    SPEC_MAX_PMEMS + SPEC_MAX_LANDLOCK_RULES + 12u)

enum vm_port { VM_CONSOLE, VM_SERIAL, VM_DEBUG, VM_PORTS };

struct vm {
	struct vm_spec spec;
	struct vm_plan plan;
	struct plan_host host;
	enum vm_state state;
	enum vm_after after;
	int exit_status;
	bool said_why;		/* the user has his line */
	bool by_root;
	uint8_t inherited[HOST_INHERITED / 8];	/* bit n: fd n came with exec */
	uint8_t sent[VM_SENT / 8];	/* ... with a request, for the VM's spec */
	uint32_t uid_base;	/* as root: the controller's own uid */

	struct loop loop;
	struct chan_buffers buffers;
	struct loop_source signals, timer, pulse, io_timer, spawner_end;
	bool timer_armed;
	uint64_t stop_deadline;	/* ns; 0: none */
	bool devices_first;	/* in stopping: the vCPUs stand still already */
	bool vmm_opened;	/* the VMM's own paths are open */

	/* supervise.c */
	uint32_t pid;		/* our own */
	struct chan spawner;
	struct loop_source spawner_source;
	int spawner_pidfd;
	bool spawner_gone;
	struct child children[VM_MAX_CHILDREN];
	uint32_t nchildren;
	uint32_t next_instance;
	struct request requests[VM_MAX_REQUESTS];
	struct child *opener, *loader, *vcpu, *api;
	struct child *guard;	/* loads the guard of one tap */
	struct child *broker;	/* an opener for files that images name */
	struct child *connector;	/* one for vhost-user back ends and vsock */
	uint64_t connector_used;	/* ns: last by vsock; 0: not since it came */

	/* deaths.c */
	int oom_counter;	/* a file of our cgroup's, or -1 */
	uint64_t oom_kills;	/* what it said last */

	/* paths.c */
	struct path_item paths[VM_MAX_PATHS];
	uint32_t npaths, npaths_asked, npaths_done;
	int kvm, kernel, initramfs;
	int rules[SPEC_MAX_LANDLOCK_RULES];	/* O_PATH; -1 */
	uint64_t kernel_size, initramfs_size;
	struct backend disks[SPEC_MAX_DISKS];
	struct backend nets[SPEC_MAX_NETS];
	struct backend rng;
	bool watchdog_fired;	/* i6300esb is to tell the next life of the guest */
	struct backend shares[SPEC_MAX_FS];
	struct backend pmems[SPEC_MAX_PMEMS];
	uint64_t pmem_gpa[SPEC_MAX_PMEMS];
	enum pmem_map { PMEM_OUT, PMEM_COMES, PMEM_IN, PMEM_GOES }
	    pmem_map[SPEC_MAX_PMEMS];	/* in the vcpu-worker, of those hot-plugged */
	struct {
		uint64_t at, size;	/* 0: none */
		uint32_t bdf;
	} pmem_dead[SPEC_MAX_PMEMS];	/* that the guest has not let go, pmem.c */
	uint64_t mmio64_base, mmio64_size;	/* the plan's, behind these */
	struct backend vsock;	/* listening: stream, seqpacket */
	int vsock_locks[2];	/* -1 */
	int port_in[VM_PORTS], port_out[VM_PORTS];
	char pty[VM_PORTS][64];	/* its path, in the spec too while there is one */

	/* passt.c */
	struct passt passts[SPEC_MAX_NETS];

	/* resources.c */
	struct zone_memory {
		int ram;	/* memfd of what the guest boots with; -1 */
		int hot;	/* ... of virtio-mem's region; -1: none */
		int state;	/* ... of what is plugged there; -1 */
	} zones[SPEC_MAX_ZONES];

	/* dimms.c */
	struct dimm_memory {
		enum dimm_state state;
		int fd;		/* where the state is not NONE */
		uint64_t gpa, size;
	} dimms[DIMM_LIMIT];
	bool dimms_asked;	/* manage_resized() is due */
	struct cgroup cgroup;	/* memory_max alone, once the spawner has it */
	int rings, rings_to_far, rings_to_guest;
	int limits[SPEC_MAX_LIMIT_GROUPS];	/* state of each group, a memfd */

	/* resize_vm.c */
	uint32_t vcpus, want_vcpus;	/* that run; that were asked for last */
	bool vcpus_leaving;		/* the guest is asked to let some go */

	struct {
		struct plan_device *dev;	/* that comes; NULL: none does */
		void (*done)(struct vm *vm, uint32_t status,
		    const struct plan_device *dev, const char *why);
		bool calls;	/* life_fail() is about it, not about the VM */
		bool failed;
		bool changed;	/* since the boot */
		char why[1024];
		const struct child *removing;	/* who asked waits for it */
	} hot;			/* hotplug.c */

	struct kept kept[VM_MAX_KEPT];	/* keeper.c */
	uint32_t nkept;

	struct upgrade upgrade;	/* upgrade.c */
	struct snapshot snapshot;	/* snapshot.c, restore.c */
	uint32_t user;		/* who started the VMM */

	/* manage.c */
	int api_listen, api_lock, api_events;	/* -1: there is none */
	bool api_ready;		/* has been up once */
	unsigned int api_deaths;
	uint64_t api_since;	/* ns: when the one at work came up */
	uint64_t api_last_death;	/* in deaths.c's list */
	uint64_t api_again;	/* ns: when to start the next; 0: not now */
	struct {
		bool any;
		uint32_t seq;
		Bh__ApiVerb verb;
	} pending;		/* the request that a transition answers */
	uint32_t refused;	/* the request whose further parts are ignored */
	char failure[1024];	/* why the last one failed */
	uint64_t started_ns;
	uint64_t boot_from, boot_at[BOOT_STAGES];	/* ns, timeline.c */

	/* pause.c; NONE but while the VM runs */
	enum vm_pause pause;

	/* start.c */
	bool opening;		/* not all paths are open yet */
	bool loaded, start_sent;
	Bh__BootState boot;
	bool loads_again;	/* the loader was killed once already */
	uint32_t resets;

	struct terminal terminal;
};

#endif
