# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-opener
bulkhead-opener_SRCS := $(addprefix controller/opener/,opener.c opened.c below.c tap.c) \
	$(CHILD_SRCS)
bulkhead-opener_POLICY := controller/opener/opener_policy.c
