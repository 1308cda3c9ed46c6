# SPDX-License-Identifier: Apache-2.0
#
# make             everything, into build/
# make help        what else there is
#
# Each folder says in its build.mk what is built from it; the rules are here.
# A program is PROGRAMS += name, name_SRCS := sources, and for a jailed one
# name_POLICY := the file that defines its sb_policy, from which genfilter makes
# its seccomp filter. UNIT_TESTS and FUZZERS work the same way.

BUILD ?= build
PREFIX ?= /usr/local
LIBEXEC = $(PREFIX)/libexec/bulkhead
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

CC = gcc
HOSTCC ?= gcc
CLANG ?= clang
PROTOC ?= protoc-c

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough \
	-Wswitch-enum -Wvla -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wundef -Wformat=2 -Wno-error=deprecated-declarations -Werror
# Sections: what a program does not call is left out of it (LINK).
HARDEN := -ffunction-sections -fdata-sections -fstack-protector-strong -fcf-protection -fPIE \
	-ftrivial-auto-var-init=zero -fno-strict-aliasing -fwrapv
ifneq ($(findstring clang,$(CC)),)
# clang 14 of Debian 12 has the zero initialisation behind this.
HARDEN += -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang
endif
CPPFLAGS += -D_GNU_SOURCE -I. -isystem $(GEN)
CFLAGS ?= -O2 -g
LDLIBS += -lprotobuf-c -lcap-ng

# SAN=1: AddressSanitizer and UBSan, dynamic, in a build folder of its own.
ifeq ($(SAN),1)
BUILD := build/san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
CPPFLAGS += -DBULKHEAD_SANITIZED=1
LINK := $(SANFLAGS) -pie
GENFILTER_FLAGS := --sanitized
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
# Relative relocations as DT_RELR: 90 KiB less to read in each process.
LINK := -static-pie -Wl,--gc-sections,-z,pack-relative-relocs -Wl,-z,relro,-z,now,-z,noexecstack
endif
GEN := $(BUILD)/gen
C_COMPILE = $(CC) -std=c17 $(WARN) $(HARDEN) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS)

all:

# Sources that several programs share.
PROTO_SRCS := proto/table.c proto/check.c proto/check_device.c proto/check_snapshot.c
IPC_SRCS := ipc/chan.c ipc/log.c ipc/errname.c ipc/loop.c $(PROTO_SRCS)
JAIL_SRCS := sandbox/jail.c sandbox/single.c sandbox/seal.c sandbox/no_nss.c
CHILD_SRCS := $(IPC_SRCS) $(JAIL_SRCS) sandbox/control.c
VIRTQ_SRCS := $(addprefix device-workers/lib/,virtq.c virtq_chain.c virtq_inflight.c \
	virtq_adopt.c) ipc/gmem.c
WORKER_SRCS := $(addprefix device-workers/lib/,worker.c worker_activate.c worker_config.c worker_messages.c \
	worker_start.c worker_files.c record.c version.c limit.c bucket.c) $(VIRTQ_SRCS) \
	$(CHILD_SRCS)

PROGRAMS :=
FILTERS :=
UNIT_TESTS :=
FUZZERS :=
include $(sort $(wildcard */build.mk */*/build.mk))

PB_OBJ := $(BUILD)/obj/gen/bulkhead.pb-c.o
objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

all: $(addprefix $(BUILD)/,$(PROGRAMS)) compile_commands.json

# ---- generated ---------------------------------------------------------------

$(GEN)/bulkhead.pb-c.c: proto/bulkhead.proto
	@mkdir -p $(@D)
	$(Q)$(PROTOC) --c_out=$(GEN) -Iproto $<
	@# Its initialisers cast const away, which our warnings refuse.
	$(Q)sed -i 's/(char \*)protobuf_c/(char *)(uintptr_t)protobuf_c/g' $(GEN)/bulkhead.pb-c.h
$(GEN)/bulkhead.pb-c.h: $(GEN)/bulkhead.pb-c.c ;

$(PB_OBJ): $(GEN)/bulkhead.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -w $(HARDEN) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) -c -o $@ $<

# The build id that controller and children compare: a hash of every source.
ID_SRCS := $(sort $(filter-out build/% tests/%,$(wildcard */*.[ch] */*/*.[ch] \
	proto/*.proto)))
$(GEN)/build_id.h: Makefile $(ID_SRCS)
	@mkdir -p $(@D)
	$(Q)printf '#define BULKHEAD_BUILD_ID "%s"\n#define BULKHEAD_VERSION "%s"\n' \
		"$$(cat $(ID_SRCS) | sha256sum | cut -c1-16)" \
		"$$(sed -n 's/^## \([0-9][^ ]*\).*/\1/p' CHANGELOG.md 2>/dev/null | head -1)" > $@

# ---- programs ----------------------------------------------------------------

# What includes build_id.h says so in its .d; nothing else is rebuilt for it.
$(BUILD)/obj/%.o: %.c $(GEN)/bulkhead.pb-c.h | $(GEN)/build_id.h
	@mkdir -p $(@D)
	$(Q)$(C_COMPILE) -MD -MP -c -o $@ $<

# $(1): what has a policy. genfilter and the policy make a tool that prints the
# filter, after it has compared the filter with the policy.
GENFILTER_SRCS := sandbox/genfilter.c sandbox/gentable.c sandbox/filter_model.c \
	sandbox/sanitizer_policy.c
define filter_rule
$(BUILD)/host/genfilter-$(1): $($(1)_POLICY) $(GENFILTER_SRCS) $(GEN)/bulkhead.pb-c.h
	@mkdir -p $$(@D)
	$(Q)$$(HOSTCC) -std=c17 $$(WARN) -O1 $$(filter-out -D_FORTIFY_SOURCE%,$$(CPPFLAGS)) \
		-MD -MP -MF $$@.d -o $$@ $(GENFILTER_SRCS) $($(1)_POLICY) -lseccomp
$(GEN)/$(1)_filter.c: $(BUILD)/host/genfilter-$(1)
	@mkdir -p $$(@D)
	$(Q)$$< $$(GENFILTER_FLAGS) $($(1)_GENFILTER_FLAGS) > $$@.tmp && mv $$@.tmp $$@
$(BUILD)/obj/gen/$(1)_filter.o: $(GEN)/$(1)_filter.c
	@mkdir -p $$(@D)
	$(Q)$$(C_COMPILE) -c -o $$@ $$<
$(GEN)/$(1)_known.c: $(BUILD)/host/genfilter-$(1)
	@mkdir -p $$(@D)
	$(Q)$$< $$(GENFILTER_FLAGS) --table $(call known_name,$(1)) > $$@.tmp && mv $$@.tmp $$@
$(BUILD)/obj/gen/$(1)_known.o: $(GEN)/$(1)_known.c sandbox/known.h sandbox/policy.h
	@mkdir -p $$(@D)
	$(Q)$$(C_COMPILE) -c -o $$@ $$<
endef

# The policies of all programs in one table (sandbox/known.h), for who looks at them
# from outside; those of test programs are not in it.
known_name = $(if $(filter bulkhead,$(1)),controller,$(1:bulkhead-%=%))
KNOWN = spawner $(foreach p,$(filter bulkhead bulkhead-%,$(PROGRAMS)),$(if $($(p)_POLICY),$(p)))
KNOWN_SRCS = $(GEN)/known.c $(patsubst %,$(GEN)/%_known.c,$(KNOWN))
KNOWN_OBJS = $(BUILD)/obj/gen/known.o $(patsubst %,$(BUILD)/obj/gen/%_known.o,$(KNOWN))
$(GEN)/known.c: Makefile $(wildcard */build.mk */*/build.mk)
	@mkdir -p $(@D)
	$(Q){ echo '#include "sandbox/known.h"'; \
	for k in $(subst -,_,$(foreach k,$(KNOWN),$(call known_name,$(k)))); do \
		echo "extern const struct sb_known sb_known_$$k;"; \
		list="$$list\t&sb_known_$$k,\n"; done; \
	printf "const struct sb_known *const sb_known[] = {\n$$list\tNULL,\n};\n"; } > $@
$(BUILD)/obj/gen/known.o: $(GEN)/known.c sandbox/known.h sandbox/policy.h
	@mkdir -p $(@D)
	$(Q)$(C_COMPILE) -c -o $@ $<

# docs/sandbox.md, from the same tables.
$(BUILD)/host/gensandbox: sandbox/gensandbox.c sandbox/known.c sandbox/known.h sandbox/policy.h \
    $(KNOWN_SRCS)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=c17 $(WARN) -O1 -D_GNU_SOURCE -I. -o $@ $(filter %.c,$^)
docs: $(BUILD)/host/gensandbox $(BUILD)/bulkhead
	$(Q)$< > docs/sandbox.md.tmp && mv docs/sandbox.md.tmp docs/sandbox.md
	$(Q)BUILD=$(BUILD) tests/native/man-page --write
all: $(BUILD)/host/gensandbox
.PHONY: docs

# Names of system calls, for the report of a denied one.
$(BUILD)/host/gennames: sandbox/gennames.c
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=c17 $(WARN) -O1 -D_GNU_SOURCE -o $@ $< -lseccomp
$(GEN)/syscall_names.h: $(BUILD)/host/gennames
	@mkdir -p $(@D)
	$(Q)$< > $@.tmp && mv $@.tmp $@
$(BUILD)/obj/sandbox/notify.o $(BUILD)/unit/notify: $(GEN)/syscall_names.h

define program_rule
$(BUILD)/$(1): $$(call objs,$$($(1)_SRCS)) $(PB_OBJ) $$($(1)_OBJS) \
    $(if $($(1)_POLICY),$(BUILD)/obj/gen/$(1)_filter.o $$(call objs,$$($(1)_POLICY)))
	@echo "  LINK $$@"
	$(Q)$$(CC) $$(LINK) -o $$@ $$^ $$($(1)_LDLIBS) $$(LDLIBS)
$(if $($(1)_POLICY),$(call filter_rule,$(1)))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))
# Filters that are not a whole program's: FILTERS += name, name_POLICY.
$(foreach p,$(FILTERS),$(eval $(call filter_rule,$(p))))

# ---- tests -------------------------------------------------------------------

# Unit tests are sanitized always; they need no jail.
UNIT_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -O1 -g
# Compiled in one command, whose -MD would tell the last file's headers only.
UNIT_HEADERS := $(sort $(filter-out build/%,$(wildcard */*.h */*/*.h)))
define unit_rule
$(BUILD)/unit/$(1): $$(unit_$(1)_SRCS) $(UNIT_HEADERS) $(GEN)/bulkhead.pb-c.h $(GEN)/build_id.h
	@mkdir -p $$(@D)
	$(Q)$$(CC) -std=c17 $$(WARN) $$(CPPFLAGS) -U_FORTIFY_SOURCE $$(UNIT_FLAGS) \
		-o $$@ $$(unit_$(1)_SRCS) $(PB_OBJ_UNIT) $$(unit_$(1)_LDLIBS) -lcmocka -lprotobuf-c
$(BUILD)/unit/$(1): $(PB_OBJ_UNIT)
endef
PB_OBJ_UNIT := $(BUILD)/obj/gen/bulkhead.pb-c.unit.o
$(PB_OBJ_UNIT): $(GEN)/bulkhead.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -w $(CPPFLAGS) -U_FORTIFY_SOURCE $(UNIT_FLAGS) -c -o $@ $<
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))

FUZZ_FLAGS := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -O1 -g
define fuzz_rule
$(BUILD)/fuzz/$(1): $$(fuzz_$(1)_SRCS) $(GEN)/bulkhead.pb-c.h $(GEN)/build_id.h
	@mkdir -p $$(@D)
	$(Q)$(CLANG) -std=c17 -w $$(CPPFLAGS) -U_FORTIFY_SOURCE $$(FUZZ_FLAGS) -o $$@ \
		$$(fuzz_$(1)_SRCS) $(GEN)/bulkhead.pb-c.c $$(fuzz_$(1)_LDLIBS) -lprotobuf-c
endef
$(foreach f,$(filter-out $(MSG_FUZZERS),$(FUZZERS)),$(eval $(call fuzz_rule,$(f))))

# Rules that need the whole list of programs: test programs made from them.
include $(sort $(wildcard */*/rules.mk))

unit-tests: $(addprefix $(BUILD)/unit/,$(UNIT_TESTS))
fuzzers: $(addprefix $(BUILD)/fuzz/,$(FUZZERS))

compile_commands.json: Makefile $(wildcard */build.mk */*/build.mk)
	$(Q)for s in $(sort $(foreach p,$(PROGRAMS),$($(p)_SRCS) $($(p)_POLICY))); do \
		printf '%s{"directory":"%s","file":"%s","command":"cc -std=c17 %s -c %s"}' \
		"$$sep" "$(CURDIR)" "$$s" "$(WARN) $(CPPFLAGS) $(CFLAGS)" "$$s"; sep=,; \
	done | sed '1s/^/[/; $$s/$$/]/' > $@

clean:
	rm -rf build compile_commands.json

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
-include $(wildcard $(BUILD)/host/*.d)

.PHONY: all clean unit-tests fuzzers
.DELETE_ON_ERROR:
.SECONDARY:
