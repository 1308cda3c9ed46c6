# SPDX-License-Identifier: Apache-2.0
FAKEVM_SRCS := tests/native/fakevm.c tests/native/drvq.c $(IPC_SRCS)

define native_rule
$(BUILD)/native/$(1): $$(call objs,$$(native_$(1)_SRCS) $$(FAKEVM_SRCS)) $(PB_OBJ)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(SANFLAGS) -pie -o $$@ $$^ $$(native_$(1)_LDLIBS) -lcmocka -lprotobuf-c
endef
$(foreach t,$(NATIVE_TESTS),$(eval $(call native_rule,$(t))))

native-tests: $(addprefix $(BUILD)/native/,$(NATIVE_TESTS))
.PHONY: native-tests
