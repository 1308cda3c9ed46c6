# SPDX-License-Identifier: Apache-2.0
OPTION_SRCS := $(addprefix controller/,options.c options_sub.c option_table.c \
	values.c usage.c spec.c spec_net.c spec_small.c spec_pci.c spec_files.c publish.c id_map.c \
	numa.c spec_memory.c)
PROGRAMS += bulkhead
bulkhead_SRCS = $(addprefix controller/,main.c options_help.c plan.c plan_pci.c output.c \
	terminal.c resources.c supervise.c requests.c recover.c upgrade.c deaths.c pulse.c report.c host.c \
	paths.c taken.c adopt.c broker.c start.c \
	config.c numa_message.c guard.c resize.c resize_vm.c balloon.c watchdog.c memory.c dimms.c pmem.c life.c life_messages.c manage.c manage_begin.c manage_info.c manage_events.c manage_worker.c change.c holes.c share.c hotplug.c keeper.c describe.c service.c front.c \
	confine.c cgroup.c passt.c pause.c snapshot.c restore.c count.c timeline.c opener/tap_adopt.c) $(OPTION_SRCS) \
	$(SPAWNER_SRCS) $(IPC_SRCS) sandbox/notify.c sandbox/single.c sandbox/seal.c \
	sandbox/no_nss.c
bulkhead_OBJS = $(SPAWNER_OBJS)
bulkhead_POLICY := controller/controller_policy.c

UNIT_TESTS += options plan pulse watchdog_said
unit_watchdog_said_SRCS := tests/unit/watchdog_said_test.c controller/watchdog.c ipc/log.c
unit_pulse_SRCS := tests/unit/pulse_test.c controller/pulse.c ipc/log.c
unit_options_SRCS := tests/unit/options_test.c $(OPTION_SRCS)
unit_plan_SRCS := tests/unit/plan_test.c controller/plan.c controller/plan_pci.c $(OPTION_SRCS)
FUZZERS += options
fuzz_options_SRCS := tests/fuzz/options_fuzz.c controller/plan.c controller/plan_pci.c $(OPTION_SRCS)
