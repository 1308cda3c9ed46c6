# SPDX-License-Identifier: Apache-2.0
API_PURE_SRCS := $(addprefix controller/api/,http.c request.c answer.c schema.c \
	arena.c)
PROGRAMS += bulkhead-api
bulkhead-api_SRCS := controller/api/main.c controller/api/clients.c \
	$(API_PURE_SRCS) $(CHILD_SRCS)
bulkhead-api_POLICY := controller/api/api_policy.c
bulkhead-api_LDLIBS := -lhttp_parser -ljansson
