# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkheadctl
AUDIT_SRCS := $(addprefix controller/ctl/audit,.c _find.c _proc.c _fd.c _maps.c _elf.c \
	_trace.c _filter.c _probe.c _check.c _table.c _json.c _policy.c _peers.c) \
	sandbox/known.c sandbox/filter_model.c
bulkheadctl_SRCS := controller/ctl/main.c controller/ctl/doctor.c \
	controller/ctl/check_kvm.c controller/ctl/check_jail.c \
	controller/ctl/check_host.c controller/ctl/stock_guest.c \
	controller/ctl/probe.c $(AUDIT_SRCS) sandbox/notify.c
bulkheadctl_OBJS = $(KNOWN_OBJS)
bulkheadctl_LDLIBS := -ljansson

UNIT_TESTS += audit_filter
unit_audit_filter_SRCS = tests/unit/audit_filter_test.c controller/ctl/audit_filter.c \
	sandbox/known.c sandbox/filter_model.c sandbox/notify.c $(KNOWN_SRCS)
