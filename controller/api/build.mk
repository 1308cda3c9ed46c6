# SPDX-License-Identifier: Apache-2.0
API_PURE_SRCS := $(addprefix controller/api/,http.c request.c fields.c answer.c answer_crashes.c schema.c \
	arena.c)
PROGRAMS += bulkhead-api
bulkhead-api_SRCS := controller/api/main.c controller/api/clients.c \
	controller/api/client.c controller/api/exchange.c \
	$(API_PURE_SRCS) $(CHILD_SRCS)
bulkhead-api_POLICY := controller/api/api_policy.c
bulkhead-api_LDLIBS := -lhttp_parser -ljansson

API_FUZZ_SRCS = $(API_PURE_SRCS) $(PROTO_SRCS)
FUZZERS += api_http api_json
fuzz_api_http_SRCS = tests/fuzz/api_http_fuzz.c $(API_FUZZ_SRCS)
fuzz_api_http_LDLIBS := -lhttp_parser -ljansson
fuzz_api_json_SRCS = tests/fuzz/api_json_fuzz.c $(API_FUZZ_SRCS) \
	controller/describe.c controller/plan.c controller/plan_pci.c $(OPTION_SRCS)
fuzz_api_json_LDLIBS := -lhttp_parser -ljansson
