# SPDX-License-Identifier: Apache-2.0
# about: two stock guests on one shared directory: locks of both and the host, also when their workers die, files that one extends or moves and the other reads
# vcpus: 1
# memory: 512M
# seconds: 300
# run: all
# guest-tools: lab-lock
# files: build/lab-lock

# each COMMAND...: in the folder of each VM.
each() {
	for d in a b; do
		cd $d && "$@"
		cd ..
	done
}
busy() { "$@"; [ $? = 1 ]; }
start() { vm_start --disk "$(tools_disk)" --fs "tag=share,path=$share,cache=$1" --worker-failure-limit deaths=100; }

host() {
	local share=$PWD/share d n holder
	mkdir a b share share/race share/moved
	touch share/hosts share/whole share/part
	seq 50 | while read -r n; do echo "$n" >share/race/$n; done
	echo it is >share/moved/x
	lab-lock share/hosts whole own try 1000 &
	holder=$!
	memory=256M
	cd a && cmdline=role=a && start auto && cd ../b && cmdline=role=b && start never && cd ..
	cd b && vm_says "guest: all is locked"
	cd ..
	for d in a b; do
		for n in $(pidof bulkhead-fs); do kill -9 "$n"; done
		sleep 2
	done
	expect "their workers died twice" [ "$(cat ?/vmm.log | grep -c 'has taken over')" = 4 ]
	expect "one's whole file is locked here" busy lab-lock share/whole whole shared try 0
	expect "one's part" busy lab-lock share/part 0 1 try 0
	expect "the other's" busy lab-lock share/part 19 1 try 0
	expect "nobody's" lab-lock share/part 20 1 try 0
	kill $holder
	touch share/looked
	each vm_wait
	for d in a b; do
		cd $d
		vm_status=$(cat vmm.status 2>/dev/null)
		judge
		cat vmm.log >>../vmm.log
		sed "s/^/$d: /" console.log >>../console.log
		cd ..
	done
	expect "who moved what is one" [ "$(ls share/race | wc -l)" = 50 ]
	expect "each is there" [ "$(cat share/race/* | sort -n | md5sum)" = "$(seq 50 | md5sum)" ]
}

lock=/tools/bin/lab-lock
await() { until [ -e "/mnt/$1" ]; do sleep 0.2; done; }
# mine WHO: what is called by its number is taken, if the other did not.
mine() {
	local i=1
	while [ $i -le 50 ]; do
		mv /mnt/race/$i /mnt/race/$1-$i 2>/dev/null
		i=$((i + 1))
	done
}
# Whatever it is called, it says the same.
same_words() {
	local i=0 seen=0 words
	while [ $i -lt 100 ]; do
		for name in x y; do
			words=$(cat /mnt/moved/$name 2>/dev/null) || continue
			[ "$words" = "it is" ] || return 1
			seen=$((seen + 1))
		done
		i=$((i + 1))
	done
	echo "$seen"
	[ $seen -gt 0 ]
}
moves() {
	local i=0
	while [ $i -lt 100 ]; do
		mv /mnt/moved/x /mnt/moved/y && mv /mnt/moved/y /mnt/moved/x || return 1
		i=$((i + 1))
	done
}

one() {
	$lock /mnt/whole whole own try 1000 &
	whole=$!
	$lock /mnt/part 0 10 try 1000 &
	echo one >/mnt/grows
	check "its own" [ "$(cat /mnt/grows)" = one ]
	sleep 1
	touch /mnt/a-locked
	await b-grew
	sleep 1.2
	check "after a second it sees what the other wrote" [ "$(cat /mnt/grows)" = "$(printf 'one\ntwo')" ]
	exec 8</mnt/grows
	read -r line <&8
	echo three >>/mnt/grows
	touch /mnt/a-grew
	await looked
	check "the host's is free" $lock /mnt/hosts whole own try 0
	kill $whole $!
	check "moved" moves
	mine a
	touch /mnt/a-done
	await b-done
	check "the other's name" [ "$(cat /mnt/of-b)" = "of b" ]
}

other() {
	await a-locked
	check "locked by the other" busy $lock /mnt/whole whole own try 0
	check "shared, too" busy $lock /mnt/whole whole shared try 0
	check "by the host" busy $lock /mnt/hosts whole own try 0
	check "a part of it" busy $lock /mnt/part 5 10 try 0
	$lock /mnt/part 10 10 try 1000 &
	exec 8</mnt/grows
	check "the beginning" [ "$(cat <&8)" = one ]
	echo two >>/mnt/grows
	touch /mnt/b-grew
	await a-grew
	check "at once, in a file that is open" [ "$(cat <&8)" = "$(printf 'two\nthree')" ]
	say "all is locked"
	check "comes when the other goes" $lock /mnt/whole whole own wait 0
	await looked
	check "and its part" $lock /mnt/part 0 10 wait 0
	check "the same file by all its names" same_words
	mine b
	echo of b >/mnt/name
	mv /mnt/name /mnt/of-b
	touch /mnt/b-done
	await a-done
}

guest() {
	tools
	check mount mount -t virtiofs share /mnt
	if [ "$(word role)" = a ]; then one; else other; fi
	check "dmesg is clean" dmesg_clean
}
