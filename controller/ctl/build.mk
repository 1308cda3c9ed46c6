# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkheadctl
# The API's commands: they read devices as bulkhead does, and print them as its
# api-worker does.
REMOTE_SRCS = $(addprefix controller/ctl/,remote.c remote_http.c progress.c remote_crashes.c remote_timeline.c symbol.c \
	remote_upgrade.c) \
	controller/describe.c $(OPTION_SRCS) $(addprefix controller/api/,answer.c answer_crashes.c \
	schema.c arena.c) ipc/errname.c
AUDIT_SRCS := $(addprefix controller/ctl/audit,.c _find.c _proc.c _fd.c _maps.c _elf.c \
	_trace.c _filter.c _probe.c _check.c _table.c _json.c _policy.c _peers.c _calls.c _group.c) \
	sandbox/known.c sandbox/filter_model.c
bulkheadctl_SRCS = controller/ctl/main.c controller/ctl/doctor.c \
	controller/ctl/check_kvm.c controller/ctl/check_jail.c \
	controller/ctl/check_host.c controller/ctl/stock_guest.c \
	controller/ctl/probe.c controller/ctl/gc.c controller/cgroup.c controller/ctl/attack.c controller/ctl/attack_vm.c controller/ctl/attack_scratch.c \
	$(AUDIT_SRCS) $(REMOTE_SRCS) $(SPAWNER_SRCS) $(IPC_SRCS) sandbox/notify.c sandbox/seal.c \
	sandbox/no_nss.c
bulkheadctl_OBJS = $(KNOWN_OBJS) $(SPAWNER_OBJS)
bulkheadctl_LDLIBS := -ljansson -lbpf -lelf -lz

# The program that --trace attaches, as bytes.
$(GEN)/calls.bpf.o: controller/ctl/calls.bpf.c controller/ctl/calls.h
	@mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror -I. \
		-I/usr/include/$(shell $(HOSTCC) -print-multiarch) -c -o $@ $<
$(GEN)/calls_object.h: $(GEN)/calls.bpf.o
	$(Q)od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g' > $@
$(BUILD)/obj/controller/ctl/audit_calls.o: $(GEN)/calls_object.h

UNIT_TESTS += audit_filter
unit_audit_filter_SRCS = tests/unit/audit_filter_test.c controller/ctl/audit_filter.c \
	sandbox/known.c sandbox/filter_model.c sandbox/notify.c $(KNOWN_SRCS)
