# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS += virtq virtq_rules virtq_traffic
unit_virtq_SRCS := tests/unit/virtq_test.c tests/native/drvq.c $(VIRTQ_SRCS)
unit_virtq_rules_SRCS := tests/unit/virtq_rules_test.c tests/native/drvq.c $(VIRTQ_SRCS)
unit_virtq_traffic_SRCS := tests/unit/virtq_traffic_test.c tests/native/drvq.c $(VIRTQ_SRCS)
UNIT_TESTS += virtq_inflight
unit_virtq_inflight_SRCS := tests/unit/virtq_inflight_test.c tests/native/drvq.c $(VIRTQ_SRCS)
UNIT_TESTS += bucket
unit_bucket_SRCS := tests/unit/bucket_test.c device-workers/lib/bucket.c

FUZZERS += virtq
fuzz_virtq_SRCS := tests/fuzz/virtq_fuzz.c $(VIRTQ_SRCS)

UNIT_TESTS += record
unit_record_SRCS := tests/unit/record_test.c device-workers/lib/record.c $(VIRTQ_SRCS) \
	ipc/log.c ipc/errname.c
