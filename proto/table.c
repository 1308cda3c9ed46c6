/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The permission table of all messages, in the order of proto/bulkhead.proto.
 * A column that is too wide is a hole in a wall between two processes: widen one
 * only with a reason.
 */
#include "proto/table.h"

#include <stddef.h>

#include "proto/limits.h"

#define C (1u << PEER_CONTROLLER)
#define SPAWNER (1u << PEER_SPAWNER)
#define OPENER (1u << PEER_OPENER)
#define LOADER (1u << PEER_LOADER)
#define VCPU (1u << PEER_VCPU)
#define DEV (1u << PEER_DEVICE)
#define API (1u << PEER_API)
#define MIGRATION (1u << PEER_MIGRATION)
#define JAILED (LOADER | VCPU | DEV | MIGRATION)
#define CHILD (OPENER | JAILED | API)

/* States: of the receiving end of that channel. */
#define NEW PROTO_NEW
#define CONF PROTO_CONFIGURING
#define RUN PROTO_RUNNING
#define CLOSE PROTO_CLOSING
#define ANY PROTO_ANY

#define MSG(CASE, field, from, to, when, fmin, fmax)			\
	{ .type = BH__PACKET__BODY_##CASE, .name = #field,		\
	  .senders = (from), .receivers = (to), .states = (when),	\
	  .fds_min = (fmin), .fds_max = (fmax) }

const struct proto_rule proto_rules[] = {
	/* any child */
	MSG(HELLO,            hello,            CHILD, C, NEW,              0, 0),
	MSG(LOG,              log,              CHILD | SPAWNER, C, ANY,    0, 0),
	MSG(SECCOMP_LISTENER, seccomp_listener, CHILD | SPAWNER, C,
	    CONF, 1, 1),
	MSG(FAILED,           failed,           CHILD | SPAWNER, C, ANY,    0, 0),
	/* on the bus: the answer to Activate */
	MSG(FAILED,           failed,           DEV, VCPU, RUN,             0, 0),
	MSG(ACK,              ack,              JAILED | API, C,
	    CONF | RUN | CLOSE, 0, 0),
	MSG(ACK,              ack,              DEV, VCPU, RUN,             0, 0),
	MSG(QUIT,             quit,             C, CHILD | SPAWNER, ANY,    0, 0),

	MSG(PING,             ping,             C, VCPU | DEV | API, RUN,   0, 0),
	MSG(PONG,             pong,             VCPU | DEV | API, C,
	    RUN | CLOSE, 0, 0),

	/* spawner */
	MSG(SPAWN,            spawn,            C, SPAWNER, RUN,            1, 200),
	MSG(SPAWNED,          spawned,          SPAWNER, C, ANY,            1, 1),
	MSG(KILL_CHILD,       kill_child,       C, SPAWNER, RUN,            0, 0),
	MSG(CHILD_EXITED,     child_exited,     SPAWNER, C, ANY,            0, 0),
	MSG(REMEMBER,         remember,         C, SPAWNER, RUN,            1, 1),
	MSG(REMEMBER_FILTER,  remember_filter,  C, SPAWNER, RUN,            0, 0),
	MSG(LOOK_AT,          look_at,          C, SPAWNER, RUN,            0, 0),
	MSG(CHILD_STATE,      child_state,      SPAWNER, C, ANY,            0, 0),

	/* opener */
	MSG(OPENER_CONFIG,    opener_config,    C, OPENER, NEW,             0, 0),
	MSG(ALLOW_PATHS,      allow_paths,      C, OPENER, NEW,             1, 200),
	MSG(OPEN,             open,             C, OPENER, ANY,             0, 1),
	MSG(OPENED,           opened,           OPENER, C, CONF | RUN,      1, 32),

	/* guest memory */
	MSG(ADD_MEMORY,       add_memory,       C, JAILED, CONF | RUN,      1, 1),
	MSG(REMOVE_MEMORY,    remove_memory,    C, VCPU | DEV, RUN,         0, 0),
	MSG(SET_DIRTY_LOG,    set_dirty_log,    C, VCPU | DEV, RUN,         0, 1),

	/* loader */
	MSG(LOAD_CONFIG,      load_config,      C, LOADER, CONF,            0, 0),
	MSG(LOADED,           loaded,           LOADER, C, CONF | RUN,      0, 0),

	/* migration-worker */
	MSG(SNAPSHOT_FILES,   snapshot_files,   C, MIGRATION, CONF,         1, SNAPSHOT_LIMIT_FILES),
	MSG(SNAPSHOT_PART,    snapshot_part,    C, MIGRATION, CONF,         1, 1),
	MSG(SNAPSHOT_JOB,     snapshot_job,     C, MIGRATION, CONF,         0, 0),
	MSG(SNAPSHOT_CONFIG,  snapshot_config,  MIGRATION, C, CONF | RUN,   0, 0),

	/* vcpu-worker */
	MSG(VM_CONFIG,        vm_config,        C, VCPU, NEW,               0, 0),
	MSG(PCI_DEVICE,       pci_device,       C, VCPU, CONF | RUN,        2, 131),
	MSG(START_VM,         start_vm,         C, VCPU, CONF,              0, 0),
	MSG(GUEST_STOPPED,    guest_stopped,    VCPU, C, RUN | CLOSE,       0, 0),
	MSG(GUEST_PANICKED,   guest_panicked,   VCPU, C, RUN | CLOSE,       0, 0),
	MSG(WATCHDOG_EXPIRED, watchdog_expired, VCPU | DEV, C, RUN | CLOSE, 0, 0),
	MSG(POWER_BUTTON,     power_button,     C, VCPU, RUN,               0, 0),
	MSG(INJECT_NMI,       inject_nmi,       C, VCPU, RUN,               0, 0),
	MSG(RESIZE_VCPUS,     resize_vcpus,     C, VCPU, RUN,               0, 0),
	MSG(VCPUS_CHANGED,    vcpus_changed,    VCPU, C, RUN | CLOSE,       0, 0),
	MSG(PLUG_DIMM,        plug_dimm,        C, VCPU, CONF | RUN,        0, 0),
	MSG(UNPLUG_DIMM,      unplug_dimm,      C, VCPU, RUN,               0, 0),
	MSG(DIMM_CHANGED,     dimm_changed,     VCPU, C, RUN | CLOSE,       0, 0),
	MSG(SET_PAUSED,       set_paused,       C, VCPU | DEV, RUN,         0, 0),
	MSG(SAVE_VM,          save_vm,          C, VCPU, RUN,               1, 1),
	MSG(LOAD_VM,          load_vm,          C, VCPU, RUN,               1, 1),
	MSG(REPLACE_DEVICE,   replace_device,   C, VCPU, RUN,               1, 1),
	MSG(LOSE_DEVICE,      lose_device,      C, VCPU, RUN,               0, 0),
	MSG(UNPLUG_DEVICE,    unplug_device,    C, VCPU, RUN,               0, 0),
	MSG(DEVICE_EJECTED,   device_ejected,   VCPU, C, RUN | CLOSE,       0, 0),
	MSG(DRIVER_RUNS,      driver_runs,      VCPU, C, RUN | CLOSE,       0, 0),

	/* device worker */
	MSG(DEVICE_CONFIG,    device_config,    C, DEV, NEW,                0, 0),
	MSG(DEVICE_READY,     device_ready,     DEV, C, CONF,               0, 0),
	MSG(ATTACH_BUS,       attach_bus,       C, DEV, RUN,                1, 1),
	MSG(ATTACH_BACKEND,   attach_backend,   C, DEV, RUN,                1, 1),
	MSG(DRAIN,            drain,            C, DEV, RUN,                0, 0),
	MSG(HAND_OVER,        hand_over,        C, DEV, RUN,                0, 0),
	MSG(TAKE_BACK,        take_back,        C, DEV, RUN,                0, 0),
	MSG(SAVE_STATE,       save_state,       C, DEV, RUN,                0, 0),
	MSG(DEVICE_STATE,     device_state,     DEV, C, RUN | CLOSE,        0, 0),
	MSG(DEVICE_STATE,     device_state,     C, DEV, RUN,                0, 0),
	MSG(CONSOLE_SIZE,     console_size,     C, DEV, RUN,                0, 0),
	MSG(RESIZE_DISK,      resize_disk,      C, DEV, RUN,                0, 0),
	MSG(SET_BALLOON,      set_balloon,      C, DEV, RUN,                0, 0),
	MSG(SET_PLUGGED,      set_plugged,      C, DEV, RUN,                0, 0),
	MSG(REFRESH_STATISTICS, refresh_statistics, C, DEV, RUN,            0, 0),
	MSG(STOP_REQUESTED,   stop_requested,   DEV, C, RUN,                0, 0),

	MSG(KEEP_FILE,        keep_file,        DEV, C, RUN,                0, 1),
	MSG(KEPT_FILE,        kept_file,        C, DEV, CONF | RUN,         1, KEPT_LIMIT),
	MSG(WANT_FILE,        want_file,        DEV, C, CONF,               0, 0),
	MSG(GIVE_FILE,        give_file,        C, DEV, CONF,               0, 1),

	/* front-end worker */
	MSG(WANT_CONNECTION,  want_connection,  DEV, C, CONF | RUN,         0, 0),
	MSG(GIVE_CONNECTION,  give_connection,  C, DEV, CONF | RUN,         0, 3),

	/* vsock worker */
	MSG(WANT_PORT,        want_port,        DEV, C, RUN,                0, 0),
	MSG(GIVE_PORT,        give_port,        C, DEV, RUN,                0, 1),

	/* the bus */
	MSG(ACTIVATE,         activate,         VCPU, DEV, RUN,             0, 0),
	MSG(RESET_DEVICE,     reset_device,     VCPU, DEV, RUN,             0, 0),
	MSG(WRITE_CONFIG,     write_config,     VCPU, DEV, RUN,             0, 0),
	MSG(CONFIG_CHANGED,   config_changed,   DEV, VCPU, RUN,             0, 0),
	/* ... where it is a request */
	MSG(ACK,              ack,              VCPU, DEV, RUN,             0, 0),
	MSG(NEEDS_RESET,      needs_reset,      DEV, VCPU, RUN,             0, 0),

	/* api-worker */
	MSG(API_START,        api_start,        C, API, NEW,                0, 0),
	MSG(API_REQUEST,      api_request,      API, C, RUN,
	    0, API_LIMIT_FDS),
	MSG(API_ANSWER,       api_answer,       C, API, RUN,                0, 0),
	MSG(API_EVENT,        api_event,        C, API, RUN,                0, 0),
};

const unsigned int proto_nrules = sizeof(proto_rules) / sizeof(proto_rules[0]);

const struct proto_rule *
proto_rule_of(Bh__Packet__BodyCase type, enum proto_peer sender,
    enum proto_peer receiver)
{
	for (unsigned int i = 0; i < proto_nrules; i++)
		if (proto_rules[i].type == type &&
		    (proto_rules[i].senders & (1u << sender)) != 0 &&
		    (proto_rules[i].receivers & (1u << receiver)) != 0)
			return &proto_rules[i];
	return NULL;
}

const char *
proto_name_of(Bh__Packet__BodyCase type)
{
	for (unsigned int i = 0; i < proto_nrules; i++)
		if (proto_rules[i].type == type)
			return proto_rules[i].name;
	return "unknown";
}
