# SPDX-License-Identifier: Apache-2.0
# For the program that contains the spawner (the controller):
#	X_SRCS += $(SPAWNER_SRCS), X_OBJS += $(SPAWNER_OBJS)
SPAWNER_SRCS := controller/spawner/spawner.c controller/spawner/serve.c \
	controller/spawner/child.c controller/spawner/maps.c controller/spawner/filter.c \
	controller/spawner/janitor.c controller/spawner/passt.c controller/spawner/group.c controller/publish.c \
	controller/values.c controller/procs.c
SPAWNER_OBJS = $(BUILD)/obj/gen/spawner_filter.o
FILTERS += spawner
spawner_POLICY := controller/spawner/spawner_policy.c
spawner_GENFILTER_FLAGS := --name spawner

UNIT_TESTS += passt
unit_passt_SRCS := tests/unit/passt_test.c controller/spawner/passt.c \
	controller/publish.c controller/values.c
unit_passt_LDLIBS := -lcap-ng
