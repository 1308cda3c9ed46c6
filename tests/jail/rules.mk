# SPDX-License-Identifier: Apache-2.0
# Twins: the test program with the policy of each kind of process (controller/procs.c),
# under that kind's name, in a libexec directory of their own. hooks/ has one
# with fault injection, which no shipped program has.
TWIN_DIR := $(BUILD)/test/jail
TWIN_KINDS := $(shell sed -n 's/.*\.binary = "bulkhead-\([^"]*\)".*/\1/p' controller/procs.c)
TWIN_SRCS := controller/ctl/attack_twin.c sandbox/known.c sandbox/filter_model.c $(CHILD_SRCS)

define twin_rule
$(TWIN_DIR)/twins/bulkhead-$(1): $(call objs,$(TWIN_SRCS)) $(PB_OBJ) \
    $(BUILD)/obj/gen/bulkhead-$(1)_filter.o $(call objs,$(bulkhead-$(1)_POLICY)) \
    $(KNOWN_OBJS)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(LINK) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach k,$(TWIN_KINDS),$(eval $(call twin_rule,$(k))))

# Twins with the policies of programs that no spawner starts, in rng's place:
# as-NAME/bulkhead-rng, with links to all others.
TWIN_OTHERS := $(filter-out spawner $(addprefix bulkhead-,$(TWIN_KINDS)),$(KNOWN))
define other_rule
$(TWIN_DIR)/as-$(2)/bulkhead-rng: $(call objs,$(TWIN_SRCS)) $(PB_OBJ) \
    $(BUILD)/obj/gen/$(1)_filter.o $(call objs,$($(1)_POLICY)) $(KNOWN_OBJS) \
    $(addprefix $(TWIN_DIR)/twins/bulkhead-,$(TWIN_KINDS))
	@mkdir -p $$(@D)
	$(Q)for k in $(filter-out rng,$(TWIN_KINDS)); do \
		ln -sf ../twins/bulkhead-$$$$k $$(@D)/bulkhead-$$$$k; done
	$(Q)$$(CC) $$(LINK) -o $$@ $$(filter %.o,$$^) $$(LDLIBS)
endef
$(foreach k,$(TWIN_OTHERS),$(eval $(call other_rule,$(k),$(call known_name,$(k)))))
# One whose filter lets through what it should not, for the attack's own test.
$(eval $(call other_rule,loose,loose))
TWIN_OTHER_FILES := $(foreach k,$(TWIN_OTHERS),$(TWIN_DIR)/as-$(call known_name,$(k))/bulkhead-rng)

# One with the plain policy and the hooks: its jail.c is compiled on its own.
$(TWIN_DIR)/hooks/bulkhead-rng: controller/ctl/attack_twin.c sandbox/known.c sandbox/filter_model.c $(JAIL_SRCS) $(plain_POLICY) \
    $(call objs,$(IPC_SRCS)) $(PB_OBJ) $(BUILD)/obj/gen/plain_filter.o $(KNOWN_OBJS) \
    sandbox/jail.h controller/ctl/attack_order.h | $(GEN)/build_id.h
	@mkdir -p $(@D)
	$(Q)$(C_COMPILE) -DBULKHEAD_TEST_HOOKS=1 $(LINK) -o $@ $(filter %.c %.o,$^) \
		$(LDLIBS)

# A worker that is not what is declared, for the audit's tests.
$(TWIN_DIR)/loose/bulkhead-rng: $(call objs,$(bulkhead-rng_SRCS) tests/jail/loose.c) \
    $(PB_OBJ) $(BUILD)/obj/gen/loose_filter.o $(call objs,$(loose_POLICY))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ $(LDLIBS)
$(TWIN_DIR)/oldhost: $(call objs,tests/jail/oldhost.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^
all: $(TWIN_DIR)/loose/bulkhead-rng $(TWIN_DIR)/oldhost

DRIVER_SRCS := $(addprefix tests/jail/,driver.c attempts.c rules.c starts.c look.c ends.c) \
	controller/ctl/attack.c controller/ctl/attack_vm.c \
	controller/ctl/attack_scratch.c controller/ctl/progress.c
$(TWIN_DIR)/driver: $(call objs,$(DRIVER_SRCS) sandbox/known.c sandbox/filter_model.c sandbox/notify.c sandbox/seal.c sandbox/no_nss.c \
    $(SPAWNER_SRCS) $(IPC_SRCS)) $(PB_OBJ) $(SPAWNER_OBJS) $(KNOWN_OBJS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ -lprotobuf-c -lcap-ng

# Where bulkheadctl audit --attack finds them.
$(BUILD)/attack: $(addprefix $(TWIN_DIR)/twins/bulkhead-,$(TWIN_KINDS))
	$(Q)ln -sfn test/jail/twins $@
all: $(BUILD)/attack $(TWIN_DIR)/as-loose/bulkhead-rng

JAIL_TEST_FILES := $(addprefix $(TWIN_DIR)/twins/bulkhead-,$(TWIN_KINDS)) \
	$(addprefix $(TWIN_DIR)/hooks/bulkhead-,$(TWIN_KINDS)) $(TWIN_DIR)/driver \
	$(TWIN_OTHER_FILES)

# The spawner wants all kinds to be there; only rng has hooks.
$(foreach k,$(filter-out rng,$(TWIN_KINDS)),$(eval \
$(TWIN_DIR)/hooks/bulkhead-$(k): $(TWIN_DIR)/twins/bulkhead-$(k) ; \
	@mkdir -p $$(@D) && ln -f $$< $$@))

# All of it for a host that does not build: the lab. ./start runs the tests.
$(TWIN_DIR).tar: $(JAIL_TEST_FILES) tests/jail/start
	$(Q)rm -rf $@.d && mkdir -p $@.d && cp -r $(TWIN_DIR)/* tests/jail/start $@.d/
	$(Q)rm -rf $@.d/loose $@.d/as-loose $@.d/oldhost && strip -g $@.d/driver $@.d/*/* && tar -c -f $@ -C $@.d . && rm -rf $@.d
all: $(TWIN_DIR).tar

# What each process may do, for people.
JAILED := $(foreach p,$(PROGRAMS),$(if $($(p)_POLICY),$(p))) spawner
policies: $(addprefix $(BUILD)/host/genfilter-,$(JAILED))
	@for t in $^; do $$t --list; done
.PHONY: policies

# What the filters cost a call: for people, with figures in docs/audit.md.
$(TWIN_DIR)/filter-cost: $(call objs,tests/bench/filter.c sandbox/known.c) $(KNOWN_OBJS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^
