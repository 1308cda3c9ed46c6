# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS += check table
unit_check_SRCS := tests/unit/check_test.c $(PROTO_SRCS)
unit_table_SRCS := tests/unit/table_test.c $(PROTO_SRCS)

# One program for all messages; as build/fuzz/msg-NAME it does that one alone.
FUZZERS += msg
fuzz_msg_SRCS := tests/fuzz/msg_fuzz.c $(PROTO_SRCS)
MSG_FUZZERS := $(addprefix msg-,$(shell sed -n '/oneof body/,/^  }/s/^    [A-Za-z]* \([a-z_]*\) = .*/\1/p' \
	proto/bulkhead.proto))
FUZZERS += $(MSG_FUZZERS)
$(addprefix $(BUILD)/fuzz/,$(MSG_FUZZERS)): $(BUILD)/fuzz/msg
	$(Q)ln -sf msg $@
