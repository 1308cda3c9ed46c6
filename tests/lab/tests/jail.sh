# SPDX-License-Identifier: Apache-2.0
# about: twins of process kinds try to break out, as root and as a user
# full: of every kind; a third of them in check
# memory: 512M
# seconds: 120
# files: build/test/jail.tar

host() {
	dir=$(mktemp -d /tmp/jail.XXXXXX)
	tar -x -f "$BULKHEAD/jail.tar" -C "$dir"
	# Rule by rule takes long here, and says the same everywhere.
	[ -n "$FULL" ] || export BULKHEAD_EVERY=3
	BULKHEAD_NO_RULES=1 "$dir/start" >"$dir/tap" 2>&1
	expect "the driver ends with 0" [ $? = 0 ]
	grep '^not ok' "$dir/tap" | sed 's/^/# /' | head -n 15
	expect "no attempt got through" [ "$(grep -c '^not ok' "$dir/tap")" = 0 ]
	expect "all were made" grep -q "^1\.\.$(grep -c '^ok' "$dir/tap")\$" "$dir/tap"
	tail -n 400 "$dir/tap" >vmm.log
	rm -rf "$dir"
}
