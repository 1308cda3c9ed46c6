# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkheadctl
bulkheadctl_SRCS := controller/ctl/main.c controller/ctl/doctor.c \
	controller/ctl/check_kvm.c controller/ctl/check_jail.c \
	controller/ctl/check_host.c controller/ctl/stock_guest.c \
	controller/ctl/probe.c
