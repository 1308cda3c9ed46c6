# SPDX-License-Identifier: Apache-2.0
# about: memory comes to a stock guest by virtio-mem, a GiB at a time, and goes back to the host
# full: 50 times, while the guest writes
# vcpus: 2
# memory: 1536M
# seconds: 300
# run: all

# The same test, in the lab and in its guest.
. "${LAB:-}/tests/memory.sh"
method=virtio-mem
